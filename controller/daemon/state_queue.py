"""The queue of all processes that work on one state: its rows are the truth, and outlive them all (`state.due`).

add ─▶ noted ─▶ written in batches ─▶ a row, due ─▶ claimed: in work ─▶ done: written with all that came of it

What is noted is written down in the background within milliseconds, and always before whoever was handed out counts as
looked at. A process that dies is known by its silence, here at once: what it had in work is due again. The ticker looks
for those due, also where another process has asked for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from uuid import uuid4

import structlog

from controller.daemon.scheduler import Timer
from controller.daemon.workqueue import Lane, Work, note_asks
from state import ProcessIdentity
from state.due import Ask, Due, Taker
from state.errors import StateProblem, StateUnreachable

TICK_INTERVAL_S = 0.5
"""Seconds from one look for those due to the next."""

MAX_BATCH = 200
"""So many are handed out at once at most, but for a new revision, whose merchants are judged together."""

MAX_URGENT_BATCH = 16
"""The same of those whom something has happened to: each of the passes over them is short, and there are several."""

HEARTBEAT_INTERVAL_S = 5.0
"""Seconds from one sign of life to the next."""

ASK_GATHER_S = 0.005
"""So long what is added is gathered before it is written down."""

WRITE_RETRY_INTERVAL_S = 1.0
"""Seconds from one try to write to the next while the state is out of reach."""

log = structlog.get_logger()


class StateQueue:
    """As `workqueue.Queue` promises."""

    def __init__(self, due: Due, taker: Taker) -> None:
        self._due, self._taker = due, taker
        self._noted: dict[str, tuple[float, Lane]] = {}
        self._is_noted = asyncio.Event()
        self._writing = asyncio.Lock()
        self._waiters: dict[asyncio.Event, frozenset[Lane]] = {}
        self._waiting_count = 0
        self._in_work: dict[str, Lane] = {}
        self._unknown: frozenset[str] = frozenset()
        self._closed = False

    @property
    def upkeep_timers(self) -> tuple[Timer, ...]:
        return (
            Timer("due", TICK_INTERVAL_S, self.signal_due, at_once=True),
            Timer("queue_heartbeat", HEARTBEAT_INTERVAL_S, self.beat_and_reap, at_once=True),
        )

    def add(self, keys: Iterable[str], after_s: float = 0, lane: Lane = Lane.RETRY) -> None:
        note_asks(self._noted, keys, _now() + after_s, lane)
        self._is_noted.set()

    def notify_event_recorded(self, keys: Iterable[str]) -> None:
        if tuple(keys):
            self._on_maybe_due()

    async def get_not_urgent(self) -> Work:
        return await self._hand_out({(Lane.REVISION,): None, (Lane.RETRY, Lane.RESYNC): MAX_BATCH})

    async def get_urgent(self) -> Work:
        return await self._hand_out({(Lane.EVENT,): MAX_URGENT_BATCH})

    async def done(self, work: Work) -> None:
        """Once the state can be reached: what stayed in work here, nobody would look at again."""
        while True:
            with suppress(StateUnreachable):
                # In turn, and what is noted is taken in it: where a write before has just failed, that is noted again.
                async with self._writing:
                    with self._take_noted_asks() as asks:
                        await self._due.finish(work, self._taker, asks)
                break
            if self._closed:
                return  # they are given back with all that this process has
            await asyncio.sleep(WRITE_RETRY_INTERVAL_S)
        for key, lane in work.items():
            if self._in_work.get(key) is lane:  # else an event has taken it over
                del self._in_work[key]
        self._on_maybe_due()

    def close(self) -> None:
        self._closed = True
        self._wake_waiters()

    def __len__(self) -> int:
        """As of the last sign of life."""
        return self._waiting_count + len(self._noted)

    async def put_back_and_end(self) -> None:
        """Whoever is still in work is anybody's, and this queue is no more."""
        await self._write_noted()
        await self._due.end_taker(self._taker)

    async def signal_due(self) -> None:
        """Whoever waits for somebody to be due is woken where there is one; also where the state is out of reach, which
        it then finds out."""
        with suppress(StateProblem):
            if not await self._due.repair_waits_and_load_due(self._taker):
                return
        self._wake_waiters()

    async def beat_and_reap(self) -> None:
        """One sign of life; and whoever was in work of those that give none any more is due. So is whoever this process
        has by the rows and not by what it knows: it was claimed, and the answer that said so was lost."""
        try:
            returned = await self._due.record_alive_and_reap(self._taker)
            unknown = await self._due.load_taken(self._taker) - self._in_work.keys()
            # Twice in a row unknown: once, the answer to the claim may just be on its way.
            if lost := unknown & self._unknown:
                await self._due.put_back(lost, self._taker)
                returned += len(lost)
            self._unknown = unknown - lost
            self._waiting_count = await self._due.count_waiting()
        except StateUnreachable:
            return  # whoever waits for somebody to be due finds that out, too
        except StateProblem as problem:
            log.warning("queue_heartbeat_failed", reason=str(problem))
            return
        if returned:
            log.warning("merchants_put_back", merchants=returned)
            self._wake_waiters()

    async def write_noted_forever(self) -> None:
        """In the background: what is added, a few milliseconds later."""
        while True:
            await self._is_noted.wait()
            await asyncio.sleep(ASK_GATHER_S)
            try:
                await self._write_noted()
            except StateProblem:  # whoever waits for somebody to be due finds that out, too
                await asyncio.sleep(WRITE_RETRY_INTERVAL_S)
            self._on_maybe_due()

    async def _write_noted(self) -> None:
        async with self._writing:
            with self._take_noted_asks() as asks:
                # A revision is judged as a whole: nobody takes a part of it.
                is_revision = any(ask.lane == Lane.REVISION for ask in asks.values())
                await self._due.schedule_looks(asks, at_once=is_revision)

    @contextmanager
    def _take_noted_asks(self) -> Iterator[Mapping[str, Ask]]:
        """What was noted, to be written down; noted again where that fails."""
        noted, self._noted = self._noted, {}
        self._is_noted.clear()
        now = _now()
        try:
            yield {key: Ask(max(0.0, at - now), lane) for key, (at, lane) in noted.items()}
        except BaseException:
            for key, (at, lane) in noted.items():
                note_asks(self._noted, [key], at, lane)
            self._is_noted.set()
            raise

    async def _hand_out(self, limits: Mapping[tuple[Lane, ...], int | None]) -> Work:
        while not self._closed:
            changed = asyncio.Event()
            # Put down before it looks: who becomes due while it looks wakes it.
            self._waiters[changed] = frozenset(lane for lanes in limits for lane in lanes)
            work: dict[str, Lane] = {}
            try:
                for lanes, limit in limits.items():
                    work |= {key: Lane(lane) for key, lane in (await self._claim(lanes, limit)).items()}
                if work:
                    self._in_work |= work
                    return dict(sorted(work.items()))
                await changed.wait()
            except BaseException:
                # Nobody gets them, so they are not in work here: the signs of life find them and give them back.
                for key, lane in work.items():
                    if self._in_work.get(key) is lane:
                        del self._in_work[key]
                raise
            finally:
                del self._waiters[changed]
        return {}

    async def _claim(self, lanes: tuple[Lane, ...], limit: int | None) -> dict[str, int]:
        return await self._due.claim(lanes, self._taker, limit=limit)

    def _on_maybe_due(self) -> None:
        """Somebody may be due now."""
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            waiter.set()


@asynccontextmanager
async def open_state_queue(due: Due, process: ProcessIdentity) -> AsyncIterator[StateQueue]:
    """The queue of a state, while this lasts. At its end whoever was not looked at is anybody's."""
    taker = Taker(uuid4().hex, process)
    queue = StateQueue(due, taker)
    await due.record_alive_and_reap(taker)
    writing = asyncio.create_task(queue.write_noted_forever())
    try:
        yield queue
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        with suppress(StateProblem):  # silent from now on: the others take over
            await queue.put_back_and_end()


def _now() -> float:
    return asyncio.get_running_loop().time()
