"""`sync`: one manual sync, for testing: what it would cover, whether it can run, its beginning and its end.

look first ─▶ preview ─▶ asked ─▶ begun ─▶ (wait) ─▶ ended
    └─ not linked, not configured, before the start date, synchronised already: nothing is sent
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from controller.codat.client import Client
from controller.codat.convert import read_configuration
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import MerchantctlError, OutcomeUnknown
from controller.model.observed import Company
from controller.model.syncs_and_uploads import Sync, SyncPreview, SyncRange, TransferStatus
from controller.model.values import START_DATE_PATH
from controller.operations.bootstrap import open_reader, open_writer
from controller.operations.one_merchant import open_merchant
from controller.reconcile.observe import has_both_links
from controller.settings import Settings

SYNC_CHECK_INTERVAL_S = 2.0
"""Seconds between two looks at a sync that runs."""
MAX_SYNC_CHECKS = 450
"""Looks before waiting is given up: a quarter of an hour."""


async def sync(
    settings: Settings,
    name: str,
    span: SyncRange,
    confirm: Callable[[SyncPreview], bool],
    *,
    wait: bool,
    environment: Environment = REAL_ENVIRONMENT,
) -> Sync | None:
    """A manual sync, begun once `confirm` has seen what it would cover; None where it said no."""
    async with open_merchant(settings, name, open_writer, environment) as (api, company, snapshot):
        if not confirm(await preview_sync(name, company, span, api, snapshot.run.service_now())):
            return None
        begun = await start_sync(name, company.id, span, api)
        return await wait_for_sync(company.id, begun, api, environment.sleep) if wait else begun


async def latest_sync(
    settings: Settings, name: str, *, wait: bool, environment: Environment = REAL_ENVIRONMENT
) -> Sync | None:
    """The latest sync of a merchant, once it has ended where `wait`; None where there was none."""
    async with open_merchant(settings, name, open_reader, environment) as (api, company, _):
        latest = await api.latest_sync(company.id)
        return await wait_for_sync(company.id, latest, api, environment.sleep) if latest and wait else latest


async def preview_sync(name: str, company: Company, span: SyncRange, api: Client, now: datetime) -> SyncPreview:
    """What the sync would cover. MerchantctlError where Codat would refuse it, or sales would be booked twice."""
    if not has_both_links(company):
        raise MerchantctlError(
            f"{name} cannot sync: its connections are not both linked; see merchantctl status {name}"
        )
    live = read_configuration(await api.configuration(company.id), now)
    last_success = await api.last_successful_sync(company.id)
    start_date = live.values.get(START_DATE_PATH)
    starts = start_date if isinstance(start_date, datetime) else None
    finish = span.finish or now
    if not live.configured:
        raise MerchantctlError(f"{name} is not configured yet: merchantctl apply --target {name}")
    # Codat answers 500 to a sync before the start date, as it does when it is broken (API notes 3.12 #36).
    if starts and (now < starts or finish < starts):
        raise MerchantctlError(f"{name} synchronises from {starts:%Y-%m-%dT%H:%M:%SZ} on, its startDate: sync later")
    if span.start and last_success and span.start < last_success:
        raise MerchantctlError(
            f"{name} was synchronised up to {last_success:%Y-%m-%dT%H:%M:%SZ}: an earlier start books the same sales "
            "twice; start there or later"
        )
    return SyncPreview(span.start or last_success or starts, finish, live.enabled)


async def start_sync(name: str, company_id: str, span: SyncRange, api: Client) -> Sync:
    """Begins a sync at once, whether scheduled syncs are on or off."""
    try:
        if span.start and span.finish:
            return await api.sync_range(company_id, span.start, span.finish)
        return await api.sync_latest(company_id, span.finish)
    except OutcomeUnknown as error:
        raise MerchantctlError(f"{error}. Whether it began is told by merchantctl sync {name} --status") from error


async def wait_for_sync(company_id: str, sync: Sync, api: Client, sleep: Callable[[float], Awaitable[None]]) -> Sync:
    """The sync once it has ended, or as it stands after a quarter of an hour."""
    for _ in range(MAX_SYNC_CHECKS):
        if sync.transfer_status is not TransferStatus.RUNNING:
            break
        await sleep(SYNC_CHECK_INTERVAL_S)
        latest = await api.latest_sync(company_id)
        sync = latest if latest and latest.id == sync.id else sync
    return sync
