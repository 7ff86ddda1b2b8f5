"""The world of a run: who is wished for, remembered and listed, read as sparingly as may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from controller.desired.selector import matches
from controller.model.errors import UsageError
from controller.model.merchant import Deletion, Fleet, LinkState, Wanted
from controller.model.observed import Memory
from controller.model.run import Leave, Scope
from controller.model.values import COMPANY_NAME, ENABLED
from controller.reconcile.holding import held_and_freed
from controller.reconcile.ports import Api
from controller.reconcile.record import memory_of
from controller.reconcile.settle import settle
from controller.reconcile.world import Inventory, Stop, World, claims
from state import Store

PAGE = 5000


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run was given: the wishes, the scope, how far it may go, and where it looks and writes.

    width   merchants at a time
    settle  seconds between the two looks that a lost create needs
    pace    requests a minute, for the cost of a plan
    tell    told how many of how many merchants are done
    """

    fleet: Fleet
    scope: Scope
    leave: Leave
    store: Store
    api: Api
    stop: Stop
    width: int
    settle: float
    pace: int
    tell: Callable[[int, int], None]
    data: bool = False


async def survey(run: Run) -> World:
    """What is wished, remembered and listed. One bound merchant asked for by name is read by id; else one listing."""
    reads = run.api.reads
    syncs = await run.store.syncs()
    memories = {name: memory_of(row, syncs.get(name)) for name, row in (await run.store.recall()).items()}
    wanted = chosen(run.fleet, run.scope) | _farewells(run, memories)
    held, freed = await held_and_freed(run.store, wanted, run.leave)
    inventory = Inventory.of(await run.api.companies()) if _needs_listing(run.scope, wanted, memories) else None
    return World(
        api=run.api,
        store=run.store,
        wanted=wanted,
        memories=memories,
        inventory=inventory,
        claimed=claims(memories),
        now=now,
        quarantined=await run.store.quarantined(),
        stopping=run.stop,
        verdicts=await run.store.verdicts(),
        data=run.data,
        holds=held,
        freed=freed,
        unattended=run.leave.unattended,
        reads_before=reads,
    )


async def settled(run: Run) -> World:
    """The world, once every create that was begun and not seen finished is settled; what is not is left alone."""
    world = await survey(run)
    if not await run.store.open_intents():
        return world
    unsettled = await settle(world, run.settle)
    return replace(await survey(run), unsettled=unsettled)


def _needs_listing(scope: Scope, wanted: Mapping[str, Wanted], memories: Mapping[str, Memory]) -> bool:
    """A whole fleet is told of namesakes and strangers too, and an unbound merchant can only be found by name.

    For bound merchants alone, beyond a page's worth a listing is the cheaper read.
    """
    unbound = any(name not in memories or memories[name].company_id is None for name in wanted)
    bound = sum(1 for memory in memories.values() if memory.company_id)
    return bool(wanted) and (scope.everyone or unbound or len(wanted) > 1 + bound // PAGE)


def _farewells(run: Run, memories: Mapping[str, Memory]) -> dict[str, Wanted]:
    lost = lost_merchants(run.fleet, run.scope, memories) or ()
    return {name: _farewell(name, memories[name]) for name in lost if memories[name].deletion != Deletion.RETAIN}


def _farewell(name: str, memory: Memory) -> Wanted:
    """The wish for a merchant whose manifest is gone, by the policy that the last apply stored."""
    called = str(memory.applied.get(COMPANY_NAME) or name)
    unlinked = memory.deletion in (Deletion.UNLINK, Deletion.DELETE)
    state = LinkState.UNLINKED if unlinked else LinkState.LINKED
    return Wanted(name, called, None, state, fields={ENABLED: False}, retired=Deletion(memory.deletion))


def lost_merchants(fleet: Fleet, scope: Scope, memories: Mapping[str, Memory]) -> tuple[str, ...] | None:
    """Bound merchants whose manifest is gone; None where the run saw too little of the manifests to say so."""
    if not fleet.whole or not scope.everyone:
        return None
    bound = (name for name, memory in memories.items() if memory.company_id and not memory.retired_at)
    return tuple(sorted(name for name in bound if name not in fleet.known))


def chosen(fleet: Fleet, scope: Scope) -> dict[str, Wanted]:
    """The merchants in scope. A target that matches nobody is a mistype, and said so."""
    for target in scope.targets:
        if not any(fnmatchcase(name, target) for name in fleet.merchants):
            raise UsageError(f"no merchant is called {target!r}; merchantctl status lists them")
    return {name: wanted for name, wanted in fleet.merchants.items() if _in_scope(name, wanted, scope)}


def _in_scope(name: str, wanted: Wanted, scope: Scope) -> bool:
    if scope.names is not None and name not in scope.names:
        return False
    named = not scope.targets or any(fnmatchcase(name, target) for target in scope.targets)
    return named and (scope.selector is None or matches(scope.selector, wanted.labels))
