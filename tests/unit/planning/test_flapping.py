"""Findings that come again and again, and who undoes whose change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from controller.model.finding_evidence import Ended
from controller.model.plan import Direction, Finding
from controller.planning.flapping import Occurrence, find_flapping
from tests.build import USUAL_NOW


def times(number: int, direction: Direction | None = Direction.DRIFT, **more: Any) -> list[Occurrence]:
    return [Occurrence(USUAL_NOW + timedelta(hours=each), direction, **more) for each in range(number)]


def found(*some: Occurrence, code: str = "sync-disabled", field: str = "enabled") -> Finding | None:
    return find_flapping("acme", code, field, some)


def test_three_times_within_a_day_are_one_too_many() -> None:
    assert found(*times(2)) is None
    finding = found(*times(3))
    assert finding is not None
    assert (finding.merchant, finding.code, finding.field) == ("acme", "flapping", "enabled")


def test_it_is_said_who_moves_it_and_who_puts_it_back() -> None:
    back: dict[str, Any] = {"ended": Ended.MENDED, "by": "run on ops-1", "live": "false"}
    finding = found(*times(4, **back), *times(1, by="", ended=Ended.SOMEBODY))
    assert finding is not None
    assert "somebody at Codat moves it (to false)" in finding.cause
    assert "put back by run on ops-1 4 times" in finding.cause
    assert "merchantctl history acme" in finding.remedy
    alone = found(*times(3))
    assert alone is not None
    assert "moves it back" in alone.cause


def test_what_the_manifests_ask_for_is_no_fight() -> None:
    mended: dict[str, Any] = {"ended": Ended.MENDED, "by": "run on a", "revision": "1" * 64}
    assert found(*times(5, Direction.PENDING, **mended)) is None


def test_runs_of_different_manifests_that_set_each_other_back_are_one() -> None:
    swings = [
        Occurrence(USUAL_NOW, Direction.PENDING, Ended.MENDED, f"run on {host}", host * 64)
        for host in ("a", "b", "a", "b")
    ]
    finding = found(*swings)
    assert finding is not None
    assert "run on a from manifests aaaaaaaaaaaa and run on b from manifests bbbbbbbbbbbb" in finding.cause


def test_one_commit_after_another_that_moves_the_same_field_is_no_fight() -> None:
    mended: dict[str, Any] = {"direction": Direction.PENDING, "ended": Ended.MENDED, "by": "run on a"}
    commits = [Occurrence(USUAL_NOW, revision=digit * 40, **mended) for digit in "1123345"]
    assert found(*commits) is None
    assert found(*commits, *commits[1:4]) is not None, "and these came back"


def test_a_severed_connection_counts_whatever_its_direction() -> None:
    finding = found(*times(3, None), code="connection-unlinked", field="connection.state")
    assert finding is not None
