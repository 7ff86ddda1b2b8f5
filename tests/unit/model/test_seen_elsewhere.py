"""What another process saw joins what this one knows: of each merchant the later look."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.model.controller_status import ControllerStatus, SeenMerchant, merge_last_looks, merge_pass
from controller.model.desired import DesiredMerchant, Fleet, LinkState
from controller.model.merchant_status import plan_after
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Condition,
    ConditionStatus,
    Finding,
    Plan,
    PlanStatus,
)
from controller.model.report import Applied, Failed, FleetPlan, RequestEstimate, Unchanged

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
NAMES = ("acme", "bakery")
MANIFESTS = Fleet(
    {name: DesiredMerchant(name, name, "xero", LinkState.LINKED) for name in NAMES},
    frozenset(NAMES),
    (),
    True,
    "digest",
)


def fleet(*plans: Plan) -> FleetPlan:
    return FleetPlan(plans, "digest", True, (), None, RequestEstimate(0, 0, 0), NOON)


def in_sync(name: str) -> Plan:
    return Plan(name, PlanStatus.IN_SYNC)


def blocked(name: str) -> Plan:
    return Plan(name, PlanStatus.BLOCKED)


def seen(plan: Plan, at: datetime) -> dict[str, SeenMerchant]:
    return {plan.merchant: SeenMerchant(plan, Unchanged(), at)}


def test_a_process_that_has_not_looked_yet_shows_what_others_saw() -> None:
    kept = seen(in_sync("acme"), NOON) | seen(blocked("bakery"), LATER)
    latest = merge_last_looks(ControllerStatus(fleet=MANIFESTS), kept, (fleet(), NOON), MANIFESTS)
    assert latest.plan
    assert [each.status for each in latest.plan.plans] == [PlanStatus.IN_SYNC, PlanStatus.BLOCKED]
    assert latest.oldest_look_at == NOON


def test_of_each_merchant_the_later_look_is_shown() -> None:
    own = merge_pass(ControllerStatus(), fleet(in_sync("acme"), in_sync("bakery")), MANIFESTS, everyone=True, at=NOON)
    elsewhere = seen(blocked("acme"), LATER) | seen(blocked("bakery"), NOON - timedelta(minutes=5))
    latest = merge_last_looks(own, elsewhere, None, MANIFESTS)
    assert latest.plan
    assert [each.status for each in latest.plan.plans] == [PlanStatus.BLOCKED, PlanStatus.IN_SYNC]
    assert merge_last_looks(latest, elsewhere, None, MANIFESTS) is latest, "nothing new: no page is built anew for it"


def test_whoever_has_no_manifest_here_is_not_shown() -> None:
    latest = merge_last_looks(
        ControllerStatus(fleet=MANIFESTS), seen(in_sync("stranger"), NOON), (fleet(), NOON), MANIFESTS
    )
    assert latest.plan is None


def test_nobody_is_called_looked_at_while_one_never_was() -> None:
    latest = merge_last_looks(
        ControllerStatus(fleet=MANIFESTS), seen(in_sync("acme"), NOON), (fleet(), NOON), MANIFESTS
    )
    assert latest.oldest_look_at is None


def test_a_change_that_was_made_is_no_longer_to_be_made_and_how_far_it_brought_is_unknown() -> None:
    change = Change(ChangeKind.CREATE_CONNECTION, (ChangeClass.CREATE,))
    conditions = (Condition("CompanyReady", ConditionStatus.TRUE), Condition("Ready", ConditionStatus.FALSE, "no"))
    finding = Finding("drifted", "acme", "c", "r", Actor.APPLY)
    plan = Plan("acme", PlanStatus.CHANGE, (change,), findings=(finding,), conditions=conditions)
    after = plan_after(plan, Applied(1))
    assert (after.changes, after.findings, after.status) == ((), (), PlanStatus.UNKNOWN)
    assert [each.status for each in after.conditions] == [ConditionStatus.TRUE, ConditionStatus.UNKNOWN]
    assert plan_after(plan, Failed("no", retryable=True)) is plan


def test_what_was_written_and_read_back_is_done_and_whether_it_is_ready_depends_on_its_switch() -> None:
    change = Change(ChangeKind.SET_CONFIGURATION, (ChangeClass.CONFIGURE,))
    names = ("Mapped", "Ready", "Syncing")
    conditions = tuple(Condition(name, ConditionStatus.FALSE, "not yet") for name in names)
    for enabled, ready in ((True, ConditionStatus.TRUE), (False, ConditionStatus.FALSE)):
        plan = Plan("acme", PlanStatus.CHANGE, (change,), conditions=conditions, resolved_values={"enabled": enabled})
        after = plan_after(plan, Applied(1))
        assert after.status is PlanStatus.IN_SYNC
        assert [each.status for each in after.conditions] == [ConditionStatus.TRUE, ready, ConditionStatus.UNKNOWN]


def test_what_a_look_at_some_finds_of_the_fleet_joins_what_was_found_before() -> None:
    """A class that is over its limit ends no mass loss; only a look at everyone does."""
    lost, held, held_again = (
        Finding(code, "", cause, "look", Actor.OPERATOR)
        for code, cause in (("mass-loss", "40 are gone"), ("disable-held", "2 of 40"), ("disable-held", "3 of 40"))
    )
    latest = merge_pass(
        ControllerStatus(),
        replace(fleet(*map(in_sync, NAMES)), findings=(lost, held)),
        MANIFESTS,
        everyone=True,
        at=NOON,
    )
    some = replace(fleet(in_sync("acme")), findings=(held_again,))
    latest = merge_pass(latest, some, MANIFESTS, everyone=False, at=LATER)
    assert latest.plan
    assert set(latest.plan.findings) == {lost, held_again}
    latest = merge_pass(latest, fleet(*map(in_sync, NAMES)), MANIFESTS, everyone=True, at=LATER)
    assert latest.plan
    assert latest.plan.findings == ()


def test_how_the_account_stands_is_shown_as_whoever_looked_last_saw_it() -> None:
    own = merge_pass(ControllerStatus(), fleet(in_sync("acme")), MANIFESTS, everyone=True, at=NOON)
    elsewhere = replace(fleet(), account=Plan("(account)", PlanStatus.DRIFTED))
    latest = merge_last_looks(own, {}, (elsewhere, NOON), MANIFESTS)
    assert latest.plan
    assert (latest.plan.account, len(latest.plan.plans)) == (elsewhere.account, 1)
    assert merge_last_looks(latest, {}, (elsewhere, NOON), MANIFESTS) is latest, "nothing new"
