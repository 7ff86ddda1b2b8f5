"""One budget of requests for all processes that share a state in PostgreSQL: Codat counts what they send together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

from controller.codat.client import Reader
from controller.operations.bootstrap import current_process
from controller.reconcile.failure_policy import internal_error_text
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


class _BudgetShare:
    """This process's share, to which its client keeps."""

    def __init__(self, limit: int, store: Store, api: Reader) -> None:
        process = current_process()
        self._holder = f"{process.host} {process.pid} {process.started}"
        self._limit, self._budget, self._api = limit, store.request_budget, api
        self._idle = max(1, limit // IDLE_PART)
        self._granted = 0

    async def take(self) -> None:
        await self._renew(self._idle)

    async def keep_renewing(self) -> NoReturn:
        """Says again and again what is wanted, and goes by what is granted."""
        now = asyncio.get_running_loop().time
        renewed_at, wanted, is_said = now(), self._idle, False
        while True:
            await asyncio.sleep(RENEW_INTERVAL_WHILE_WAITING_S)
            # Nearly always nothing waits, and a look at the database every two seconds will do.
            may_ask_for_more = self._api.has_waiting_requests and wanted < self._limit
            if not may_ask_for_more and now() - renewed_at < RENEW_INTERVAL_S:
                continue
            wanted = self._wanted_per_minute()
            try:
                await self._renew(wanted)
                renewed_at, is_said = now(), False
            except Exception as problem:  # a fault of ours, too: raised in the end, it would be all that is told
                if not is_said:
                    is_said = True
                    _LOG.warning(
                        "the budget of requests cannot be shared now; this process keeps to its share for a while: %s",
                        problem if isinstance(problem, StateProblem) else internal_error_text(problem),
                    )
                if now() - renewed_at > SHARE_LEASE.total_seconds():
                    self._set_client_budget(1)  # the share has lapsed: others may have it by now
                await asyncio.sleep(RENEW_INTERVAL_S)

    async def give_back(self) -> None:
        with suppress(StateProblem):
            await self._budget.give_back(self._holder, sent=self._api.requests_in_last_minute)

    def _wanted_per_minute(self) -> int:
        if self._api.has_waiting_requests:
            return self._limit
        return min(self._limit, max(self._idle, 2 * self._api.requests_in_last_minute))

    async def _renew(self, wanted: int) -> None:
        # What is wanted is a promise already, until the answer is here.
        self._set_client_budget(min(self._granted, wanted))
        self._set_client_budget(await self._budget.renew(self._holder, wanted=wanted, limit=self._limit))

    def _set_client_budget(self, per_minute: int) -> None:
        self._granted = per_minute
        self._api.set_budget(per_minute)


@asynccontextmanager
async def shared_budget(settings: Settings, store: Store, api: Reader) -> AsyncIterator[None]:
    """While this lasts the client keeps to this process's share. Nothing happens where nobody shares the state."""
    if not settings.requests_per_minute or postgresql_url(settings.state) is None:
        yield
        return
    share = _BudgetShare(settings.requests_per_minute, store, api)
    await share.take()
    renewing = asyncio.create_task(share.keep_renewing())
    try:
        yield
    finally:
        # Before the share is given back: a renewal after that would take one that nobody gives back.
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        await share.give_back()
