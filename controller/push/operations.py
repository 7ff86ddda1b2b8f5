"""`push`: a merchant's commerce data, each record once; and the status of what was pushed.

read everything ─▶ compare ─▶ judge ─▶ by type: lease ─▶ settle ─▶ compare anew ─▶ send
     └─ a mistake: 64          └─ refused: 4, nothing is sent
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial

from controller.codat.from_wire import read_configuration
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.commerce_records import COMMERCE_DATA_TYPES, CommerceRecord
from controller.model.errors import ApiUnusable, MerchantctlError, UsageError
from controller.model.observed import LINKED, Company
from controller.model.pushes import MAX_EXAMPLES, PushCounts, PushedDataset, PushLimit, PushReport
from controller.model.syncs_and_uploads import TransferStatus, UploadFailure
from controller.operations.bootstrap import (
    OnProgress,
    current_process,
    ignore_message,
    no_progress,
    open_reader,
    open_writer,
)
from controller.operations.one_merchant import open_merchant
from controller.push.comparison import Books, Remembered, compare_deletions, compare_records
from controller.push.input_files import read_into_spool
from controller.push.limits import MissingRecords, Survey
from controller.push.sending import (
    Sender,
    Upload,
    read_and_record_status,
    send_deletions,
    send_in_batches,
    send_records,
    settle_uploads,
)
from controller.push.spool import PORTION, Spool
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import format_count, format_time
from controller.settings import Settings
from state import ProcessIdentity
from state.errors import StateProblem
from state.uploads import Uploads

UPLOAD_CHECK_INTERVAL_S = 1.0
"""Seconds between two looks at an upload that is being processed."""
MAX_UPLOAD_CHECKS = 300
"""Of all uploads together."""
MAX_DATASETS_SHOWN, MAX_DATASETS_READ = 50, 12
"""Of `--status`, and after a push that does not wait."""


class MistakenInput(UsageError):
    """The input has mistakes, and nothing was sent. `complaints`: each with its place."""

    def __init__(self, complaints: Sequence[str]) -> None:
        count = "1 complaint" if len(complaints) == 1 else f"{len(complaints):,} complaints"
        super().__init__(f"{count} about what is to be pushed; nothing was sent")
        self.complaints = complaints


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What a push was told on the command line.

    source          a file, a folder, or `-`
    type_key        type of the records that do not say theirs; None: as their file's name says
    resend          records that changed are sent though they are in the books
    delete_missing  what was sent before and is missing now is deleted, of each type that there is something of
    allowed         limits that are lifted
    dry_run         only say what would be sent
    wait            until Codat has processed it
    lock_timeout    seconds to wait for another push of the same merchant
    on_message      called with a sentence about what is waited for
    on_progress     called with how many records are sent, of how many
    """

    source: str
    type_key: str | None = None
    resend: bool = False
    delete_missing: bool = False
    allowed: frozenset[PushLimit] = frozenset()
    dry_run: bool = False
    wait: bool = False
    lock_timeout: float = 0
    on_message: Callable[[str], None] = ignore_message
    on_progress: OnProgress = no_progress


async def push(
    settings: Settings, name: str, request: PushRequest, *, environment: Environment = REAL_ENVIRONMENT
) -> PushReport:
    """Sends what is new, changed or to be deleted. Raises MistakenInput, or MerchantctlError where Codat takes none."""
    with Spool() as spool:
        complaints = read_into_spool(spool, request.source, request.type_key)
        if complaints:
            raise MistakenInput(complaints)
        if not (spool.type_keys or spool.says_that_there_is_nothing):
            raise MistakenInput([f"there are no records: {', '.join(COMMERCE_DATA_TYPES)} are what is looked for"])
        async with open_merchant(settings, name, open_writer, environment) as (api, company, snapshot):
            _require_commerce_linked(name, company)
            live = read_configuration(await api.configuration(company.id), environment.clock())
            if not live.configured:
                raise MerchantctlError(f"{name} is not configured yet: merchantctl apply --target {name}")
            sender = Sender(
                company.id,
                tuple(each.id for each in company.connections if each.status == LINKED),
                api,
                snapshot.run.store,
                environment,
                spool.contract_version,
                settings.create_settle,
                settings.create_settle_late,
                request.on_message,
            )
            starts_anew = await _forget_if_connection_deleted(name, company, sender)
            # Only what Codat still had in hand, for the comparison: a lost answer is looked for under the lease.
            await settle_uploads(sender, wait_for_lost=False)
            books = Books.from_last_success(await api.last_successful_sync(company.id))
            pushing = _Push(spool, request, sender, books)
            survey = Survey(live.values, books.until if books else None)
            report = await pushing.preview(name, survey)
            if not starts_anew:
                await pushing.warn_if_earlier_pushes_unknown(name, survey)
            if report.refusals or request.dry_run:
                return report
            return await pushing.send_all()


