"""Merchants that a shorter pass takes over from a long one which is under way in the same process.

The long pass has planned everyone, or is about to, and carries the plans out one by one. Something happens to acme:

    not yet written to      acme is taken over: the long pass leaves it alone and says nothing of it at its end
    being written to        the short pass waits until that is done, then looks
    written to              the short pass looks; the long one reports what it wrote
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from controller.model.plan import Plan
from controller.model.report import Outcome, Skipped
from controller.reconcile.plan_merchant import Applier
from controller.reconcile.snapshot import RunSnapshot


class Takeovers:
    """Of one long pass."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._begun: set[str] = set()
        self._being_written: dict[str, asyncio.Event] = {}
        self._open = asyncio.Event()

    @property
    def names(self) -> frozenset[str]:
        """Who was taken over by now."""
        return frozenset(self._names)

    def allow(self) -> None:
        """From now on the long pass settles no create of anybody else: what it found open it has looked at."""
        self._open.set()

    async def take(self, merchants: Collection[str]) -> None:
        """They are the caller's, once the long pass writes to none of them."""
        await self._open.wait()
        for merchant in merchants:
            if merchant in self._being_written:
                await self._being_written[merchant].wait()
            if merchant not in self._begun:
                self._names.add(merchant)

    def guard(self, applier: Applier) -> Applier:
        """The same, but for merchants that were taken over."""

        async def apply_unless_taken(plan: Plan, snapshot: RunSnapshot) -> Outcome:
            if plan.merchant in self._names:
                return Skipped("looked at meanwhile, since something happened to it")
            self._begun.add(plan.merchant)
            self._being_written[plan.merchant] = asyncio.Event()
            try:
                return await applier(plan, snapshot)
            finally:
                self._being_written.pop(plan.merchant).set()

        return apply_unless_taken
