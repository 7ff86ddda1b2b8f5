"""A merchant's status once a pass has ended, from its plan and what became of it; and what each status means.

`STATUS_MEANINGS` is the one table of statuses: text, web, metrics and the documents take words, colours and order
from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from controller.model.drift import is_drift
from controller.model.field_values import ENABLED_PATH
from controller.model.plan import (
    READY_CONDITION,
    SYNCING_CONDITION,
    Actor,
    ChangeKind,
    Condition,
    ConditionStatus,
    Finding,
    Plan,
    PlanStatus,
)
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome, Skipped
from controller.model.rollout import MemberState
from controller.quick_dataclasses import dataclass


class MerchantStatus(StrEnum):
    """The statuses of a plan, and two that only a pass that writes can tell; the most urgent first.

    FAILED  a write did not succeed
    DONE    something was created or unlinked just now; the next pass tells the status
    """

    FAILED = "failed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    CHANGE = "change"
    WAITING = "waiting"
    DONE = "done"
    DRIFTED = "drifted"
    IN_SYNC = "in-sync"


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """What a status says to people.

    label        in a summary, after a number
    tone         how urgent it looks: good, bad, change (an apply writes it) or wait; a style of text and pages
    explanation  one clause
    next_step    what to do about it, and so who acts
    wave_result  what a rollout notes of a merchant that it has nothing to write to
    """

    label: str
    tone: str
    explanation: str
    next_step: str
    wave_result: MemberState


STATUS_MEANINGS: Mapping[MerchantStatus, StatusMeaning] = {
    MerchantStatus.FAILED: StatusMeaning(
        "failed",
        "bad",
        "a write did not succeed",
        "read why; run again where that may help",
        MemberState.FAILED,
    ),
    MerchantStatus.BLOCKED: StatusMeaning(
        "blocked",
        "bad",
        "our side must mend something: a manifest, a name, the account at Codat",
        "read the remedy",
        MemberState.FAILED,
    ),
    MerchantStatus.UNKNOWN: StatusMeaning(
        "unknown", "bad", "something could not be read", "run again", MemberState.FAILED
    ),
    MerchantStatus.CHANGE: StatusMeaning(
        "to change", "change", "`apply` has something to do", "`merchantctl apply`", MemberState.FAILED
    ),
    MerchantStatus.WAITING: StatusMeaning(
        "waiting",
        "wait",
        "for the merchant's consent, or for data",
        "send `merchantctl link <name>`; or `merchantctl refresh` and wait a minute",
        MemberState.DEFERRED,
    ),
    MerchantStatus.DONE: StatusMeaning(
        "done",
        "good",
        "created or severed in the last pass",
        "the next look tells how it stands",
        MemberState.DONE,
    ),
    MerchantStatus.DRIFTED: StatusMeaning(
        "drifted",
        "bad",
        "somebody changed it, and its policy or a suspension leaves that alone",
        "change the manifest to what stands, or `policy.drift: Correct`",
        MemberState.DONE,
    ),
    MerchantStatus.IN_SYNC: StatusMeaning("in sync", "good", "live is as declared", "nothing", MemberState.DONE),
}
"""By status, the most urgent first."""


_READ_BACK = (
    *(ChangeKind.SET_CONFIGURATION, ChangeKind.RENAME_COMPANY),
    *(ChangeKind.SET_FLOW_TEXT, ChangeKind.SET_VISIBLE_ACCOUNTS, ChangeKind.SET_PROFILE, ChangeKind.SET_DATA_TYPES),
)


def merchant_status(plan: Plan, outcome: Outcome | None) -> MerchantStatus:
    """The status after this outcome; None: nothing was tried."""
    if isinstance(outcome, Failed):
        return MerchantStatus.FAILED
    # A change that was skipped, or under which live changed, is still to be made: as planned.
    if not isinstance(outcome, Applied):
        return MerchantStatus(plan.status.value)
    findings = open_findings(plan, outcome)
    actors = {finding.waits_for for finding in findings}
    if Actor.OPERATOR in actors:
        return MerchantStatus.BLOCKED
    if Actor.MERCHANT in actors or Actor.CODAT in actors:
        return MerchantStatus.WAITING
    # Only these writes are read back; what else was created or unlinked is checked by the next pass.
    if not all(change.kind in _READ_BACK for change in plan.changes):
        return MerchantStatus.DONE
    return MerchantStatus.DRIFTED if any(map(is_drift, findings)) else MerchantStatus.IN_SYNC


def open_findings(plan: Plan, outcome: Outcome | None) -> tuple[Finding, ...]:
    """The findings that are left after this outcome: what `apply` was to correct is corrected."""
    if not isinstance(outcome, Applied):
        return plan.findings
    return tuple(finding for finding in plan.findings if finding.actor is not Actor.APPLY) + outcome.findings


def plan_after(plan: Plan, outcome: Outcome | None) -> Plan:
    """The plan as it stands after this outcome: what was made is to be made no more.

    What was read back is known: every step is done. How far a create or an unlinking brought the merchant is unknown
    until the next look.
    """
    if not isinstance(outcome, Applied) or not plan.changes:
        return plan
    status = merchant_status(plan, outcome)
    is_known = status in (MerchantStatus.IN_SYNC, MerchantStatus.DRIFTED)
    return replace(
        plan,
        status=PlanStatus.UNKNOWN if status is MerchantStatus.DONE else PlanStatus(status.value),
        changes=(),
        findings=open_findings(plan, outcome),
        conditions=tuple(_condition_after(each, plan, is_known=is_known) for each in plan.conditions),
    )


def _condition_after(condition: Condition, plan: Plan, *, is_known: bool) -> Condition:
    if condition.status is ConditionStatus.TRUE and condition.type != READY_CONDITION:
        return condition
    if not is_known or condition.type == SYNCING_CONDITION:
        unknown = "written, and not looked at since"
        return replace(condition, status=ConditionStatus.UNKNOWN, reason=unknown, since=None)
    if condition.type == READY_CONDITION and not plan.resolved_values.get(ENABLED_PATH):
        return replace(condition, status=ConditionStatus.FALSE, reason="not switched on", since=None)
    return replace(condition, status=ConditionStatus.TRUE, reason="", since=None)


def not_applied_reason(outcome: Outcome | None) -> str:
    """Why a plan was not carried out; empty when it was, or had nothing to do."""
    match outcome:
        case Failed(reason=reason) | Skipped(reason=reason):
            return reason
        case ChangedSincePlan():
            return outcome.sentence
    return ""
