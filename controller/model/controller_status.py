"""What the controller knows at one moment: every merchant as of its last pass, and how the passes go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Diagnostic, Fleet
from controller.model.holds import HeldBy
from controller.model.merchant_status import plan_after
from controller.model.plan import Plan
from controller.model.report import FleetPlan, FleetReport, Outcome, Skipped
from controller.quick_dataclasses import dataclass

NEVER = datetime.min.replace(tzinfo=UTC)
"""The date of the last look at whoever was never looked at: before all others."""

MAX_CLOCK_DIFFERENCE = timedelta(minutes=2)
"""So far apart the clocks of two machines may be. What is dated later than that comes from a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class ControllerStatus:
    """The status of a running controller at one moment.

    fleet              the manifests in use; where `diagnostics` are set, an older revision without any
    plan               of the last full pass, with merchants of later passes merged into it; None = none yet
    outcomes           what became of those plans, by merchant
    looked_at          when each of them was looked at, by merchant: by this process, or by another on the same state
    last_full_pass_at  when all merchants were last looked at
    queued_count       merchants that are due or wait for their time
    diagnostics        about the manifests as they are on disk
    pass_failure       why the last pass failed; None when it did not
    revision_note      what a person should know of the revisions of the manifests: one is held, not in force here, or
                       none can be fetched
    report_only        it plans and writes nothing
    max_look_age_s     so old the oldest look may grow while Codat answers
    """

    fleet: Fleet | None = None
    plan: FleetPlan | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    looked_at: Mapping[str, datetime] = field(default_factory=dict)
    last_full_pass_at: datetime | None = None
    queued_count: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    pass_failure: str | None = None
    revision_note: str | None = None
    report_only: bool = False
    max_look_age_s: float | None = None

    @property
    def oldest_look_at(self) -> datetime | None:
        """Since when everyone who has a manifest was looked at; None while somebody never was."""
        if self.fleet is None or not self.looked_at.keys() >= self.fleet.merchants.keys():
            return None
        return min((self.looked_at[name] for name in self.fleet.merchants), default=None)


@dataclass(frozen=True, slots=True)
class SeenMerchant:
    """One merchant as of the look at it that began at `seen_at`."""

    plan: Plan
    outcome: Outcome
    seen_at: datetime

    @property
    def has_no_skipped_changes(self) -> bool:
        """Whether what was to be written was begun: a run that is stopped leaves that to the next, and a look at some
        of whom a revision changed to that at all of them."""
        is_unjudged = self.plan.hold is not None and self.plan.hold.by is HeldBy.REVISION
        return not is_unjudged and not (self.plan.changes and isinstance(self.outcome, Skipped))


def merge_pass(
    latest: ControllerStatus,
    result: FleetPlan | FleetReport,
    fleet: Fleet,
    *,
    everyone: bool,
    at: datetime,
    taken_over: Collection[str] = (),
) -> ControllerStatus:
    """What is known of the merchants after a pass. One over some of them leaves the others, and the fleet's findings,
    as they were.

    taken_over  merchants that a later pass looked at while this one was under way: they stay as that one saw them
    """
    plan, outcomes = (result.plan, result.outcomes) if isinstance(result, FleetReport) else (result, {})
    if plan.account:
        plan = replace(plan, account=plan_after(plan.account, outcomes.get(ACCOUNT_NAME)))
    if latest.plan is not None and taken_over:
        kept = {each.merchant: each for each in latest.plan.plans if each.merchant in taken_over}
        plans = {each.merchant: each for each in plan.plans} | kept
        plan = replace(plan, plans=tuple(plans[name] for name in sorted(plans)))
        others = {name: outcome for name, outcome in outcomes.items() if name not in kept}
        outcomes = others | {name: latest.outcomes[name] for name in kept if name in latest.outcomes}
    looked_at = dict.fromkeys((each.merchant for each in plan.plans if each.merchant not in taken_over), at)
    if everyone or latest.plan is None:
        kept_times = {each.merchant: latest.looked_at.get(each.merchant, at) for each in plan.plans}
        return replace(
            latest,
            fleet=fleet,
            plan=plan,
            outcomes=outcomes,
            looked_at=kept_times | looked_at,
            last_full_pass_at=at if everyone else None,
        )
    seen = {merchant_plan.merchant: merchant_plan for merchant_plan in plan.plans}
    plans = {merchant_plan.merchant: merchant_plan for merchant_plan in latest.plan.plans} | seen
    others = {name: outcome for name, outcome in latest.outcomes.items() if name not in seen}
    found_codes = {each.code for each in plan.findings}
    merged = replace(
        latest.plan,
        plans=tuple(plans[name] for name in sorted(plans)),
        fleet_digest=plan.fleet_digest,
        commit=plan.commit,
        refusal=plan.refusal or latest.plan.refusal,
        account=plan.account or latest.plan.account,
        findings=(*plan.findings, *(each for each in latest.plan.findings if each.code not in found_codes)),
    )
    looked_at = dict(latest.looked_at) | looked_at
    return replace(latest, fleet=fleet, plan=merged, outcomes=others | dict(outcomes), looked_at=looked_at)


def merge_last_looks(
    latest: ControllerStatus,
    seen: Mapping[str, SeenMerchant],
    whole_fleet: tuple[FleetPlan, datetime] | None,
    fleet: Fleet,
) -> ControllerStatus:
    """What is known of the merchants once what other processes saw is added: of each the later look.

    whole_fleet  what the last look at everyone said of the fleet, for a process that has not looked itself; and how the
                 account's own settings stood at the last look at them
    """
    later = {
        name: each
        for name, each in seen.items()
        if name in fleet.merchants and (name not in latest.looked_at or latest.looked_at[name] < each.seen_at)
    }
    plan = latest.plan or (whole_fleet[0] if whole_fleet else None)
    if plan is not None and whole_fleet and _has_account_plan_changed(whole_fleet[0].account, plan.account):
        plan = replace(plan, account=whole_fleet[0].account)
    elif plan is None or not later:
        return latest
    plans = {each.merchant: each for each in plan.plans} | {name: each.plan for name, each in later.items()}
    return replace(
        latest,
        fleet=latest.fleet or fleet,
        plan=replace(plan, plans=tuple(plans[name] for name in sorted(plans))),
        outcomes=dict(latest.outcomes) | {name: each.outcome for name, each in later.items()},
        looked_at=dict(latest.looked_at) | {name: each.seen_at for name, each in later.items()},
        last_full_pass_at=latest.last_full_pass_at or (whole_fleet[1] if whole_fleet else None),
    )


def _has_account_plan_changed(seen: Plan | None, shown: Plan | None) -> bool:
    """Whether the account's settings stand otherwise than they are shown."""
    if seen is None or shown is None:
        return seen is not None
    return (seen.status, seen.changes, seen.findings) != (shown.status, shown.changes, shown.findings)
