"""How a merchant stands once a pass has ended: its plan, and what became of it."""

from __future__ import annotations

from enum import StrEnum

from controller.model.plan import Actor, ChangeKind, Finding, Plan
from controller.model.report import Done, Failed, Moved, Outcome, Skipped


class Standing(StrEnum):
    """The states of a plan, and what only a pass that writes can tell; what asks for attention first.

    failed   a write did not succeed
    done     created or severed just now; the next look tells the state
    """

    FAILED = "failed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    CHANGE = "change"
    WAITING = "waiting"
    DONE = "done"
    IN_SYNC = "in-sync"


def standing(plan: Plan, outcome: Outcome | None) -> Standing:
    """A change that moved under us, or was skipped, is still to be made."""
    match outcome:
        case Failed():
            return Standing.FAILED
        case Done():
            return _written(plan, outcome)
    return Standing(plan.state.value)


def _written(plan: Plan, outcome: Done) -> Standing:
    """A configuration was read back after it was written: it stands. What else was made has a way to go yet."""
    actors = {finding.actor for finding in still_open(plan, outcome)}
    if Actor.US in actors:
        return Standing.BLOCKED
    if Actor.MERCHANT in actors or Actor.SERVICE in actors:
        return Standing.WAITING
    return Standing.IN_SYNC if all(change.kind in _READ_BACK for change in plan.changes) else Standing.DONE


def still_open(plan: Plan, outcome: Outcome | None) -> tuple[Finding, ...]:
    """The findings that stand once the plan was carried out: what `apply` was to mend is mended."""
    if not isinstance(outcome, Done):
        return plan.findings
    return tuple(each for each in plan.findings if each.actor is not Actor.APPLY) + outcome.findings


def reason(outcome: Outcome | None) -> str:
    """Why a plan was not carried out; empty when it was, or needed no carrying out."""
    match outcome:
        case Failed(reason=why) | Skipped(reason=why):
            return why
        case Moved(what=what):
            return f"{what} moved since the plan was made"
    return ""


_READ_BACK = (ChangeKind.SET_CONFIGURATION, ChangeKind.RENAME_COMPANY)
