"""Whom a long look finds as the look before left it is dated at once.

What a look at everyone saw is recorded at its end, once all of it is judged: that may take many minutes, in which
whoever it began with would grow older than any resync lets it. Of whom nothing moved there is nothing to judge.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from controller.model.plan import SYNCING_CONDITION, Plan
from controller.model.report import Unchanged
from controller.planning.flapping import FLAPPING_CODE
from controller.reconcile.context import RunContext
from controller.reconcile.last_looks import load_last_looks, without_basis_of_writes
from state.errors import StateProblem

MAX_WAITING_PLANS = 50
"""So many are dated in one transaction, and no more are kept in memory for it."""

MAX_WAIT = timedelta(seconds=10)


class UnchangedLooks:
    """Of one look at everyone, which began at `at`."""

    def __init__(self, run: RunContext, at: datetime) -> None:
        self._run, self._at = run, at
        self._waiting: list[Plan] = []
        self._dated_at = at

    async def add(self, plan: Plan) -> None:
        """`plan`: of one merchant, with all that holds it, but not judged with the others."""
        if plan.changes or plan.has_unread:
            return
        self._waiting.append(plan)
        if len(self._waiting) >= MAX_WAITING_PLANS or self._run.now() - self._dated_at >= MAX_WAIT:
            await self.date()

    async def date(self) -> None:
        """Dates those added so far that stand as recorded. Best effort: the end of the look records everyone."""
        plans, self._waiting, self._dated_at = self._waiting, [], self._run.now()
        with suppress(StateProblem):
            seen = await load_last_looks(self._run.store, merchants={each.merchant for each in plans})
            as_before = [
                each.merchant
                for each in plans
                if (before := seen.get(each.merchant))
                and before.outcome == Unchanged()
                and _what_moves(before.plan) == _what_moves(each)
            ]
            await self._run.store.last_looks.date(as_before, self._at)


def _what_moves(plan: Plan) -> Plan:
    """What a look may find otherwise. Ages, and what comes again and again, are told by the record itself, the latest
    sync is read by its own timer, and what was compared of whoever is in sync is not kept from look to look."""
    found = [each for each in plan.findings if each.code != FLAPPING_CODE]
    findings = tuple(replace(each, since=None, occurrences=0) for each in found)
    conditions = tuple(replace(each, since=None) for each in plan.conditions if each.type != SYNCING_CONDITION)
    plan = replace(without_basis_of_writes(plan), resolved_values={}, last_sync=None, checked_parts=frozenset())
    return replace(plan, findings=findings, conditions=conditions)
