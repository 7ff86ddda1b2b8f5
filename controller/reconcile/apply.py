"""A plan's changes, one after another. What cannot be taken back has its intent on disk before its request leaves.

create           look: still not there? → intent → request → settled in one commit          (apply_creates)
delete           intent → request → settled          answer lost: the intent stays, `recover_intents` looks
rename, unlink   request; answer lost: look
configuration    read afresh → moved? stop → change declared fields → POST → read back      (apply_configuration)

Each write passes the fence last. Nothing waits between a read and the write that rests on it: after any wait both
are done anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.codat.client import Client
from controller.model.errors import ApiUnusable, NotFound, Rejected, RemoteError
from controller.model.name_matching import company_name_key
from controller.model.observed import LINKED, Absent
from controller.model.plan import Change, ChangeKind, Plan
from controller.model.report import Applied, Failed, Outcome, Unchanged
from controller.reconcile.apply_configuration import set_configuration
from controller.reconcile.apply_creates import create_company, create_connection, intent_on_disk
from controller.reconcile.apply_new_accounts import create_account
from controller.reconcile.failure_policy import (
    ends_run,
    fail_or_stop_run,
    record_internal_error,
    skipped_by_stop,
    stop_for_unusable_api,
)
from controller.reconcile.fence import LOCK_LOST_MESSAGE, LockLost, fence, write_fenced
from controller.reconcile.merchant_progress import MerchantHalted, MerchantProgress, dropped_field_finding
from controller.reconcile.snapshot import RunSnapshot
from state import Intent


async def apply(plan: Plan, snapshot: RunSnapshot) -> Outcome:
    """Makes the plan's changes in their order; the first that fails ends this merchant's, never another's."""
    progress = MerchantProgress(plan.company_id, plan.connection_id)
    try:
        for change in plan.changes:
            progress = await CHANGE_HANDLERS[change.kind](plan, change, progress, snapshot)
    except MerchantHalted as halt:
        return halt.outcome
    except LockLost:
        if progress.writes:
            return Failed(LOCK_LOST_MESSAGE, retryable=True, writes=progress.writes)
        return skipped_by_stop(snapshot.run.stop)
    except RemoteError as error:
        if isinstance(error.__cause__, ApiUnusable):  # what became of a lost write nobody could look for
            stop_for_unusable_api(error.__cause__, progress.writes, snapshot)
        return fail_or_stop_run(error, change, progress.writes, snapshot)
    except ApiUnusable as error:
        return stop_for_unusable_api(error, progress.writes, snapshot)
    except Exception as error:
        if ends_run(error):
            raise
        return await record_internal_error(plan, error, progress.writes, snapshot)
    return Applied(progress.writes, progress.findings) if plan.changes else Unchanged()


async def _rename_company(
    plan: Plan, _change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    api, company_id = snapshot.run.api, progress.require_company_id()
    name = snapshot.desired[plan.merchant].company_name

    async def is_renamed() -> bool:
        company = await api.company(company_id)
        return not isinstance(company, Absent) and company_name_key(company.name) == company_name_key(name)

    renaming = progress.count_write(api.rename_company(company_id, name, lambda: fence(snapshot)))
    dropped = await progress.write_or_check(renaming, is_renamed) or ()
    findings = tuple(dropped_field_finding(plan.merchant, f"the company's {field}") for field in dropped)
    return progress.after_write(findings=findings)


async def _unlink_connection(
    plan: Plan, _change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    company_id, connection_id = progress.require_company_id(), plan.connection_id
    assert connection_id is not None, "planning unlinks only a connection that it saw"

    async def is_unlinked() -> bool:
        company = await snapshot.run.api.company(company_id)
        connections = () if isinstance(company, Absent) else company.connections
        # A connection that is gone, or whose company is, is not linked any more, too.
        return all(each.status != LINKED for each in connections if each.id == connection_id)

    unlinking = write_fenced(
        lambda api: progress.count_write(api.unlink_connection(company_id, connection_id)), snapshot
    )
    try:
        await progress.write_or_check(unlinking, is_unlinked)
    except Rejected:
        # Codat unlinks only what is linked, and the plan may rest on an older answer: then all is as it should be.
        if not await is_unlinked():
            raise
    return progress


async def _delete_company(
    plan: Plan, _change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    run, company_id = snapshot.run, progress.require_company_id()
    intents: list[Intent] = []

    async def delete(api: Client) -> None:
        async with intent_on_disk(plan, snapshot, "delete", company_id=company_id) as intent:
            intents.append(intent)
            await progress.count_write(api.delete_company(company_id))

    async def is_gone() -> bool:
        return isinstance(await run.api.company(company_id), Absent)

    await progress.write_or_check(run.api.read_then_write(delete), is_gone)
    await run.store.intents.close(intents[-1].id, outcome="done", at=run.now())
    return progress


async def _delete_connection(
    plan: Plan, change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    """Deletes one that was replaced, where the one that takes its place is Linked as of just before."""
    run, company_id, old_id = snapshot.run, progress.require_company_id(), str(change.fields[0].live)
    intents: list[Intent] = []

    async def connection_statuses(api: Client) -> dict[str, str]:
        company = await api.company(company_id)
        connections = () if isinstance(company, Absent) else company.connections
        return {each.id: each.status for each in connections}

    async def read_then_delete(api: Client) -> None:
        statuses = await connection_statuses(api)
        status = statuses.get(plan.connection_id or "")
        if status != LINKED:
            why = f"connection {plan.connection_id}, which takes its place, is {status or 'not there'} by now"
            raise progress.halted_as_changed(why)
        if old_id not in statuses:
            return
        async with intent_on_disk(plan, snapshot, change.kind.value, name=old_id, company_id=company_id) as intent:
            intents.append(intent)
            await progress.count_write(api.delete_connection(company_id, old_id))

    async def is_gone() -> bool:
        return old_id not in await connection_statuses(run.api)

    try:
        await progress.write_or_check(run.api.read_then_write(read_then_delete), is_gone)
    except NotFound:
        # Somebody else deleted it just before, or an older answer showed it still.
        if not await is_gone():
            raise
    if intents:
        await run.store.intents.close(intents[-1].id, outcome="done", at=run.now())
    return progress


CHANGE_HANDLERS: dict[
    ChangeKind, Callable[[Plan, Change, MerchantProgress, RunSnapshot], Awaitable[MerchantProgress]]
] = {
    ChangeKind.CREATE_COMPANY: create_company,
    ChangeKind.CREATE_CONNECTION: create_connection,
    ChangeKind.CREATE_ACCOUNT: create_account,
    ChangeKind.RENAME_COMPANY: _rename_company,
    ChangeKind.SET_CONFIGURATION: set_configuration,
    ChangeKind.UNLINK_CONNECTION: _unlink_connection,
    ChangeKind.DELETE_CONNECTION: _delete_connection,
    ChangeKind.DELETE_COMPANY: _delete_company,
}
