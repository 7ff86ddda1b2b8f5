"""A fleet, once: everyone is considered before anyone is touched, and what goes wrong with one is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from zlib import crc32

from controller.model.controller_status import NEVER
from controller.model.errors import ApiUnusable, RemoteError, StoppedBySignal
from controller.model.plan import RECHECK_UNREAD_AFTER, Actor, Finding, Plan, PlanStatus
from controller.model.report import Failed, Outcome
from controller.reconcile.failure_policy import (
    ends_run,
    log_internal_error_as_plan,
    record_internal_error,
    stop_for_unusable_api,
)
from controller.reconcile.plan_merchant import Applier, apply_and_record, plan_merchant
from controller.reconcile.snapshot import RunSnapshot

OnProgress = Callable[[int, int, int], None]
"""Called with how many are done, of how many, and how many of those failed."""
K = TypeVar("K")
V = TypeVar("V")


async def plan_all(
    merchants: Sequence[str],
    snapshot: RunSnapshot,
    parallelism: int,
    on_progress: OnProgress,
    looked_at: Mapping[str, datetime] | None = None,
    on_planned: Callable[[Plan], Awaitable[None]] | None = None,
) -> list[Plan]:
    """A plan for every merchant, in their order; what cannot be read becomes a plan that says so.

    Raises Stopped after a signal: while everyone is still only looked at, nothing is lost by that. Merchants of like
    names are not looked at one after another: where all of one franchise fail, they do not seem to be everyone.

    looked_at   when each was looked at last: whoever waits longest comes first; None = it does not matter
    on_planned  called with each plan that could be made, as soon as it is
    """

    async def work_on(merchant: str) -> Plan:
        if snapshot.run.stop.signal:
            raise StoppedBySignal(snapshot.run.stop.signal)
        try:
            plan = await plan_merchant(merchant, snapshot)
            if on_planned:
                await on_planned(plan)
            return plan
        except RemoteError as error:
            return unread_plan(merchant, str(error))
        except Exception as error:
            if ends_run(error):
                raise
            return log_internal_error_as_plan(merchant, error)

    mixed = sorted(merchants, key=lambda name: crc32(name.encode()))
    if looked_at is not None:
        mixed.sort(key=lambda name: looked_at.get(name, NEVER))
    plans = dict(zip(mixed, await map_bounded(mixed, work_on, parallelism, on_progress, _is_unread), strict=True))
    return [plans[merchant] for merchant in merchants]


async def apply_all(
    plans: Sequence[Plan],
    snapshot: RunSnapshot,
    parallelism: int,
    on_progress: OnProgress,
    applier: Applier = apply_and_record,
) -> dict[str, Outcome]:
    """Each plan's outcome. After a stop no new merchant is begun; requests in flight finish."""

    async def work_on(plan: Plan) -> Outcome:
        try:
            return await applier(plan, snapshot)
        except ApiUnusable as error:
            return stop_for_unusable_api(error, 0, snapshot)
        except Exception as error:
            if ends_run(error):
                raise
            return await record_internal_error(plan, error, 0, snapshot)

    outcomes = await map_bounded(plans, work_on, parallelism, on_progress, _has_failed)
    return {plan.merchant: outcome for plan, outcome in zip(plans, outcomes, strict=True)}


def _is_unread(plan: Plan) -> bool:
    return plan.has_unread


def _has_failed(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed)


async def map_bounded(
    keys: Sequence[K],
    work_on: Callable[[K], Awaitable[V]],
    parallelism: int,
    on_progress: OnProgress,
    has_failed: Callable[[V], bool] | None = None,
) -> list[V]:
    """One result per key, in order, `parallelism` at a time. The first exception ends the rest.

    has_failed  whether a result counts as failed for `on_progress`; None = none does
    """
    results: dict[int, V] = {}
    waiting, failed = iter(enumerate(keys)), 0  # one iterator: whichever worker is free takes the next key

    async def work() -> None:
        nonlocal failed
        for index, key in waiting:
            results[index] = result = await work_on(key)
            failed += has_failed is not None and has_failed(result)
            on_progress(len(results), len(keys), failed)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(parallelism, len(keys))):
                workers.create_task(work())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [results[index] for index in range(len(keys))]


def unread_plan(merchant: str, reason: str) -> Plan:
    """Could not be looked at: never in sync, never missing."""
    finding = Finding(
        "unknown",
        merchant,
        f"could not be read: {reason}",
        "run it again",
        Actor.CODAT,
        recheck_after=RECHECK_UNREAD_AFTER,
    )
    return Plan(merchant, PlanStatus.UNKNOWN, findings=(finding,))
