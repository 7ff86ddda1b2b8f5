"""The Codat account and base URL that the recorded state belongs to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from state.database import Database, upsert
from state.tables import account


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """The account that a state belongs to.

    client_id  Codat's id of the account; None where Codat does not tell it
    key_hash   hash of the API key that was last seen to belong to this account: while the key in use has this hash, the
               account need not be asked for again
    since      when the state was bound to it
    """

    base_url: str
    client_id: str | None
    key_hash: str
    since: datetime


class AccountBinding:
    """To which account the state is bound."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> RemoteAccount | None:
        """The account that the state is bound to; None before the first run that wrote."""
        query = select(account.c.base_url, account.c.client_id, account.c.key_hash, account.c.since)
        async with self._database.reading() as transaction:
            row = (await transaction.execute(query)).one_or_none()
            return RemoteAccount(*row) if row else None

    async def bind(self, remote: RemoteAccount) -> None:
        """Bind the state to an account, in place of the one it was bound to."""
        async with self._database.writing() as transaction:
            await upsert(transaction, account, [{"id": 1, **asdict(remote)}])
