"""Bugs planted one at a time: those who watch the histories complain, so their silence means something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.histories import FaultSequence, History, OracleFailure
from tests.crash.test_the_proof_can_fail import a_failed_list_is_believed, no_fresh_read, no_intents
from tests.emulator import Emulator

Bug = Callable[[pytest.MonkeyPatch], None]
Course = Callable[[History], None]


def company_made_and_not_known(history: History) -> None:
    """The process dies when the company has just been made; the next one's first list does not show it yet."""
    history.manifests.add("ann")
    account, listing, _, create = range(4)
    history.next_faults = FaultSequence("killed after the request", create, order_fault=history.emulator.fault)
    assert history.apply() is None
    history.next_faults = FaultSequence(
        order_fault=history.emulator.fault, faults={account: ("stale", 3), listing: ("stale", 3)}
    )
    history.apply()


def company_there_and_no_list(history: History) -> None:
    """Somebody has made the company already, and the list cannot be read."""
    history.others.create_company("ann", "configured")
    history.manifests.add("ann")
    history.next_faults = FaultSequence(order_fault=history.emulator.fault, faults={1: ("503", 15)})
    history.apply()


def edit_while_the_plan_is_read(history: History) -> None:
    """While a person reads the plan, the merchant sets in the portal what no manifest declares."""
    history.others.create_company("ann", "configured")
    history.manifests.add("ann")
    history.apply()
    history.others.edit_in_portal("ann", {"enabled": False})
    history.apply(meanwhile=lambda: history.others.edit_in_portal("ann", {"note": "mine"}))


COURSES_WITH_BUGS: tuple[tuple[Course, Bug], ...] = (
    (company_made_and_not_known, no_intents),
    (company_there_and_no_list, a_failed_list_is_believed),
    (edit_while_the_plan_is_read, no_fresh_read),
)


@pytest.mark.parametrize("course", [course for course, _ in COURSES_WITH_BUGS], ids=lambda each: each.__name__)
def test_as_built_nobody_complains(tmp_path: Path, emulator: Emulator, course: Course) -> None:
    history = History(tmp_path / "place", emulator)
    course(history)
    history.settle()


@pytest.mark.parametrize(("course", "bug"), COURSES_WITH_BUGS, ids=[bug.__name__ for _, bug in COURSES_WITH_BUGS])
def test_with_a_planted_bug_somebody_does(
    tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, course: Course, bug: Bug
) -> None:
    bug(monkeypatch)
    with pytest.raises(OracleFailure):
        course(History(tmp_path / "place", emulator))
