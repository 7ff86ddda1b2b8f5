"""What keeps one merchant's trouble from becoming everybody's: isolation, quarantine, back-off, the breaker.

refused by Codat's validation  quarantined until the manifest or live moves: the same would be refused again
any other failure                    left alone by an unattended run for 1, 2, 4 … 60 minutes; a person's run tries it
any other exception                  a fault of ours: this merchant's turn is over, and nobody else's
ten failures in a row                pause all writes: the trouble is not the merchants', nobody is quarantined for it
the key, Codat, the state      everybody's trouble: no new merchant is begun
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from shlex import quote
from typing import TypeVar

from controller.model.errors import (
    ApiUnusable,
    OutcomeUnknown,
    Rejected,
    RemoteError,
    RemoteLimitReached,
    StoppedBySignal,
)
from controller.model.holds import HeldBy, Hold
from controller.model.plan import (
    RECHECK_WAITING_AFTER,
    Actor,
    Change,
    ChangeKind,
    Finding,
    Plan,
    PlanStatus,
)
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome, Skipped, Unchanged
from controller.planning.holds import hold_changes
from controller.reconcile.context import StopSignal
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.formatting import format_count, format_time
from state import Quarantine
from state.errors import CompanyTaken, StateLocked, StateUnusable

MAX_MERCHANT_FAILURES_IN_A_ROW = 10
"""So many failures with no success between them pause the writes."""

QUARANTINE_CLOCK_TOLERANCE = timedelta(minutes=1)
"""So much may the clocks of several machines differ. An end further away than its own back-off and this was set by a
clock that was wrong, and nobody is left alone until then."""

FIRST_BACKOFF, MAX_BACKOFF = timedelta(minutes=1), timedelta(hours=1)

TRIES_UNTIL_LIVE_CHANGES_ARE_IGNORED = 3
"""After so many failures in a row, live state that moves by itself shortens no back-off any more."""

QUOTA_USED_UP = "Codat's quota of requests is used up"
APPLY_DOES_THE_REST = "merchantctl apply does the rest"
ONCE_QUOTA_IS_BACK = f"once it is back, {APPLY_DOES_THE_REST}"

NOT_READY_STATUS = 409
"""Books that Codat has not read yet say nothing of other merchants, however many consented at the same hour."""

QUARANTINED_CODE, INTERNAL_ERROR_CODE = "quarantined", "internal-error"

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())

T = TypeVar("T")


# Isolation ----------------------------------------------------------------------------------------------


def ends_run(error: BaseException) -> bool:
    """Whether an exception ends the run, though it came up while one merchant had its turn. Of the state's problems
    those of the whole state do: that a company is another's is its merchant's."""
    return isinstance(error, ApiUnusable | StoppedBySignal | StateUnusable | StateLocked)


def log_internal_error_as_plan(merchant: str, error: Exception) -> Plan:
    """The plan of a merchant that could not be thought about: never in sync, never missing."""
    cause = log_internal_error(merchant, error)
    remedy = f"please report it, with what this shows: merchantctl -vv plan --target {quote(merchant)}"
    finding = Finding(INTERNAL_ERROR_CODE, merchant, cause, remedy, Actor.OPERATOR, recheck_after=RECHECK_WAITING_AFTER)
    return Plan(merchant, PlanStatus.UNKNOWN, findings=(finding,))


def log_internal_error(merchant: str, error: Exception) -> str:
    """A fault of ours about one merchant in one printable line; where it happened is in the log."""
    _LOG.error("%s: a fault of merchantctl itself; please report it", merchant, exc_info=error)
    return internal_error_text(error)


def internal_error_text(error: Exception) -> str:
    """A fault of ours in one line that can be stored and printed."""
    return f"a fault of merchantctl itself: {type(error).__name__}: {printable_line(str(error))}".rstrip(": ")


def printable_line(text: str, max_length: int = 300) -> str:
    """What can be stored and printed of a text, whatever came with it: one line."""
    line = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    line = " ".join(line.split())
    return line if len(line) <= max_length else f"{line[:max_length]} …"


async def record_internal_error(plan: Plan, error: Exception, writes: int, snapshot: RunSnapshot) -> Failed:
    """What became of a merchant whose turn ended in what no step foresees. It is left alone for a while."""
    if isinstance(error, CompanyTaken):  # another process was quicker: nobody's fault
        failed = Failed(str(error), retryable=True, writes=writes)
    else:
        failed = Failed(f"{log_internal_error(plan.merchant, error)}; please report it", retryable=True, writes=writes)
    try:
        await update_failure_tracking(plan, failed, snapshot)
    except Exception as second:
        if ends_run(second):
            raise
        log_internal_error(plan.merchant, second)
    return failed


async def save_without_unfit_rows(save: Callable[[Sequence[T]], Awaitable[object]], rows: Sequence[T]) -> None:
    """Notes all rows at once; where one of them cannot be kept, each on its own, without that one."""
    try:
        await save(rows)
    except Exception as error:
        if ends_run(error):
            raise
        for row in rows:
            try:
                await save([row])
            except Exception as one:
                if ends_run(one):
                    raise
                _LOG.error("left out, since the state cannot keep it: %r", row, exc_info=one)


# Quarantine ---------------------------------------------------------------------------------------------


def quarantine_key(plan: Plan, snapshot: RunSnapshot) -> str:
    """What a merchant failed with: its manifest, then what was seen live."""
    manifest, live = (
        hashlib.sha256(words.encode()).hexdigest()[:32]
        for words in (snapshot.desired[plan.merchant].digest, plan.fingerprint)
    )
    return f"{manifest} {live}"


def hold_if_quarantined(plan: Plan, snapshot: RunSnapshot) -> Plan:
    """The plan as it will be carried out: whoever is left alone keeps the reason in place of the changes."""
    quarantine = _matching_quarantine(plan, snapshot) if plan.changes else None
    if quarantine is None or (quarantine.until is None and snapshot.run.retries_quarantined):
        return plan
    finding = _quarantine_finding(plan.merchant, quarantine, snapshot)
    if not _is_held_back(quarantine, snapshot):
        return replace(plan, findings=(*plan.findings, finding))
    state = PlanStatus.BLOCKED if quarantine.until is None else PlanStatus.WAITING
    return hold_changes(plan, state, Hold(HeldBy.QUARANTINE, finding.cause, quarantine.until), finding)


def skipped_by_quarantine(plan: Plan, snapshot: RunSnapshot) -> Skipped | None:
    """Why a merchant is not tried: the very same was refused before, or failed a moment ago."""
    if not plan.changes:
        held = plan.hold is not None and plan.hold.by is HeldBy.QUARANTINE
        return Skipped(plan.hold.reason) if plan.hold and held else None
    quarantine = _matching_quarantine(plan, snapshot)
    if quarantine is None or not _is_held_back(quarantine, snapshot):
        return None
    return Skipped(_quarantine_reason(quarantine))


def _matching_quarantine(plan: Plan, snapshot: RunSnapshot) -> Quarantine | None:
    """The merchant's quarantine, as long as it is about this plan."""
    quarantine = snapshot.quarantined.get(plan.merchant)
    if quarantine is None:
        return None
    manifest, _, live = quarantine_key(plan, snapshot).partition(" ")
    was_manifest, _, was_live = quarantine.key.partition(" ")
    restless = quarantine.until is not None and quarantine.tries >= TRIES_UNTIL_LIVE_CHANGES_ARE_IGNORED
    return quarantine if was_manifest == manifest and (was_live == live or restless) else None


