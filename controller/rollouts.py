"""Where a rollout is put together: settings, manifests, state, client and lock, for `merchantctl rollout`.

start, resume   plan, judge, ask; then wave after wave, the lock held for one wave at a time
pause, abort    a word in the state, which the process that carries it out notices
look_up         where one stands
undo            what it changed, put back
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from controller.app import (
    NOBODY,
    OnProgress,
    Order,
    held,
    manifests,
    remembered,
    run_of,
    silent,
    stopped_by_signals,
    writing,
)
from controller.model.merchant import Fleet
from controller.model.report import FleetPlan
from controller.model.rollout import Prospect, Rollout, Terms
from controller.model.run import Leave, Scope
from controller.reconcile import rollout_record
from controller.reconcile.rollout import Hands, roll
from controller.reconcile.rollout import start as begin
from controller.reconcile.survey import Run
from controller.reconcile.undoing import undo as put_back
from controller.settings import Settings
from state import Owner

BETWEEN_WAVES = 600.0
"""Seconds that a wave waits for another run that holds the state."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What `rollout start` was told. `agree` is asked once, with the whole prospect; `lock_timeout` is in seconds."""

    scope: Scope
    terms: Terms
    agree: Callable[[Prospect], bool]
    name: str | None = None
    lock_timeout: float = 0


@dataclass(frozen=True, slots=True)
class Rolled:
    """How far a rollout came in this process, and the signal that ended it."""

    rollout: Rollout
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told meanwhile: sentences, and how many of how many merchants are done."""

    say: Callable[[str], None]
    tell: OnProgress = silent


async def start(settings: Settings, opening: Opening, watcher: Watcher) -> Rolled | Prospect:
    """A rollout from its plan on. Refused or declined: what it would have been."""
    fleet = manifests(settings, opening.scope, strict=True)
    async with _at_work(settings, fleet, opening.scope, watcher) as (run, hands):
        run = replace(run, leave=_leave(opening.terms))
        async with held(run.store, opening.lock_timeout):
            begun = await begin(run, opening.name, opening.terms, hands, opening.agree)
        return begun if isinstance(begun, Prospect) else await _rolled(begun, run, hands)


async def resume(settings: Settings, name: str | None, max_failures: int | None, watcher: Watcher) -> Rolled:
    """Goes on where it stands."""
    fleet = manifests(settings, Scope(), strict=True)
    async with _at_work(settings, fleet, Scope(), watcher) as (run, hands):
        rollout = await rollout_record.taken_up(run.store, name, fleet.merchants, hands.owner, max_failures)
        return await _rolled(rollout, replace(run, leave=_leave(rollout.terms)), hands)


@dataclass(frozen=True, slots=True)
class Undoing:
    """What `rollout undo` was told. `name` None: the newest."""

    name: str | None
    allow: tuple[str, ...]
    agree: Callable[[FleetPlan], bool]
    lock_timeout: float = 0


async def undo(settings: Settings, told: Undoing, watcher: Watcher) -> Rolled | FleetPlan:
    """What it changed, put back; no manifest is looked at. Refused or declined: the plan alone comes back."""
    async with _at_work(settings, NOBODY, Scope(), watcher) as (run, _), held(run.store, told.lock_timeout):
        run = replace(run, leave=Leave(allow=frozenset(told.allow), rollout=True))
        undone = await put_back(run, told.name, told.agree)
        return undone if isinstance(undone, FleetPlan) else Rolled(undone, run.stop.signal)


async def pause(settings: Settings, name: str | None) -> Rollout:
    async with remembered(settings) as store:
        return await rollout_record.pause(store, name)


async def abort(settings: Settings, name: str | None) -> Rollout:
    async with remembered(settings) as store:
        return await rollout_record.abort(store, name)


async def look_up(settings: Settings, name: str | None) -> Rollout:
    async with remembered(settings) as store:
        return await rollout_record.found(store, name)


async def _rolled(rollout: Rollout, run: Run, hands: Hands) -> Rolled:
    return Rolled(await roll(rollout, run, hands), run.stop.signal)


@asynccontextmanager
async def _at_work(
    settings: Settings, fleet: Fleet, scope: Scope, watcher: Watcher
) -> AsyncIterator[tuple[Run, Hands]]:
    """A run that may write, and stops between two merchants on a signal."""
    async with remembered(settings) as store, writing(settings) as api:
        run = run_of(settings, Order(scope), fleet, store, api, watcher.tell)
        hands = Hands(_this_process(), lambda: held(store, BETWEEN_WAVES), watcher.say)
        with stopped_by_signals(lambda number: run.stop.because(f"stopped by {number.name}", signal=number)):
            yield run, hands


def _this_process() -> Owner:
    return Owner.this_process(" ".join(sys.argv[:2]))


def _leave(terms: Terms) -> Leave:
    return Leave(allow=frozenset(terms.allow), rollout=True)
