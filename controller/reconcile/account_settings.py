"""The account's own settings, in a run over everyone: looked at beside the merchants, written before them.

read what is declared ─ plan ─ (agreed) ─▶ each part: read afresh ─ moved? leave it ─ write ─ read back ─ remember

One trouble is nobody else's: whatever goes wrong here is the outcome of `(account)`, and a part that fails leaves the
others to be done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from controller.codat.account_settings import live_settings, settings_write_body
from controller.codat.client import Client, Reader
from controller.codat.raw_json import JsonObject
from controller.model.account_settings import (
    ACCOUNT_NAME,
    PROFILE_PART,
    VISIBLE_ACCOUNTS_PATH,
    AppliedSetting,
    LiveSettings,
    is_as_declared,
    part_of_setting,
    parts_of_settings,
)
from controller.model.errors import ApiUnusable, OutcomeUnknown, RemoteError, RemoteLimitReached, UsageError
from controller.model.field_values import Value, value_from_json, value_to_json
from controller.model.plan import Change, ChangeKind, Plan
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, Outcome, Skipped, Unchanged
from controller.planning.account_settings import plan_settings
from controller.planning.hooks import NO_HOOKS, plan_hooks
from controller.reconcile.concurrency import unread_plan
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import (
    ends_run,
    log_internal_error,
    log_internal_error_as_plan,
    skipped_by_stop,
)
from controller.reconcile.fence import LockLost, prove_lock
from controller.reconcile.hooks import apply_hook_change, load_hook_memory, read_live_hooks, record_adopted_hooks
from controller.reconcile.merchant_lease import WRITTEN_TO_BY_ANOTHER, try_leases
from controller.reconcile.request_estimate import add_settings_requests
from controller.reporting.formatting import format_value
from state import AUTHORIZATION_KEY_ID, AccountSettingRow

# Looking ------------------------------------------------------------------------------------------------


def add_account_settings_plan(plan: FleetPlan, account: Plan | None, run: RunContext) -> FleetPlan:
    """The plan of a run, with that of the account's own settings where it is about them."""
    if account is None:
        return plan
    estimate = add_settings_requests(plan.request_estimate, account, run.requests_per_minute)
    return replace(plan, account=account, request_estimate=estimate)


async def plan_account_settings(run: RunContext) -> Plan | None:
    """What to do about the account's settings; None where none is declared, or the run is about some merchants alone.

    Raises UsageError where they are asked for by name, and no manifest declares any.
    """
    desired = run.fleet.account_settings
    if ACCOUNT_NAME in (*run.scope.targets, run.scope.name) and not desired:
        raise UsageError("no manifest of kind SyncFlow or AlertRules is about the account. Nothing was done.")
    if not (desired and run.scope.includes_account_settings and run.fleet.root_is_complete):
        return None
    try:
        parts = parts_of_settings(desired.values)
        account = await _load_or_read_account_id(run) if VISIBLE_ACCOUNTS_PATH in parts else None
        live = await read_live_settings(parts, account, run.api)
        there = await read_live_hooks({each.hook.kind for each in desired.hooks.values()}, run)
        hooks = (
            plan_hooks(desired, there, await load_hook_memory(run), run.service_now()) if desired.hooks else NO_HOOKS
        )
        unread = {kind.section: why for kind, why in there.unread.items()}
        live = replace(live, unread={**live.unread, **unread})
        return plan_settings(desired, live, await _load_applied(run), hooks)
    except ApiUnusable as error:
        return unread_plan(ACCOUNT_NAME, str(error))
    except Exception as error:
        if ends_run(error):
            raise
        return log_internal_error_as_plan(ACCOUNT_NAME, error)


async def read_live_settings(parts: Collection[str], account_id: str | None, api: Reader) -> LiveSettings:
    """These parts of the settings; one that cannot be read says why. `account_id`: the id of the account, if known."""
    values: dict[str, Value] = {}
    locked: frozenset[str] = frozenset()
    unread: dict[str, str] = {}
    for part in parts:
        try:
            live = live_settings(part, await api.settings_document(part, account_id))
        except RemoteError as error:
            unread[part] = str(error)
            continue
        values |= live.values
        locked |= live.locked
    return LiveSettings(values, locked, unread)


async def _load_or_read_account_id(run: RunContext) -> str | None:
    recorded = await run.store.account.load()
    return (recorded and recorded.client_id) or await run.api.client_id()


async def _load_applied(run: RunContext) -> dict[str, AppliedSetting]:
    rows = (await run.store.account_settings.load()).values()
    return {
        row.path: AppliedSetting(value_from_json(row.path, row.declared), value_from_json(row.path, row.stored))
        for row in rows
    }


# Writing ------------------------------------------------------------------------------------------------


_OF_HOOKS = (ChangeKind.CREATE_RULE, ChangeKind.CREATE_CONSUMER, ChangeKind.DELETE_CONSUMER)


class _WouldLose(Exception):
    """A write of the whole part would lose what Codat does not show; the message says it."""


class _Moved(Exception):
    """A setting is not what it was when the plan was made; the message says it."""


async def apply_account_settings(plan: Plan, run: RunContext) -> Outcome:
    """Carries the account's plan out and remembers what was set. Raises only what ends the whole run."""
    try:
        async with try_leases([ACCOUNT_NAME], run) as is_ours:
            if not is_ours:
                return skipped_by_stop(run.stop) if run.stop.reason else ChangedSincePlan(WRITTEN_TO_BY_ANOTHER)
            await _record_in_sync(plan, run)
            await record_adopted_hooks(plan, run)
            return await _apply_changes(plan, run)
    except ApiUnusable as error:
        return Failed(str(error), retryable=True)
    except Exception as error:
        if ends_run(error):
            raise
        return Failed(f"{log_internal_error(plan.merchant, error)}; please report it", retryable=True)


