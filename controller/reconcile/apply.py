"""A plan's changes, one after another. What cannot be taken back has its intent on disk before its request leaves.

create, delete   intent → request → settled in one commit     answer lost: the intent stays, `settle` looks
rename, unlink   request; answer lost: look
configuration    read afresh → moved? stop → change declared fields only → rules → POST → read back
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from controller.codat.convert import read_configuration, write_fields
from controller.model.errors import OutcomeUnknown, Permanent, RemoteError, Transient
from controller.model.observed import LINKED, PENDING, Absent, Configuration
from controller.model.plan import Change, ChangeKind, Finding, Plan
from controller.model.report import Done, Failed, Moved, Nothing, Outcome
from controller.model.values import Value, locate, same
from controller.planning.connection import consent
from controller.planning.diff import moves
from controller.planning.plan import declared_values
from controller.planning.rules import violations
from controller.reconcile.trouble import failure
from controller.reconcile.world import World


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a merchant's changes are: the company they are for, the writes done, what they brought to light."""

    company_id: str | None
    connection_id: str | None
    writes: int = 0
    findings: tuple[Finding, ...] = ()

    def wrote(
        self, *, company_id: str | None = None, connection_id: str | None = None, findings: tuple[Finding, ...] = ()
    ) -> Progress:
        ids = company_id or self.company_id, connection_id or self.connection_id
        return Progress(*ids, self.writes + 1, (*self.findings, *findings))


class Halt(Exception):
    """The rest of a merchant's changes is not tried; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


async def apply(plan: Plan, world: World) -> Outcome:
    """Makes the plan's changes in their order; the first that fails ends this merchant's, never another's."""
    done = Progress(plan.company_id, plan.connection_id)
    try:
        for change in plan.changes:
            done = await DOING[change.kind](plan, change, done, world)
    except Halt as halt:
        return halt.outcome
    except RemoteError as error:
        return failure(error, change, done.writes, world)
    return Done(done.writes, done.findings) if plan.changes else Nothing()


async def _create_company(plan: Plan, change: Change, done: Progress, world: World) -> Progress:
    name = world.wanted[plan.merchant].company_name
    intent = await world.store.begin_intent(
        plan.merchant, "company", name=name, company_id=None, platform=None, at=world.now()
    )
    company = await _begun(intent, world, world.api.create_company(name))
    await world.store.settle_company(
        intent, plan.merchant, company_id=company.id, company_name=company.name, at=world.now()
    )
    return done.wrote(company_id=company.id)


async def _create_connection(plan: Plan, change: Change, done: Progress, world: World) -> Progress:
    platform, company_id = world.wanted[plan.merchant].platform, _company_of(done)
    assert platform is not None, "planning proposes no connection without a platform"
    intent = await world.store.begin_intent(
        plan.merchant, "connection", name="", company_id=company_id, platform=platform, at=world.now()
    )
    connection = await _begun(intent, world, world.api.create_connection(company_id, platform))
    await world.store.settle_connection(intent, plan.merchant, connection_id=connection.id, at=world.now())
    waits = (consent(plan.merchant, connection),) if connection.status == PENDING else ()
    return done.wrote(connection_id=connection.id, findings=waits)


T = TypeVar("T")


async def _begun(intent: int, world: World, request: Awaitable[T]) -> T:
    """Sends what an intent announced. Refused or never sent: the intent is closed. Lost: it stays open."""
    try:
        return await request
    except OutcomeUnknown:
        raise
    except (Permanent, Transient):
        await world.store.close_intent(intent, outcome="not done", at=world.now())
        raise


async def _rename(plan: Plan, change: Change, done: Progress, world: World) -> Progress:
    name, company_id = world.wanted[plan.merchant].company_name, _company_of(done)

    async def happened() -> bool:
        company = await world.api.company(company_id)
        return not isinstance(company, Absent) and company.name == name

    await _or_look(world.api.rename_company(company_id, name), happened)
    return done.wrote()


