"""The controller that stays: whoever is due is looked at, until it is told to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from signal import Signals

import structlog

from controller.model.errors import LimitReached, MerchantctlError, RateLimited, Stopped, Unauthorized
from controller.model.report import FleetPlan, FleetReport
from controller.reconcile.fleet import reconcile, think
from controller.reconcile.ledger import told
from controller.reconcile.survey import Run, now, survey
from controller.runtime.again import again
from controller.runtime.duty import Duty
from controller.runtime.passes import Pass, Seen, Setback, scope_of
from controller.runtime.scheduler import Timer, ticking
from controller.runtime.workqueue import EVERYONE
from state.errors import StateLocked, StateProblem

LOCKED_FOR = timedelta(seconds=5)
"""How long a state that another run holds is left to it before it is asked for again."""
POLL = 3.0
"""Seconds between two looks at the folder of manifests."""

log = structlog.get_logger()


async def serve(duty: Duty) -> None:
    """Looks at everyone, then at whoever is due, until it is told to leave. Raises Unauthorized for a refused key.

    The first look is every process's own, whoever else shares the queue: what it shows is what it saw.
    """
    with ticking(*timers(duty)):
        await look_at((EVERYONE, *await duty.run.store.merchants_told_of()), duty)
        while keys := await duty.queue.due():
            await look_at(keys, duty)


async def look_at(keys: tuple[str, ...], duty: Duty) -> None:
    """One pass, whatever comes of it."""
    began = now()
    await conclude(Pass(keys, await attempt(keys, duty), began, now()), duty)


async def look_once(duty: Duty) -> FleetPlan | FleetReport:
    """One pass over everyone. Raises what an apply would raise."""
    began = now()
    seen = await once((EVERYONE,), duty)
    await conclude(Pass((EVERYONE,), seen, began, now()), duty)
    return seen


async def attempt(keys: tuple[str, ...], duty: Duty) -> Seen:
    """A pass whose failure is a result like any other; only a refused key and an unusable state end everything."""
    try:
        return await once(keys, duty)
    except StateLocked as error:
        return Setback(str(error), now() + LOCKED_FOR, harmless=True)
    except Stopped as error:
        return Setback(str(error), harmless=True)
    except (Unauthorized, StateProblem):
        raise
    except (LimitReached, RateLimited) as error:
        return Setback(str(error), error.resume_at if isinstance(error, LimitReached) else error.retry_at)
    except MerchantctlError as error:
        return Setback(str(error))
    except Exception as error:
        log.exception("a fault of merchantctl itself; please report it")
        return Setback(f"a fault of merchantctl itself: {type(error).__name__}: {error}")


async def once(keys: tuple[str, ...], duty: Duty) -> FleetPlan | FleetReport:
    """One pass: the newest manifests that are whole, the state's lock, plan, judge, write. Raises what prevents it."""
    if not duty.mends:
        run = _run(keys, duty)
        return await told(await think(run, await survey(run)), run.store)
    async with duty.hold():
        return await reconcile(_run(keys, duty), agree=lambda plan: True)


def _run(keys: tuple[str, ...], duty: Duty) -> Run:
    return replace(duty.run, fleet=duty.revisions.fleet, scope=scope_of(keys), stop=duty.board.new_stop())


async def conclude(done: Pass, duty: Duty) -> None:
    """What was seen is noted and told, and whoever needs another look is put down for one."""
    duty.board.note(done, duty.revisions.fleet)
    if done.everyone:
        duty.queue.add([EVERYONE], after=duty.resync)
        duty.board.next_at = done.ended + timedelta(seconds=duty.resync)
    if not isinstance(done.seen, Setback):
        await duty.run.store.close_deliveries(done.names, received_until=done.began, at=done.ended)
    for key, seconds in again(done, duty.board.failing_since, await quarantines(duty)).items():
        duty.queue.add([key], after=seconds)
    await duty.voice.looked(done, duty.board.latest)


async def quarantines(duty: Duty) -> Mapping[str, datetime]:
    """Until when merchants that failed are left alone; without those that wait for a change."""
    stays = await duty.run.store.quarantined()
    return {name: stay.until for name, stay in stays.items() if stay.until}


def leave(duty: Duty, signal: Signals) -> None:
    """The pass in hand ends as an apply does on a signal; there is no other after it."""
    duty.board.leave(signal)
    duty.queue.close()


def timers(duty: Duty) -> tuple[Timer, ...]:
    """What happens by the clock. A timer only says whom to look at, or does its own small piece of work."""

    async def reread() -> None:
        if await duty.revisions.renewed():
            duty.queue.add([EVERYONE])
        if duty.board.complain(duty.revisions.complaints):
            await duty.voice.manifests(duty.board.latest, now())

    return Timer("manifests", POLL, reread), *duty.chores
