"""`site` is the web application on a real port with a real state, as `merchantctl run` serves it.

site.url, site.api             where it listens, and an `httpx.Client` for it
site.latest = Latest(...)      what the loop behind it knows
site.secrets = secrets_of(..)  what proves a delivery
site.enqueued                  the names that were put into the queue
site.ask(lambda store: ...)    a question to its store
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import httpx
import pytest

from controller.model.controller_status import ControllerStatus
from controller.telemetry.metrics import Metrics
from controller.web.app import create_app
from controller.web.context import WebContext, WebhookSecrets, parse_webhook_secrets
from controller.web.outside_links import OutsideLinks
from controller.web.server_thread import serving_web
from state import Store, open_state

T = TypeVar("T")

SECRET = "whsec_ZW11bGF0b3Itc2lnbmluZy1rZXktMDAx"
AUTHORIZATION = "Bearer agreed"


class Site:
    """A running application, as `run` has it: in a thread with a loop and a state of its own, in the folder or at
    `state_url`."""

    def __init__(self, folder: Path, state_url: str | None = None) -> None:
        self.state = folder / "state.db"
        self._state_url = state_url or f"sqlite:///{self.state}"
        self.latest = ControllerStatus()
        self.not_ready: str | None = None
        self.enqueued: list[str] = []
        self.looks_at_account = 0
        self.meters = Metrics()
        self._app = create_app(self._opening)
        self._listening, self._leave = Event(), Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._listening.wait(120)
        self.api = httpx.Client(base_url=self.url, trust_env=False, timeout=120)
        return self

    def __exit__(self, *failure: object) -> None:
        self.api.close()
        self._leave.set()
        self._thread.join(120)

    @property
    def secrets(self) -> WebhookSecrets:
        return self._app.state.web_context.secrets

    @secrets.setter
    def secrets(self, secrets: WebhookSecrets) -> None:
        self._app.state.web_context = replace(self._app.state.web_context, secrets=secrets)

    def impatient(self, *, body: float = 1, state: float = 1) -> AbstractContextManager[None]:
        """Within the block it waits only for that part of the time: for the body of a delivery, and for the state."""
        usual: WebContext = self._app.state.web_context
        return self._with(body_timeout_s=usual.body_timeout_s * body, state_wait_s=usual.state_wait_s * state)

    def clock_behind(self, difference: timedelta, *, is_known: bool = True) -> AbstractContextManager[None]:
        """Within the block its machine's clock is so far behind; `is_known`: Codat has answered, and said its time."""

        def now() -> datetime:
            return datetime.now(UTC) - difference

        usual: WebContext = self._app.state.web_context
        return self._with(now=now, service_now=usual.service_now if is_known else now)

    def linking(self, links: OutsideLinks) -> AbstractContextManager[None]:
        """Within the block its pages have these links."""
        return self._with(links=links)

    @contextmanager
    def _with(self, **fields: Any) -> Iterator[None]:
        """Within the block the application has these values; after it, also where the test failed, the usual ones."""
        usual: WebContext = self._app.state.web_context
        self._app.state.web_context = replace(usual, **fields)
        try:
            yield
        finally:
            self._app.state.web_context = usual

    def ask(self, question: Callable[[Store], Awaitable[T]]) -> T:
        async def asked() -> T:
            store: Store = self._app.state.web_context.store
            return await question(store)

        return asyncio.run_coroutine_threadsafe(asked(), self.loop).result(20)

    def bind(self, merchant: str, company_id: str) -> None:
        self.ask(lambda store: store.bindings.bind_company(merchant, company_id=company_id, company_name=merchant))

    async def _serve(self) -> None:
        async with serving_web(self._app, "127.0.0.1", 0) as self.url:
            self._listening.set()
            await asyncio.to_thread(self._leave.wait)

    @asynccontextmanager
    async def _opening(self) -> AsyncIterator[WebContext]:
        self.loop = asyncio.get_running_loop()
        async with open_state(self._state_url) as store:
            yield WebContext(
                latest=lambda: self.latest,
                store=store,
                enqueue=self.enqueued.extend,
                not_ready_reason=lambda: self.not_ready,
                metrics=self.meters,
                now=lambda: datetime.now(UTC),
                service_now=lambda: datetime.now(UTC),
                secrets=parse_webhook_secrets(SECRET, AUTHORIZATION),
                enqueue_account=self._count_look,
            )

    def _count_look(self) -> None:
        self.looks_at_account += 1


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("web")) as site:
        yield site


@pytest.fixture
def site(served: Site) -> Site:
    """It knows nothing yet, and both generations' secrets are set. What was remembered stays: use ids of your own."""
    served.latest, served.not_ready = ControllerStatus(), None
    served.enqueued.clear()
    served.secrets = parse_webhook_secrets(SECRET, AUTHORIZATION)
    return served


class Chat:
    """What it was sent, and what it answers: `answers` first, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int] = []
        self.heard: list[dict[str, Any]] = []


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            chat.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(chat.answers.pop(0) if chat.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    chat.url = f"http://127.0.0.1:{server.server_port}/services/T0/secret"
    yield chat
    server.shutdown()
    server.server_close()
