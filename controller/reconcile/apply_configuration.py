"""Writing a configuration document without touching what nobody declared.

read afresh → moved? stop → change declared fields only → rules → POST → read back

The API has no ETag and takes the document whole (API notes 3.3): whatever the read lacked, the POST would wipe.
Where the read that planned is a moment old, it is the read before the POST (`recent_documents`).
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.codat.client import Client, Reader
from controller.codat.document_edit import changes_by_field, restore_values, write_fields
from controller.codat.from_wire import read_configuration
from controller.codat.write_check import find_unexpected_changes, section_paths
from controller.model.errors import Rejected, RemoteError
from controller.model.field_values import Value, resolve_live_path, values_equal
from controller.model.observed import LINKED, Absent, Configuration
from controller.model.plan import Change, Plan
from controller.model.report import ChangedSincePlan
from controller.planning.configuration_rules import find_violations
from controller.planning.diff import describe_changes
from controller.planning.plan import live_values_of_declared_fields
from controller.reconcile.failure_policy import fail_or_stop_run, printable_line
from controller.reconcile.fence import fence
from controller.reconcile.merchant_progress import (
    MerchantHalted,
    MerchantProgress,
    dropped_field_finding,
    undeclared_change_finding,
)
from controller.reconcile.recent_documents import RecentDocument
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.formatting import format_value


async def set_configuration(
    plan: Plan, change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    """Reads afresh, or has just read; stops if a declared field moved; changes only what differs, sends it whole, reads
    it back."""
    run, company_id = snapshot.run, progress.require_company_id()
    before = sent = b""

    async def read_then_post(api: Client) -> None:
        nonlocal before, sent
        # It is taken: when this runs again, after a 429 or a second look, there is none, and the document is read anew.
        recent = _take_recent_document(plan, progress, snapshot)
        while True:
            live = recent.live if recent else await _read_live(api, company_id, snapshot)
            _halt_if_changed(plan, change, live, progress, snapshot)
            before, sent = live.document, _document_to_send(plan, change, live, snapshot)
            await fence(snapshot)
            if recent is None or recent.is_fresh(run.environment.monotonic()):
                break
            recent = None  # the proof of the lock took its time
        await progress.count_write(api.set_configuration(company_id, sent))

    async def is_done() -> bool:
        return not _describe_first_difference(change, await _read_live(run.api, company_id, snapshot))

    async def post() -> None:
        # The fewer documents are between their read and their write, the shorter is the time for an edit to be lost.
        async with snapshot.document_write_slots:
            try:
                await progress.write_or_check(run.api.read_then_write(read_then_post), is_done)
            except Rejected:
                await _halt_if_not_linked(plan, company_id, progress, snapshot)
                raise

    try:
        await post()
    except MerchantHalted as halt:
        if not isinstance(halt.outcome, ChangedSincePlan):
            raise
        # The plan, or this read, may have been answered from an older copy. A second look is the one that counts.
        await run.sleep(run.recovery_times.first_look_s)
        await post()
    after = await _read_back_and_verify(plan, change, company_id, progress, snapshot)
    unexpected = find_unexpected_changes(before, sent, after.document)
    findings = [dropped_field_finding(plan.merchant, path) for path in unexpected.dropped]
    for path in unexpected.changed:
        cause = f"{path}, which no manifest declares, was changed by somebody just after our write"
        findings.append(undeclared_change_finding(plan.merchant, path, cause))
    return progress.after_write(findings=tuple(findings))


async def _halt_if_not_linked(plan: Plan, company_id: str, progress: MerchantProgress, snapshot: RunSnapshot) -> None:
    """Raises MerchantHalted where the refusal says nothing about the document: Codat takes none while the books are not
    linked (API notes 4.5). Taken for a fault of the document, it would be left alone for good once they are again."""
    company = await snapshot.run.api.company(company_id)
    connections = () if isinstance(company, Absent) else company.connections
    status = next((each.status for each in connections if each.id == plan.connection_id), None)
    if status != LINKED:
        why = f"refused while the accounting connection is {status or 'not there'}; it was linked when planned"
        raise progress.halted_as_failed(why, retryable=True) from None


def _halt_if_changed(
    plan: Plan, change: Change, live: Configuration, progress: MerchantProgress, snapshot: RunSnapshot
) -> None:
    """Raises MerchantHalted where the document, read afresh, is not the one that was planned for."""
    missing = snapshot.planned_sections.get(plan.merchant, frozenset()) - section_paths(live.document)
    if missing:
        # A document that lacks a whole section proves nothing: sent back, it would wipe what stands there.
        why = f"the configuration came without {min(missing)}, which was there before: unknown, and nothing is written"
        raise progress.halted_as_failed(why, retryable=True)
    if plan.observed_values:
        moved = describe_changes(
            plan.observed_values, live_values_of_declared_fields(snapshot.desired[plan.merchant], live)
        )
        if moved:
            raise progress.halted_as_changed(moved)
    violations = find_violations({**live.values, **_desired_values_at_live_paths(change, live)}, live)
    if violations:
        path, sentence = violations[0]
        why = f"the options moved since the plan: {path}: {sentence}"
        raise progress.halted_as_failed(why, retryable=True)
    if plan.document_changes:
        # What a rollout noted, to put it back one day, has to be what still stands there.
        touched = document_changes_by_field(change, live)
        moved_fields = sorted(name for name in touched if touched[name] != plan.document_changes.get(name))
        if moved_fields:
            why = f"how {', '.join(moved_fields)} stands in the document"
            raise progress.halted_as_changed(why)


def document_changes_by_field(
    change: Change, live: Configuration
) -> dict[str, Mapping[str, tuple[str | None, str | None]]]:
    """By field, all that the change touches in the live document, which is more than the field where it is an hour."""
    fields = {resolve_live_path(live.values, each.field) or each.field: each.field for each in change.fields}
    by_path = changes_by_field(live.document, _desired_values_at_live_paths(change, live))
    return {fields[path]: places for path, places in by_path.items()}


def _document_to_send(plan: Plan, change: Change, live: Configuration, snapshot: RunSnapshot) -> bytes:
    """The live document with what the change wants: as we spell it, or exactly as it once stood (`rollout undo`)."""
    exact, wanted = snapshot.desired[plan.merchant].exact_json, _desired_values_at_live_paths(change, live)
    spelled_by_us = {
        resolve_live_path(live.values, each.field) or each.field for each in change.fields if each.field not in exact
    }
    document = write_fields(live.document, {path: value for path, value in wanted.items() if path in spelled_by_us})
    return restore_values(document, [exact[each.field] for each in change.fields if each.field in exact])


async def _read_back_and_verify(
    plan: Plan, change: Change, company_id: str, progress: MerchantProgress, snapshot: RunSnapshot
) -> Configuration:
    """What stands after the write. Raises MerchantHalted where that is not what was sent."""
    run = snapshot.run
    try:
        live = await _read_live(run.api, company_id, snapshot)
        if _describe_first_difference(change, live):
            # An answer may come from an older copy for a while: look again before saying that somebody writes too.
            await run.sleep(run.recovery_times.first_look_s)
            live = await _read_live(run.api, company_id, snapshot)
    except RemoteError as error:
        raise MerchantHalted(fail_or_stop_run(error, change, progress.writes, snapshot)) from None
    difference = _describe_first_difference(change, live)
    if not difference:
        return live
    unstable = f"somebody else writes too, or Codat keeps another value: {difference}"
    normalised = f"Codat normalises this, so write in the manifest what it keeps: {difference}"
    earlier = snapshot.quarantined.get(plan.merchant)
    # Compared as a quarantine keeps it: one line of a limited length.
    if earlier and earlier.reason in (printable_line(unstable), printable_line(normalised)):
        # Once it may have been somebody else's edit; twice in the same way it is Codat, and a third time is no use.
        raise progress.halted_as_failed(normalised, retryable=False)
    raise progress.halted_as_failed(unstable, retryable=True)


async def _read_live(api: Reader, company_id: str, snapshot: RunSnapshot) -> Configuration:
    return read_configuration(await api.configuration(company_id), snapshot.run.service_now())


def _take_recent_document(plan: Plan, progress: MerchantProgress, snapshot: RunSnapshot) -> RecentDocument | None:
    """The document that was planned for, where it was read a moment ago and this is the first write since."""
    recent = snapshot.recent_documents.take(plan.merchant)
    if recent is None or progress.writes or not recent.is_fresh(snapshot.run.environment.monotonic()):
        return None
    return recent


def _describe_first_difference(change: Change, live: Configuration) -> str:
    """The first sent field that does not stand as it was sent, in words; empty where all do."""
    for path, wanted in _desired_values_at_live_paths(change, live).items():
        stands = live.values.get(path)
        if not values_equal(stands, wanted):
            return f"after the write {path} stands as {format_value(stands)} instead of {format_value(wanted)}"
    return ""


def _desired_values_at_live_paths(change: Change, live: Configuration) -> dict[str, Value]:
    """The wanted values by the paths under which live has their fields."""
    return {resolve_live_path(live.values, each.field) or each.field: each.wanted for each in change.fields}
