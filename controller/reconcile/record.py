"""What we remember of a merchant once a plan was carried out, or needed no carrying out.

bound and connected to what was seen    configured, since when
last applied: the declared values, except those that policy keeps as somebody else left them
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from controller.model.merchant import LinkState, Wanted
from controller.model.observed import LastSync, Memory
from controller.model.plan import ChangeKind, Plan, State, Truth
from controller.model.report import Done, Nothing, Outcome
from controller.model.values import COMPANY_NAME, CONNECTION_STATE, Value, from_json, to_json
from controller.planning.diff import remembered_as
from controller.planning.holds import is_withheld
from controller.reconcile.world import World
from state import Event, SyncRow
from state import Memory as Row


def memory_of(row: Row, sync: SyncRow | None = None) -> Memory:
    """State's rows in the subject's own values; what was applied is parsed only when it is asked for."""
    last = LastSync(sync.code, sync.message, sync.ran_at, sync.since, sync.read_at) if sync else None
    ids, applied = (row.company_id, row.connection_id), Applied(row)
    return Memory(*ids, applied, row.configured_at, row.deletion, row.retired_at, last)


class Applied(Mapping[str, Value]):
    """What was set last, by field path. In a fleet that is in sync nobody asks."""

    def __init__(self, row: Row) -> None:
        self.text = row.applied_json
        self._row = row

    @cached_property
    def _values(self) -> dict[str, Value]:
        return {path: from_json(path, value) for path, value in self._row.applied.items()}

    def __getitem__(self, path: str) -> Value:
        return self._values[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


async def remember(plan: Plan, outcome: Outcome, world: World) -> None:
    """Called for every merchant that was not skipped; writes only what is new."""
    if not isinstance(outcome, Done | Nothing) or plan.state is State.UNKNOWN:
        return
    wanted, memory = world.wanted[plan.merchant], world.memory(plan.merchant)
    await _bind(plan, wanted, memory, world)
    if memory.configured_at is None and is_configured(plan):
        await world.store.saw_configured([plan.merchant], world.now())
    if plan.retires and _taken_down(plan):
        await world.store.retire(plan.merchant, world.now())
    elif (plan.company_id or plan.changes) and not is_withheld(plan):
        await _note_applied(plan, wanted, memory, world)
    if memory.retired_at and not wanted.retired:
        await world.store.unretire(plan.merchant)


async def _bind(plan: Plan, wanted: Wanted, memory: Memory, world: World) -> None:
    if plan.company_id and plan.company_id != memory.company_id:
        await world.store.bind(plan.merchant, company_id=plan.company_id, company_name=wanted.company_name)
    if plan.connection_id and plan.connection_id != memory.connection_id:
        await world.store.bind_connection(plan.merchant, plan.connection_id)


def is_configured(plan: Plan) -> bool:
    """Whether a merchant whose plan was carried out is configured."""
    return plan.configured or any(change.kind is ChangeKind.SET_CONFIGURATION for change in plan.changes)


async def note_configured(plans: Iterable[Plan], outcomes: Mapping[str, Outcome], world: World) -> None:
    """When the whole fleet was last seen configured, in one go."""
    well = {name for name, outcome in outcomes.items() if isinstance(outcome, Done | Nothing)}
    await world.store.saw_configured(
        [plan.merchant for plan in plans if plan.merchant in well and is_configured(plan)], world.now()
    )


def _taken_down(plan: Plan) -> bool:
    """Nothing that we could still do is left; what was found unknown is left for the next time."""
    return plan.state is not State.BLOCKED


async def _note_applied(plan: Plan, wanted: Wanted, memory: Memory, world: World) -> None:
    applied = {path: to_json(value) for path, value in applied_now(plan, wanted, memory).items()}
    before = {path: to_json(value) for path, value in memory.applied.items()}
    if applied != before or wanted.policy.deletion != memory.deletion:
        await world.store.record_applied(plan.merchant, applied, deletion=wanted.policy.deletion.value, at=world.now())


def applied_now(plan: Plan, wanted: Wanted, memory: Memory) -> dict[str, Value]:
    """Last applied after this plan: what was declared and stands; where it was not compared, what was before."""
    if not plan.declared or not is_configured(plan):
        before = {path: value for path, value in memory.applied.items() if path != CONNECTION_STATE}
        return {**before, **_sent(plan), **_severed(plan, wanted, memory), COMPANY_NAME: wanted.company_name}
    kept = {remembered_as(each.field) for each in plan.findings if each.direction and each.field} - set(_sent(plan))
    values: dict[str, Value] = {COMPANY_NAME: wanted.company_name}
    for path, value in ((remembered_as(path), value) for path, value in plan.declared.items()):
        if path not in kept:
            values[path] = value
        elif path in memory.applied:
            values[path] = memory.applied[path]
    return values


def _severed(plan: Plan, wanted: Wanted, memory: Memory) -> dict[str, Value]:
    """That we unlinked the connection, until it is linked again: what lies unlinked then is nobody's drift."""
    if wanted.link_state is LinkState.UNLINKED:
        return {CONNECTION_STATE: LinkState.UNLINKED.value}
    linked = any(each.type == "AccountingConnected" and each.status is Truth.TRUE for each in plan.conditions)
    return {CONNECTION_STATE: LinkState.UNLINKED.value} if memory.unlinked and not linked else {}


def _sent(plan: Plan) -> dict[str, Value]:
    of_configuration = (each for each in plan.changes if each.kind is ChangeKind.SET_CONFIGURATION)
    return {remembered_as(field.field): field.wanted for change in of_configuration for field in change.fields}


def events(run: int, plans: Iterable[Plan], outcomes: Mapping[str, Outcome], world: World) -> tuple[Event, ...]:
    """One line of history per merchant that was written to, or that could not be."""
    told = ((plan, outcomes.get(plan.merchant)) for plan in plans if plan.changes)
    return tuple(
        Event(world.now(), run, plan.merchant, type(outcome).__name__.lower(), _detail(plan, outcome))
        for plan, outcome in told
        if outcome is not None
    )


def _detail(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    reason = getattr(outcome, "reason", None) or getattr(outcome, "what", None)
    changes = [{"kind": each.kind.value, "fields": [field.field for field in each.fields]} for each in plan.changes]
    return {"changes": changes} | ({"reason": reason} if reason else {})