def _is_held_back(quarantine: Quarantine, snapshot: RunSnapshot) -> bool:
    """A person's run tries whoever may succeed by now; one that names or retries somebody tries everybody."""
    if snapshot.run.retries_quarantined:
        return False
    return quarantine.until is None or (
        snapshot.run.policy.automatic
        and timedelta()
        < quarantine.until - snapshot.run.now()
        <= backoff(quarantine.tries) + QUARANTINE_CLOCK_TOLERANCE
    )


def _quarantine_reason(quarantine: Quarantine) -> str:
    if quarantine.until is None:
        return f"refused before and nothing moved since: {quarantine.reason}"
    failures = format_count(quarantine.tries, "failure")
    return f"left alone until {quarantine.until:%H:%M:%S} UTC after {failures}: {quarantine.reason}"


def _quarantine_finding(merchant: str, quarantine: Quarantine, snapshot: RunSnapshot) -> Finding:
    """Held back, why and until when; or, where a person's run tries anyway, that `run` would not."""
    retry = f"to try it all the same: merchantctl apply --target {quote(merchant)}"
    if quarantine.until is None:
        remedy = f"mend what it was refused for, in the manifest or in the books; {retry}"
        return Finding(QUARANTINED_CODE, merchant, _quarantine_reason(quarantine), remedy, Actor.OPERATOR)
    if _is_held_back(quarantine, snapshot):
        return Finding(
            QUARANTINED_CODE,
            merchant,
            _quarantine_reason(quarantine),
            f"it is tried again then; {retry}",
            Actor.NOBODY,
        )
    cause = f"{format_count(quarantine.tries, 'failure')} in a row, the last: {quarantine.reason}"
    next_try = format_time(quarantine.until)
    remedy = f"a controller that runs tries it again at {next_try}; to try it at once: merchantctl apply"
    return Finding(QUARANTINED_CODE, merchant, cause, remedy, Actor.NOBODY)


# Failures -----------------------------------------------------------------------------------------------


