"""The limits, at their edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.model.errors import UsageError
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Finding, Plan, PlanStatus
from controller.model.run_policy import ALLOW_CLASSES, RELEASABLE_BY_COUNT, RunPolicy
from controller.planning.limits import (
    HELD_CLASSES,
    LIMITS,
    SHRINK_LIMIT,
    FleetSize,
    LimitedPlans,
    count_changes,
    effective_limit,
    limit_plans,
)
from tests.build import finding_codes
from tests.narrowing import present

UNLIMITED = [cls for cls in ChangeClass if cls not in (*LIMITS, *HELD_CLASSES)]
OF_THE_RUN = list(LIMITS)


def plans(number: int, *classes: ChangeClass) -> list[Plan]:
    change = Change(ChangeKind.SET_CONFIGURATION, classes)
    return [Plan(f"m-{index:04}", PlanStatus.CHANGE, (change,)) for index in range(number)]


def fleet_size(bound: int = 1000, lost: tuple[str, ...] | None = (), declared: int = 1000) -> FleetSize:
    return FleetSize(bound, lost, declared)


def excesses(
    plans: list[Plan], fleet_size: FleetSize, policy: RunPolicy | None = None
) -> list[tuple[str, int, int, str]]:
    refusal = limit_plans(plans, fleet_size, policy or RunPolicy()).refusal
    return (
        [(each.limited_class, each.count, each.limit, each.flag) for each in refusal.exceeded_limits] if refusal else []
    )


def names(number: int) -> tuple[str, ...]:
    return tuple(f"m-{index:04}" for index in range(number))


@pytest.mark.parametrize(
    ("cls", "bound", "most"),
    [
        (ChangeClass.UNLINK, 0, 1),
        (ChangeClass.UNLINK, 99, 1),
        (ChangeClass.UNLINK, 100, 2),
        (ChangeClass.DISABLE, 39, 1),
        (ChangeClass.DISABLE, 40, 2),
        (ChangeClass.REMAP, 0, 50),
        (ChangeClass.REMAP, 203, 50),
        (ChangeClass.REMAP, 204, 51),
        (ChangeClass.RESCHEDULE, 1000, 250),
    ],
)
def test_a_limit_is_a_floor_or_a_percentage_and_one_more_is_refused(cls: ChangeClass, bound: int, most: int) -> None:
    assert effective_limit(LIMITS[cls], bound) == most
    assert excesses(plans(most, cls), fleet_size(bound)) == []
    assert excesses(plans(most + 1, cls), fleet_size(bound)) == [(cls.value, most + 1, most, f"--allow {cls.value}")]


@pytest.mark.parametrize("cls", UNLIMITED)
def test_creates_first_configurations_enables_and_renames_have_no_limit(cls: ChangeClass) -> None:
    assert excesses(plans(1000, cls), fleet_size(bound=0)) == []


@pytest.mark.parametrize("cls", OF_THE_RUN)
def test_allow_lifts_exactly_its_own_limit(cls: ChangeClass) -> None:
    everything = [plan for each in OF_THE_RUN for plan in plans(900, each)]
    refused = {name for name, *_ in excesses(everything, fleet_size(), RunPolicy(frozenset({cls.value})))}
    assert refused == {each.value for each in OF_THE_RUN} - {cls.value}


def test_a_post_counts_in_each_class_that_it_touches() -> None:
    both = plans(60, ChangeClass.DISABLE, ChangeClass.REMAP)
    assert count_changes(both) == {ChangeClass.DISABLE: 60, ChangeClass.REMAP: 60}
    assert [name for name, *_ in excesses(both, fleet_size(bound=100))] == ["disable", "remap"]


def test_a_post_without_a_class_counts_nowhere() -> None:
    """An hour that moved with its zone's offset."""
    assert count_changes(plans(1000)) == {}
    assert excesses(plans(1000), fleet_size(bound=10)) == []


