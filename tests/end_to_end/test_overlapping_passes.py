"""A short pass beside a long one, where the order of what they do is chosen: what is written, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.daemon.loop import run_pass
from controller.daemon.workqueue import EVERYONE
from tests.end_to_end.overlapping import Hold, Traffic
from tests.end_to_end.place import Place
from tests.end_to_end.test_run_limits import Service, on_duty, portal_chooses

NAMES = ("ann", "bob", "cid")


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Any) -> Place:
    """Ann, Bob and Cid, as declared."""
    place = Place(tmp_path, emulator_in_process)
    place.provision(*NAMES)
    return place


def serve(place: Place, story: Callable[[Service, Traffic], Awaitable[None]]) -> None:
    async def begin() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(30), on_duty(place) as service:
            await story(service, traffic)

    asyncio.run(begin())


def document_path(place: Place, name: str) -> str:
    return f"/config/companies/{place.company(name)['id']}/sync/commerce"


async def begin_sweep(service: Service, until: Hold) -> asyncio.Task[None]:
    """A pass over everyone that has come as far as that request."""
    sweep = asyncio.create_task(run_pass((EVERYONE,), service.duty))
    await asyncio.wait([sweep, asyncio.create_task(until.reached.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert not sweep.done(), "the request that is held was never sent"
    return sweep


async def open_codes(service: Service, merchant: str) -> list[str]:
    found = await service.duty.run.store.findings.load_open([merchant])
    return sorted(each.code for each in found if each.merchant == merchant)


def shown_codes(service: Service, merchant: str) -> list[str]:
    (plan,) = [each for each in service.plan.plans if each.merchant == merchant]
    return sorted(each.code for each in plan.findings)


@pytest.mark.parametrize("ann_too", [False, True], ids=["ann was in sync", "ann was written to"])
def test_what_a_sweep_saw_before_is_not_told_over_what_a_later_pass_saw(place: Place, ann_too: bool) -> None:
    """The sweep is past Ann and still writes to Bob when Ann's books are unlinked, which the short pass sees."""

    async def story(service: Service, traffic: Traffic) -> None:
        portal_chooses(place, "bob")
        if ann_too:
            portal_chooses(place, "ann")
        held = traffic.hold("POST", document_path(place, "bob"))
        sweep = await begin_sweep(service, held)
        place.unlink_books_in_portal("ann")
        await run_pass(("ann",), service.duty, urgent=True)
        seen = await open_codes(service, "ann"), shown_codes(service, "ann")
        assert seen[0] == seen[1] == ["connection-deauthorized"]
        held.let_go()
        await sweep
        assert (await open_codes(service, "ann"), shown_codes(service, "ann")) == seen

    serve(place, story)
    assert [each.merchant for each in place.plan().plans if each.findings] == ["ann"]
