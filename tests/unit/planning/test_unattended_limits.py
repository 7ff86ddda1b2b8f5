"""How much a run writes by itself: the floors at once, the rest once a class was compared over everyone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
)
from controller.planning import unattended_limits
from controller.planning.limits import LIMITS, FleetSize, LimitedPlans, count_changes, effective_limit
from controller.planning.unattended_limits import (
    HELD_CODE_BY_CLASS,
    add_enable_limit,
    limited_classes,
    waits_for_full_pass,
)

RUN_LIMITS = add_enable_limit(LIMITS)
REMAP, DISABLE, ENABLE, RENAME = ChangeClass.REMAP, ChangeClass.DISABLE, ChangeClass.ENABLE, ChangeClass.RENAME
TOLD = Finding("mapping-changed", "", "live moved", "merchantctl apply", Actor.APPLY)


def plan(name: str, *classes: ChangeClass, direction: Direction = Direction.DRIFT) -> Plan:
    fields = (FieldChange("enabled", False, True, direction),) if ENABLE in classes else ()
    changes = (Change(ChangeKind.SET_CONFIGURATION, classes, fields),) if classes else ()
    return Plan(
        name, PlanStatus.CHANGE if classes else PlanStatus.IN_SYNC, changes, findings=(TOLD,) if classes else ()
    )


def plans(number: int, *classes: ChangeClass) -> tuple[Plan, ...]:
    return tuple(plan(f"m-{index:04}", *classes) for index in range(number))


def unread(number: int) -> tuple[Plan, ...]:
    return tuple(Plan(f"u-{index:04}", PlanStatus.UNKNOWN) for index in range(number))


def fleet_size(bound: int = 100) -> FleetSize:
    return FleetSize(bound, (), bound)


def parked(
    plans: tuple[Plan, ...], fleet_size: FleetSize, made: Mapping[ChangeClass, int], *, everyone: bool
) -> tuple[tuple[Plan, ...], tuple[Finding, ...]]:
    after = unattended_limits.park_over_limit(
        LimitedPlans(plans, count_changes(plans)), fleet_size, made, everyone=everyone
    )
    assert after.counts == count_changes(after.plans)
    return after.plans, after.findings


def some(plans: tuple[Plan, ...], made: dict[ChangeClass, int] | None = None) -> tuple[Plan, ...]:
    return parked(plans, fleet_size(), made or {}, everyone=False)[0]


def written(plans: tuple[Plan, ...]) -> Counter[ChangeClass]:
    return Counter(cls for each in plans for change in each.changes for cls in change.classes)


@pytest.mark.parametrize("cls", RUN_LIMITS)
def test_a_look_at_some_writes_the_floor_and_shows_the_rest_as_held(cls: ChangeClass) -> None:
    floor = RUN_LIMITS[cls][0]
    after = some(plans(floor + 2, cls))
    assert written(after) == {cls: floor}
    for each in after[floor:]:
        assert (each.status, len(each.held_changes), each.findings[0].code) == (
            PlanStatus.WAITING,
            1,
            HELD_CODE_BY_CLASS[cls],
        )
        assert waits_for_full_pass(each, ())
    assert some(plans(1, cls), {cls: floor})[0].held_changes


def test_who_is_parked_keeps_nobody_else_from_being_written() -> None:
    mixed = (plan("a", DISABLE), plan("b", DISABLE), plan("c", REMAP), plan("d", DISABLE, REMAP), plan("e", RENAME))
    after = some(mixed)
    assert [each.merchant for each in after if each.changes] == ["a", "c", "e"]
    assert not after[3].changes, "a merchant is parked as a whole"


@pytest.mark.parametrize(
    ("bound", "number", "made", "blind", "released"),
    [
        (400, 100, 0, 0, True),
        (400, 101, 0, 0, False),
        (400, 60, 40, 0, True),
        (400, 60, 41, 0, False),
        (400, 90, 0, 10, True),
        (400, 90, 0, 11, False),  # whoever could not be read may want the same
        (4, 3, 0, 50, True),  # the floor needs no look at anybody
    ],
)
def test_over_everyone_a_class_is_released_or_stays_parked_as_a_whole(
    bound: int, number: int, made: int, blind: int, released: bool
) -> None:
    after, findings = parked((*plans(number, REMAP), *unread(blind)), fleet_size(bound), {REMAP: made}, everyone=True)
    assert written(after) == ({REMAP: number} if released else {})
    assert [(each.code, each.merchant, each.remedy) for each in findings] == (
        [] if released else [("remap-held", "", "merchantctl apply --allow remap")]
    )
    assert {each.status for each in after[:number]} == {PlanStatus.CHANGE if released else PlanStatus.BLOCKED}


def test_a_class_that_is_over_parks_its_own_merchants_and_no_others() -> None:
    mixed = (*plans(60, REMAP), plan("x", DISABLE), plan("y", DISABLE, REMAP), plan("z", RENAME))
    after, findings = parked(mixed, fleet_size(), {}, everyone=True)
    assert [each.code for each in findings] == ["remap-held"]
    assert [each.merchant for each in after if each.changes] == ["x", "z"]
    assert len(findings[0].affected_merchants) == 61


def test_the_command_lifts_all_that_is_over_and_switching_on_needs_no_flag() -> None:
    after, findings = parked(plans(60, ENABLE, DISABLE), fleet_size(), {}, everyone=True)
    assert {each.remedy for each in findings} == {"merchantctl apply --allow disable"}
    assert {finding.remedy for each in after for finding in each.findings} == {"merchantctl apply --allow disable"}
    _, (alone,) = parked(plans(60, ENABLE), fleet_size(), {}, everyone=True)
    assert alone.remedy == "merchantctl apply"


@pytest.mark.parametrize("direction", Direction)
def test_switching_on_is_bounded_where_somebody_switched_off_and_not_where_the_manifest_says_so_anew(
    direction: Direction,
) -> None:
    (change,) = plan("a", ENABLE, direction=direction).changes
    assert list(limited_classes(change)) == ([] if direction is Direction.PENDING else [ENABLE])


def test_what_has_no_limit_is_never_parked() -> None:
    free = [cls for cls in ChangeClass if cls not in RUN_LIMITS]
    for everyone in (False, True):
        after, _ = parked(plans(500, *free), fleet_size(0), {}, everyone=everyone)
        assert all(each.changes for each in after)


def test_where_a_class_is_known_to_be_over_one_more_brings_no_look_at_everyone_forward() -> None:
    (more,) = some(plans(1, REMAP), {REMAP: 50})
    assert not waits_for_full_pass(more, ["remap-held"])
    assert waits_for_full_pass(more, ["disable-held"])
    assert not waits_for_full_pass(plan("a", REMAP), [])


CLASSES = st.lists(st.sampled_from(list(ChangeClass)), max_size=3, unique=True)
LOOKS = st.lists(st.tuples(st.booleans(), st.lists(CLASSES, max_size=12)), max_size=12)


@given(LOOKS, st.integers(0, 400))
def test_whatever_comes_in_whatever_looks_a_day_never_sees_more_than_the_limits(
    looks: list[tuple[bool, list[list[ChangeClass]]]], bound: int
) -> None:
    """Floors alone, until a look at everyone judged; and never more than the limit in all."""
    made: Counter[ChangeClass] = Counter()
    judged = False
    for everyone, wishes in looks:
        seen = tuple(plan(f"m-{number}", *classes) for number, classes in enumerate(wishes))
        after, _ = parked(seen, fleet_size(bound), made, everyone=everyone)
        judged = judged or everyone
        made += Counter(cls for each in after for change in each.changes for cls in limited_classes(change))
        assert [each.merchant for each in after] == [each.merchant for each in seen]
        for cls, floor in RUN_LIMITS.items():
            assert made[cls] <= (effective_limit(floor, bound) if judged else floor[0])


def test_a_class_that_was_released_over_its_floor_parks_nobody_who_needs_nothing_of_it() -> None:
    over = {REMAP: 2 * RUN_LIMITS[REMAP][0]}
    in_sync, renamed, disabled = plan("ann"), plan("ben", RENAME), plan("cat", DISABLE)
    after = some((in_sync, renamed, disabled, plan("dan", REMAP)), over)
    assert after[:3] == (in_sync, renamed, disabled)
    assert after[3].status is PlanStatus.WAITING
