"""A fault of merchantctl's own while the budget of requests is shared: it takes the place of no result."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.codat.client import Reader
from controller.operations import shared_budget as sharing
from controller.operations.bootstrap import open_reader
from controller.operations.shared_budget import shared_budget
from state import open_state
from state.errors import StateUnreachable
from state.request_budget import RequestBudget
from tests.end_to_end.place import Place


def test_what_a_run_did_is_told_though_its_share_cannot_be_renewed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_begun, has_failed = asyncio.Event(), asyncio.Event()

    async def faulty(*_: Any, **__: Any) -> int:
        if not is_begun.is_set():
            is_begun.set()
            return 10
        has_failed.set()
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(RequestBudget, RequestBudget.renew.__name__, faulty)
    monkeypatch.setattr(sharing, "RENEW_INTERVAL_S", 0.0)
    settings = replace(place.settings, requests_per_minute=100, state="postgresql://shared/state")

    async def run() -> str:
        async with (
            open_state(place.settings.state) as store,
            open_reader(place.settings, place.environment) as api,
            shared_budget(settings, store, api),
        ):
            await has_failed.wait()
            await asyncio.sleep(0)
            return "what it did"

    assert asyncio.run(run()) == "what it did"


def test_what_is_said_to_be_wanted_is_kept_to_before_others_can_have_the_rest(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moment the state has it the rest is free: the answer that says so may come later."""
    kept_to, asked, is_asked_twice = [0], list[tuple[int, int]](), asyncio.Event()
    set_budget = Reader.set_budget

    def noted(api: Reader, per_minute: int) -> None:
        kept_to.append(per_minute)
        set_budget(api, per_minute)

    async def granting(budget: RequestBudget, holder: str, *, wanted: int, limit: int) -> int:
        asked.append((kept_to[-1], wanted))
        if len(asked) > 1:
            is_asked_twice.set()
        return limit

    monkeypatch.setattr(Reader, Reader.set_budget.__name__, noted)
    monkeypatch.setattr(RequestBudget, RequestBudget.renew.__name__, granting)
    monkeypatch.setattr(sharing, "RENEW_INTERVAL_S", 0.0)
    settings = replace(place.settings, requests_per_minute=100, state="postgresql://shared/state")

    async def run() -> None:
        async with (
            open_state(place.settings.state) as store,
            open_reader(place.settings, place.environment) as api,
            shared_budget(settings, store, api),
        ):
            await is_asked_twice.wait()

    asyncio.run(asyncio.wait_for(run(), 30))
    assert asked[1] == (10, 10), "of a hundred it had, a tenth is what somebody wants who sends nothing"


def test_whose_share_has_lapsed_sends_hardly_anything(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By now others may have it; a thing that was begun can be brought to its end all the same."""
    kept_to, has_lapsed = list[int](), asyncio.Event()

    def noted(api: Reader, per_minute: int) -> None:
        kept_to.append(per_minute)
        if per_minute == 1:
            has_lapsed.set()

    async def granted_once(*_: Any, **__: Any) -> int:
        if kept_to == [0]:
            return 10
        raise StateUnreachable("a restart")

    monkeypatch.setattr(Reader, Reader.set_budget.__name__, noted)
    monkeypatch.setattr(RequestBudget, RequestBudget.renew.__name__, granted_once)
    monkeypatch.setattr(sharing, "RENEW_INTERVAL_S", 0.0)
    monkeypatch.setattr(sharing, "SHARE_LEASE", timedelta())
    settings = replace(place.settings, requests_per_minute=100, state="postgresql://shared/state")

    async def run() -> None:
        async with (
            open_state(place.settings.state) as store,
            open_reader(place.settings, place.environment) as api,
            shared_budget(settings, store, api),
        ):
            await has_lapsed.wait()

    asyncio.run(asyncio.wait_for(run(), 30))
