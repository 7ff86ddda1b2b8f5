"""One manual sync, for testing: what it would cover, whether it can run, its beginning and its end.

look first ─▶ prospect ─▶ asked ─▶ begun ─▶ (wait) ─▶ ended
    └─ not linked, not configured, before the start date, synchronised already: nothing is sent
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Protocol

from controller.codat.convert import read_configuration
from controller.model.errors import MerchantctlError, OutcomeUnknown
from controller.model.observed import Company, Configuration
from controller.model.sync import Progress, Prospect, Span, Sync
from controller.model.values import START_DATE
from controller.reconcile.observe import both_linked
from controller.reconcile.ports import Reading

EVERY = 2.0
"""Seconds between two looks at a sync that runs."""
LOOKS = 450
"""Looks before waiting is given up: a quarter of an hour."""


class Syncing(Reading, Protocol):
    async def sync_latest(self, company_id: str, until: datetime | None) -> Sync: ...

    async def sync_range(self, company_id: str, start: datetime, finish: datetime) -> Sync: ...


async def prospect(name: str, company: Company, span: Span, api: Syncing, now: datetime) -> Prospect:
    """What the sync would cover. MerchantctlError where the service would refuse it, or books would be replayed."""
    if not both_linked(company):
        raise MerchantctlError(
            f"{name} cannot sync: its connections are not both linked; see merchantctl status {name}"
        )
    live = read_configuration(await api.configuration(company.id), now)
    last = await api.last_successful_sync(company.id)
    begins = live.values.get(START_DATE)
    starts = begins if isinstance(begins, datetime) else None
    finish = span.finish or now
    _stop_before_its_time(name, live, starts, finish, now)
    if span.start and last and span.start < last:
        raise MerchantctlError(
            f"{name} was synchronised up to {last:%Y-%m-%dT%H:%M:%SZ}: an earlier start books the same sales twice; "
            "start there or later"
        )
    return Prospect(span.start or last or starts, finish, live.enabled)


def _stop_before_its_time(
    name: str, live: Configuration, starts: datetime | None, finish: datetime, now: datetime
) -> None:
    """The service answers 500 to a sync before the start date, as it does when it is broken (REFERENCE 3.12 #36)."""
    if not live.configured:
        raise MerchantctlError(f"{name} is not configured yet: merchantctl apply --target {name}")
    if starts and (now < starts or finish < starts):
        raise MerchantctlError(f"{name} synchronises from {starts:%Y-%m-%dT%H:%M:%SZ} on, its startDate: sync later")


async def begin(name: str, company_id: str, span: Span, api: Syncing) -> Sync:
    """Runs at once, whether scheduled syncs are on or off."""
    try:
        if span.start and span.finish:
            return await api.sync_range(company_id, span.start, span.finish)
        return await api.sync_latest(company_id, span.finish)
    except OutcomeUnknown as error:
        raise MerchantctlError(f"{error}. Whether it began is told by merchantctl sync {name} --status") from error


async def ended(company_id: str, sync: Sync, api: Syncing) -> Sync:
    """The sync once it has ended, or as it stands after a quarter of an hour."""
    for _ in range(LOOKS):
        if sync.progress is not Progress.RUNNING:
            break
        await asyncio.sleep(EVERY)
        latest = await api.latest_sync(company_id)
        sync = latest if latest and latest.id == sync.id else sync
    return sync
