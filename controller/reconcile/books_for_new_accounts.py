"""What the books say before an account is created in them: is it there, or on its way?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from controller.codat.client import Reader
from controller.model.field_values import NewAccount, Ref, RefKind
from controller.model.observed import Absent, AccountPush, BooksForNewAccounts, BooksRecord

RECENT_PUSH = timedelta(days=1)
"""Accounts that were created longer ago were pulled since: none is created on data older than an hour."""


async def read_books_for_new_accounts(
    api: Reader,
    company_id: str,
    connection_id: str,
    refs: Mapping[str, Ref],
    now: datetime,
    made: Collection[str] = (),
) -> BooksForNewAccounts:
    """Raises RemoteError.

    refs  by field path, what would be created
    made  ids of accounts that this very turn has created: they are known without a pull
    """
    pushes = [each for each in await api.account_pushes(company_id) if each.connection_id in ("", connection_id)]
    unfinished = await _unfinished_reason(api, company_id, pushes, now, made)
    same = {path: await _read_accounts_like(api, company_id, ref.create) for path, ref in refs.items() if ref.create}
    return BooksForNewAccounts(await api.creatable_account_types(company_id, connection_id), same, unfinished)


async def _unfinished_reason(
    api: Reader, company_id: str, pushes: list[AccountPush], now: datetime, made: Collection[str]
) -> str:
    """Why an account may be in the books, or be there soon, that the pulled data does not show."""
    for push in pushes:
        at = f" at {push.requested_at:%H:%M:%S} UTC" if push.requested_at else ""
        if push.is_pending:
            return f"an account is being created since a request{at}"
        if push.requested_at and now - push.requested_at > RECENT_PUSH:
            continue
        for account_id in (each for each in push.account_ids if each not in made):
            if isinstance(await api.books_record(company_id, RefKind.ACCOUNT, account_id), Absent):
                return f"account {account_id}, created by a request{at}, is not in the pulled data yet"
    return ""


async def _read_accounts_like(api: Reader, company_id: str, new: NewAccount) -> tuple[BooksRecord, ...]:
    by_code = await api.accounts_with(company_id, "nominalCode", new.code) if new.code else ()
    return (*by_code, *await api.accounts_with(company_id, "name", new.name))
