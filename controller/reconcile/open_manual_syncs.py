"""Manual syncs that are open: who is switched off for one, and whether it has ended.

A process carries a manual sync out to its end (`operations.sync`). One that died has left it open, and whoever looks
next goes on: waits until Codat has synchronised what was requested, and lets the merchant be switched on again. It
never requests a sync itself: nobody is there any more who asked for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.codat.client import Reader
from controller.model.errors import RemoteError
from controller.model.syncs_and_uploads import OpenManualSync, TransferStatus
from controller.planning.merchant_renames import RenamePlan
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.snapshot import RunSnapshot
from state import ManualSyncRow, Store

NOT_BEGUN = "not begun"
"""The outcome of one whose request was not sent, or did not arrive."""

RUNNING_SYNC_CHECK_INTERVAL_S = 2.0
MAX_WAIT_S = 30.0
"""So long an apply waits for manual syncs that were left open; what runs still is left to the next look."""


async def load_open_manual_syncs(store: Store, renames: RenamePlan) -> dict[str, OpenManualSync]:
    """By merchant, under the names of this run."""
    rows = await store.manual_syncs.load_open()
    return {renames.current_name(row.merchant): to_open_manual_sync(row) for row in rows}


def to_open_manual_sync(row: ManualSyncRow) -> OpenManualSync:
    who = row.owner
    owner = f"`{who.command}` (pid {who.pid} on {who.host})" if row.is_alive else None
    return OpenManualSync(row.id, row.begun_at, row.was_enabled, row.ended_at is not None, owner)


async def end_abandoned_syncs_if_over(snapshot: RunSnapshot) -> None:
    """Ends the manual syncs of this run's merchants that a dead process left open, as far as they are over. An apply
    waits a while for those that run still."""
    run, waited = snapshot.run, 0.0
    while left := [row for row in await _load_abandoned_syncs(snapshot) if not await _end_if_over(row, snapshot)]:
        if not run.waits_for_lost_creates or waited >= MAX_WAIT_S or run.stop.reason:
            return
        if not waited:
            run.on_message(f"waiting for the manual sync of {', '.join(row.merchant for row in left)} to end")
        await run.stop.wait_unless_stopped(run.sleep(RUNNING_SYNC_CHECK_INTERVAL_S))
        waited += RUNNING_SYNC_CHECK_INTERVAL_S


async def _load_abandoned_syncs(snapshot: RunSnapshot) -> list[ManualSyncRow]:
    rows = await snapshot.run.store.manual_syncs.load_open()
    return [
        row for row in rows if is_abandoned(row) and snapshot.renames.current_name(row.merchant) in snapshot.desired
    ]


def is_abandoned(row: ManualSyncRow) -> bool:
    """Whether its process died before it had ended."""
    return row.ended_at is None and not row.is_alive


async def _end_if_over(row: ManualSyncRow, snapshot: RunSnapshot) -> bool:
    run = snapshot.run
    try:
        outcome = await read_manual_sync_outcome(row, run.api, run.service_now(), run.recovery_times.last_look_s)
    except RemoteError:
        return False
    except Exception as error:  # every run comes through here: one merchant's would be the end of all
        if ends_run(error):
            raise
        log_internal_error(row.merchant, error)
        return False
    if outcome:
        await run.store.manual_syncs.mark_ended(row.id, outcome, run.now())
    return bool(outcome)


async def read_manual_sync_outcome(row: ManualSyncRow, api: Reader, now: datetime, last_look_s: float) -> str:
    """How a manual sync ended: its code, or NOT_BEGUN; empty while it runs, or may still begin. Raises RemoteError.

    last_look_s  seconds after a request whose answer was lost, within which it may still arrive
    """
    if row.requested_at is None:
        return NOT_BEGUN
    latest = await api.latest_sync(row.company_id)
    if latest is None or latest.id == row.previous_sync:
        return NOT_BEGUN if now >= row.requested_at + timedelta(seconds=last_look_s) else ""
    return "" if latest.transfer_status is TransferStatus.RUNNING else str(latest.code)
