"""What was set last of the account's own settings: as it was declared, and what Codat stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import account_settings


@dataclass(frozen=True, slots=True)
class AccountSettingRow:
    """One setting; both values as JSON takes them, None = reset, or nothing."""

    path: str
    declared: Any
    stored: Any
    at: datetime


class AccountSettings:
    """The last applied settings of the account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, rows: Iterable[AccountSettingRow]) -> None:
        """Replace the rows of these settings."""
        columns = [asdict(row) for row in rows]
        if columns:
            async with self._database.writing() as transaction:
                await upsert(transaction, account_settings, columns)

    async def load(self) -> dict[str, AccountSettingRow]:
        """By path what was set last."""
        query = select(*(account_settings.c[name] for name in AccountSettingRow.__dataclass_fields__))
        async with self._database.reading() as transaction:
            return {row.path: AccountSettingRow(*row) for row in await transaction.execute(query)}
