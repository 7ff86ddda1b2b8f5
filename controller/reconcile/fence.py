"""Every write passes here last: it leaves only while the lock on the state is proven to be this run's.

A write is proven anew each time that it is about to leave, so it is not sent again under an older proof; and since
`read_then_write` lets nothing wait between the two, a proof is some milliseconds old when its write leaves. What is
under way when the lock is lost cannot be called back: an exchange takes at most MAX_EXCHANGE_S, and the next holder
is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from controller.codat.client import Client
from controller.codat.transport import MAX_EXCHANGE_S
from controller.reconcile.context import RunContext
from controller.reconcile.snapshot import RunSnapshot
from state.errors import LockEnded, StateLocked

T = TypeVar("T")

IN_FLIGHT_AFTER_LOCK_LOSS = timedelta(seconds=MAX_EXCHANGE_S + 10)
"""So long after a run lost its lock a request of its may still have an effect; ten seconds are for its last proof."""

LOCK_LOST_MESSAGE = "the lock on the state is lost"


class LockLost(Exception):
    """Another run has taken the lock, or somebody ended it: nothing more is written. The run is stopped already."""


async def fence(snapshot: RunSnapshot) -> None:
    """Returns while the lock is this run's; else stops the run and raises LockLost."""
    await prove_lock(snapshot.run)


async def prove_lock(run: RunContext) -> None:
    """The same for what is no merchant's."""
    try:
        await run.lock.prove()
    except (StateLocked, LockEnded) as error:
        raise stop_for_lost_lock(error, run) from None


def stop_for_lost_lock(error: StateLocked | LockEnded, run: RunContext) -> LockLost:
    """Stops the run; what to raise."""
    run.stop.request(f"{LOCK_LOST_MESSAGE}: {error}", remedy="merchantctl plan shows what is left to do")
    return LockLost()


async def write_fenced(request: Callable[[Client], Awaitable[T]], snapshot: RunSnapshot) -> T:
    """One write that rests on no read: proven, then sent at once, or proven anew after any wait."""

    async def prove_then_send(api: Client) -> T:
        await fence(snapshot)
        return await request(api)

    return await snapshot.run.api.read_then_write(prove_then_send)


def in_flight_until(lost_at: datetime) -> datetime:
    """When nothing of a run that lost its lock at that moment can be under way any more."""
    return lost_at + IN_FLIGHT_AFTER_LOCK_LOSS


def lost_lock_warning(lost_at: datetime) -> str:
    """What the next holder is to know, in words."""
    return (
        f"an earlier run lost the lock on this state at {lost_at:%H:%M:%S} UTC without giving it back; until "
        f"{in_flight_until(lost_at):%H:%M:%S} a request of its may still be done. After that merchantctl plan shows it."
    )
