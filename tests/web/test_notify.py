"""A message to a chat, over real HTTP."""

from __future__ import annotations

import socket

import pytest

from controller.reporting import notify


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
