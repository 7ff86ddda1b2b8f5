"""A small server between the client and the emulator that changes, forges or drops answers.

    def worse(request: Request, answer: Answer) -> Answer | None:
        return answer.with_json({"results": []}) if request.path == "/meta/companies" else answer

    with proxied(emulator.url, worse) as url:      # base URL to give to merchantctl
        ...
    place.environment = rewired(place.environment, between)       # the same without a socket

`changed` sees every request together with what the emulator answered; None drops the connection after the emulator
did its work. `forged` may answer before the emulator hears of it; None lets the request through.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from controller.environment import Environment
from tests.intercept import Forward, intercepted

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """`path` is without the query; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def with_json(self, value: Any) -> ProxyAnswer:
        headers = {**self.headers, "content-type": "application/json"}
        return replace(self, headers=headers, body=json.dumps(value).encode())


Rewriter = Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer | None]
Forger = Callable[[ProxyRequest], ProxyAnswer | None]


def unchanged_answer(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
    return answer


class Between:
    """What stands between client and service: nothing until a test sets it, when the world is ready."""

    changed: Rewriter = staticmethod(unchanged_answer)
    forged: Forger = staticmethod(lambda request: None)

    def nothing(self) -> None:
        vars(self).clear()

    @property
    def is_nothing(self) -> bool:
        return not vars(self)


def rewired(environment: Environment, between: Between) -> Environment:
    """The environment, with that between client and emulator; it is asked in the event loop and may not wait there."""

    async def middle(asked: httpx.Request, onward: Forward) -> httpx.Response:
        headers = {key.lower(): value for key, value in asked.headers.items()}
        request = ProxyRequest(asked.method, asked.url.path, dict(asked.url.params), headers, await asked.aread())
        answer = between.forged(request)
        if answer is None:
            given = await onward(asked)
            answer = between.changed(request, ProxyAnswer(given.status_code, dict(given.headers), given.content))
        if answer is None:
            raise httpx.RemoteProtocolError("the connection ended without an answer", request=asked)
        kept = {key: value for key, value in answer.headers.items() if key not in _HOP_BY_HOP}
        return httpx.Response(answer.status, headers=kept, content=answer.body, request=asked)

    return intercepted(environment, middle)


@contextmanager
def proxied(target: str, changed: Rewriter = unchanged_answer, forged: Forger = lambda request: None) -> Iterator[str]:
    """The address of a proxy before `target`, while the block lasts."""
    where = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = ProxyRequest(self.command, parts.path, query, headers, self.rfile.read(length))
            answer = forged(request)
            if answer is None:
                answer = changed(request, self._passed_on(request))
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def _passed_on(self, request: ProxyRequest) -> ProxyAnswer:
            connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
            try:
                kept = {key: value for key, value in request.headers.items() if key not in _HOP_BY_HOP}
                connection.request(request.method, self.path, request.body or None, kept)
                response = connection.getresponse()
                headers = {k.lower(): v for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP}
                return ProxyAnswer(response.status, headers, response.read())
            finally:
                connection.close()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
