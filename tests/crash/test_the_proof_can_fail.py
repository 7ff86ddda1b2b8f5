"""Bugs planted one at a time: each turns the proof red, so its green means something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import controller.reconcile.settle
from controller.codat.client import Reader
from state import Store
from tests.crash.disturbance import Disturbance
from tests.crash.proof import Proof
from tests.crash.scenario import complaints, undergo

Bug = Callable[[pytest.MonkeyPatch], None]


def no_intents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on disk says that a create was begun."""

    async def none(self: Store) -> tuple[()]:
        return ()

    monkeypatch.setattr(Store, "open_intents", none)


def one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first look does not find was never made."""
    look = controller.reconcile.settle._look

    async def only(intents: Any, world: Any, *, last: bool) -> Any:
        return await look(intents, world, last=True)

    monkeypatch.setattr(controller.reconcile.settle, "_look", only)


def every_list_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a list does not show is not there, though the list failed."""
    listing = Reader.companies

    async def believed(self: Reader) -> Any:
        return replace(await listing(self), complete=True)

    monkeypatch.setattr(Reader, "companies", believed)


def no_fresh_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration is read once in a run and believed from then on."""
    first: dict[tuple[int, str], bytes] = {}
    read = Reader.configuration

    async def believed(self: Reader, company_id: str) -> bytes:
        key = id(self), company_id
        if key not in first:
            first[key] = await read(self, company_id)
        return first[key]

    monkeypatch.setattr(Reader, "configuration", believed)


BUGS: tuple[tuple[Bug, str, str], ...] = (
    (no_intents, "killed after the request", "ann: 2 companies"),
    (one_look, "killed after the request", "ann: 2 companies"),
    (every_list_is_complete, "unreadable", "fay-00000: 2 companies"),
    (no_fresh_read, "undeclared field edited", "an undeclared field was lost"),
)
"""Each with the fault that brings it out, and the complaint that must come."""


@pytest.mark.parametrize(("bug", "fault", "complaint"), BUGS, ids=[bug.__name__ for bug, _, _ in BUGS])
def test_a_planted_bug_turns_the_proof_red(
    tmp_path: Path, emulator: Any, monkeypatch: pytest.MonkeyPatch, bug: Bug, fault: str, complaint: str
) -> None:
    proof = Proof(tmp_path, emulator)
    bug(monkeypatch)
    assert any(complaint in each for each in proof.try_all(fault, proof.points(fault)))


def test_a_run_that_nobody_takes_up_again_is_told_from_a_finished_one(tmp_path: Path, emulator: Any) -> None:
    proof = Proof(tmp_path, emulator)
    place = proof.stage.set_up("killed")
    undergo(place, Disturbance("killed after the request", proof.trace.requests.index("POST /meta/companies/sync")))
    wrong = complaints(place, proof.end)
    assert any(each.startswith("an intent is open") for each in wrong)
    assert any(each.startswith("ann ended as") for each in wrong)
