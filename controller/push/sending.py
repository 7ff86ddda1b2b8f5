"""Sends records of one company and type, one request after another, so that each arrives once.

lease ─▶ earlier requests settled ─▶ on disk ─▶ request ─▶ remembered ─▶ the next
                                                   └─ lost: looked up; not there after a minute: sent anew

Codat tells by the pull history which requests arrived (API notes 3.9), and since one process at a time sends, a dataset
of that type that nobody knows is the one whose answer was lost. What was sent twice all the same, because the first
arrived later than anybody waits for, replaces itself: records are whole, and known by their ids.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from controller.codat.client import Client
from controller.codat.transport import NotWritten
from controller.environment import Environment
from controller.model.commerce_records import (
    COMMERCE_DATA_TYPES,
    MAX_RECORDS_PER_UPLOAD,
    CommerceRecord,
)
from controller.model.errors import ApiUnusable, NotFound, OutcomeUnknown, RemoteError
from controller.model.syncs_and_uploads import TransferStatus, UploadFailure, UploadStatus
from controller.planning.clock_skew import service_time
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import format_count
from state import PushedRecord, Store, UploadLease, UploadRow
from state.errors import StateProblem
from state.uploads import DELETED

PUSH_CLOCK_TOLERANCE = timedelta(seconds=15)
"""So much earlier than we sent it Codat may say that it got a request: its clock is not known any better."""

FORGOTTEN = "NotInHistory"
"""The status of a dataset that Codat's pull history does not have any more."""

MAY_BE_UNKNOWN_FOR = timedelta(hours=1)
"""A read may be answered from an older copy, which does not have the dataset yet."""

MAX_UPLOAD_ATTEMPTS = 2
"""Times that the same records are sent in one push, where the first certainly did not arrive."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What sending needs, beside the lease.

    connection_ids             the company's linked connections: with each of them goes what was sent beside it
    first_look_s, last_look_s  seconds after a request whose answer was lost: the dataset is looked for, and for the
                               last time, since a gateway may give up while Codat goes on
    on_message                 called with a sentence about what is waited for
    """

    company_id: str
    connection_ids: tuple[str, ...]
    api: Client
    store: Store
    environment: Environment
    contract_version: str | None
    first_look_s: float
    last_look_s: float
    on_message: Callable[[str], None]

    def service_now(self) -> datetime:
        """By Codat's clock: it is compared with Codat's times."""
        return service_time(self.environment.clock(), self.api.skew)


T = TypeVar("T")
Upload = UploadStatus | UploadFailure


async def settle_uploads(sender: Sender, data_type: str | None = None, *, wait_for_lost: bool) -> None:
    """Reads what became of earlier requests: of those that Codat was still processing, as far as they can be read, and
    of those with a lost answer (where `wait_for_lost`; the caller has the lease then). Raises RemoteError for these."""
    for row in await sender.store.uploads.load_open(sender.company_id, data_type):
        if row.dataset_id is not None:
            upload = UploadStatus(row.dataset_id, row.data_type, row.status, records=row.records)
            await read_and_record_status(sender, upload, row.begun_at)
        elif wait_for_lost:
            await _settle_lost(sender, row)


async def read_and_record_status(sender: Sender, upload: UploadStatus, sent_at: datetime | None = None) -> UploadStatus:
    """How Codat says that an upload stands, recorded; as it was where that cannot be read. One of long ago that it
    knows nothing of any more counts as processed: it took it once."""
    try:
        status = await sender.api.upload_status(sender.company_id, upload.id)
    except NotFound:
        if sent_at is None or sender.service_now() - sent_at < MAY_BE_UNKNOWN_FOR:
            return upload
        status = UploadStatus(upload.id, upload.data_type, FORGOTTEN)
    except RemoteError:
        return upload
    upload = replace(upload, status=status.status, message=status.message)
    is_over = upload.status == FORGOTTEN or upload.transfer_status is not TransferStatus.RUNNING
    await sender.store.uploads.record_status(
        sender.company_id,
        upload.id,
        upload.status,
        upload.message,
        closed_at=sender.environment.clock() if is_over else None,
        failed=upload.transfer_status is TransferStatus.FAILED,
    )
    return upload


async def send_in_batches(
    portions: AsyncIterator[Sequence[T]],
    send: Callable[[Sequence[T]], Awaitable[Upload]],
    on_sent: Callable[[Upload], None] = lambda upload: None,
) -> list[Upload]:
    """Puts portions together to full requests. The outcome of each; the first that fails is the last that is sent."""
    outcomes: list[Upload] = []
    async for batch in _batches(portions):
        outcomes.append(await send(batch))
        on_sent(outcomes[-1])
        if isinstance(outcomes[-1], UploadFailure):
            break
    return outcomes


async def _batches(portions: AsyncIterator[Sequence[T]]) -> AsyncIterator[Sequence[T]]:
    batch: list[T] = []
    async for portion in portions:
        batch += portion
        while len(batch) >= MAX_RECORDS_PER_UPLOAD:
            yield batch[:MAX_RECORDS_PER_UPLOAD]
            batch = batch[MAX_RECORDS_PER_UPLOAD:]
    if batch:
        yield batch


