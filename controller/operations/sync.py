"""`sync`: one manual sync, for testing: what it would cover, whether it can run, its beginning and its end.

look first ─▶ preview ─▶ asked ─▶ on disk ─▶ switched off ─▶ requested ─▶ ended ─▶ switched on again ─▶ closed
    └─ not linked, not configured, before the start date, synchronised already: nothing is sent

While it is open the merchant is to be off for every process, and whoever looks at it after this one died goes on from
where it was (`reconcile.open_manual_syncs`). Only this process requests the sync.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from controller.codat.client import Client
from controller.codat.document_edit import write_fields
from controller.codat.from_wire import read_configuration
from controller.codat.write_check import section_paths
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.errors import ApiUnusable, MerchantctlError, OutcomeUnknown, RemoteError, TransientError
from controller.model.exit_codes import EXIT_OK
from controller.model.field_values import ENABLED_PATH, START_DATE_PATH
from controller.model.observed import Company, Configuration
from controller.model.syncs_and_uploads import Sync, SyncPreview, SyncRange, TransferStatus
from controller.operations.bootstrap import current_process, hold_state_lock, open_reader, open_writer
from controller.operations.one_merchant import open_merchant
from controller.quick_dataclasses import dataclass
from controller.reconcile.failure_policy import log_internal_error
from controller.reconcile.fence import LOCK_LOST_MESSAGE, LockLost, fence
from controller.reconcile.finding_history import begin_run
from controller.reconcile.last_sync import read_latest_sync
from controller.reconcile.merchant_lease import awaited_leases
from controller.reconcile.observe import has_both_links
from controller.reconcile.open_manual_syncs import NOT_BEGUN, is_abandoned, read_manual_sync_outcome
from controller.reconcile.snapshot import RunSnapshot
from controller.settings import Settings
from state import EventRow, ManualSyncRow, Store
from state.errors import LeaseLost, StateProblem

SYNC_CHECK_INTERVAL_S = 2.0
"""Seconds between two looks at a sync that runs."""
MAX_SYNC_CHECKS = 450
"""Looks before waiting is given up: a quarter of an hour."""

MAX_UNANSWERED_CHECKS = 5
"""Looks in a row that Codat does not answer, each tried several times, before waiting is given up."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a manual sync was told on the command line.

    confirm       called once with what it would cover; False ends it before anything was done
    lock_timeout  seconds to wait for another run that writes, before and after it
    on_message    called with a sentence about each step
    """

    span: SyncRange
    confirm: Callable[[SyncPreview], bool]
    lock_timeout: float
    on_message: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ManualSyncResult:
    """A manual sync once it has ended, or as it stands after a quarter of an hour.

    left_off  the merchant, which is to be on, is switched off still
    """

    sync: Sync
    left_off: bool


async def confirm_and_sync(
    settings: Settings, name: str, request: SyncRequest, *, environment: Environment = REAL_ENVIRONMENT
) -> ManualSyncResult | None:
    """A manual sync, carried out; None where `confirm` said no."""
    async with open_merchant(settings, name, open_writer, environment) as (api, company, snapshot):
        await _mark_abandoned_sync_ended(name, snapshot)
        before = await api.latest_sync(company.id)
        if before and before.transfer_status is TransferStatus.RUNNING:
            raise MerchantctlError(f"a sync of {name} is running; wait for it: merchantctl sync {name} --status --wait")
        preview = await preview_sync(name, company, request.span, api, snapshot.run.service_now())
        if not request.confirm(preview):
            return None
        result = await _ManualSync(name, company.id, snapshot, request).carry_out(before)
        await _read_and_record_latest_sync(name, company.id, snapshot)
        return result


async def _read_and_record_latest_sync(name: str, company_id: str, snapshot: RunSnapshot) -> None:
    """As `run` does when it reads it: a report of the state tells of it at once. Best effort, as there."""
    run = snapshot.run
    with suppress(RemoteError, ApiUnusable, StateProblem):
        known = (await run.store.last_syncs.load()).get(name)
        row = await read_latest_sync(name, company_id, known, run.api, run.service_now())
        await run.store.last_syncs.save_if_newer([row], believed_until=run.service_now() + MAX_CLOCK_DIFFERENCE)


async def load_latest_sync(
    settings: Settings, name: str, *, wait: bool, environment: Environment = REAL_ENVIRONMENT
) -> Sync | None:
    """The latest sync of a merchant, once it has ended where `wait`; None where there was none."""
    async with open_merchant(settings, name, open_reader, environment) as (api, company, _):
        latest = await api.latest_sync(company.id)
        return await wait_for_sync(company.id, latest, api, environment.sleep) if latest and wait else latest


async def preview_sync(name: str, company: Company, span: SyncRange, api: Client, now: datetime) -> SyncPreview:
    """What the sync would cover. MerchantctlError where Codat would refuse it, or sales would be booked twice."""
    if not has_both_links(company):
        raise MerchantctlError(
            f"{name} cannot sync: its connections are not both linked; see merchantctl status {name}"
        )
    live = read_configuration(await api.configuration(company.id), now)
    last_success = await api.synchronised_until(company.id)
    start_date = live.values.get(START_DATE_PATH)
    starts = start_date if isinstance(start_date, datetime) else None
    finish = span.finish or now
    if not live.configured:
        raise MerchantctlError(f"{name} is not configured yet: merchantctl apply --target {name}")
    # Codat answers 500 to a sync before the start date, as it does when it is broken (API notes 3.12 #36).
    if starts and (now < starts or finish < starts):
        raise MerchantctlError(f"{name} synchronises from {starts:%Y-%m-%dT%H:%M:%SZ} on, its startDate: sync later")
    if span.start and last_success and span.start < last_success:
        raise MerchantctlError(
            f"{name} was synchronised up to {last_success:%Y-%m-%dT%H:%M:%SZ}: an earlier start books the same sales "
            "twice; start there or later"
        )
    if finish > now:
        raise MerchantctlError(
            f"{finish:%Y-%m-%dT%H:%M:%SZ} is to come: sales of a time that counts as synchronised are never booked; "
            f"leave it out to sync {name} up to now"
        )
    goes_on_from = last_success or starts
    start = span.start or goes_on_from
    if start and finish <= start:
        raise MerchantctlError(
            f"{name} was synchronised up to {start:%Y-%m-%dT%H:%M:%SZ}: nothing is left before "
            f"{finish:%Y-%m-%dT%H:%M:%SZ}"
        )
    leaves_out_from = goes_on_from if start and goes_on_from and start > goes_on_from else None
    return SyncPreview(start, finish, live.enabled, leaves_out_from)


async def _mark_abandoned_sync_ended(name: str, snapshot: RunSnapshot) -> ManualSyncRow | None:
    """A manual sync of this merchant that a dead process left, ended by now; None where there is none.

    MerchantctlError while another one runs.
    """
    run = snapshot.run
    rows = await run.store.manual_syncs.load_open()
    row = next((each for each in rows if snapshot.renames.current_name(each.merchant) == name), None)
    if row is None:
        return None
    if row.is_alive:
        who = f"`{row.owner.command}` (pid {row.owner.pid} on {row.owner.host})"
        raise MerchantctlError(f"{who} is synchronising {name}; see merchantctl sync {name} --status")
    if is_abandoned(row):
        outcome = await read_manual_sync_outcome(row, run.api, run.service_now(), run.recovery_times.last_look_s)
        if not outcome:
            raise MerchantctlError(
                f"a manual sync of {name}, begun at {row.begun_at:%H:%M:%S} UTC, runs still: sync again once it has "
                f"ended; merchantctl sync {name} --status --wait waits for it"
            )
        await run.store.manual_syncs.mark_ended(row.id, outcome, run.now())
    return row


class _ManualSync:
    """One manual sync that was agreed to."""

    def __init__(self, name: str, company_id: str, snapshot: RunSnapshot, request: SyncRequest) -> None:
        self._name, self._company_id, self._snapshot, self._request = name, company_id, snapshot, request
        self._number = self._run_id = 0
        self._outcome = NOT_BEGUN  # empty while it may run

    async def carry_out(self, before: Sync | None) -> ManualSyncResult:
        """What became of it. Whatever happens, the merchant is switched on again where nothing runs any more; else
        whoever looks next does it."""
        previous = before.id if before else None
        was_enabled = await self._open_and_switch_off(previous)
        async with self._store.manual_syncs.keep_alive(self._number):
            try:
                begun = await self._request_sync(previous)
                ended = await wait_for_sync(self._company_id, begun, self._api, self._snapshot.run.sleep)
                self._outcome = "" if ended.transfer_status is TransferStatus.RUNNING else str(ended.code)
            finally:
                left_off = await self._switch_on_and_close(was_enabled)
            return ManualSyncResult(ended, left_off)

    async def _open_and_switch_off(self, previous: str | None) -> bool:
        """On disk, then switched off; whether scheduled syncs were on.

        MerchantctlError where another sync than the `previous` one, which was the latest, began while we asked.
        """
        run = self._snapshot.run
        async with hold_state_lock(run.lock, self._request.lock_timeout), awaited_leases([self._name], run):
            left = await _mark_abandoned_sync_ended(self._name, self._snapshot)
            latest = await self._api.latest_sync(self._company_id)
            if (latest.id if latest else None) != previous:
                raise MerchantctlError(f"another sync of {self._name} began meanwhile; look at it, and sync again")
            live = await self._read_configuration()
            # A sync that was left open has it switched off: how it was before that one counts.
            was_enabled = live.enabled or bool(left and left.was_enabled)
            self._number = await self._store.manual_syncs.begin(
                self._name,
                self._company_id,
                was_enabled=was_enabled,
                previous_sync=previous,
                owner=current_process(),
                at=run.now(),
            )
            if left:  # only now: at any moment one is open that has the merchant switched on again
                await self._store.manual_syncs.close(left.id, run.now())
            by_hand = replace(run, author=replace(run.author, verb="sync"))
            self._run_id = await begin_run(by_hand, run.now())
            if live.enabled:
                try:
                    await self._switch(enabled=False)
                except BaseException:  # it may be off all the same: the row stays open, for whoever looks next
                    await self._store.manual_syncs.mark_ended(self._number, NOT_BEGUN, run.now())
                    raise
                await self._record_event("switched off", "for a manual sync")
                self._request.on_message(f"{self._name} is switched off while it is synchronised")
        return was_enabled

    async def _request_sync(self, previous: str | None) -> Sync:
        """Requests the sync, once: where the answer is lost, it is looked for. MerchantctlError where it did not
        begin."""
        run, request = self._snapshot.run, self._request

        async def mark_and_send(api: Client) -> Sync:
            # As it leaves, and anew after each wait: it may begin until so long after, and others may close it then.
            await self._store.manual_syncs.mark_requested(self._number, run.service_now())
            self._outcome = ""
            return await start_sync(self._company_id, request.span, api)

        try:
            return await self._api.read_then_write(mark_and_send)
        except LeaseLost:
            self._outcome = NOT_BEGUN
            raise MerchantctlError(
                "this sync gave no sign of life for too long (it was stopped, or its machine slept), and counts as "
                f"dead; nothing was synchronised. Sync again: merchantctl sync {self._name}"
            ) from None
        except OutcomeUnknown as error:
            lost = error
        except MerchantctlError:
            self._outcome = NOT_BEGUN
            raise
        first, last = run.recovery_times.first_look_s, run.recovery_times.last_look_s
        for seconds in (first, max(0.0, last - first)):
            request.on_message(f"the answer was lost; looking in {seconds:.0f} s whether the sync began")
            await run.sleep(seconds)
            latest = await self._api.latest_sync(self._company_id)
            if latest and latest.id != previous:
                return latest
        self._outcome = NOT_BEGUN
        raise MerchantctlError(f"the sync of {self._name} did not begin: {lost}")

    async def _switch_on_and_close(self, was_enabled: bool) -> bool:
        """Switches on again, as the manifest says, and closes; where that cannot be now, says who does it. Whether the
        merchant is off though it is to be on."""
        run, syncs = self._snapshot.run, self._store.manual_syncs
        later = f"switch it on again with merchantctl apply --target {self._name}; a run does it by itself"
        declared = self._snapshot.run.fleet.merchants[self._name].fields.get(ENABLED_PATH, True)
        is_on_again = was_enabled and declared is True
        if not self._outcome:
            self._request.on_message(f"the sync of {self._name} runs still. Once it has ended, {later}")
            return is_on_again
        is_as_it_was = not is_on_again
        try:
            await syncs.mark_ended(self._number, self._outcome, run.now())
            async with hold_state_lock(run.lock, self._request.lock_timeout), awaited_leases([self._name], run):
                if is_on_again:
                    await self._switch(enabled=True)
                    is_as_it_was = True
                    self._request.on_message(f"{self._name} is switched on again")
                ending = self._outcome if self._outcome == NOT_BEGUN else f"ended with {self._outcome}"
                await self._record_event("manual sync", f"{ending}{'; switched on again' if is_on_again else ''}")
                await syncs.close(self._number, run.now())
            await self._store.runs.end(self._run_id, EXIT_OK, {"merchants": 1}, run.now())
        except Exception as error:  # how the sync ended is to be told, whatever this is
            is_foreseen = isinstance(error, MerchantctlError | StateProblem)
            why = (str(error) if is_foreseen else log_internal_error(self._name, error)).rstrip(".")
            if is_as_it_was:
                left = f"is as it was, and its manual sync is open still: {why}. Whoever looks at it next closes that"
            else:
                left = f"is still switched off: {why}. {later}"
            self._request.on_message(f"{self._name} {left}")
        return not is_as_it_was

    async def _record_event(self, what: str, reason: str) -> None:
        """A line in the merchant's history."""
        event = EventRow(self._snapshot.run.now(), self._run_id, self._name, what, {"reason": reason})
        await self._store.runs.record_events(self._run_id, [event])

    async def _switch(self, *, enabled: bool) -> None:
        """Sends the live document with nothing changed but the switch. MerchantctlError where it does not stand then.

        Reads afresh just before: Codat takes the document whole (API notes 3.3).
        """
        sections = section_paths((await self._read_configuration()).document)

        async def read_then_post(api: Client) -> None:
            live = read_configuration(await api.configuration(self._company_id), self._snapshot.run.service_now())
            if missing := sections - section_paths(live.document):
                raise MerchantctlError(f"the configuration came without {min(missing)}; nothing was sent")
            if live.enabled is not enabled:
                await fence(self._snapshot)
                await api.set_configuration(self._company_id, write_fields(live.document, {ENABLED_PATH: enabled}))

        try:
            await self._api.read_then_write(read_then_post)
        except OutcomeUnknown:
            pass  # what stands now tells
        except LockLost:
            raise MerchantctlError(f"{LOCK_LOST_MESSAGE}; nothing more was sent") from None
        if (await self._read_configuration()).enabled is not enabled:
            # An answer may come from an older copy for a while.
            await self._snapshot.run.sleep(self._snapshot.run.recovery_times.first_look_s)
            if (await self._read_configuration()).enabled is not enabled:
                raise MerchantctlError(f"the switch of {self._name} stands as it was")

    async def _read_configuration(self) -> Configuration:
        return read_configuration(await self._api.configuration(self._company_id), self._snapshot.run.service_now())

    @property
    def _api(self) -> Client:
        return self._snapshot.run.api

    @property
    def _store(self) -> Store:
        return self._snapshot.run.store


async def start_sync(company_id: str, span: SyncRange, api: Client) -> Sync:
    """Begins a sync at once, whether scheduled syncs are on or off. Raises OutcomeUnknown where the answer was lost."""
    if span.start and span.finish:
        return await api.start_sync_of_range(company_id, span.start, span.finish)
    return await api.start_sync_until(company_id, span.finish)


async def wait_for_sync(company_id: str, sync: Sync, api: Client, sleep: Callable[[float], Awaitable[None]]) -> Sync:
    """The sync once it has ended, or as it stands after a quarter of an hour. Raises RemoteError."""
    unanswered = 0
    for _ in range(MAX_SYNC_CHECKS):
        if sync.transfer_status is not TransferStatus.RUNNING:
            break
        await sleep(SYNC_CHECK_INTERVAL_S)
        try:
            latest = await api.latest_sync(company_id)
        except TransientError:  # the next look may be answered, and until the end is seen the merchant is off
            unanswered += 1
            if unanswered == MAX_UNANSWERED_CHECKS:
                raise
            continue
        unanswered, sync = 0, latest if latest and latest.id == sync.id else sync
    return sync
