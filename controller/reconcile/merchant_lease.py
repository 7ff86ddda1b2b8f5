"""One writer at a time to each merchant: a command and a controller may be at work on one state at once.

Both look without a lease, since most looks lead to nothing. Whoever has something to write takes the lease, and sees
whether the other has written to the merchant since: then its plan rests on what is no more, and is not carried out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager

from controller.model.errors import LockedByOtherRun
from controller.model.plan import Plan
from controller.model.report import ChangedSincePlan, Outcome
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import skipped_by_stop
from controller.reconcile.fence import stop_for_lost_lock
from controller.reconcile.snapshot import RunSnapshot
from state import MerchantRecord
from state.errors import LeaseLost

WRITTEN_TO_BY_ANOTHER = "another run of merchantctl is writing to it at this moment"

LEASE_ATTEMPTS, LEASE_RETRY_S = 60, 1.0
"""So often, so many seconds apart, leases are tried that are waited for: longer than another's write takes."""


@asynccontextmanager
async def try_leases(names: Collection[str], run: RunContext) -> AsyncIterator[bool]:
    """The leases on all of these merchants, while this lasts; yields False where another run has one of them, or the
    lock of this run is lost: then the run is stopped."""
    async with AsyncExitStack() as leased:
        # Entered by hand: only the taking may lose the lease here; what the caller raises while it has it is its own.
        try:
            is_ours = await leased.enter_async_context(run.lock.lease(names))
        except LeaseLost as error:
            stop_for_lost_lock(error, run)
            is_ours = False
        yield is_ours


@asynccontextmanager
async def awaited_leases(names: Collection[str], run: RunContext) -> AsyncIterator[None]:
    """The leases on all of these merchants, while this lasts, once no other run writes to any of them.

    Raises LockedByOtherRun where one does for too long, or the run is stopped meanwhile.
    """
    for _ in range(LEASE_ATTEMPTS):
        async with try_leases(names, run) as is_ours:
            if is_ours:
                yield
                return
        if run.stop.reason:
            raise LockedByOtherRun(f"{run.stop.reason}. Nothing was done.")
        await run.sleep(LEASE_RETRY_S)
    raise LockedByOtherRun(
        f"another run of merchantctl is writing to {', '.join(sorted(names))}. Nothing was done. Run it again."
    )


@asynccontextmanager
async def merchant_lease(plan: Plan, snapshot: RunSnapshot) -> AsyncIterator[Outcome | None]:
    """The lease on a plan's merchant, while this lasts. Yields what became of the plan where nothing may be written to
    the merchant now; None: it may be."""
    async with try_leases([plan.merchant], snapshot.run) as is_ours:
        if not is_ours and snapshot.run.stop.reason:
            yield skipped_by_stop(snapshot.run.stop)
        elif not is_ours:
            yield ChangedSincePlan(WRITTEN_TO_BY_ANOTHER)
        elif await _is_recorded_otherwise(plan, snapshot):
            yield ChangedSincePlan("another run of merchantctl has written to it since this one looked")
        else:
            yield None


async def _is_recorded_otherwise(plan: Plan, snapshot: RunSnapshot) -> bool:
    merchant, store = plan.merchant, snapshot.run.store
    now = (await store.records.load([merchant])).get(merchant)
    if _what_plans_rest_on(now) != _what_plans_rest_on(snapshot.records.get(merchant)):
        return True
    # One that was found by its name may be another merchant's by now, whose lease this is not.
    is_found = plan.company_id is not None and (now is None or now.company_id is None)
    if is_found and await store.bindings.load_owner(str(plan.company_id)) not in (None, merchant):
        return True
    # A manual sync that was begun or closed since has moved the switch, and the wish for it.
    planned_with = snapshot.open_manual_syncs.get(merchant)
    open_now = [each.id for each in await store.manual_syncs.load_open() if each.merchant == merchant]
    return open_now != ([planned_with.id] if planned_with else [])


def _what_plans_rest_on(record: MerchantRecord | None) -> tuple[object, ...]:
    """Of what is recorded all that a plan may rest on; not its name, which a rename of this very run may have moved."""
    record = record or MerchantRecord("")
    return (
        record.company_id,
        record.connection_id,
        record.retired_at,
        record.deletion,
        record.applied_json,
        [(intent.id, intent.missed_at) for intent in record.intents],
    )
