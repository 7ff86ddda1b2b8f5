"""What was pushed to each company: the uploads, a hash of each record that Codat has, and who may send just now.

    lease ─▶ begin (on disk) ─▶ request ─▶ record_sent: its records are remembered, in one commit
                                   └─ death, or a lost answer: it stays unanswered, and the next lease finds it

One process at a time sends records of one company and type: Codat may lose some of two that come at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update

from state.database import Database, current_time, insert_new, upsert
from state.errors import StateProblem, UploadLeaseLost, UploadUnderWay
from state.process import ProcessIdentity, seconds_since_boot
from state.process_claims import HEARTBEATS_PER_LEASE, may_be_alive
from state.tables import pushed_connections, pushed_records, upload_leases, uploads

LEASE_RETRY_INTERVAL_S = 0.2
MAX_IDS_IN_QUERY = 500
"""Databases limit the parameters of a query."""

SENDING, NOT_SENT = "Sending", "NotSent"
"""The status of an upload before its answer, and of one that certainly did not arrive; all others are Codat's words."""

DELETED, UNCERTAIN = "", "?"
"""The digest of a record that was deleted, and of one whose latest upload could not be processed: it is sent again, and
deleted where it is wanted no more, since Codat may have it or what it was before."""


class PushedRecord(NamedTuple):
    """A record in an upload: `digest` of its content, DELETED for one that is to be deleted whatever its kind."""

    record_id: str
    kind: str
    digest: str


@dataclass(frozen=True, slots=True)
class RememberedRecord:
    """A record that Codat has, or had. `sent_at`: when; None = so long ago that its upload has expired."""

    digest: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class UploadLease:
    """The right to send records of a company and type."""

    company_id: str
    data_type: str
    token: str


@dataclass(frozen=True, slots=True)
class UploadRow:
    """One request with records.

    status      SENDING, NOT_SENT, or Codat's word as it was last read
    dataset_id  None before the answer
    closed_at   since when nothing more becomes of it
    """

    id: int
    data_type: str
    records: int
    begun_at: datetime
    dataset_id: str | None
    status: str
    message: str
    closed_at: datetime | None


