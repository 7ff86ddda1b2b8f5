"""One merchant, once: observe and plan; then apply and record. The story that every run tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from controller.codat.write_check import section_paths
from controller.model.observed import Configuration, Observed, RecordedState, Unread
from controller.model.plan import ChangeClass, ChangeKind, Plan
from controller.model.report import Outcome, Skipped
from controller.planning.clock_skew import hold_if_skew_matters
from controller.planning.merchant_renames import finding_only_plan
from controller.planning.plan import make_plan, with_manifest_places
from controller.reconcile.apply import apply
from controller.reconcile.apply_configuration import document_changes_by_field
from controller.reconcile.failure_policy import (
    ends_run,
    record_internal_error,
    skipped_by_quarantine,
    skipped_by_stop,
    update_failure_tracking,
)
from controller.reconcile.in_sync_cache import cache_entry, cached_plan
from controller.reconcile.merchant_lease import merchant_lease
from controller.reconcile.observe import observe_basic, observe_details, reparse_at
from controller.reconcile.persist import is_configured_after, persist_outcome
from controller.reconcile.recent_changes import record_counts_after_writing, record_counts_before_writing
from controller.reconcile.recent_documents import RecentDocument
from controller.reconcile.recover_intents import unsettled_reason
from controller.reconcile.snapshot import RunSnapshot

Applier = Callable[[Plan, RunSnapshot], Awaitable[Outcome]]
"""How one merchant's plan is carried out: `apply_and_record`, or that with something around it."""

Recorder = Callable[[Plan, Outcome, RunSnapshot], Awaitable[None]]
"""What is recorded once a merchant's plan was carried out: `persist_outcome`, or what an undo records."""


async def plan_merchant(merchant: str, snapshot: RunSnapshot) -> Plan:
    """Observes one merchant and plans what to do. Writes nothing. Raises RemoteError.

    A merchant of whom nothing moved since it was last in sync has its plan from the cache.
    """
    run, wanted = snapshot.run, snapshot.desired[merchant]
    if merchant in snapshot.contested:
        return finding_only_plan(wanted, snapshot.contested[merchant], run.now())
    basic = await observe_basic(merchant, snapshot)
    cached = cached_plan(merchant, basic, snapshot)
    if cached:
        return cached

    recorded = snapshot.recorded_state(merchant)
    observed = _unread_if_document_cut(await observe_details(merchant, basic, snapshot), recorded)
    remap = merchant in run.policy.released_merchants(ChangeClass.REMAP)
    our_now, service_now = run.now(), run.service_now()
    plan = make_plan(wanted, observed, recorded, service_now, remap=remap)
    if service_now != our_now:
        # Our clock or Codat's may be wrong. Where that makes a difference to what is written, nothing is written.
        by_our_clock = make_plan(wanted, reparse_at(our_now, observed), recorded, our_now, remap=remap)
        plan = hold_if_skew_matters(plan, by_our_clock, service_now, our_now)

    live = observed.configuration
    if isinstance(live, Configuration) and is_configured_after(plan) and plan.changes:
        snapshot.planned_sections[merchant] = section_paths(live.document)
        snapshot.recent_documents.keep(merchant, RecentDocument(live, basic.read_at))
    key = cache_entry(plan, basic, snapshot)
    if key:
        snapshot.new_in_sync_keys[merchant] = key
    plan = with_manifest_places(plan, wanted.origins)
    if run.policy.for_rollout and isinstance(live, Configuration):
        # A rollout may have to put the document back, so it notes all that its change touches there.
        change = next((each for each in plan.changes if each.kind is ChangeKind.SET_CONFIGURATION), None)
        plan = replace(plan, document_changes=document_changes_by_field(change, live)) if change else plan
    return plan


def _unread_if_document_cut(observed: Observed, recorded: RecordedState) -> Observed:
    """What was observed; as unread where a configured document lacks a section that we have set fields of.

    Such a document was cut on its way, and says nothing.
    """
    live = observed.configuration
    if not isinstance(live, Configuration) or not live.configured:
        return observed
    sections_we_set = {
        path.split(".")[1] for path in recorded.last_applied if path.startswith("mapping.") and path not in live.values
    }
    present = section_paths(live.document)
    missing = sorted(name for section in sections_we_set if (name := f"configuration.{section}") not in present)
    if not missing:
        return observed
    why = f"the configuration came without {missing[0]}, which was there before"
    return replace(observed, configuration=Unread(why))


async def apply_and_record(plan: Plan, snapshot: RunSnapshot, record: Recorder = persist_outcome) -> Outcome:
    """Carries one merchant's plan out and records what became of it: the one door for a run's writes.

    Nothing is begun after a stop. A merchant that failed for good is left alone until something of it moves, and one
    with a create under way until that is settled.
    """
    if plan.changes and snapshot.run.stop.reason:
        return skipped_by_stop(snapshot.run.stop)
    # A company that is found may be bound without any change.
    may_write = plan.changes or snapshot.recorded_state(plan.merchant).company_id is None
    if may_write and plan.merchant in snapshot.pending_intents:
        return Skipped(unsettled_reason(snapshot.pending_intents[plan.merchant]))
    outcome: Outcome | None = skipped_by_quarantine(plan, snapshot)
    try:
        async with _lease_if_writing(plan, snapshot) as left_alone:
            if left_alone:
                return left_alone
            if outcome is None:
                # Counted before the first write leaves, so that no crash makes a change forgotten; corrected later.
                counted_at = await record_counts_before_writing(plan, snapshot)
                outcome = await apply(plan, snapshot)
                await record_counts_after_writing(plan, outcome, snapshot, counted_at)
            await update_failure_tracking(plan, outcome, snapshot)
            await record(plan, outcome, snapshot)
    except Exception as error:
        if ends_run(error):
            raise
        return await record_internal_error(plan, error, getattr(outcome, "writes", 0), snapshot)
    return outcome


def _lease_if_writing(plan: Plan, snapshot: RunSnapshot) -> AbstractAsyncContextManager[Outcome | None]:
    """The merchant's lease. Where nothing is to be written, what is to be recorded may still need it: see there."""
    return merchant_lease(plan, snapshot) if plan.changes else nullcontext()