def skipped_by_stop(stop: StopSignal) -> Skipped:
    return Skipped(f"not begun: {stop.reason}")


def backoff(tries: int) -> timedelta:
    """How long an unattended run leaves a merchant alone after so many failures in a row."""
    doublings = min(tries - 1, 10)
    return min(MAX_BACKOFF, FIRST_BACKOFF * (1 << doublings))


def fail_or_stop_run(error: RemoteError, change: Change, writes: int, snapshot: RunSnapshot) -> Failed | Skipped:
    """What an error means for its merchant, and for the whole run where a limit of Codat is reached."""
    if not isinstance(error, RemoteLimitReached):
        # One that was seen undone counts as not made, though Codat may do it later: else a service that refuses one
        # merchant's change again and again would use up the class's limit for everybody (decision 24).
        lost = isinstance(error, OutcomeUnknown) and not error.seen_undone
        return Failed(str(error), not _is_refused_for_good(error), writes, error.status, unsure=lost)
    if error.status == 429:
        snapshot.run.stop.request(QUOTA_USED_UP, remedy=ONCE_QUOTA_IS_BACK, resume_at=error.resume_at)
    elif change.kind is ChangeKind.CREATE_COMPANY:
        room = "raise it at Codat, or make room there; then " + APPLY_DOES_THE_REST
        snapshot.run.stop.request("the account is at its limit of companies", remedy=room)
    untouched = error.status == 429 and not writes
    return skipped_by_stop(snapshot.run.stop) if untouched else Failed(str(error), True, writes, error.status)


def _is_refused_for_good(error: RemoteError) -> bool:
    """Codat looked at what was sent and says in its own body what is wrong with it: so it will tomorrow."""
    return isinstance(error, Rejected) and bool(error.messages)


def stop_for_unusable_api(error: ApiUnusable, writes: int, snapshot: RunSnapshot) -> Failed | Skipped:
    """Everybody's trouble came up during one merchant's changes: nobody new is begun, whoever is under way ends."""
    snapshot.run.stop.request(printable_line(str(error)), unusable=True)
    return Failed(str(error), True, writes) if writes else skipped_by_stop(snapshot.run.stop)


async def update_failure_tracking(plan: Plan, outcome: Outcome, snapshot: RunSnapshot) -> None:
    """Called for every merchant that was not skipped. After a stop nobody is blamed any more."""
    match outcome:
        case Failed(reason=reason, retryable=retryable) if snapshot.run.stop.reason is None:
            await _record_quarantine(plan, reason, snapshot, retryable=retryable)
            if outcome.status != NOT_READY_STATUS:
                await _count_for_circuit_breaker(plan, snapshot)
        case ChangedSincePlan(what=what, writes=writes) if snapshot.run.stop.reason is None:
            await _record_quarantine(plan, what, snapshot, retryable=True)
            if writes:
                await _count_for_circuit_breaker(plan, snapshot)
        case Applied():
            if snapshot.run.stop.reason is None:  # else it says whom the pause of the writes has to release
                snapshot.run.stop.failed_in_a_row.clear()
            await _release_quarantine(plan, snapshot)
        case Unchanged() if not plan.has_unread:
            await _release_quarantine(plan, snapshot)
        case _:
            pass


async def _record_quarantine(plan: Plan, reason: str, snapshot: RunSnapshot, *, retryable: bool) -> None:
    before = snapshot.quarantined.get(plan.merchant)
    tries = 1 + (before.tries if before else 0)
    until: datetime | None = snapshot.run.now() + backoff(tries) if retryable else None
    key = quarantine_key(plan, snapshot)
    await snapshot.run.store.quarantine.put(
        plan.merchant, key=key, reason=printable_line(reason), until=until, tries=tries
    )


async def _count_for_circuit_breaker(plan: Plan, snapshot: RunSnapshot) -> None:
    stop = snapshot.run.stop
    # Once for each: a fault of ours comes here when it comes up and when its merchant's turn is over, and a create
    # whose answer was lost has two turns in a run.
    if plan.merchant not in stop.failed_in_a_row:
        stop.failed_in_a_row.append(plan.merchant)
    if len(stop.failed_in_a_row) < MAX_MERCHANT_FAILURES_IN_A_ROW:
        return
    remedy = "their lines say with what; once that is mended, " + APPLY_DOES_THE_REST
    stop.request(f"{MAX_MERCHANT_FAILURES_IN_A_ROW} merchants in a row failed", remedy=remedy)
    # Whoever was under way may fail while this waits: the last one releases them all again, and itself.
    for merchant in tuple(stop.failed_in_a_row):
        await snapshot.run.store.quarantine.release(merchant)


async def _release_quarantine(plan: Plan, snapshot: RunSnapshot) -> None:
    if plan.merchant in snapshot.quarantined:
        await snapshot.run.store.quarantine.release(plan.merchant)
