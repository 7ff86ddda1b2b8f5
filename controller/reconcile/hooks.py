"""The account's rules and webhook consumers: read, created with an intent on disk, and recognised again.

list ─ as declared by now? adopt it ─ row in the state, lock proven ─ create ─ bind
                                                                └─ answer lost: list again; else a later run looks
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from controller.codat.client import Client
from controller.codat.transport import NotWritten
from controller.model.errors import ApiUnusable, NotFound, OutcomeUnknown, RemoteError
from controller.model.hooks import (
    DeclaredHook,
    Hook,
    HookKind,
    LiveHook,
    LiveHooks,
    ProvenSource,
    RecordedHook,
    SecretRef,
)
from controller.model.plan import Change, ChangeKind, Plan
from controller.planning.hooks import HookMemory, find_created_id, is_replacement_proven, plan_hooks
from controller.reconcile.context import RunContext
from controller.reconcile.fence import prove_lock, stop_for_lost_lock
from state import HookRow
from state.errors import LockEnded, StateLocked


async def read_live_hooks(kinds: Collection[HookKind], run: RunContext) -> LiveHooks:
    """All of these kinds; a kind that cannot be read says why."""
    hooks: dict[HookKind, tuple[LiveHook, ...]] = {}
    unread: dict[HookKind, str] = {}
    for kind in sorted(kinds):
        try:
            hooks[kind] = await run.api.hooks(kind)
        except RemoteError as error:
            is_off = kind is HookKind.RULE and isinstance(error, NotFound)
            unread[kind] = f"{error}; Codat switched legacy rules off in January 2025" if is_off else str(error)
    return LiveHooks(hooks, unread)


async def load_hook_memory(run: RunContext) -> HookMemory:
    """What the state knows of rules and consumers."""
    recorded = tuple(_hook_from_row(row) for row in await run.store.hooks.load())
    proven = tuple(
        ProvenSource(row.source, row.key_id, row.first_at, row.last_at)
        for row in await run.store.proven_deliveries.load()
    )
    return HookMemory(recorded, proven, timedelta(seconds=run.recovery_times.last_look_s))


async def record_adopted_hooks(plan: Plan, run: RunContext) -> None:
    """Those that were found as declared are ours from now on; so are those of a create whose answer was lost."""
    desired = run.fleet.account_settings
    hooks = desired.hooks
    found = {path: str(plan.observed_values[path]) for path in hooks if path in plan.observed_values}
    memory = await load_hook_memory(run) if found else HookMemory()
    unbound = [hooks[path] for path, remote_id in found.items() if remote_id not in memory.bound_ids]
    if unbound:
        # Decided anew: since the plan was made another run may have taken one over by manifests newer than these.
        live = await read_live_hooks({each.hook.kind for each in unbound}, run)
        adopted = plan_hooks(desired, live, memory, run.service_now()).adopted
        for hook in unbound:
            if hook.path in adopted:
                await _adopt(hook, adopted[hook.path], live.hooks[hook.hook.kind], memory, run)
    # Where a manifest names the place of a secret that it did not name before, nothing is to be replaced for that.
    for each in (await load_hook_memory(run)).recorded if hooks else ():
        declared = hooks.get(each.declared.path)
        if declared and declared.secret and each.declared.secret is None and not each.replaced and each.remote_id:
            named = DeclaredHook(declared.name, each.declared.hook, declared.secret)
            await run.store.hooks.save_declared(each.row, hook_to_json(named))


async def apply_hook_change(change: Change, run: RunContext) -> int:
    """Creates or deletes one, where that still has to be done; how many writes that took."""
    declared = run.fleet.account_settings.hooks[change.fields[0].field]
    live = await run.api.hooks(declared.hook.kind)
    memory = await load_hook_memory(run)
    if change.kind is ChangeKind.DELETE_CONSUMER:
        return await _delete_replaced_if_proven(declared, live, memory, run)
    again = plan_hooks(run.fleet.account_settings, LiveHooks({declared.hook.kind: live}), memory, run.service_now())
    if declared.path in again.adopted:
        await _adopt(declared, again.adopted[declared.path], live, memory, run)
        return 0
    is_due = any(each.kind is change.kind and each.fields[0].field == declared.path for each in again.changes)
    return await _create(declared, live, memory, run) if is_due else 0


async def _adopt(
    declared: DeclaredHook, remote_id: str, live: Collection[LiveHook], memory: HookMemory, run: RunContext
) -> None:
    current = memory.current_hook(declared.path)
    begun = current if current and current.remote_id is None else None
    if begun and find_created_id(begun, live, memory.bound_ids) == remote_id:
        await run.store.hooks.bind_and_replace_others(begun.row, remote_id, run.now())
        return
    if begun:  # never done: what is there is as the manifest says now, which may not be what it said then
        await run.store.hooks.mark_gone(begun.row, run.now())
    await run.store.hooks.adopt_and_replace_others(
        declared.hook.kind.value, declared.name, hook_to_json(declared), remote_id, run.service_now()
    )


async def _create(declared: DeclaredHook, live: Collection[LiveHook], memory: HookMemory, run: RunContext) -> int:
    before = memory.current_hook(declared.path)
    if before and before.remote_id is None:  # looked for until it could not be done any more
        await run.store.hooks.mark_gone(before.row, run.now())
    known, rows = [each.id for each in live], list[int]()

    async def begin_then_send(api: Client) -> str:
        # Begun as it leaves, and anew after each wait: how long a lost answer is looked for counts from here.
        rows.append(await _begin(declared, known, run))
        try:
            return await api.create_hook(declared.hook)
        # Before RemoteError, whose kind it is: what may have been done must not count as not done.
        except OutcomeUnknown:
            raise
        except (RemoteError, ApiUnusable, NotWritten):
            await run.store.hooks.mark_gone(rows[-1], run.now())
            raise

    try:
        remote_id = await run.api.read_then_write(begin_then_send)
    except OutcomeUnknown as error:
        begun = RecordedHook(rows[-1], declared, run.service_now(), frozenset(known))
        try:
            found = find_created_id(begun, await run.api.hooks(declared.hook.kind), memory.bound_ids)
        except (RemoteError, ApiUnusable) as failed_look:
            raise error from failed_look
        if found is None:
            raise
        remote_id = found
    await run.store.hooks.bind_and_replace_others(rows[-1], remote_id, run.now())
    return 1


async def _begin(declared: DeclaredHook, known: Collection[str], run: RunContext) -> int:
    """The row of one that is about to be created, on disk, and the lock proven with it."""
    try:
        return await run.store.hooks.begin(
            declared.hook.kind.value, declared.name, hook_to_json(declared), known_ids=known, at=run.service_now()
        )
    except (StateLocked, LockEnded) as error:
        raise stop_for_lost_lock(error, run) from None


async def _delete_replaced_if_proven(
    declared: DeclaredHook, live: Collection[LiveHook], memory: HookMemory, run: RunContext
) -> int:
    new, there, writes = memory.current_hook(declared.path), {each.id for each in live}, 0
    if new is None or new.remote_id not in there:
        return 0
    for old in memory.recorded:
        if old.declared.path != declared.path or not old.replaced or old.remote_id is None:
            continue
        if old.remote_id in there - memory.current_ids and is_replacement_proven(old, new, memory.proven):
            writes += await _delete_consumer(old.remote_id, run)
            await run.store.hooks.mark_gone(old.row, run.now())
    return writes


async def _delete_consumer(consumer_id: str, run: RunContext) -> int:
    async def prove_then_send(api: Client) -> None:
        await prove_lock(run)
        await api.delete_consumer(consumer_id)

    try:
        await run.api.read_then_write(prove_then_send)
    except NotFound:
        return 0
    return 1


# As JSON ------------------------------------------------------------------------------------------------


def hook_to_json(declared: DeclaredHook) -> dict[str, Any]:
    """What the state keeps of it."""
    hook, secret = declared.hook, declared.secret
    return {
        "events": sorted(hook.events),
        "url": hook.url,
        "emails": sorted(hook.emails),
        "tags": sorted(hook.tags),
        "secret": [secret.kind, secret.name] if secret else None,
    }


def _hook_from_row(row: HookRow) -> RecordedHook:
    return RecordedHook(
        row.id,
        _hook_from_json(HookKind(row.kind), row.name, row.declared),
        row.begun_at,
        frozenset(row.known_ids),
        row.remote_id,
        row.replaced_at is not None,
    )


def _hook_from_json(kind: HookKind, name: str, said: Mapping[str, Any]) -> DeclaredHook:
    hook = Hook(kind, frozenset(said["events"]), said["url"], frozenset(said["emails"]), frozenset(said["tags"]))
    return DeclaredHook(name, hook, SecretRef(*said["secret"]) if said["secret"] else None)
