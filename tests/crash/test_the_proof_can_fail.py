"""Bugs planted one at a time: each turns the proof red, so its green means something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from controller.codat.client import Reader
from controller.model.observed import Listing
from controller.reconcile import load_snapshot as survey
from controller.reconcile import observe
from controller.reconcile.listing_for_creates import ListingForCreates, RunCreates
from controller.reconcile.snapshot import CompanyIndex
from state.intents import Intents
from tests.crash.crash_proof import CrashProof
from tests.crash.disturbance import Disturbance
from tests.crash.scenario import problems, run_disturbed

Bug = Callable[[pytest.MonkeyPatch], None]


def no_intents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on disk says that a create was begun."""

    async def none(self: Intents) -> tuple[()]:
        return ()

    monkeypatch.setattr(Intents, Intents.load_open.__name__, none)


def a_failed_list_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a list does not show is not there, though the list failed.

    Three guards stand before the twin that comes of it, and any one of them prevents it: the list says that it is not
    complete, whoever is bound and missing is asked for by id, and a create reads a fresh list. All three go.
    """
    listing = Reader.companies

    async def believed(self: Reader, connection_statuses: Collection[str] = ()) -> Listing:
        return replace(await listing(self, connection_statuses), complete=True)

    async def unasked(inventory: CompanyIndex, *known: Any) -> CompanyIndex:
        return inventory

    async def empty(self: RunCreates, read: Any, now: Callable[[], datetime]) -> ListingForCreates:
        return ListingForCreates(now(), {})

    monkeypatch.setattr(Reader, listing.__name__, believed)
    for each in (survey, observe):
        monkeypatch.setattr(each, observe.cross_check_listing.__name__, unasked)
    monkeypatch.setattr(RunCreates, RunCreates.take_listing_for_create.__name__, empty)


def no_fresh_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration is read once in a run and believed from then on."""
    runs: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, bytes]] = WeakKeyDictionary()
    read = Reader.configuration

    async def believed(self: Reader, company_id: str) -> bytes:
        first = runs.setdefault(asyncio.get_running_loop(), {})
        if company_id not in first:
            first[company_id] = await read(self, company_id)
        return first[company_id]

    monkeypatch.setattr(Reader, read.__name__, believed)


PLANTED_BUGS: tuple[tuple[Bug, str, str], ...] = (
    (no_intents, "killed after the request", "ann: 2 companies"),
    (a_failed_list_is_believed, "unreadable", "fay-00000: 2 companies"),
    (no_fresh_read, "undeclared field edited", "an undeclared field was lost"),
)
"""Each with the fault that brings it out, and the complaint that must come."""


@pytest.mark.parametrize(("bug", "fault", "complaint"), PLANTED_BUGS, ids=[bug.__name__ for bug, _, _ in PLANTED_BUGS])
def test_a_planted_bug_turns_the_proof_red(
    proof: CrashProof, monkeypatch: pytest.MonkeyPatch, bug: Bug, fault: str, complaint: str
) -> None:
    bug(monkeypatch)
    assert any(complaint in each for each in proof.problems_at(fault, proof.points(fault)))


def test_a_run_that_nobody_takes_up_again_is_told_from_a_finished_one(proof: CrashProof) -> None:
    place = proof.stage.set_up("killed")
    run_disturbed(
        place, Disturbance("killed after the request", proof.undisturbed.requests.index("POST /meta/companies/sync"))
    )
    wrong = problems(place, proof.expected_end)
    assert any(each.startswith("an intent is open") for each in wrong)
    assert any(each.startswith("ann ended as") for each in wrong)
