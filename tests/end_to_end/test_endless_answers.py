"""An answer without end takes bounded memory, is said with its address, and keeps nobody else from being served."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.model.report import Applied, FleetReport
from controller.telemetry.json_post import post_alert
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, count_writes_by_call, findings_by_code, states_by_merchant
from tests.proxy import ProxyAnswer, ProxyRequest, proxied, unchanged_answer

pytestmark = pytest.mark.over_tcp

MB = 1024 * 1024
BOUND = 4 * 64 * MB
"""Bytes that the whole process may need at a time for answers of 1 GB."""

Changed = Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer | None]


def packed(megabytes: int, window: int = zlib.MAX_WBITS | 16) -> bytes:
    """So many MB of white space: a thousandth of that on the wire. Each MB is packed alike, so that this is quick."""
    packing, piece = zlib.compressobj(wbits=window), b" " * MB
    first, one = (packing.compress(piece) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + one * (megabytes - 1)


@pytest.fixture(scope="module")
def gigabyte() -> bytes:
    return packed(1024)


def bomb(body: bytes, status: int = 200, encoding: str = "gzip") -> ProxyAnswer:
    return ProxyAnswer(status, {"content-type": "application/json", "content-encoding": encoding}, body)


class Between:
    """What happens to answers on their way, for a while."""

    changed: Changed = staticmethod(unchanged_answer)


@pytest.fixture
def between() -> Between:
    return Between()


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator, between: Between) -> Iterator[Place]:
    place = Place(tmp_path, emulator)
    with proxied(emulator.url, lambda request, answer: between.changed(request, answer)) as url:
        place.settings = replace(place.settings, base_url=url)
        yield place


@contextmanager
def changing(between: Between, changed: Changed) -> Iterator[None]:
    between.changed = changed
    try:
        yield
    finally:
        between.changed = unchanged_answer


@contextmanager
def bounded() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()


def configuration_of(place: Place, name: str) -> str:
    return f"/config/companies/{place.company(name)['id']}/sync/commerce"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_one_merchants_endless_answer_is_its_own_and_takes_bounded_memory(
    place: Place, between: Between, gigabyte: bytes, status: int
) -> None:
    place.provision("acme", "beta")
    path = configuration_of(place, "acme")
    endless = bomb(gigabyte, status)
    times = 0

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        nonlocal times
        times += request.path == path
        return endless if request.path == path else answer

    with changing(between, changed), bounded():
        plan = place.plan()
    assert states_by_merchant(plan) == {"acme": "unknown", "beta": "in-sync"}
    cause = findings_by_code(plan, "acme")["unknown"].cause
    assert f"GET {path}: {status}" in cause
    if status == 200:
        assert "it unpacks to more than 64 MB, the most that is read" in cause
        assert times == 1, "asking again would bring the same"


@pytest.mark.parametrize(
    ("encoding", "body", "why"),
    [
        ("gzip, gzip", lambda: zlib.compress(packed(66), wbits=31), "which was not asked for"),
        ("br", lambda: b"\x0b\x02\x80", "which was not asked for"),
        ("deflate", lambda: packed(66, zlib.MAX_WBITS), "it unpacks to more than 64 MB"),
        ("deflate", lambda: packed(66, -zlib.MAX_WBITS), "it unpacks to more than 64 MB"),
        ("identity", lambda: b" " * (65 * MB), "it announces 65 MB, and 64 MB is the most that is read"),
        ("gzip", lambda: b"\x1f\x8b\x08 is not what follows", "its packing is broken"),
    ],
    ids=["packed twice", "brotli", "deflate", "bare deflate", "announced", "broken"],
)
def test_an_answer_in_any_packing_is_bounded(
    place: Place, between: Between, encoding: str, body: Callable[[], bytes], why: str
) -> None:
    place.provision("acme", "beta")
    path, answer_ = configuration_of(place, "acme"), bomb(body(), encoding=encoding)
    place.environment = replace(place.environment, sleep=at_once)
    with changing(between, lambda request, answer: answer_ if request.path == path else answer), bounded():
        plan = place.plan()
    assert states_by_merchant(plan) == {"acme": "unknown", "beta": "in-sync"}
    assert why in findings_by_code(plan, "acme")["unknown"].cause


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


def test_answers_that_are_packed_as_was_asked_for_are_read(place: Place, between: Between) -> None:
    place.provision("acme")
    windows = {"gzip": 31, "x-gzip": 31, "deflate": 15}
    for encoding, window in windows.items():

        def packing(
            request: ProxyRequest, answer: ProxyAnswer, encoding: str = encoding, window: int = window
        ) -> ProxyAnswer:
            packer = zlib.compressobj(wbits=window)
            body = packer.compress(answer.body) + packer.flush()
            return replace(answer, body=body, headers={**answer.headers, "content-encoding": encoding})

        with changing(between, packing):
            assert states_by_merchant(place.plan()) == {"acme": "in-sync"}, encoding


def test_a_write_whose_answer_is_endless_is_looked_at_and_counted(
    place: Place, between: Between, gigabyte: bytes
) -> None:
    place.provision("acme")
    place.edit_in_portal("acme", {"enabled": False})
    path = configuration_of(place, "acme")

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        return bomb(gigabyte) if (request.method, request.path) == ("POST", path) else answer

    with changing(between, changed), bounded(), place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert isinstance(report, FleetReport)
    assert report.outcomes["acme"] == Applied(1)


@pytest.mark.soak
def test_a_listing_without_end_is_incomplete_and_says_why(place: Place, between: Between) -> None:
    place.provision("acme", "beta")

    def endless(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.path != "/meta/companies":
            return answer
        number, size = int(request.query["page"]), int(request.query["pageSize"])
        rows = [row(number_) for number_ in range((number - 1) * size, number * size)]
        page: dict[str, Any] = {"results": rows, "pageNumber": number, "pageSize": size, "totalResults": 10**9}
        packer = zlib.compressobj(1, wbits=31)
        body = packer.compress(json.dumps(page).encode())
        for _ in range(60):
            body += packer.compress(b" " * MB)
        return bomb(body + packer.flush())

    with changing(between, endless):
        plan = place.plan()
    assert not plan.is_complete
    assert "all pages together have more than 512 MB, the most that is read" in " ".join(plan.unread_reasons)


def row(number: int) -> dict[str, Any]:
    return {"id": f"00000000-0000-4000-8000-{number:012}", "name": f"company {number}", "dataConnections": []}


def test_a_chat_that_answers_without_end_was_told_and_is_not_read(emulator: Emulator, gigabyte: bytes) -> None:
    with proxied(emulator.url, lambda request, answer: bomb(gigabyte)) as url, bounded():
        assert asyncio.run(post_alert(url, {"text": "hello"}, at_once)) is None
