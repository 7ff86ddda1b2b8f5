"""How each merchant stood at the last look at it: kept in the state, where every process finds the same.

Written by looks under the manifests in force, read by `status`, by the controllers' dashboards and by reports. What
only a write rests on (resolved values, the document) is not kept: nobody may write from what was seen earlier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE, SeenMerchant
from controller.model.encoding import Unreadable, decode, encode
from controller.model.field_values import ENABLED_PATH
from controller.model.merchant_status import plan_after
from controller.model.plan import Plan
from controller.model.report import FleetPlan, Outcome, Unchanged
from controller.model.run_policy import Scope
from controller.planning.limits import count_changes
from controller.reconcile.context import RunContext
from state import LastLookRow, Store

ROWS_AT_ONCE = 100
"""Rows that are made or read in one piece: ten thousand take seconds, in which an event would wait."""


async def record_last_looks(plan: FleetPlan, outcomes: Mapping[str, Outcome], run: RunContext, at: datetime) -> None:
    """Keeps what a look that began at `at` saw; one at everyone forgets whoever has left.

    Of whom another pass looks at meanwhile the plan says nothing, and what that one saw stays.
    """
    store, believed_until = run.store, run.now() + MAX_CLOCK_DIFFERENCE
    for start in range(0, len(plan.plans), ROWS_AT_ONCE):
        rows = [
            LastLookRow(
                each.merchant,
                at,
                encode(without_basis_of_writes(each)),
                encode(outcomes.get(each.merchant, Unchanged())),
            )
            for each in plan.plans[start : start + ROWS_AT_ONCE]
        ]
        await store.last_looks.save_if_newer(rows, believed_until=believed_until)
        await asyncio.sleep(0)
    account = without_basis_of_writes(plan_after(plan.account, outcomes.get(ACCOUNT_NAME))) if plan.account else None
    if account and not plan.scope.is_everyone:
        await _replace_seen_account(account, store)
    if plan.scope.is_everyone:
        fleet = replace(plan, plans=(), counts={}, diagnostics=(), scope=Scope(), account=account)
        await store.last_looks.save_fleet(encode(fleet), at)
        known = {each.merchant for each in plan.plans} | run.fleet.merchants.keys()
        await store.last_looks.delete(sorted((await store.last_looks.load_times()).keys() - known))


async def load_last_looks(store: Store, *, merchants: Collection[str] | None = None) -> dict[str, SeenMerchant]:
    """By merchant (None: all) how it stood. Without those that another version wrote."""
    names = sorted(await store.last_looks.load_times() if merchants is None else merchants)
    seen = {}
    for start in range(0, len(names), ROWS_AT_ONCE):
        for row in await store.last_looks.load(merchants=names[start : start + ROWS_AT_ONCE]):
            if each := _decode_row(row):
                seen[row.merchant] = each
        await asyncio.sleep(0)
    return seen


async def load_last_look_at_fleet(store: Store) -> tuple[FleetPlan, datetime] | None:
    """What the last look at everyone said of the fleet, without its plans, and when it began; None where nothing is
    kept that this version can read."""
    row = await store.last_looks.load_fleet()
    fleet = _decode_fleet(row[0]) if row else None
    return (fleet, row[1]) if row and fleet else None


async def _replace_seen_account(account: Plan, store: Store) -> None:
    """Of the fleet as it was seen the account alone; a look at everyone that is recorded meanwhile has it anyway."""
    row = await store.last_looks.load_fleet()
    if row and (fleet := _decode_fleet(row[0])):
        await store.last_looks.save_fleet(encode(replace(fleet, account=account)), row[1], expected_plan=row[0])


def _decode_fleet(written: str) -> FleetPlan | None:
    try:
        fleet = decode(written)
    except Unreadable:
        return None
    return fleet if isinstance(fleet, FleetPlan) else None


def with_seen_plans(fleet: FleetPlan, seen: Iterable[SeenMerchant]) -> FleetPlan:
    """The fleet with these plans, in order."""
    plans = tuple(sorted((each.plan for each in seen), key=lambda plan: plan.merchant))
    return replace(fleet, plans=plans, counts=count_changes(plans))


def without_basis_of_writes(plan: Plan) -> Plan:
    """Of the resolved values whether it is to be switched on: that decides whether it is ready after a write."""
    enabled = {path: value for path, value in plan.resolved_values.items() if path == ENABLED_PATH}
    return replace(
        plan,
        resolved_values=enabled,
        later_values={},
        observed_values={},
        differences={},
        document_changes={},
        fingerprint="",
    )


def _decode_row(row: LastLookRow) -> SeenMerchant | None:
    try:
        plan, outcome = decode(row.plan), decode(row.outcome)
    except Unreadable:
        return None
    if not isinstance(plan, Plan) or not isinstance(outcome, Outcome):
        return None
    return SeenMerchant(replace(plan, merchant=row.merchant), outcome, row.seen_at)
