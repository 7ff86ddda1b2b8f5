"""Whom a long look finds as the look before left it is recorded at once.

What a look at everyone saw is recorded at its end, once all of it is judged: that may take many minutes, in which
whoever it began with would grow older than any resync lets it. Of whom there is no news there is nothing to judge.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.encoding import encode
from controller.model.plan import SYNCING_CONDITION, Finding, Plan
from controller.model.report import Unchanged
from controller.planning.flapping import FLAPPING_CODE
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import log_internal_error
from controller.reconcile.last_looks import load_last_looks, without_basis_of_writes
from state import LastLookRow
from state.errors import StateProblem

MAX_WAITING_PLANS = 50
"""So many are recorded in one transaction, and no more are kept in memory for it."""

MAX_WAIT = timedelta(seconds=10)


class UnchangedLooks:
    """Of one look at everyone, which began at `at`."""

    def __init__(self, run: RunContext, at: datetime) -> None:
        self._run, self._at = run, at
        self._waiting: list[Plan] = []
        self._recorded_at = at

    async def add(self, plan: Plan) -> None:
        """`plan`: of one merchant, with all that holds it, but not judged with the others."""
        if plan.changes or plan.has_unread:
            return
        self._waiting.append(plan)
        if len(self._waiting) >= MAX_WAITING_PLANS or self._run.now() - self._recorded_at >= MAX_WAIT:
            await self.record()

    async def record(self) -> None:
        """Records those added so far of whom there is no news. Best effort: the end of the look records everyone."""
        plans, self._waiting, self._recorded_at = self._waiting, [], self._run.now()
        looks, unchanged = self._run.store.last_looks, Unchanged()
        try:
            before = await load_last_looks(self._run.store, merchants={each.merchant for each in plans})
            rows = [
                LastLookRow(
                    plan.merchant,
                    self._at,
                    encode(without_basis_of_writes(_carry_over_ages(last.plan, plan))),
                    encode(unchanged),
                )
                for plan in plans
                if (last := before.get(plan.merchant))
                and last.outcome == unchanged
                and _newsworthy_facts(last.plan) == _newsworthy_facts(plan)
            ]
            await looks.save_if_newer(rows, believed_until=self._run.now() + MAX_CLOCK_DIFFERENCE)
        except StateProblem:
            pass
        # No merchant has its turn here, or another one has: it would be the end of all, or held against that one.
        except Exception as error:
            log_internal_error("the last looks", error)


def _newsworthy_facts(plan: Plan) -> tuple[object, ...]:
    """What would be news were it otherwise than before. The latest sync is read, and told, by its own timer."""
    conditions = [(each.type, each.status, each.reason) for each in plan.conditions if each.type != SYNCING_CONDITION]
    findings = [replace(each, since=None, occurrences=0) for each in plan.findings if each.code != FLAPPING_CODE]
    what_it_is = (plan.company_id, plan.connection_id, plan.replaced_connections, plan.is_removal, plan.configured)
    held = (plan.status, plan.hold, plan.held_changes, plan.ignored, plan.renamed_from)
    return (*what_it_is, *held, conditions, findings)


def _carry_over_ages(before: Plan, plan: Plan) -> Plan:
    """The plan with what only the history says: since when each of it is so, and what comes again and again."""
    dated = {each.key: each for each in before.findings}
    findings = (_carry_over_age(dated[each.key], each) for each in plan.findings)
    flapping = (each for each in before.findings if each.code == FLAPPING_CODE)
    since = {(each.type, each.status): each.since for each in before.conditions}
    conditions = tuple(replace(each, since=since.get((each.type, each.status))) for each in plan.conditions)
    return replace(plan, findings=(*findings, *flapping), conditions=conditions)


def _carry_over_age(before: Finding, finding: Finding) -> Finding:
    return replace(finding, since=before.since, occurrences=before.occurrences)
