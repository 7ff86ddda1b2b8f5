"""Merchants that a shorter pass takes over from a long one which is under way in the same process.

The long pass has planned everyone, or is about to, and carries the plans out one by one. Something happens to acme:

    nothing carried out     acme is taken over: the long pass leaves it alone and records nothing of it at its end
    being carried out       the short pass waits until that is done, then looks
    carried out             the long pass records what it found and mended before the short one looks, and no more;
                            what it wrote is in its report

What the long pass saw is old wherever the short one has looked since: recorded at the end, it would undo in the ledger
and on the pages what is known by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from controller.model.plan import Plan
from controller.model.report import Outcome, Skipped
from controller.reconcile.plan_merchant import Applier
from controller.reconcile.snapshot import RunSnapshot

RecordOutcomes = Callable[[Mapping[str, Outcome]], Awaitable[None]]
"""Notes in the ledger how these merchants stood and what was mended, by merchant the outcome."""


class Takeovers:
    """Of one long pass."""

    def __init__(self) -> None:
        self._taken_over: set[str] = set()
        self._recorded: set[str] = set()
        self._carried_out: dict[str, Outcome] = {}
        self._being_written: dict[str, asyncio.Event] = {}
        self._open = asyncio.Event()
        self._recording = asyncio.Lock()
        self._record: RecordOutcomes | None = None

    @property
    def taken_over(self) -> frozenset[str]:
        """Whose plan the long pass does not carry out, or had nothing to carry out of."""
        return frozenset(self._taken_over)

    @property
    def recorded_before_takeover(self) -> frozenset[str]:
        """Whose plan it has carried out, and of whom it has recorded how they stood."""
        return frozenset(self._recorded)

    @property
    def looked_at_by_others(self) -> frozenset[str]:
        """All that another pass has looked at since, or is about to."""
        return self.taken_over | self.recorded_before_takeover

    def allow(self) -> None:
        """From now on the long pass settles no create of anybody else: what it found open it has looked at."""
        self._open.set()

    async def take(self, merchants: Collection[str]) -> None:
        """They are the caller's, once the long pass writes to none of them and has recorded what it did."""
        await self._open.wait()
        carried_out = {}
        for merchant in merchants:
            if merchant in self._being_written:
                await self._being_written[merchant].wait()
            if merchant not in self._carried_out:
                self._taken_over.add(merchant)
            elif merchant not in self._recorded:
                carried_out[merchant] = self._carried_out[merchant]
        # Named first, waited for then: from here on the long pass records without them, and what it is recording at
        # this moment is written before anybody looks at them.
        async with self._recording:
            if carried_out and self._record:
                await self._record(carried_out)
            self._recorded.update(carried_out)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """While the long pass records how everyone stands, nobody is taken over; who is later has been recorded."""
        async with self._recording:
            yield
            self._record = None

    def guard(self, applier: Applier, record: RecordOutcomes) -> Applier:
        """The same, but for merchants that were taken over."""
        self._record = record

        async def apply_unless_taken(plan: Plan, snapshot: RunSnapshot) -> Outcome:
            if plan.merchant in self._taken_over:
                return Skipped("looked at meanwhile, since something happened to it")
            self._being_written[plan.merchant] = asyncio.Event()
            try:
                outcome = await applier(plan, snapshot)
                # Without changes nothing was mended that would have to be recorded before somebody else looks.
                if plan.changes:
                    self._carried_out[plan.merchant] = outcome
                return outcome
            finally:
                self._being_written.pop(plan.merchant).set()

        return apply_unless_taken
