"""Bugs planted one at a time: those who watch the histories complain, so their silence means something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.histories import History, Storm, Wrong
from tests.crash.test_the_proof_can_fail import every_list_is_complete, no_fresh_read, no_intents

Bug = Callable[[pytest.MonkeyPatch], None]
Course = Callable[[History], None]


def company_made_and_not_known(history: History) -> None:
    """The process dies when the company has just been made; the next one's first list does not show it yet."""
    history.declaring.appear("ann")
    history.weather = Storm("killed after the request", 1, order=history.emulator.fault)
    assert history.apply() is None
    history.weather = Storm(order=history.emulator.fault, faults={0: ("stale", 1)})
    history.apply()


def company_there_and_no_list(history: History) -> None:
    """Somebody has made the company already, and the list cannot be read."""
    history.people.found("ann", "configured")
    history.declaring.appear("ann")
    history.weather = Storm(order=history.emulator.fault, faults={0: ("503", 9)})
    history.apply()


def edit_while_the_plan_is_read(history: History) -> None:
    """While a person reads the plan, the merchant sets in the portal what no manifest declares."""
    history.people.found("ann", "configured")
    history.declaring.appear("ann")
    history.apply()
    history.people.portal("ann", {"enabled": False})
    history.apply(meanwhile=lambda: history.people.portal("ann", {"note": "mine"}))


COURSES: tuple[tuple[Course, Bug], ...] = (
    (company_made_and_not_known, no_intents),
    (company_there_and_no_list, every_list_is_complete),
    (edit_while_the_plan_is_read, no_fresh_read),
)


@pytest.mark.parametrize("course", [course for course, _ in COURSES], ids=lambda each: each.__name__)
def test_as_built_nobody_complains(tmp_path: Path, emulator: Any, course: Course) -> None:
    history = History(tmp_path / "place", emulator)
    course(history)
    history.calm()


@pytest.mark.parametrize(("course", "bug"), COURSES, ids=[bug.__name__ for _, bug in COURSES])
def test_with_a_planted_bug_somebody_does(
    tmp_path: Path, emulator: Any, monkeypatch: pytest.MonkeyPatch, course: Course, bug: Bug
) -> None:
    bug(monkeypatch)
    with pytest.raises(Wrong):
        course(History(tmp_path / "place", emulator))
