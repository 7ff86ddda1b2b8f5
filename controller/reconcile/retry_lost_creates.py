"""Creates whose answer was lost, in this run or one before: waited for once for all, then planned and carried out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from controller.model.errors import StoppedBySignal
from controller.model.plan import Change, Plan, PlanStatus
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, Outcome, Skipped, Unchanged
from controller.reconcile.apply_new_accounts import ACCOUNT_INTENT
from controller.reconcile.concurrency import apply_all, plan_all
from controller.reconcile.load_snapshot import load_open_intents, load_snapshot
from controller.reconcile.plan_merchant import Applier
from controller.reconcile.recover_intents import settle_intents
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.formatting import format_count


async def retry_lost_creates(
    plan: FleetPlan, snapshot: RunSnapshot, first: Mapping[str, Outcome], applier: Applier
) -> dict[str, Outcome]:
    """The outcomes of the merchants that have an open intent after the first round; nobody else is touched.

    A run that does not wait leaves them to a later one.
    """
    run = snapshot.run
    lost = {intent.merchant for intent in await load_open_intents(snapshot)}
    again = [each for each in plan.plans if each.merchant in lost]
    if not again or not run.waits_for_lost_creates or run.stop.reason:
        return {}
    await _wait_and_settle(lost, snapshot)
    pending = {intent.merchant: intent for intent in await load_open_intents(snapshot)}
    # The same `creates`, since the look for duplicates comes once, after both rounds.
    anew = replace(await load_snapshot(run), run_id=snapshot.run_id, creates=snapshot.creates, pending_intents=pending)
    try:
        later = await plan_all([each.merchant for each in again], anew, run.parallelism, _no_progress)
    except StoppedBySignal:
        return {}
    agreed = [_only_agreed_changes(new, old) for new, old in zip(later, again, strict=True)]
    outcomes = await apply_all(agreed, anew, run.parallelism, _no_progress, applier)
    both = {name: _add_first_round_writes(first.get(name), outcome) for name, outcome in outcomes.items()}
    # Of an intent that is still open nothing was made where the look finds no company that is the merchant's.
    seen = [each for each in later if each.company_id or each.merchant not in pending]
    return both | {each.merchant: made for each in seen if (made := _applied_if_made(each, first.get(each.merchant)))}


def _add_first_round_writes(before: Outcome | None, outcome: Outcome) -> Outcome:
    """The second round's outcome, with what the first one wrote for the same merchant."""
    writes = before.writes if isinstance(before, Applied | Failed | ChangedSincePlan) else 0
    match outcome:
        case Applied() | Failed() | ChangedSincePlan():
            return replace(outcome, writes=outcome.writes + writes)
        case Skipped(reason=reason) if writes:
            return Failed(reason, retryable=True, writes=writes)
        case Unchanged() if writes:
            return Applied(writes)
    return outcome


async def _wait_and_settle(merchants: Collection[str], snapshot: RunSnapshot) -> None:
    """Looks whenever a look decides something, until all are settled or the last look came to nothing.

    There is nothing to wait for where Codat's quota is used up.
    """
    run = snapshot.run
    looked: set[tuple[int, bool]] = set()
    while open_ := [intent for intent in await load_open_intents(snapshot) if intent.merchant in merchants]:
        due = {(intent.id, intent.missed_at is None): run.recovery_times.next_look_at(intent) for intent in open_}
        if due.keys() <= looked or run.api.resume_at or run.stop.reason:
            return
        # The latest of them, since one wait and one listing then serve all.
        when = max(due.values())
        # An intent may be dated by a clock that was ahead of Codat's: then this wait ends all the same.
        seconds = min(max(0.0, (when - run.service_now()).total_seconds()), run.recovery_times.max_wait_s)
        in_books = all(intent.kind == ACCOUNT_INTENT for intent in open_)
        what = format_count(len(open_), "account on its way" if in_books else "lost answer")
        run.on_message(f"{what}: looking again in {seconds:.0f} s whether it was done after all")
        await run.stop.wait_unless_stopped(run.sleep(seconds))
        if not run.stop.reason:
            await settle_intents(open_, snapshot)
        looked |= due.keys()


def _applied_if_made(later: Plan, before: Outcome | None) -> Applied | None:
    """Nothing is left to do: the write whose answer was lost was done. What it waits for is told as after any."""
    if later.changes or later.status is PlanStatus.UNKNOWN or not isinstance(before, Failed):
        return None
    counted = before.status is not None and 200 <= before.status < 300  # answered, though not readably
    return Applied(before.writes + (not counted), tuple(finding for finding in later.findings if finding.link))


def _only_agreed_changes(later: Plan, earlier: Plan) -> Plan:
    """Of a second look's plan only what was agreed to: changes that the first one had, of the same fields from the
    same values to the same. What else has moved meanwhile nobody was shown."""
    agreed = [_what_was_shown(change) for change in earlier.changes]
    return replace(later, changes=tuple(each for each in later.changes if _what_was_shown(each) in agreed))


def _what_was_shown(change: Change) -> tuple[object, ...]:
    return change.kind, change.classes, [(each.field, each.live, each.wanted) for each in change.fields]


def _no_progress(done: int, of: int, failed: int) -> None:
    """A second round is short: it has no progress of its own."""
