"""Who changed a field: live, desired and last applied compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.field_values import Option, Value, values_equal
from controller.model.plan import Direction
from controller.planning.diff import change_direction, compare_fields, describe_changes

FIELD = "mapping.sales.invoiceStatus"
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 1),
    st.sampled_from(["Draft", "Submitted"]),
    st.sampled_from([(), ("Location",)]),
    st.just(datetime(2026, 1, 5, tzinfo=UTC)),
    st.builds(Option, st.sampled_from(["a", "b"]), st.sampled_from([None, "Sales"])),
)


@pytest.mark.parametrize(
    ("last", "live", "wanted", "expected"),
    [
        ("A", "A", "A", None),
        ("A", "A", "B", Direction.PENDING),
        ("A", "B", "A", Direction.DRIFT),
        ("A", "B", "C", Direction.CONFLICT),
        ("A", "B", "B", None),
    ],
)
def test_the_three_way_table(last: str, live: str, wanted: str, expected: Direction | None) -> None:
    assert change_direction(FIELD, live, wanted, {FIELD: last}) is expected


def test_without_a_record_a_difference_is_drift() -> None:
    assert change_direction(FIELD, "A", "B", {}) is Direction.DRIFT


def test_a_cleared_field_that_was_recorded_is_a_record() -> None:
    assert (
        change_direction("mapping.sales.customer", Option("a"), None, {"mapping.sales.customer": None})
        is Direction.DRIFT
    )


@given(live=VALUES, wanted=VALUES, applied=st.one_of(st.just({}), VALUES.map(lambda value: {FIELD: value})))
def test_there_is_no_direction_exactly_where_live_is_as_wanted(live: Any, wanted: Any, applied: dict[str, Any]) -> None:
    assert (change_direction(FIELD, live, wanted, applied) is None) == values_equal(live, wanted)


@given(live=VALUES, wanted=VALUES, last=VALUES)
def test_drift_means_that_the_manifest_stayed_and_pending_that_live_stayed(live: Any, wanted: Any, last: Any) -> None:
    moved = change_direction(FIELD, live, wanted, {FIELD: last})
    assert (moved is Direction.DRIFT) <= values_equal(last, wanted)
    assert (moved is Direction.PENDING) <= values_equal(last, live)


def test_a_selection_whose_name_changed_is_the_same_selection() -> None:
    assert change_direction(FIELD, Option("a", "Till"), Option("a", "Cash till"), {}) is None


def test_a_local_time_is_compared_with_the_hour_it_became() -> None:
    assert change_direction("schedule.time", 0, 23, {"schedule.syncHourUtc": 0}) is Direction.PENDING
    (change,) = compare_fields({"schedule.time": 23}, {"schedule.syncHourUtc": 5}, {"schedule.syncHourUtc": 23})
    assert (change.field, change.live, change.wanted, change.direction) == ("schedule.time", 5, 23, Direction.DRIFT)


def test_only_declared_fields_are_compared() -> None:
    assert compare_fields({"enabled": True}, {"enabled": True, FIELD: "Draft"}, {}) == ()


def test_an_account_is_compared_where_live_has_it() -> None:
    live = {"mapping.payments.accounts.prePaid": Option("a")}
    assert compare_fields({"mapping.sales.accounts.prepaid": Option("a")}, live, {}) == ()


def test_moves_says_in_words_what_moved_and_nothing_when_nothing_did() -> None:
    before: dict[str, Value] = {"enabled": True, FIELD: "Draft", "mapping.sales.customer": Option("a", "Old name")}
    assert describe_changes(before, {**before, "mapping.sales.customer": Option("a", "New name")}) == ""
    assert "enabled" in describe_changes(before, {**before, "enabled": False})