async def _unlink(plan: Plan, change: Change, done: Progress, world: World) -> Progress:
    company_id, connection_id = _company_of(done), plan.connection_id
    assert connection_id is not None, "planning unlinks only a connection that it saw"

    async def happened() -> bool:
        company = await world.api.company(company_id)
        linked = () if isinstance(company, Absent) else company.connections
        return all(each.status != LINKED for each in linked if each.id == connection_id)

    await _or_look(world.api.unlink(company_id, connection_id), happened)
    return done.wrote()


async def _delete(plan: Plan, change: Change, done: Progress, world: World) -> Progress:
    company_id = _company_of(done)
    intent = await world.store.begin_intent(
        plan.merchant, "delete", name="", company_id=company_id, platform=None, at=world.now()
    )

    async def happened() -> bool:
        return isinstance(await world.api.company(company_id), Absent)

    await _or_look(world.api.delete_company(company_id), happened)
    await world.store.close_intent(intent, outcome="done", at=world.now())
    return done.wrote()


async def _or_look(request: Awaitable[object], happened: Callable[[], Awaitable[bool]]) -> None:
    """A write that may be looked at: a lost answer counts as done when what it wanted is there."""
    try:
        await request
    except OutcomeUnknown:
        if not await happened():
            raise


async def _set_configuration(plan: Plan, change: Change, done: Progress, world: World) -> Progress:
    """Read afresh, stop if a declared field moved, change only what differs, send it whole, read it back."""
    company_id = _company_of(done)
    fresh = read_configuration(await world.api.configuration(company_id), world.now())
    _stop_if_moved(plan, fresh, done, world)
    _stop_if_refused(change, fresh, done)
    document = write_fields(fresh.document, _placed(change, fresh))

    async def happened() -> bool:
        return not await _unlike(change, company_id, world)

    await _or_look(world.api.set_configuration(company_id, document), happened)
    await _read_back(change, company_id, done.wrote(), world)
    return done.wrote()


async def _read_back(change: Change, company_id: str, done: Progress, world: World) -> None:
    try:
        unlike = await _unlike(change, company_id, world)
    except RemoteError as error:
        raise Halt(failure(error, change, done.writes, world)) from None
    if unlike:
        raise Halt(Moved(f"after the write {unlike} stands otherwise again: somebody else writes too", done.writes))


def _stop_if_moved(plan: Plan, fresh: Configuration, done: Progress, world: World) -> None:
    moved = moves(plan.seen, declared_values(world.wanted[plan.merchant], fresh)) if plan.seen else ""
    if moved:
        raise Halt(Moved(moved, done.writes))


def _stop_if_refused(change: Change, fresh: Configuration, done: Progress) -> None:
    broken = violations({**fresh.values, **_placed(change, fresh)}, fresh)
    if broken:
        path, sentence = broken[0]
        raise Halt(Failed(f"the options moved since the plan: {path}: {sentence}", again=True, writes=done.writes))


def _placed(change: Change, live: Configuration) -> dict[str, Value]:
    """The wanted values by live's own paths."""
    return {locate(live.values, each.field) or each.field: each.wanted for each in change.fields}


async def _unlike(change: Change, company_id: str, world: World) -> str:
    """The first sent field that does not stand as it was sent."""
    live = read_configuration(await world.api.configuration(company_id), world.now())
    unlike = (path for path, wanted in _placed(change, live).items() if not same(live.values.get(path), wanted))
    return next(unlike, "")


def _company_of(done: Progress) -> str:
    assert done.company_id is not None, "every change but the first create has a company"
    return done.company_id


DOING: dict[ChangeKind, Callable[[Plan, Change, Progress, World], Awaitable[Progress]]] = {
    ChangeKind.CREATE_COMPANY: _create_company,
    ChangeKind.CREATE_CONNECTION: _create_connection,
    ChangeKind.RENAME_COMPANY: _rename,
    ChangeKind.SET_CONFIGURATION: _set_configuration,
    ChangeKind.UNLINK_CONNECTION: _unlink,
    ChangeKind.DELETE_COMPANY: _delete,
}
