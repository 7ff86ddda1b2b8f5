"""Changes that are held: by a suspension, a rollout, or until a person releases them. The findings stay in the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from shlex import quote

from controller.model.desired import DesiredMerchant, Fleet
from controller.model.drift import is_drift
from controller.model.holds import HOLD_MEANINGS, DeclaredHold, HeldBy, Hold
from controller.model.plan import Actor, ChangeClass, Direction, Finding, Plan, PlanStatus
from controller.model.rollout import ACTIVE_ROLLOUT_STATES
from controller.quick_dataclasses import dataclass

ROLLOUT_HELD_CODE = "rollout-held"


@dataclass(frozen=True, slots=True)
class RolloutHold:
    """Why a merchant is left to a rollout: its wave has not come yet, or the rollout gave it up.

    state   the rollout's
    digest  of the desired values that the rollout began with: others end the hold of a rollout that is over
    """

    rollout: str
    state: str
    wave: int
    digest: str

    @property
    def is_rollout_active(self) -> bool:
        return self.state in ACTIVE_ROLLOUT_STATES


def is_rollout_hold_in_force(hold: RolloutHold, desired: DesiredMerchant) -> bool:
    """While the rollout is active, always; after it, as long as the manifest desires the same as at its start."""
    return not desired.removal and (hold.is_rollout_active or hold.digest == desired.digest)


def hold_if_left_to_rollout(plan: Plan, hold: RolloutHold | None) -> Plan:
    """The plan with its changes held where there is a hold; unchanged where there is none, or nothing to write."""
    if hold is None or not plan.changes:
        return plan
    finding = _hold_finding(plan.merchant, hold)
    return hold_changes(plan, PlanStatus.WAITING, Hold(HeldBy.ROLLOUT, finding.cause), finding, actor=Actor.NOBODY)


# The one door to a merchant that its manifest closes. Whatever writes to a merchant asks one of these two.


def hold_if_closed(plan: Plan, desired: DesiredMerchant, now: datetime) -> Plan:
    """The plan with all of its changes held while the merchant is closed. It is blocked by nothing, since nobody is to
    act: it has drifted, or waits until it is open again."""
    hold = closing_hold(desired, now)
    if hold is None:
        return plan
    key = HOLD_MEANINGS[hold.by].manifest_key
    origins = desired.origins.get(f"{key}.reason")
    finding = Finding(
        hold.closed_word,
        plan.merchant,
        hold.reason,
        f"to open it again: delete {key} from the manifest of {plan.merchant}",
        Actor.NOBODY,
        manifest=str(origins[-1]) if origins else None,
    )
    plan = hold_changes(plan, _status_while_closed(plan), hold, finding, actor=Actor.NOBODY)
    findings = (replace(each, actor=Actor.NOBODY) if each.actor is Actor.OPERATOR else each for each in plan.findings)
    return replace(plan, findings=tuple(findings))


def closing_hold(desired: DesiredMerchant, now: datetime) -> Hold | None:
    """What closes the merchant now, in words that say until when and why; None while it is open."""
    declared = desired.hold
    if declared is None or not declared.is_active(now):
        return None
    until = f" until {declared.until:%Y-%m-%d}" if declared.until else ""
    return Hold(declared.by, f"{HOLD_MEANINGS[declared.by].closed_word}{until}: {declared.reason}", declared.until)


def declared_or_assumed_hold(name: str, fleet: Fleet) -> DeclaredHold | None:
    """What the manifests say of a merchant that need not be asked for anything else."""
    if name in fleet.merchants:
        return fleet.merchants[name].hold
    # Its manifest is there and something is wrong with it: it may well suspend the merchant.
    is_unread = name in fleet.known_names
    reason = "its manifest is invalid and may say so; merchantctl validate tells why"
    return DeclaredHold(HeldBy.SUSPENSION, reason) if is_unread else None


def _status_while_closed(plan: Plan) -> PlanStatus:
    if plan.status is PlanStatus.BLOCKED or plan.changes:
        directions = {field.direction for change in plan.changes for field in change.fields}
        is_pending = Direction.PENDING in directions or any(not change.fields for change in plan.changes)
        return PlanStatus.DRIFTED if any(map(is_drift, plan.findings)) and not is_pending else PlanStatus.WAITING
    return plan.status


def hold_changes(plan: Plan, status: PlanStatus, hold: Hold, *reasons: Finding, actor: Actor = Actor.OPERATOR) -> Plan:
    """The plan with all of its changes held: shown, and not written.

    Findings that the next apply was to correct now wait for `actor`, with the remedy of the first reason.
    """
    findings = plan.findings
    if reasons:
        remedy = reasons[0].remedy
        findings = tuple(
            replace(finding, actor=actor, remedy=remedy) if finding.actor is Actor.APPLY else finding
            for finding in findings
        )
    return replace(
        plan,
        status=status,
        changes=(),
        held_changes=plan.changes or plan.held_changes,  # of one that is held already they stay shown
        hold=hold,
        observed_values={},
        findings=(*reasons, *findings),
    )


def allow_command(change_class: ChangeClass, merchant: str) -> str:
    """The command that releases this merchant's changes of a class."""
    return f"merchantctl apply --allow {quote(f'{change_class.value}={merchant}')}"


def is_held_for_rollout(plan: Plan) -> bool:
    return plan.hold is not None and plan.hold.by is HeldBy.ROLLOUT


def _hold_finding(merchant: str, hold: RolloutHold) -> Finding:
    if hold.is_rollout_active:
        name = quote(hold.rollout)
        cause = f"rollout {hold.rollout} is {hold.state}, and wave {hold.wave} has not reached this merchant"
        remedy = f"merchantctl rollout resume {name}; or merchantctl rollout abort {name}"
    else:
        cause = f"rollout {hold.rollout} was {hold.state}, and the manifests still ask for what it was to bring"
        remedy = "change the manifests back; or merchantctl rollout start"
    return Finding(ROLLOUT_HELD_CODE, merchant, cause, remedy, Actor.NOBODY)