def test_a_run_that_nobody_asked_for_is_not_refused_for_its_numbers_since_it_parks() -> None:
    policy = RunPolicy(automatic=True)
    assert excesses([*plans(600, ChangeClass.REMAP), *plans(600, ChangeClass.DISABLE)], fleet_size(), policy) == []
    assert excesses([], fleet_size(lost=names(1000), declared=0), policy) == [("shrink", 1000, 0, "--allow shrink")]


def test_a_refusal_names_the_merchants() -> None:
    judgement = limit_plans(plans(2, ChangeClass.UNLINK), fleet_size(bound=2), RunPolicy())
    assert present(judgement.refusal).exceeded_limits[0].merchants == ("m-0000", "m-0001")


@pytest.mark.parametrize(("bound", "most"), [(5, 1), (19, 1), (20, 2), (1000, 100)])
def test_a_root_may_lose_one_merchant_or_a_tenth(bound: int, most: int) -> None:
    assert effective_limit(SHRINK_LIMIT, bound) == most
    assert excesses([], fleet_size(bound, names(most))) == []
    assert excesses([], fleet_size(bound, names(most + 1))) == [("shrink", most + 1, most, "--allow shrink")]


def test_an_empty_root_is_refused_even_for_one_merchant() -> None:
    assert excesses([], fleet_size(1, names(1), declared=0)) == [("shrink", 1, 0, "--allow shrink")]


def test_an_empty_root_beside_an_empty_state_is_a_beginning() -> None:
    assert excesses([], fleet_size(0, (), declared=0)) == []


def test_shrink_is_lifted_by_its_word_alone() -> None:
    lost = fleet_size(10, names(9))
    assert excesses([], lost, RunPolicy(frozenset({"shrink"}))) == []
    assert excesses([], lost, RunPolicy(frozenset(ALLOW_CLASSES) - {"shrink"})) != []


def test_a_run_that_may_not_judge_absence_never_shrinks() -> None:
    assert excesses([], fleet_size(10, None, declared=0)) == []


def test_max_changes_limits_all_of_them() -> None:
    mixed = [*plans(2, ChangeClass.CREATE), *plans(1, ChangeClass.ENABLE)]
    assert excesses(mixed, fleet_size(), RunPolicy(max_changes=3)) == []
    assert excesses(mixed, fleet_size(), RunPolicy(max_changes=2)) == [("all changes", 3, 2, "--max-changes 3")]


def test_no_word_of_allow_lifts_max_changes() -> None:
    policy = RunPolicy(frozenset(ALLOW_CLASSES), max_changes=0)
    assert excesses(plans(1, ChangeClass.DELETE), fleet_size(), policy) == [("all changes", 1, 0, "--max-changes 1")]


# -- Held, merchant by merchant


def allowing(*words: str) -> RunPolicy:
    return RunPolicy(frozenset(words))


def still_to_write(judgement: LimitedPlans) -> list[str]:
    return [plan.merchant for plan in judgement.plans if plan.changes]


def codes(judgement: LimitedPlans, merchant: str) -> list[str]:
    return [each.code for plan in judgement.plans if plan.merchant == merchant for each in plan.findings]


@pytest.mark.parametrize(
    ("cls", "code"), [(ChangeClass.DELETE, "delete-held"), (ChangeClass.RE_CREATE, "re-create-held")]
)
def test_what_has_no_limit_of_its_own_is_held_for_its_merchant_and_the_others_go_on(
    cls: ChangeClass, code: str
) -> None:
    (concerned,) = plans(1, cls)
    other = replace(*plans(1, ChangeClass.ENABLE), merchant="other")
    judgement = limit_plans([concerned, other], fleet_size(bound=2), RunPolicy())
    held, free = judgement.plans
    assert (judgement.refusal, judgement.findings, free) == (None, (), other)
    assert (held.status, held.changes, held.held_changes) == (PlanStatus.BLOCKED, (), concerned.changes)
    (finding,) = held.findings
    assert (finding.code, finding.actor) == (code, Actor.OPERATOR)
    assert finding.remedy == f"merchantctl apply --allow {cls.value}=m-0000"
    assert judgement.counts == {ChangeClass.ENABLE: 1}