async def send_deletions(sender: Sender, lease: UploadLease, type_key: str, record_ids: Sequence[str]) -> Upload:
    """Sends ids alone, which deletes every record that bears one."""
    pushed = [PushedRecord(record_id, "", DELETED) for record_id in record_ids]
    return await _send(sender, lease, type_key, pushed, [{"id": record_id} for record_id in record_ids])


async def send_records(sender: Sender, lease: UploadLease, type_key: str, records: Sequence[CommerceRecord]) -> Upload:
    """Sends whole records."""
    pushed = [PushedRecord(each.record_id, each.kind, each.digest) for each in records]
    return await _send(sender, lease, type_key, pushed, [json.loads(each.body) for each in records])


async def _send(
    sender: Sender,
    lease: UploadLease,
    type_key: str,
    pushed: Sequence[PushedRecord],
    records: Sequence[Mapping[str, Any]],
) -> Upload:
    """One request, and once more where the first certainly did not arrive."""
    data_type, uploads = COMMERCE_DATA_TYPES[type_key], sender.store.uploads
    body: dict[str, Any] = {type_key: records}
    if sender.contract_version is not None:
        body["contractVersion"] = sender.contract_version
    begun = list[tuple[int, datetime]]()
    upload = partial(_begin_and_upload, sender=sender, lease=lease, pushed=pushed, body=body, begun=begun)
    for _ in range(MAX_UPLOAD_ATTEMPTS):
        try:
            dataset_id: str | None = await sender.api.read_then_write(upload)
        except OutcomeUnknown as error:
            lost = error
            try:
                dataset_id = await _settle_lost(sender, _new_upload_row(*begun[-1], data_type, len(pushed)))
            except (RemoteError, ApiUnusable, StateProblem) as unread:
                why = f"may or may not have arrived, and the next push looks: {error}; {unread}"
                return UploadFailure(data_type, len(pushed), why)
        except RemoteError as error:
            return UploadFailure(data_type, len(pushed), str(error))
        if dataset_id is not None:
            try:
                await uploads.record_sent(begun[-1][0], dataset_id)
            except StateProblem as error:
                why = f"arrived, which could not be noted, and the next push looks: {error}"
                return UploadFailure(data_type, len(pushed), why)
            return UploadStatus(dataset_id, data_type, "Queued", records=len(pushed))
    return UploadFailure(data_type, len(pushed), f"did not arrive, {MAX_UPLOAD_ATTEMPTS} times: {lost}")


async def _begin_and_upload(
    api: Client,
    sender: Sender,
    lease: UploadLease,
    pushed: Sequence[PushedRecord],
    body: Mapping[str, Any],
    begun: list[tuple[int, datetime]],
) -> str:
    """The dataset's id. `begun`: gets the number of the upload, and when it left.

    On disk as it leaves, and anew after each wait: how long a lost answer is looked for counts from here.
    """
    begun_at, uploads = sender.service_now(), sender.store.uploads
    begun.append((await uploads.begin(lease, pushed, begun_at, sender.connection_ids), begun_at))
    try:
        return await api.upload(sender.company_id, lease.data_type, body)
    # Before RemoteError, whose kind it is: what may have arrived must not count as not sent.
    except OutcomeUnknown:
        raise
    except (RemoteError, ApiUnusable, NotWritten) as error:
        why = error.problem if isinstance(error, NotWritten) else error
        await uploads.record_not_sent(begun[-1][0], sender.environment.clock(), str(why))
        raise


def _new_upload_row(upload_id: int, begun_at: datetime, data_type: str, records: int) -> UploadRow:
    return UploadRow(upload_id, data_type, records, begun_at, None, "", "", None)


async def _settle_lost(sender: Sender, row: UploadRow) -> str | None:
    """The dataset of a request whose answer was lost; None where it certainly did not arrive. Either is recorded.

    Raises RemoteError where that could not be read: then it stays open.
    """
    for seconds in (sender.first_look_s, max(sender.first_look_s, sender.last_look_s)):
        await _wait_until_age(sender, row, seconds)
        if dataset_id := await _find_dataset(sender, row):
            await sender.store.uploads.record_sent(row.id, dataset_id)
            return dataset_id
    await sender.store.uploads.record_not_sent(row.id, sender.environment.clock(), "it did not arrive")
    return None


async def _wait_until_age(sender: Sender, row: UploadRow, age_s: float) -> None:
    """Until so long after a request was sent."""
    missing = age_s - (sender.service_now() - row.begun_at).total_seconds()
    if missing > 0:
        what = f"the answer to {format_count(row.records, 'record')} of {row.data_type} was lost"
        sender.on_message(f"{what}; looking in {missing:.0f} s whether it arrived")
        # Never longer, whatever clock dated the request.
        await sender.environment.sleep(min(missing, age_s))


async def _find_dataset(sender: Sender, row: UploadRow) -> str | None:
    """The one dataset of that type which Codat got since, and which is no other request's."""
    since = row.begun_at - PUSH_CLOCK_TOLERANCE
    found = await sender.api.dataset_ids_since(sender.company_id, row.data_type, since)
    known = await sender.store.uploads.load_dataset_ids(sender.company_id, found)
    unknown = [each for each in found if each not in known]
    # Of two that nobody knows one may be another program's: sent anew, our records replace themselves.
    return unknown[0] if len(unknown) == 1 else None
