"""A message to a chat, over real HTTP."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from controller.telemetry import json_post as notify
from tests.web.conftest import Chat


async def sleep(seconds: Any) -> None:
    """The pause before the repetition takes no time."""


async def test_a_message_arrives_as_json(chat: Chat) -> None:
    assert await notify.post_alert(chat.url, {"text": "größer \ud800"}, sleep) is None
    assert chat.heard == [{"text": "größer \ud800"}]


@pytest.mark.parametrize("busy", [429, 500, 503])
async def test_what_may_pass_is_tried_once_more(chat: Chat, busy: int) -> None:
    chat.answers = [busy]
    assert await notify.post_alert(chat.url, {"text": "x"}, sleep) is None
    chat.answers = [busy, busy]
    assert await notify.post_alert(chat.url, {"text": "x"}, sleep) == f"the answer was {busy}"
    assert len(chat.heard) == 4


async def test_a_refusal_is_not_repeated(chat: Chat) -> None:
    chat.answers = [404]
    assert await notify.post_alert(chat.url, {"text": "x"}, sleep) == "the answer was 404"
    assert len(chat.heard) == 1


async def test_where_nobody_listens_it_says_so_and_keeps_the_address_to_itself() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/services/T0/secret"
    assert await notify.post_alert(url, {"text": "x"}, sleep) == "no answer (ConnectError)"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://x/y", "http://", "http://[::1", "http://a b/", "https://x:port/"]
)
async def test_an_address_that_is_none_is_no_accident(url: str) -> None:
    assert await notify.post_alert(url, {"text": "x"}, sleep)
