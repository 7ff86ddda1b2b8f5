"""How a merchant's latest sync went, read and remembered."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from controller.model.sync import Sync
from state import SyncRow

LONGEST_MESSAGE = 1000


class SyncReading(Protocol):
    async def latest_sync(self, company_id: str) -> Sync | None: ...


async def read_sync(merchant: str, company_id: str, before: SyncRow | None, api: SyncReading, now: datetime) -> SyncRow:
    """What is to be remembered, beside what was read before. Raises RemoteError."""
    sync = await api.latest_sync(company_id)
    code, ran_at = (sync.code, sync.began) if sync else (None, None)
    same = before is not None and before.ran_at == ran_at and (before.code is None) == (code is None)
    since = before.since if before and same else now
    return SyncRow(merchant, code, sync.message[:LONGEST_MESSAGE] if sync else "", ran_at, since, now)
