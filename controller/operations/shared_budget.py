"""One budget of requests for all processes that share a state in PostgreSQL: Codat counts what they send together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from controller.codat.client import Reader
from controller.operations.bootstrap import current_process
from controller.settings import Settings
from state import Store, postgresql_url
from state.errors import StateProblem
from state.request_budget import SHARE_LEASE

RENEW_INTERVAL_S = 2.0
"""Seconds from one look at what the others need to the next."""

RENEW_INTERVAL_WHILE_WAITING_S = 0.25
"""The same while requests wait for their turn and more may be had."""

IDLE_PART = 10
"""A part in so many of the limit is a process's own though it sends nothing: an event is not to wait for a share."""

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def shared_budget(settings: Settings, store: Store, api: Reader) -> AsyncIterator[None]:
    """While this lasts the client keeps to this process's share. Nothing happens where nobody shares the state."""
    limit = settings.requests_per_minute
    if not limit or postgresql_url(settings.state) is None:
        yield
        return
    process = current_process()
    holder = f"{process.host} {process.pid} {process.started}"

    idle = max(1, limit // IDLE_PART)

    async def renew(wanted: int) -> int:
        api.set_budget(max(1, min(granted, wanted)))  # what is wanted is a promise, until the answer is here
        share = await store.request_budget.renew(holder, wanted=wanted, limit=limit)
        api.set_budget(share)
        return share

    granted = 0
    granted = await renew(idle)

    async def keep_renewing() -> None:
        nonlocal granted
        loop = asyncio.get_running_loop()
        renewed_at, wanted = loop.time(), idle
        while True:
            await asyncio.sleep(RENEW_INTERVAL_WHILE_WAITING_S)
            may_ask_for_more = api.waits_for_budget and wanted < limit
            if not may_ask_for_more and loop.time() - renewed_at < RENEW_INTERVAL_S:
                continue
            wanted = limit if api.waits_for_budget else min(limit, max(idle, 2 * api.sent_within_a_minute))
            try:
                granted = await renew(wanted)
                renewed_at = loop.time()
            except StateProblem as problem:
                _LOG.warning("the budget of requests cannot be shared now: %s", problem)
                granted = min(granted, wanted)
                if loop.time() - renewed_at > SHARE_LEASE.total_seconds():
                    granted = 1  # the share has lapsed: others may have it by now
                api.set_budget(granted)
                await asyncio.sleep(RENEW_INTERVAL_S)

    renewing = asyncio.create_task(keep_renewing())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        with suppress(StateProblem):
            await store.request_budget.give_back(holder, sent=api.sent_within_a_minute)