def test_the_command_of_a_held_merchant_can_be_typed_whatever_its_name() -> None:
    concerned = replace(*plans(1, ChangeClass.RE_CREATE), merchant="shop[1]")
    (held,) = limit_plans([concerned], fleet_size(), RunPolicy()).plans
    assert held.findings[0].remedy == "merchantctl apply --allow 're-create=shop[1]'"


@pytest.mark.parametrize("cls", RELEASABLE_BY_COUNT)
def test_who_is_named_is_released_and_nobody_else(cls: ChangeClass) -> None:
    judgement = limit_plans(plans(2, cls), fleet_size(), allowing(f"{cls.value}=m-0001"))
    assert still_to_write(judgement) == ["m-0001"]
    other = {ChangeClass.DELETE: "re-create", ChangeClass.RE_CREATE: "delete"}[cls]
    assert still_to_write(limit_plans(plans(2, cls), fleet_size(), allowing(f"{other}=m-0001"))) == []


@pytest.mark.parametrize("cls", RELEASABLE_BY_COUNT)
def test_the_bare_word_releases_one_and_no_more(cls: ChangeClass) -> None:
    assert still_to_write(limit_plans(plans(1, cls), fleet_size(), allowing(cls.value))) == ["m-0000"]
    with pytest.raises(UsageError) as error:
        limit_plans(plans(57, cls), fleet_size(), allowing(cls.value))
    assert "m-0000, m-0001" in str(error.value)
    assert f"--allow {cls.value}:57" in str(error.value)
    assert still_to_write(limit_plans(plans(57, cls), fleet_size(), allowing(f"{cls.value}:57"))) == list(names(57))


def test_a_new_record_is_released_by_name_alone_and_however_many_are_no_loss() -> None:
    held = plans(57, ChangeClass.CREATE_RECORD)
    assert limit_plans(held, fleet_size(), RunPolicy()).findings == ()
    assert {code for plan in limit_plans(held, fleet_size(), RunPolicy()).plans for code in finding_codes(plan)} == {
        "create-record-held"
    }
    assert still_to_write(limit_plans(held, fleet_size(), allowing("create-record=m-0001"))) == ["m-0001"]
    with pytest.raises(UsageError) as error:
        limit_plans(held, fleet_size(), allowing("create-record"))
    assert "create-record:57" not in str(error.value)


@pytest.mark.parametrize("said", [1, 56, 58])
def test_another_number_than_is_held_releases_nobody(said: int) -> None:
    with pytest.raises(UsageError):
        limit_plans(plans(57, ChangeClass.RE_CREATE), fleet_size(), allowing(f"re-create:{said}"))


def test_once_nobody_is_held_the_words_say_nothing() -> None:
    for word in ("re-create", "re-create:57", "re-create=m-0000"):
        assert limit_plans(plans(2, ChangeClass.ENABLE), fleet_size(), allowing(word)).refusal is None


# -- So many at once


def missing(number: int, first: int = 0) -> list[Plan]:
    """Kept as they are by `drift: Report`: nothing would be written, and still they are missing."""
    found = [
        Finding("connection-deleted", f"m-{n:04}", "gone", "", Actor.OPERATOR) for n in range(first, first + number)
    ]
    return [Plan(each.merchant, PlanStatus.BLOCKED, findings=(each,)) for each in found]


@pytest.mark.parametrize(("bound", "most"), [(3, 3), (399, 3), (400, 4), (10_000, 100)])
@pytest.mark.parametrize("lost", [lambda number: plans(number, ChangeClass.RE_CREATE), missing])
def test_more_than_three_or_a_hundredth_held_or_missing_at_once_is_a_mass_loss(
    bound: int, most: int, lost: Callable[[int], list[Plan]]
) -> None:
    assert limit_plans(lost(most), fleet_size(bound), RunPolicy()).findings == ()
    (finding,) = limit_plans(lost(most + 1), fleet_size(bound), RunPolicy()).findings
    assert (finding.code, finding.merchant, finding.affected_merchants) == ("mass-loss", "", names(most + 1))