class Uploads:
    """The uploads of all companies, and what they left at Codat."""

    def __init__(self, database: Database, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s

    # Who may send

    @asynccontextmanager
    async def lease(
        self,
        company_id: str,
        data_type: str,
        owner: ProcessIdentity,
        *,
        timeout_s: float,
        on_wait: Callable[[ProcessIdentity], None] = lambda owner: None,
    ) -> AsyncIterator[UploadLease]:
        """The right to send, while this lasts. Waits at most `timeout_s` for a living holder; raises UploadUnderWay.

        Whose process has surely ended has lost it at once; who is elsewhere, after a lease without a heartbeat.
        """
        lease, now = UploadLease(company_id, data_type, str(uuid4())), asyncio.get_running_loop().time
        began = now()
        while holder := await self._try_to_take(lease, owner):
            if now() - began >= timeout_s:
                raise UploadUnderWay(data_type, holder)
            on_wait(holder)
            await asyncio.sleep(LEASE_RETRY_INTERVAL_S)
        heartbeats = asyncio.create_task(self._keep_alive(lease))
        try:
            yield lease
        finally:
            heartbeats.cancel()
            with suppress(StateProblem):  # a lease that cannot be given back lapses
                async with self._database.writing() as transaction:
                    await transaction.execute(delete(upload_leases).where(_is_held(lease)))

    async def _try_to_take(self, lease: UploadLease, owner: ProcessIdentity) -> ProcessIdentity | None:
        """The living holder; None where the lease is ours now."""
        async with self._database.writing() as transaction:
            now = await current_time(transaction)
            columns = upload_leases.c
            key = (columns.company_id == lease.company_id) & (columns.data_type == lease.data_type)
            held = (await transaction.execute(select(upload_leases).where(key))).one_or_none()
            if held and may_be_alive(held.until, now, self._lease_s):
                holder = ProcessIdentity(held.host, held.pid, held.started, held.command)
                if not holder.has_surely_ended():
                    return holder
            row: dict[str, Any] = {"company_id": lease.company_id, "data_type": lease.data_type, "token": lease.token}
            row |= {"host": owner.host, "pid": owner.pid, "started": owner.started, "command": owner.command}
            await upsert(transaction, upload_leases, [{**row, "until": now + timedelta(seconds=self._lease_s)}])
            return None

    async def _keep_alive(self, lease: UploadLease) -> None:
        while True:
            await asyncio.sleep(self._lease_s / HEARTBEATS_PER_LEASE)
            with suppress(StateProblem):  # `begin` tells whether it is ours still
                async with self._database.writing() as transaction:
                    until = await current_time(transaction) + timedelta(seconds=self._lease_s)
                    await transaction.execute(update(upload_leases).where(_is_held(lease)).values(until=until))

    # An upload

    async def begin(
        self, lease: UploadLease, records: Sequence[PushedRecord], at: datetime, connection_ids: Collection[str] = ()
    ) -> int:
        """Insert an upload, durably before it returns its number. Raises UploadLeaseLost: then it must not be sent.

        connection_ids  the company's linked connections: what is sent is there as long as all of them
        """
        columns: dict[str, Any] = {"company_id": lease.company_id, "data_type": lease.data_type}
        columns |= {"records": len(records), "content": [list(record) for record in records]}
        columns |= {"begun_at": at, "status": SENDING, "message": ""}
        async with self._database.writing() as transaction:
            # Not before the turn to write has come: the lease begins anew with it, however long that took.
            asked_at = seconds_since_boot()
            until = await current_time(transaction) + timedelta(seconds=self._lease_s)
            renewal = update(upload_leases).where(_is_held(lease)).values(until=until)
            if not await transaction.execute_and_count(renewal):
                raise UploadLeaseLost(lease.data_type)
            for connection_id in connection_ids:
                row = {"company_id": lease.company_id, "connection_id": connection_id}
                await insert_new(transaction, pushed_connections, row)
            upload_id = int(await transaction.scalar(insert(uploads).values(columns).returning(uploads.c.id)) or 0)
        # Where this process was stopped after the commit, the lease may have lapsed since.
        if seconds_since_boot() - asked_at > self._lease_s / 3:
            await self.record_not_sent(upload_id, at)
            raise UploadLeaseLost(lease.data_type)
        return upload_id

    async def record_sent(self, upload_id: int, dataset_id: str) -> None:
        """Codat has its records: they are remembered from now on, in one commit with the dataset's id."""
        is_unanswered = (uploads.c.id == upload_id) & uploads.c.content.is_not(None)
        async with self._database.writing() as transaction:
            upload = (await transaction.execute(select(uploads).where(is_unanswered))).one_or_none()
            if upload is None:
                return
            key = {"company_id": upload.company_id, "data_type": upload.data_type}
            records = [PushedRecord(*record) for record in upload.content]
            # A deletion takes every kind that bears the id: one row in place of them all.
            for ids in _batches([each.record_id for each in records if each.digest == DELETED]):
                await transaction.execute(delete(pushed_records).where(_has_ids(**key, ids=ids)))
            await upsert(
                transaction, pushed_records, [{**key, **each._asdict(), "upload_id": upload_id} for each in records]
            )
            answer = {"dataset_id": dataset_id, "status": "Queued", "content": None}
            await transaction.execute(update(uploads).where(is_unanswered).values(answer))

    async def record_not_sent(self, upload_id: int, at: datetime, message: str = "") -> None:
        """It certainly did not arrive: its records are as before."""
        values = {"status": NOT_SENT, "message": message, "content": None, "closed_at": at}
        async with self._database.writing() as transaction:
            await transaction.execute(update(uploads).where(uploads.c.id == upload_id).values(values))

    async def record_status(
        self, company_id: str, dataset_id: str, status: str, message: str, *, closed_at: datetime | None, failed: bool
    ) -> None:
        """How Codat says that a dataset stands. Of one that failed it is not known what became of its records."""
        async with self._database.writing() as transaction:
            values = {"status": status, "message": message, "closed_at": closed_at}
            is_it = (uploads.c.company_id == company_id) & (uploads.c.dataset_id == dataset_id)
            closed = update(uploads).where(is_it, uploads.c.closed_at.is_(None)).values(values).returning(uploads)
            # Mostly one; that Codat answers two requests with one dataset is nowhere ruled out.
            now_closed = (await transaction.execute(closed)).all()
            for upload in now_closed if failed else ():
                columns = pushed_records.c
                key = (columns.company_id == company_id) & (columns.data_type == upload.data_type)
                of_it = update(pushed_records).where(key, columns.upload_id == upload.id)
                await transaction.execute(of_it.values(digest=UNCERTAIN))

    async def load_open(self, company_id: str, data_type: str | None = None) -> list[UploadRow]:
        """Those of a company of which more becomes: unanswered, or being processed; the oldest first."""
        query = select(uploads).where(uploads.c.company_id == company_id, uploads.c.closed_at.is_(None))
        if data_type:
            query = query.where(uploads.c.data_type == data_type)
        async with self._database.reading() as transaction:
            return [_upload_row(row) for row in await transaction.execute(query.order_by(uploads.c.id))]

    async def load_latest(self, company_id: str, limit: int) -> list[UploadRow]:
        """The newest uploads of a company, the newest first."""
        query = select(uploads).where(uploads.c.company_id == company_id).order_by(uploads.c.id.desc()).limit(limit)
        async with self._database.reading() as transaction:
            return [_upload_row(row) for row in await transaction.execute(query)]

    async def load_dataset_ids(self, company_id: str, among: Collection[str]) -> set[str]:
        """Which of these datasets are known to be uploads of ours."""
        columns = uploads.c
        query = select(columns.dataset_id).where(columns.company_id == company_id, columns.dataset_id.in_(among))
        async with self._database.reading() as transaction:
            return set((await transaction.execute(query)).scalars())

    # What Codat has

    async def load_connection_ids(self, company_id: str) -> set[str]:
        """The connections that the company's records were sent beside."""
        query = select(pushed_connections.c.connection_id).where(pushed_connections.c.company_id == company_id)
        async with self._database.reading() as transaction:
            return set((await transaction.execute(query)).scalars())

    async def forget_company(self, company_id: str, at: datetime, message: str) -> None:
        """Codat has no record of the company any more: all are new again, also those on their way."""
        values = {"status": NOT_SENT, "message": message, "content": None, "closed_at": at}
        unanswered = (uploads.c.company_id == company_id) & uploads.c.content.is_not(None)
        async with self._database.writing() as transaction:
            await transaction.execute(update(uploads).where(unanswered).values(values))
            for table in (pushed_records, pushed_connections):
                await transaction.execute(delete(table).where(table.c.company_id == company_id))

    async def load_remembered(
        self, company_id: str, data_type: str, record_ids: Sequence[str]
    ) -> dict[tuple[str, str], RememberedRecord]:
        """By id and kind what is remembered of these records."""
        columns = pushed_records.c
        joined = pushed_records.outerjoin(uploads, columns.upload_id == uploads.c.id)
        query = select(columns.record_id, columns.kind, columns.digest, uploads.c.begun_at).select_from(joined)
        remembered = {}
        async with self._database.reading() as transaction:
            for ids in _batches(record_ids):
                for row in await transaction.execute(query.where(_has_ids(company_id, data_type, ids))):
                    remembered[row.record_id, row.kind] = RememberedRecord(row.digest, row.begun_at)
        return remembered

    async def count_present(self, company_id: str, data_type: str) -> int:
        """How many records Codat has."""
        query = select(func.count()).select_from(pushed_records).where(_is_present(company_id, data_type))
        async with self._database.reading() as transaction:
            return int(await transaction.scalar(query) or 0)

    async def load_present_ids(self, company_id: str, data_type: str, after: str, limit: int) -> list[str]:
        """Ids of records that Codat has, in order, beginning behind `after`."""
        ids = pushed_records.c.record_id
        query = select(ids).distinct().where(_is_present(company_id, data_type), ids > after).order_by(ids).limit(limit)
        async with self._database.reading() as transaction:
            return [*(await transaction.execute(query)).scalars()]


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in portions that one query takes."""
    return (ids[start : start + MAX_IDS_IN_QUERY] for start in range(0, len(ids), MAX_IDS_IN_QUERY))


def _is_held(lease: UploadLease) -> ColumnElement[bool]:
    columns = upload_leases.c
    key = (columns.company_id == lease.company_id) & (columns.data_type == lease.data_type)
    return key & (columns.token == lease.token)


def _has_ids(company_id: str, data_type: str, ids: Sequence[str]) -> ColumnElement[bool]:
    columns = pushed_records.c
    return (columns.company_id == company_id) & (columns.data_type == data_type) & columns.record_id.in_(ids)


def _is_present(company_id: str, data_type: str) -> ColumnElement[bool]:
    columns = pushed_records.c
    return (columns.company_id == company_id) & (columns.data_type == data_type) & (columns.digest != DELETED)


def _upload_row(row: Row[Any]) -> UploadRow:
    return UploadRow(*(getattr(row, name) for name in UploadRow.__dataclass_fields__))
