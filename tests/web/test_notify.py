"""A message to a chat, over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from controller.reporting import notify


class Chat:
    """What it was sent, and what it answers: `answers` first, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.heard: list[dict] = []


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
    Thread(target=server.serve_forever, daemon=True).start()
    chat.url = f"http://127.0.0.1:{server.server_port}/services/T0/secret"
    yield chat
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notify, "PAUSE", 0.0)


async def test_a_message_arrives_as_json(chat):
    assert await notify.post(chat.url, {"text": "größer \ud800"}) is None
    assert chat.heard == [{"text": "größer \ud800"}]


@pytest.mark.parametrize("busy", [429, 500, 503])
async def test_what_may_pass_is_tried_once_more(chat, busy):
    chat.answers = [busy]
    assert await notify.post(chat.url, {"text": "x"}) is None
    chat.answers = [busy, busy]
    assert await notify.post(chat.url, {"text": "x"}) == f"the answer was {busy}"
    assert len(chat.heard) == 4


async def test_a_refusal_is_not_repeated(chat):
    chat.answers = [404]
    assert await notify.post(chat.url, {"text": "x"}) == "the answer was 404"
    assert len(chat.heard) == 1


async def test_where_nobody_listens_it_says_so_and_keeps_the_address_to_itself():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/services/T0/secret"
    assert await notify.post(url, {"text": "x"}) == "no answer (ConnectError)"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://x/y", "http://", "http://[::1", "http://a b/", "https://x:port/"]
)
async def test_an_address_that_is_none_is_no_accident(url):
    assert await notify.post(url, {"text": "x"})