def test_in_a_mass_loss_nothing_is_created_or_destroyed_and_it_is_said_once() -> None:
    """5,000 connections gone at once: one finding, nothing written."""
    gone = [
        replace(plan, findings=(Finding("connection-deleted", plan.merchant, "gone", "", Actor.APPLY),))
        for plan in plans(5000, ChangeClass.RE_CREATE)
    ]
    others = {cls: replace(*plans(1, cls), merchant=cls.value) for cls in ChangeClass}
    judgement = limit_plans([*gone, *others.values()], fleet_size(10_000), RunPolicy())
    assert {*still_to_write(judgement)} == {"disable", "remap", "reschedule", "enable", "rename"}
    assert [each.code for each in judgement.findings] == ["mass-loss"]
    assert "right account" in judgement.findings[0].cause
    assert "Is Codat complete" in judgement.findings[0].cause
    assert [each.code for plan in judgement.plans for each in plan.findings] == []
    assert {plan.status for plan in judgement.plans if not plan.changes} == {PlanStatus.BLOCKED}


def test_a_mass_loss_ends_where_its_number_is_said() -> None:
    remedy = (
        limit_plans([*plans(57, ChangeClass.RE_CREATE), *missing(9, 57)], fleet_size(), RunPolicy()).findings[0].remedy
    )
    assert "--allow re-create:57" in remedy
    judgement = limit_plans(
        [*plans(57, ChangeClass.RE_CREATE), *missing(9, 57)], fleet_size(), allowing("re-create:57")
    )
    assert (judgement.findings, len(still_to_write(judgement))) == ((), 57)
    assert "--allow re-create:30" in limit_plans(missing(30), fleet_size(), RunPolicy()).findings[0].remedy
    assert limit_plans(missing(30), fleet_size(), allowing("re-create:30")).findings == ()


def test_where_every_company_is_gone_nothing_advises_to_make_them_anew() -> None:
    gone = [
        replace(plan, findings=(Finding("company-missing", plan.merchant, "gone", "--allow re-create", Actor.APPLY),))
        for plan in plans(20, ChangeClass.RE_CREATE)
    ]
    judgement = limit_plans(gone, fleet_size(bound=20), RunPolicy())
    said = [*judgement.findings, *(each for plan in judgement.plans for each in plan.findings)]
    assert len(said) == 1
    assert "re-create" not in said[0].remedy


def test_whom_a_rollout_holds_is_not_counted_as_held_here() -> None:
    held = [
        replace(plan, status=PlanStatus.WAITING, changes=(), held_changes=plan.changes)
        for plan in plans(9, ChangeClass.REMAP)
    ]
    assert limit_plans(held, fleet_size(bound=10), RunPolicy()).findings == ()


def test_a_look_at_a_part_of_the_fleet_knows_of_a_mass_loss_by_the_listing_of_all() -> None:
    """`run` looks at a few at a time: of those one may be missing, and of all so many that it must not be believed."""
    size = FleetSize(bound_count=200, without_manifest=None, declared_count=200, gone=50, gone_declared=50)
    new = Plan("new", PlanStatus.CHANGE, (Change(ChangeKind.CREATE_COMPANY, (ChangeClass.CREATE,)),))
    judged = limit_plans([new], size, RunPolicy(automatic=True))
    assert [each.code for each in judged.findings] == ["mass-loss"]
    assert judged.plans[0].status is PlanStatus.BLOCKED
    assert judged.counts == {}
    retained = replace(size, gone_declared=0)
    assert limit_plans([new], retained, RunPolicy(automatic=True)).findings == (), "theirs were let go on purpose"