def _require_commerce_linked(name: str, company: Company) -> None:
    """Raises MerchantctlError where Codat takes no uploads (API notes 3.13)."""
    if not any(each.source_type == "Commerce" and each.status == LINKED for each in company.connections):
        raise MerchantctlError(f"{name} has no linked commerce connection; see merchantctl status {name}")


async def _forget_if_connection_deleted(name: str, company: Company, sender: Sender) -> bool:
    """Whether a connection was deleted since the last push, and with it all that was pushed (API notes 3.2 #10)."""
    beside = await sender.store.uploads.load_connection_ids(company.id)
    gone = beside.difference(each.id for each in company.connections)
    if gone:  # one look may have been answered from an older copy
        again = await sender.api.company(company.id)
        gone.difference_update(each.id for each in (again.connections if isinstance(again, Company) else ()))
    if gone:
        why = "a connection was deleted since, and what was pushed with it"
        await sender.store.uploads.forget_company(company.id, sender.environment.clock(), why)
        sender.on_message(f"{name}: {why}, so all records are new to Codat")
    return bool(gone)


class _Push:
    """One push, once everything was read. `counts` and `in_books` are of the latest comparison."""

    def __init__(self, spool: Spool, request: PushRequest, sender: Sender, books: Books | None) -> None:
        self._spool, self._request, self._sender, self._books = spool, request, sender, books
        self._counts = dict[str, PushCounts]()
        self._in_books = list[str]()
        self._outcomes = list[Upload]()
        self._sent = self._to_send = 0

    async def preview(self, name: str, survey: Survey) -> PushReport:
        """What would be sent, and why it is not."""
        missing = []
        for type_key in self._spool.type_keys:
            async for _ in self._select_and_count_deletions(type_key):
                pass  # only to be counted
            async for records in self._select_and_count_records(type_key):
                survey.add(records)
            if self._request.delete_missing:
                present = await self._uploads.count_present(self._sender.company_id, COMMERCE_DATA_TYPES[type_key])
                number = sum([len(ids) async for ids in self._missing_ids(type_key)])
                missing.append(MissingRecords(type_key, number, present))
        refusals = tuple(survey.refusals(name, missing, self._request.allowed))
        report = PushReport(self._counts, self._in_books, refusals, sent=False)
        self._to_send = report.total.to_send
        return report

    async def warn_if_earlier_pushes_unknown(self, name: str, survey: Survey) -> None:
        """A first push for books that are synchronised already: by other means they may have been pushed to before."""
        if not (self._books and survey.synchronised_count):
            return
        for data_type in COMMERCE_DATA_TYPES.values():
            if await self._uploads.load_present_ids(self._sender.company_id, data_type, "", 1):
                return
        dated_before = format_count(survey.synchronised_count, "record")
        self._request.on_message(
            f"nothing is known of earlier pushes for {name}, and its books are synchronised up to "
            f"{format_time(self._books.until)}: what they have of {dated_before} dated before that is booked twice"
        )

    async def send_all(self) -> PushReport:
        """Each type in its turn, compared anew: what another process sent meanwhile is not sent again. Raises what kept
        it from sending anything; once something was sent that is a failure of its type, so that the report tells it."""
        self._counts, self._in_books = {}, []
        for type_key in self._spool.type_keys:
            try:
                await self._send_type(type_key)
            except (MerchantctlError, StateProblem) as error:
                if not self._outcomes:
                    raise
                self._outcomes.append(UploadFailure(COMMERCE_DATA_TYPES[type_key], 0, str(error)))
            if any(isinstance(each, UploadFailure) for each in self._outcomes):
                break
        processed = await _follow_processing(self._outcomes, self._sender, wait=self._request.wait)
        return PushReport(self._counts, self._in_books, (), processed)

    async def _send_type(self, type_key: str) -> None:
        """A failure is the last outcome. Deletions come first: one takes every record that bears its id, also those
        that are sent anew."""
        waited_for: list[ProcessIdentity] = []
        async with self._uploads.lease(
            self._sender.company_id,
            COMMERCE_DATA_TYPES[type_key],
            current_process(),
            timeout_s=self._request.lock_timeout,
            on_wait=_waiting_notifier(self._request.on_message, type_key, waited_for),
        ) as lease:
            if waited_for:  # Codat may have booked meanwhile what the other one sent
                self._books = Books.from_last_success(
                    await self._sender.api.last_successful_sync(self._sender.company_id)
                )
            await settle_uploads(self._sender, COMMERCE_DATA_TYPES[type_key], wait_for_lost=True)
            deletions = self._select_and_count_deletions(type_key)
            sent = await send_in_batches(
                deletions, partial(send_deletions, self._sender, lease, type_key), self._note_outcome
            )
            if any(isinstance(each, UploadFailure) for each in sent):
                return
            records = self._select_and_count_records(type_key)
            await send_in_batches(records, partial(send_records, self._sender, lease, type_key), self._note_outcome)

    def _note_outcome(self, upload: Upload) -> None:
        self._outcomes.append(upload)
        self._sent += upload.records
        self._request.on_progress(min(self._sent, self._to_send), self._to_send, isinstance(upload, UploadFailure))

    async def _select_and_count_records(self, type_key: str) -> AsyncIterator[Sequence[CommerceRecord]]:
        """The records of a type that are to be sent, in portions; counted."""
        for portion in self._spool.record_portions(type_key):
            remembered = await self._load_remembered(type_key, [each.record_id for each in portion])
            found = compare_records(portion, remembered, self._books, resend=self._request.resend)
            self._add_counts(
                type_key,
                PushCounts(len(found.new), len(found.changed), 0, found.unchanged, len(found.in_books)),
                [each.record_id for each in found.in_books],
            )
            yield [*found.new, *found.changed]

    async def _select_and_count_deletions(self, type_key: str) -> AsyncIterator[Sequence[str]]:
        """The ids of a type that are to be deleted, in portions; counted."""
        for ids in self._spool.deletion_portions(type_key):
            yield await self._select_and_count_deletions_among(type_key, ids)
        if self._request.delete_missing:
            async for ids in self._missing_ids(type_key):
                yield await self._select_and_count_deletions_among(type_key, ids)

    async def _select_and_count_deletions_among(self, type_key: str, ids: Sequence[str]) -> Sequence[str]:
        remembered, kept = await self._load_remembered(type_key, ids), self._spool.kinds_by_id(type_key, ids)
        found = compare_deletions(ids, remembered, kept, self._books, resend=self._request.resend)
        counts = PushCounts(0, 0, len(found.to_send), found.unchanged, len(found.in_books))
        self._add_counts(type_key, counts, found.in_books)
        return found.to_send

    async def _missing_ids(self, type_key: str) -> AsyncIterator[Sequence[str]]:
        """Ids of records that Codat has and this push does not, in portions."""
        company_id, data_type, after = self._sender.company_id, COMMERCE_DATA_TYPES[type_key], ""
        while ids := await self._uploads.load_present_ids(company_id, data_type, after, PORTION):
            # Behind the last id, not so many rows on: what is deleted meanwhile moves no portion.
            after = ids[-1]
            named = self._spool.kinds_by_id(type_key, ids).keys() | self._spool.ids_to_delete_among(type_key, ids)
            yield [each for each in ids if each not in named]

    async def _load_remembered(self, type_key: str, ids: Sequence[str]) -> Remembered:
        return await self._uploads.load_remembered(self._sender.company_id, COMMERCE_DATA_TYPES[type_key], ids)

    def _add_counts(self, type_key: str, counts: PushCounts, in_books: Sequence[str]) -> None:
        data_type = COMMERCE_DATA_TYPES[type_key]
        self._counts[data_type] = self._counts.get(data_type, PushCounts()) + counts
        self._in_books += in_books[: MAX_EXAMPLES - len(self._in_books)]

    @property
    def _uploads(self) -> Uploads:
        return self._sender.store.uploads


