"""What keeps one merchant's trouble from becoming everybody's: quarantine, back-off, the breaker, a limit reached.

refused for good        left alone until the manifest or live moves: the same key is not tried again
failed for now          left alone by an unattended run for 1, 2, 4 … 60 minutes; a person's run tries at once
many failures in a row  pause all writes: the trouble is not the merchants', and none of them is left alone for it
a limit of the service  ends all writes: the daily quota, or (402) the number of companies
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from controller.model.errors import LimitReached, RemoteError, Transient
from controller.model.plan import Change, ChangeKind, Plan
from controller.model.report import Done, Failed, Nothing, Outcome, Skipped
from controller.reconcile.world import Stop, World
from controller.reporting.words import count

IN_A_ROW = 10
"""So many failures with no success between them pause the writes."""

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)

USED_UP = "the service's quota of requests is used up"
THE_REST = "merchantctl apply does the rest"
LATER = f"once it is back, {THE_REST}"


def quarantine_key(plan: Plan, world: World) -> str:
    """Changes when the manifest or what was seen live does."""
    words = f"{world.wanted[plan.merchant].digest} {plan.fingerprint}"
    return hashlib.sha256(words.encode()).hexdigest()


def held_back(plan: Plan, world: World) -> Skipped | None:
    """The reason not to try, when the very same thing was refused for good before, or failed a moment ago."""
    stay = world.quarantined.get(plan.merchant) if plan.changes else None
    if stay is None or stay.key != quarantine_key(plan, world):
        return None
    if stay.until is None:
        return Skipped(f"refused before and nothing moved since: {stay.reason}")
    if world.unattended and world.now() < stay.until:
        failures = count(stay.tries, "failure")
        return Skipped(f"left alone until {stay.until:%H:%M:%S} UTC after {failures}: {stay.reason}")
    return None


def not_begun(stop: Stop) -> Skipped:
    return Skipped(f"not begun: {stop.why}")


def back_off(tries: int) -> timedelta:
    """How long an unattended run leaves a merchant alone after so many failures in a row."""
    doublings = min(tries - 1, 10)
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << doublings))


def failure(error: RemoteError, change: Change, writes: int, world: World) -> Failed | Skipped:
    """What an error means for its merchant, and for the whole run where a limit of the service is reached."""
    if not isinstance(error, LimitReached):
        return Failed(str(error), isinstance(error, Transient), writes, error.status)
    if error.status == 429:
        world.stopping.because(USED_UP, remedy=LATER, resume_at=error.resume_at)
    elif change.kind is ChangeKind.CREATE_COMPANY:
        room = "raise it at the service, or make room there; then " + THE_REST
        world.stopping.because("the account is at its limit of companies", remedy=room)
    untouched = error.status == 429 and not writes
    return not_begun(world.stopping) if untouched else Failed(str(error), True, writes, error.status)


async def note_trouble(plan: Plan, outcome: Outcome, world: World) -> None:
    """Called for every merchant that was not skipped. After a stop nobody is blamed any more."""
    match outcome:
        case Failed() if world.stopping.why is None:
            await _quarantine(plan, outcome, world)
            await _pause_after_many(plan, world)
        case Done():
            world.stopping.failed.clear()
            await _release(plan, world)
        case Nothing() if not plan.unread:
            await _release(plan, world)
        case _:
            pass


async def _quarantine(plan: Plan, failed: Failed, world: World) -> None:
    before = world.quarantined.get(plan.merchant)
    tries = 1 + (before.tries if before else 0)
    until = world.now() + back_off(tries) if failed.again else None
    key = quarantine_key(plan, world)
    await world.store.quarantine(plan.merchant, key=key, reason=failed.reason, until=until, tries=tries)


async def _pause_after_many(plan: Plan, world: World) -> None:
    stop = world.stopping
    stop.failed.append(plan.merchant)
    if len(stop.failed) < IN_A_ROW:
        return
    mended = "their lines say with what; once that is mended, " + THE_REST
    stop.because(f"{IN_A_ROW} merchants in a row failed", remedy=mended)
    for merchant in stop.failed:
        await world.store.release(merchant)


async def _release(plan: Plan, world: World) -> None:
    if plan.merchant in world.quarantined:
        await world.store.release(plan.merchant)
