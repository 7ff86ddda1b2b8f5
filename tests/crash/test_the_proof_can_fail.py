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
from tests.crash.scenario import act, complaints, end_state, learn, prepare, recover, twins, undergo
from tests.end_to_end.place import Place

Situation = Callable[[Path, Any], list[str]]
Bug = Callable[[pytest.MonkeyPatch], None]


# -- Situations: what is wrong at their end -------------------------------------------------------------


def company_lost_and_an_old_list(tmp_path: Path, emulator: Any) -> list[str]:
    """Killed when the company had just been created; the next run's first list does not show it yet."""
    return _company_lost(tmp_path, emulator, old_lists=1)


def company_lost_and_several_old_lists(tmp_path: Path, emulator: Any) -> list[str]:
    """As before, and only a list after the second look shows it."""
    return _company_lost(tmp_path, emulator, old_lists=3)


def _company_lost(tmp_path: Path, emulator: Any, old_lists: int) -> list[str]:
    at = learn(prepare(tmp_path / "learn", emulator)).requests.index("POST /meta/companies/sync")
    place = prepare(tmp_path / "place", emulator)
    undergo(place, Disturbance("killed after the request", at))
    emulator.fault("GET /meta/companies", "stale", times=old_lists)
    act(place)
    return twins(place)


def list_that_fails(tmp_path: Path, emulator: Any) -> list[str]:
    """The list cannot be read, and a merchant whom state does not know has a company already."""
    place = Place(tmp_path, emulator)
    (merchant,) = emulator.seed(1, "configured")
    place.profile()
    place.merchant(merchant["name"])
    emulator.fault("GET /meta/companies", "status", code=404)
    act(place)
    return twins(place)


def edit_while_the_plan_is_read(tmp_path: Path, emulator: Any) -> list[str]:
    """While a person reads the plan, the merchant sets something that no manifest declares."""
    place = Place(tmp_path, emulator)
    place.provisioned("ann")
    place.edit("ann", {"enabled": False})

    def agree(plan: object) -> bool:
        place.edit("ann", {"note": "mine"})
        return True

    place.apply(agree=agree)
    document = place.document("ann")
    return [] if document["enabled"] and document.get("note") == "mine" else ["an undeclared field was lost"]


# -- Bugs -----------------------------------------------------------------------------------------------


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
    """A configuration is read once and believed from then on."""
    first: dict[str, bytes] = {}
    read = Reader.configuration

    async def believed(self: Reader, company_id: str) -> bytes:
        if company_id not in first:
            first[company_id] = await read(self, company_id)
        return first[company_id]

    monkeypatch.setattr(Reader, "configuration", believed)


BUGS: tuple[tuple[Situation, Bug], ...] = (
    (company_lost_and_an_old_list, no_intents),
    (company_lost_and_several_old_lists, one_look),
    (list_that_fails, every_list_is_complete),
    (edit_while_the_plan_is_read, no_fresh_read),
)


@pytest.mark.parametrize("situation", [situation for situation, _ in BUGS], ids=lambda each: each.__name__)
def test_as_built_nothing_is_wrong_at_the_end(tmp_path: Path, emulator: Any, situation: Situation) -> None:
    assert situation(tmp_path, emulator) == []


@pytest.mark.parametrize(("situation", "bug"), BUGS, ids=[bug.__name__ for _, bug in BUGS])
def test_with_a_planted_bug_something_is(
    tmp_path: Path, emulator: Any, monkeypatch: pytest.MonkeyPatch, situation: Situation, bug: Bug
) -> None:
    bug(monkeypatch)
    assert situation(tmp_path, emulator) != []


def test_a_run_that_nobody_takes_up_again_is_told_from_a_finished_one(tmp_path: Path, emulator: Any) -> None:
    place = prepare(tmp_path / "undisturbed", emulator)
    created = learn(place).requests.index("POST /meta/companies/sync")
    recover(place)
    undisturbed = end_state(place)
    place = prepare(tmp_path / "place", emulator)
    undergo(place, Disturbance("killed after the request", created))
    wrong = complaints(place, undisturbed)
    assert any(each.startswith("an intent is open") for each in wrong)
    assert any(each.startswith("ann ended as") for each in wrong)