def _waiting_notifier(
    say: Callable[[str], None], type_key: str, waited_for: list[ProcessIdentity]
) -> Callable[[ProcessIdentity], None]:
    """Says once for whom a push waits, and puts it down."""

    def say_once(owner: ProcessIdentity) -> None:
        if not waited_for:
            say(f"`{owner.command}` (pid {owner.pid} on {owner.host}) is pushing {type_key}; waiting for it to end")
        waited_for.append(owner)

    return say_once


async def _follow_processing(uploads: Sequence[Upload], sender: Sender, *, wait: bool) -> list[Upload]:
    """The uploads once Codat has processed them, or as they stand after so many looks; without `wait`, after one at a
    few of them; as they were sent where nothing can be asked, or recorded, any more."""
    checks, processed = MAX_UPLOAD_CHECKS if wait else 0, list(uploads)
    with suppress(ApiUnusable, StateProblem):
        for number, upload in enumerate(uploads):
            if isinstance(upload, UploadFailure) or (number >= MAX_DATASETS_READ and not wait):
                continue
            processed[number] = upload = await read_and_record_status(sender, upload)
            while upload.transfer_status is TransferStatus.RUNNING and checks:
                checks -= 1
                await sender.environment.sleep(UPLOAD_CHECK_INTERVAL_S)
                processed[number] = upload = await read_and_record_status(sender, upload)
    return processed


async def update_and_load_datasets(
    settings: Settings, name: str, *, environment: Environment = REAL_ENVIRONMENT
) -> tuple[PushedDataset, ...]:
    """The latest uploads of a merchant, the newest first, each with its status as of now."""
    async with open_merchant(settings, name, open_reader, environment) as (api, company, snapshot):
        uploads = snapshot.run.store.uploads
        sender = Sender(company.id, (), api, snapshot.run.store, environment, None, 0, 0, ignore_message)
        await settle_uploads(sender, wait_for_lost=False)
        return tuple(
            PushedDataset(row.dataset_id, row.data_type, row.records, row.status, row.message, row.begun_at)
            for row in await uploads.load_latest(company.id, MAX_DATASETS_SHOWN)
        )
