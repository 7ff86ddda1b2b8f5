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

MIN_WANTED = 30
"""Requests a minute that a process keeps though it sends none: an event is not to wait for a share."""

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

    async def renew(wanted: int) -> int:
        granted = await store.request_budget.renew(holder, wanted=wanted, limit=limit)
        api.set_budget(granted)
        return granted

    # All that is to be had, for whoever is alone; but nobody has to give anything up before it is needed.
    await renew(limit)
    granted = await renew(min(limit, MIN_WANTED))

    async def keep_renewing() -> None:
        nonlocal granted
        loop = asyncio.get_running_loop()
        renewed_at = loop.time()
        while True:
            await asyncio.sleep(RENEW_INTERVAL_S)
            used = max(MIN_WANTED, 2 * api.sent_within_a_minute, 2 * granted if api.waits_for_budget else 0)
            try:
                granted = await renew(min(limit, used))
                renewed_at = loop.time()
            except StateProblem as problem:
                _LOG.warning("the budget of requests cannot be shared now: %s", problem)
                if loop.time() - renewed_at > SHARE_LEASE.total_seconds():
                    api.set_budget(1)  # the share has lapsed: others may have it by now

    renewing = asyncio.create_task(keep_renewing())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        with suppress(StateProblem):
            await store.request_budget.give_back(holder)
