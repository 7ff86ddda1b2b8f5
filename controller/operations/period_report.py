"""`report`: how the fleet stands and what happened, from the state alone. No request leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from controller.model.desired import Fleet
from controller.model.errors import UsageError
from controller.model.finding_filter import Shown
from controller.model.merchant_status import MerchantStatus, merchant_status
from controller.model.period_report import CHART_DAYS, FleetMemory, PeriodReport, ReportedOccurrence, make_period_report
from controller.model.run_policy import Scope
from controller.operations.bootstrap import load_manifests, open_store
from controller.planning.not_booked import find_not_booked
from controller.reconcile.condition_ages import parse_statuses
from controller.reconcile.last_looks import load_last_look_at_fleet, load_last_looks
from controller.reconcile.load_rollout import load_newest_rollout
from controller.reconcile.load_snapshot import select_merchants
from controller.reconcile.persist import last_sync_from_row
from controller.settings import Settings
from state import Sample, Store

REPORT_VERB = "report"
"""Under which a report that is recorded stands among the runs: the next one may be about what came since."""


async def report_from_state(
    settings: Settings,
    scope: Scope,
    *,
    since: datetime | None,
    shown: Shown,
    now: datetime,
    record: bool = False,
    on_message: Callable[[str], None],
) -> PeriodReport:
    """The report of a period that ends now.

    since   when the period begins; None = at the last report that was recorded
    record  it is noted that this report was made
    """
    async with open_store(settings, on_message) as store:
        begins = since or await store.runs.load_last_start(REPORT_VERB, now)
        if begins is None:
            begins = now - timedelta(days=CHART_DAYS)
            on_message(f"no report --record has been made on this state, so this one is about {CHART_DAYS} days")
        report = await make_report_from_store(settings, scope, store, since=begins, shown=shown, now=now)
        if record:
            number = await store.runs.begin(REPORT_VERB, now)
            await store.runs.end(number, 0, {"writes": 0}, now)
    return report


async def make_report_from_store(
    settings: Settings, scope: Scope, store: Store, *, since: datetime, shown: Shown, now: datetime
) -> PeriodReport:
    """The report of a period from a state that is open. Raises UsageError where nobody is in scope."""
    # The chart of the days is about as many, however short the period.
    memory = await _load_fleet_memory(settings, scope, store, min(since, now - timedelta(days=CHART_DAYS)), now)
    return await asyncio.to_thread(make_period_report, memory, since, now, shown)


async def _load_fleet_memory(
    settings: Settings, scope: Scope, store: Store, since: datetime, now: datetime
) -> FleetMemory:
    """Everything that the state knows of the merchants in scope."""
    whole, seen = await load_last_look_at_fleet(store), await load_last_looks(store)
    fleet, notes = _load_fleet_if_readable(settings, scope)
    statuses = await store.conditions.load_statuses()
    names = frozenset(select_merchants(fleet, scope)) if fleet else frozenset(seen) | statuses.keys()
    if fleet and fleet.diagnostics and scope.is_everyone:
        names |= seen.keys()  # whose manifest is invalid by now is among them
    rows = await store.findings.load_open_or_ended_since(since)
    syncs = await store.last_syncs.load()
    latest = {name: last_sync_from_row(row) for name, row in syncs.items() if name in names}
    not_booked = [find_not_booked(each.plan, latest.get(name), now) for name, each in seen.items() if name in names]
    return FleetMemory(
        names=names,
        plans={name: each.plan for name, each in seen.items() if name in names},
        statuses={name: merchant_status(each.plan, each.outcome) for name, each in seen.items() if name in names},
        looked_at={name: each.seen_at for name, each in seen.items() if name in names},
        met={name: _met_conditions(text) for name, text in statuses.items() if name in names},
        # Also what ended with a merchant that has left.
        occurrences=[
            ReportedOccurrence(*(getattr(row, name) for name in ReportedOccurrence.__dataclass_fields__))
            for row in rows
            if scope.is_everyone or row.merchant in names
        ],
        syncs=latest,
        labels={name: each.labels for name, each in fleet.merchants.items()} if fleet else {},
        base_url=whole[0].base_url if whole else "",
        environment=whole[0].environment if whole else settings.environment_name,
        revision=whole[0].revision if whole else "",
        notes=(*notes, *([] if whole else [_NEVER_LOOKED])),
        samples=[_status_counts(each) for each in await store.samples.load(since)] if scope.is_everyone else (),
        not_booked=[each for each in not_booked if each],
        rollout=await load_newest_rollout(store) if scope.is_everyone else None,
    )


_NEVER_LOOKED = (
    "nobody has looked at everyone on this state yet: merchantctl run does, and so do apply and drift --record"
)


def _status_counts(sample: Sample) -> tuple[datetime, dict[MerchantStatus, int]]:
    counts = {status: sample.counts.get(f"status.{status.value}", 0) for status in MerchantStatus}
    return sample.at, {status: number for status, number in counts.items() if isinstance(number, int)}


def _met_conditions(statuses: str) -> frozenset[str]:
    return frozenset(condition for condition, status in parse_statuses(statuses).items() if status == "T")


def _load_fleet_if_readable(settings: Settings, scope: Scope) -> tuple[Fleet | None, tuple[str, ...]]:
    """The manifests on disk, for labels and for who is declared; without them a report is about whom the state knows.

    Raises UsageError where labels or targets are asked for and no manifest can tell them.
    """
    try:
        fleet = load_manifests(settings, scope, strict=False)
    except UsageError as error:
        if not scope.is_everyone:
            raise
        return None, (f"the manifests cannot be read, so this is about everyone whom the state knows: {error}",)
    invalid = len(fleet.diagnostics)
    notes = (f"{invalid:,} complaints about the manifests: merchantctl validate names them",) if invalid else ()
    return fleet, notes
