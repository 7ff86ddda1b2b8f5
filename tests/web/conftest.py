"""`site` is the web application on a real port with a real state, as `merchantctl run` serves it.

site.url, site.api             where it listens, and an `httpx.Client` for it
site.latest = Latest(...)      what the loop behind it knows
site.secrets = secrets_of(..)  what proves a delivery
site.enqueued                  the names that were put into the queue
site.ask(lambda store: ...)    a question to its store
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import uvicorn

from controller.model.latest import Latest
from controller.reporting.metrics import Meters
from controller.web.app import create_app
from controller.web.ports import Secrets, Window, secrets_of
from state import Store, open_state

SECRET = "whsec_ZW11bGF0b3Itc2lnbmluZy1rZXktMDAx"
AUTHORIZATION = "Bearer agreed"


class Site:
    """A running application, in a thread with a loop of its own."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.state = folder / "state.db"
        self.latest = Latest()
        self.not_ready: str | None = None
        self.enqueued: list[str] = []
        self.secrets = secrets_of(SECRET, AUTHORIZATION)
        self.meters = Meters()
        self._host = host
        self._apps: dict[Secrets, Any] = {}
        self._listening = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._listening.wait(20)
        self.api = httpx.Client(base_url=self.url, trust_env=False, timeout=20)
        return self

    def __exit__(self, *failure: object) -> None:
        self.api.close()
        self.server.should_exit = True
        self._thread.join(20)

    def ask(self, question: Callable[[Store], Awaitable[Any]]) -> Any:
        async def asked() -> Any:
            return await question(self.store)

        return asyncio.run_coroutine_threadsafe(asked(), self.loop).result(20)

    def bind(self, merchant: str, company_id: str) -> None:
        self.ask(lambda store: store.bind(merchant, company_id=company_id, company_name=merchant))

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        with socket.socket() as listener:
            listener.bind((self._host, 0))
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with open_state(f"sqlite:///{self.state}") as self.store:
                config = uvicorn.Config(self._app, interface="asgi3", log_config=None, access_log=False)
                self.server = _Server(config, self._listening.set)
                await self.server.serve([listener])

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        """A test may change the secrets; everything else the window asks for each time."""
        if self.secrets not in self._apps:
            self._apps[self.secrets] = create_app(self._window())
        await self._apps[self.secrets](scope, receive, send)

    def _window(self) -> Window:
        return Window(
            latest=lambda: self.latest,
            store=self.store,
            enqueue=self.enqueued.extend,
            ready=lambda: self.not_ready,
            meters=self.meters,
            now=lambda: datetime.now(UTC),
            secrets=self.secrets,
        )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("web")) as site:
        yield site


@pytest.fixture
def site(served: Site) -> Site:
    """It knows nothing yet, and both generations' secrets are set. What was remembered stays: use ids of your own."""
    served.latest, served.not_ready = Latest(), None
    served.enqueued.clear()
    served.secrets = secrets_of(SECRET, AUTHORIZATION)
    return served