async def _apply_changes(plan: Plan, run: RunContext) -> Outcome:
    writes, troubles = 0, list[Failed | ChangedSincePlan | Skipped]()
    for change in plan.changes:
        if run.stop.reason is not None:
            troubles.append(Skipped(f"the run ended early: {run.stop.reason}"))
            break
        try:
            writes += await (apply_hook_change if change.kind in _OF_HOOKS else _set_part)(change, run)
        except _Moved as moved:
            troubles.append(ChangedSincePlan(str(moved), writes))
        except _WouldLose as error:
            troubles.append(Failed(str(error), False, writes))
        except LockLost:
            troubles.append(Skipped(f"the run ended early: {run.stop.reason}"))
        except RemoteLimitReached as error:
            troubles.append(Failed(str(error), True, writes, error.status))
            break
        except ApiUnusable as error:
            troubles.append(Failed(str(error), True, writes))
            break
        except RemoteError as error:
            unsure = isinstance(error, OutcomeUnknown) and not error.seen_undone
            troubles.append(Failed(str(error), True, writes, error.status, unsure=unsure))
    if troubles:
        return _merge_troubles(troubles, writes)
    return Applied(writes) if plan.changes else Unchanged()


def _merge_troubles(troubles: list[Failed | ChangedSincePlan | Skipped], writes: int) -> Outcome:
    """One outcome of several parts: what failed says more than what moved, and that more than what was not tried."""
    failed = [each for each in troubles if isinstance(each, Failed)]
    if failed:
        reasons = "; ".join(dict.fromkeys(each.reason for each in failed))
        return replace(failed[0], reason=reasons, writes=writes, unsure=any(each.unsure for each in failed))
    moved = next((each for each in troubles if isinstance(each, ChangedSincePlan)), None)
    return replace(moved, writes=writes) if moved else troubles[0]


async def _set_part(change: Change, run: RunContext) -> int:
    """Writes one part, where it still lacks something; how many writes that took."""
    wanted = {field.field: field.wanted for field in change.fields}
    part = part_of_setting(change.fields[0].field)
    account = await _load_or_read_account_id(run) if part == VISIBLE_ACCOUNTS_PATH else None
    writes = 0

    async def read_then_write(api: Client) -> None:
        nonlocal writes
        writes = 0
        fresh = await api.settings_document(part, account)
        missing = _settings_to_set_unless_moved(change, live_settings(part, fresh))
        if missing:
            if part == PROFILE_PART and await _would_lose_authorization(fresh, run):
                raise _WouldLose(
                    "Codat does not show the Authorization header that legacy deliveries come with, and the profile, "
                    "which is replaced whole, would lose it: set this in the portal"
                )
            await prove_lock(run)
            await api.set_settings(part, settings_write_body(part, fresh, missing))
            writes = 1

    lost: OutcomeUnknown | None = None
    try:
        await run.api.read_then_write(read_then_write)
    except OutcomeUnknown as error:
        lost = error
    try:
        stored = live_settings(part, await run.api.settings_document(part, account)).values
    except (RemoteError, ApiUnusable) as failed_look:
        # What was written is remembered once it is seen: the next look does that.
        if lost:
            raise lost from failed_look
        return writes
    if lost:
        lost.seen_undone = not all(is_as_declared(path, stored.get(path), wanted[path], None) for path in wanted)
        if lost.seen_undone:
            raise lost
        writes = 1
    await _save_applied({path: (value, stored.get(path)) for path, value in wanted.items()}, run)
    return writes


async def _would_lose_authorization(profile: JsonObject, run: RunContext) -> bool:
    """Whether the profile, as it was read, lacks the header that is known to be set: it came with a delivery."""
    if "alertAuthHeader" in profile:
        return False
    return any(row.key_id == AUTHORIZATION_KEY_ID for row in await run.store.proven_deliveries.load())


def _settings_to_set_unless_moved(change: Change, live: LiveSettings) -> Mapping[str, Value]:
    """What is left to be set, by path. Raises _Moved where somebody else has moved a setting since the plan."""
    missing = {}
    for field in change.fields:
        now = live.values.get(field.field)
        if is_as_declared(field.field, now, field.wanted, None):
            continue
        if not is_as_declared(field.field, now, field.live, None):
            raise _Moved(f"{field.field} was {format_value(field.live)}, and is {format_value(now)} now")
        missing[field.field] = field.wanted
    return missing


async def _record_in_sync(plan: Plan, run: RunContext) -> None:
    """Who sets what is live already, or lost the answer when it set it, is last to have set it."""
    applied = await _load_applied(run)
    of_findings = {each.field for each in plan.findings}
    in_sync = {
        path: (plan.resolved_values[path], live)
        for path, live in plan.observed_values.items()
        if path in run.fleet.account_settings.values
        and path not in of_findings
        and applied.get(path) != AppliedSetting(plan.resolved_values[path], live)
    }
    await _save_applied(in_sync, run)


async def _save_applied(values: Mapping[str, tuple[Value, Value]], run: RunContext) -> None:
    """By path what was declared, and what stands there."""
    await run.store.account_settings.save(
        AccountSettingRow(path, value_to_json(declared), value_to_json(stored), run.now())
        for path, (declared, stored) in values.items()
    )
