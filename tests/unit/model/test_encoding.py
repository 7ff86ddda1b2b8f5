"""What one process keeps for another in the state comes back as it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.encoding import Unreadable, decode, encode
from controller.model.field_values import Option, Ref
from controller.model.holds import HeldBy, Hold
from controller.model.observed import LastSync
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    CheckedPart,
    Condition,
    ConditionStatus,
    DataAge,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
    SyncSchedule,
)
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    LimitExceeded,
    Outcome,
    Refusal,
    RequestEstimate,
    RetainedMerchant,
    Skipped,
    Unchanged,
)

NOON = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)

instants = st.datetimes(timezones=st.just(UTC))
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(),
    st.lists(st.text()).map(tuple),
    instants,
    st.builds(Option, st.text(), st.none() | st.text(), st.none() | st.text()),
)
findings = st.builds(
    Finding,
    code=st.text(),
    merchant=st.text(),
    cause=st.text(),
    remedy=st.text(),
    actor=st.sampled_from(Actor),
    field=st.none() | st.text(),
    live=values,
    wanted=values | st.builds(Ref, st.sampled_from(["id", "code", "name"]), st.text()),
    direction=st.none() | st.sampled_from(Direction),
    since=st.none() | instants,
    affected_merchants=st.lists(st.text()).map(tuple),
    recheck_after=st.none() | st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
)
changes = st.builds(
    Change,
    st.sampled_from(ChangeKind),
    st.lists(st.sampled_from(ChangeClass)).map(tuple),
    st.lists(st.builds(FieldChange, st.text(), values, values, st.sampled_from(Direction))).map(tuple),
)
plans = st.builds(
    Plan,
    merchant=st.text(),
    status=st.sampled_from(PlanStatus),
    changes=st.lists(changes, max_size=3).map(tuple),
    hold=st.none() | st.builds(Hold, st.sampled_from(HeldBy), st.text(), st.none() | instants),
    findings=st.lists(findings, max_size=3).map(tuple),
    conditions=st.lists(
        st.builds(Condition, st.text(), st.sampled_from(ConditionStatus), st.text(), st.none() | instants)
    ).map(tuple),
    resolved_values=st.dictionaries(st.text(), values),
    differences=st.dictionaries(st.text(), st.sampled_from(Direction)),
    checked_parts=st.frozensets(st.sampled_from(CheckedPart)),
    data_age=st.none() | st.builds(DataAge, st.none() | instants, st.dictionaries(st.text(), st.none() | instants)),
    schedule=st.none() | st.builds(SyncSchedule, st.none() | st.text(), st.none() | st.integers(0, 23), st.none()),
)


@given(plans)
def test_every_plan_comes_back_as_it_was(plan: Plan) -> None:
    assert decode(encode(plan)) == plan
    assert encode(decode(encode(plan))) == encode(plan)


@pytest.mark.parametrize(
    "outcome",
    [
        Unchanged(),
        Applied(3, (Finding("not-configured", "acme", "c", "r", Actor.OPERATOR),)),
        Failed("no", retryable=True, status=500, unsure=True),
        ChangedSincePlan("the account moved", 1),
        Skipped("stopped"),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_every_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    assert decode(encode(outcome)) == outcome


def test_a_fleet_comes_back_as_it_was() -> None:
    fleet = FleetPlan(
        plans=(Plan("acme", PlanStatus.IN_SYNC, last_sync=LastSync(2000, "ok", NOON, NOON, NOON)),),
        fleet_digest="abc",
        is_complete=True,
        unmanaged_names=("Stranger Ltd",),
        refusal=Refusal((LimitExceeded("unlink", 3, 1, "--allow unlink", ("a", "b", "c")),)),
        request_estimate=RequestEstimate(1, 2, 0.5),
        made_at=NOON,
        counts={ChangeClass.DISABLE: 2},
        retained=(RetainedMerchant("gone", "id-1", "Gone Ltd", NOON),),
    )
    assert decode(encode(fleet)) == fleet


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"$type":"NoSuchThing"}',
        '{"$type":"Plan","merchant":"acme","status":{"$type":"PlanStatus","value":"in-sync"},"newer_field":1}',
        '{"$type":"Plan","merchant":"acme"}',
        '{"$type":"PlanStatus","value":"a status of a later version"}',
    ],
)
def test_what_another_version_wrote_is_unreadable_and_no_traceback(text: str) -> None:
    with pytest.raises(Unreadable):
        decode(text)


def test_a_field_that_has_its_default_takes_no_room() -> None:
    plan = Plan("acme", PlanStatus.IN_SYNC)
    assert len(encode(plan)) < 100
    assert encode(replace(plan, findings=())) == encode(plan)
