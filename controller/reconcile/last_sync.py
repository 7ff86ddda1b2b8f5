"""How a merchant's latest sync went, read and remembered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from controller.codat.client import Reader
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.errors import RemoteError, StoppedBySignal
from controller.model.observed import RecordedState
from controller.model.syncs_and_uploads import is_sync_failure
from controller.reconcile.concurrency import map_bounded
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.observe import has_both_links
from controller.reconcile.persist import last_sync_from_row
from controller.reconcile.snapshot import RunSnapshot
from state import LastSyncRow
from state.errors import StateProblem

MAX_SYNC_MESSAGE_CHARS = 1000


async def read_latest_sync(
    merchant: str, company_id: str, before: LastSyncRow | None, api: Reader, now: datetime
) -> LastSyncRow:
    """What is to be remembered, beside what was read before. Raises RemoteError."""
    sync = await api.latest_sync(company_id)
    code, ran_at = (sync.code, sync.started_at) if sync else (None, None)
    # Without a code it runs, or there is none. One that has ended since is told as of now, though it is the same one.
    same = before is not None and before.ran_at == ran_at and (before.code is None) == (code is None)
    since = before.since if before and same else now
    message, detail = (text[:MAX_SYNC_MESSAGE_CHARS] for text in ((sync.message, sync.detail) if sync else ("", "")))
    times = _failing_since_and_last_success(code, ran_at or since, before)
    return LastSyncRow(merchant, code, message, ran_at, since, now, detail or None, *times)


def _failing_since_and_last_success(
    code: int | None, at: datetime, before: LastSyncRow | None
) -> tuple[datetime | None, datetime | None]:
    """Since when syncs have failed in a row, and when one succeeded last, with this one that ran at `at`.

    One that runs still ends no row: how it will end is not known.
    """
    failing_since, last_success_at = (before.failing_since, before.last_success_at) if before else (None, None)
    if is_sync_failure(code):
        return failing_since or at, last_success_at
    if code is not None and code // 1000 == 2:
        return None, at
    return (failing_since if code is not None else None), last_success_at


async def read_and_record_latest_syncs(snapshot: RunSnapshot) -> RunSnapshot:
    """The snapshot, with each merchant's latest sync as it is now, where that was asked for: one request each.

    Only of whom the listing shows linked on both sides, or who is not in it. What cannot be read is the merchant's own
    trouble, and the report says so; what was read is remembered, best effort.
    """
    run = snapshot.run
    if not run.read_syncs:
        return snapshot
    known, unread = await run.store.last_syncs.load(), dict[str, str]()

    async def read(name: str) -> LastSyncRow | None:
        if run.stop.signal:
            raise StoppedBySignal(run.stop.signal)
        company_id = snapshot.recorded_state(name).company_id
        assert company_id is not None, "only bound merchants are asked about"
        try:
            return await read_latest_sync(name, company_id, known.get(name), run.api, run.service_now())
        except RemoteError as error:
            unread[name] = str(error)
        except Exception as error:
            if ends_run(error):
                raise
            unread[name] = log_internal_error(name, error)
        return None

    names = [name for name in snapshot.desired if _may_sync(snapshot.recorded_state(name), snapshot)]
    rows = [row for row in await map_bounded(names, read, run.parallelism, run.on_progress) if row]
    with suppress(StateProblem):  # the report has them all the same; the next reading is remembered again
        await run.store.last_syncs.save_if_newer(rows, believed_until=run.service_now() + MAX_CLOCK_DIFFERENCE)
    fresh = {
        row.merchant: replace(snapshot.recorded_state(row.merchant), last_sync=last_sync_from_row(row)) for row in rows
    }
    return replace(snapshot, recorded={**snapshot.recorded, **fresh}, syncs_unread=unread)


def _may_sync(recorded: RecordedState, snapshot: RunSnapshot) -> bool:
    if recorded.company_id is None or recorded.removed_at:
        return False
    company = snapshot.company_index.by_id.get(recorded.company_id) if snapshot.company_index else None
    return company is None or has_both_links(company)
