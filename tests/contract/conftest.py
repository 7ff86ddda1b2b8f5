"""Fixtures of the contract tests.

`endpoint` is an address of our own that webhooks can be sent to. `openapi` (for every test by itself) holds
each successful answer that a test gets against the OpenAPI file of its era, where the files are at hand.
"""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

import httpx
import pytest

from tests.contract import openapi as specs
from tests.hurried_loop import HurriedEventLoop

PATIENCE = 120.0


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """No wait of a client that runs in the test itself is sat out."""
    return {"hurried": HurriedEventLoop}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST that arrived: header names in lower case, the raw bytes."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw)


@dataclass(slots=True)
class Endpoint:
    """A receiver of webhooks: what came, and what it answers (`answers` first, then 204 for ever)."""

    url: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    _arrived: Condition = field(default_factory=Condition)

    def take(self, delivery: Delivery) -> tuple[int, dict[str, str]]:
        with self._arrived:
            self.deliveries.append(delivery)
            self._arrived.notify_all()
            return self.answers.pop(0) if self.answers else (204, {})

    def wait_for(self, count: int) -> list[Delivery]:
        """The first `count` deliveries, as soon as there are so many."""
        return self.wait_until(lambda deliveries: len(deliveries) >= count)[:count]

    def wait_until(self, holds: Callable[[list[Delivery]], bool]) -> list[Delivery]:
        with self._arrived:
            done = self._arrived.wait_for(lambda: holds(self.deliveries), PATIENCE)
            assert done, f"after {PATIENCE} s there were {[each.path for each in self.deliveries]}"
            return list(self.deliveries)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more = receiver.take(Delivery(self.path, headers, raw))
            self.send_response(status)
            for name, value in {"Content-Length": "0", **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Endpoint(f"http://127.0.0.1:{server.server_port}/hook")
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def contract() -> specs.Contract | None:
    folder = specs.folder()
    return specs.Contract(folder) if folder else None


@pytest.fixture(autouse=True)
def openapi(request: pytest.FixtureRequest, contract: specs.Contract | None) -> Iterator[None]:
    """Fails a test afterwards for the answers that its era's OpenAPI file objects to."""
    spoilt = request.node.path.stem == "test_faults"
    if contract is None or spoilt or "emulator" not in request.fixturenames:
        yield
        return
    objections: list[str] = []

    def judge(response: httpx.Response) -> None:
        response.read()
        objections.extend(contract.objections(response))

    hooks = request.getfixturevalue("emulator").api.event_hooks["response"]
    hooks.append(judge)
    yield
    hooks.remove(judge)
    assert not objections, "\n".join(sorted(set(objections)))
