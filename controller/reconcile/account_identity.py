"""Is this the account that the state is about? Asked before anything else, and without a request where nothing changed.

address and key as recorded ─▶ yes, no request
another address ────────────▶ no: `state rebind` says that it is the same account
another key, or no record ──▶ one request for the account's own id ─┬─ both known: compared
                                                                    └─ not told: do the bound companies live there?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from shlex import quote
from urllib.parse import urlsplit

from controller.codat.client import Reader
from controller.codat.transport import hash_api_key
from controller.model.errors import MerchantctlError, TransientError, UsageError, WrongAccount
from controller.model.observed import Listing
from controller.reporting.formatting import format_count
from state import MerchantRecord, RemoteAccount, Store

MIN_COMPANIES_TO_TELL_ACCOUNTS = 3
"""So many bound companies, and none of them there: that is another account."""
MIN_SHARE_PRESENT = 0.9
"""So much of the bound companies has to be there for a new address to be one of the same account."""
WRONG_ACCOUNT_REMEDY = (
    "Name another state for this account with --state or MERCHANTCTL_STATE. If it is the same account at a new "
    "address: merchantctl state rebind"
)


def company_id_by_merchant(rows: Mapping[str, MerchantRecord]) -> dict[str, str]:
    """By merchant its company, as far as it was not taken down."""
    return {name: row.company_id for name, row in rows.items() if row.company_id and not row.retired_at}


async def verify_account(
    api: Reader,
    recorded: RemoteAccount | None,
    bound: Mapping[str, str],
    list_companies: Callable[[], Awaitable[Listing]],
    now: datetime,
) -> RemoteAccount | None:
    """What is new to be recorded of the account, None where all is as recorded. Raises WrongAccount."""
    if recorded and (recorded.base_url, recorded.key_hash) == (api.base_url, api.key_hash):
        return None
    if recorded and recorded.base_url != api.base_url:
        raise WrongAccount(
            f"the state belongs to {recorded.base_url}, and this run speaks to {api.base_url}. {WRONG_ACCOUNT_REMEDY}"
        )
    client_id = await api.client_id()
    known = recorded.client_id if recorded else None
    if known and client_id and known != client_id:
        raise WrongAccount(
            f"the state belongs to account {known}, and this key opens account {client_id}. {WRONG_ACCOUNT_REMEDY}"
        )
    if bound and not (known and client_id):
        _refuse_if_no_bound_company_is_listed(await list_companies(), bound)
    if known and not client_id and not bound:
        # Neither Codat nor a company has said whose key this is: remembered as this account's, it is never asked again.
        return None
    return RemoteAccount(api.base_url, client_id or known, api.key_hash, now)


def refuse_unknown_address_from_file(base_url: str, api_key: str, recorded: RemoteAccount | None) -> None:
    """A file of the repository must not send the key elsewhere: another host is named by a person, once for each key.

    The same file names the state, or the state comes along in the repository. It vouches for an address only with the
    hash of this key, which nobody knows who has not got the key.
    """
    if _is_codat_address(base_url):
        return
    if recorded and (recorded.base_url, recorded.key_hash) == (base_url, hash_api_key(api_key)):
        return
    raise UsageError(
        f"merchantctl.toml names {base_url}, and this state has not been used with it and this key: say it once with "
        f"--base-url {quote(base_url)} or CODAT_BASE_URL. Nothing was sent."
    )


def _is_codat_address(base_url: str) -> bool:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == "codat.io" or host.endswith(".codat.io"))


def _refuse_if_no_bound_company_is_listed(listing: Listing, bound: Mapping[str, str]) -> None:
    if not listing.complete:
        raise TransientError(
            f"whose account this is cannot be told, since not all companies could be read: {listing.incomplete_reason}"
        )
    if _unlisted_ids(listing, bound.values()) != set(bound.values()):
        return
    if len(bound) >= MIN_COMPANIES_TO_TELL_ACCOUNTS:
        lost = format_count(len(bound), "company is", "companies are")
        raise WrongAccount(
            f"none of the {lost} there that the state knows: this is another account. {WRONG_ACCOUNT_REMEDY}"
        )
    forget = " && ".join(f"merchantctl state rm {quote(name)}" for name in sorted(bound))
    raise WrongAccount(
        f"no company is there that the state knows ({', '.join(sorted(bound))}), and Codat does not say whose "
        f"account this is. If it is another one: name another state with --state or MERCHANTCTL_STATE. If it is the "
        f"right one, and they were deleted there: {forget}"
    )


def _unlisted_ids(listing: Listing, company_ids: Collection[str]) -> set[str]:
    return set(company_ids) - {each.id for each in listing.companies}


async def rebind_account(api: Reader, store: Store, now: datetime) -> RemoteAccount:
    """The state belongs to this address from now on, where nearly all of its companies live there. Whose it is stays
    known where that is not told there. Raises MerchantctlError where it is another account."""
    bound = company_id_by_merchant(await store.records.load())
    listing = await api.companies()
    if not listing.complete:
        raise TransientError(f"not all companies could be read, so nothing was changed: {listing.incomplete_reason}")
    there = len(bound) - len(_unlisted_ids(listing, bound.values()))
    if there < MIN_SHARE_PRESENT * len(bound):
        raise MerchantctlError(
            f"only {there} of {format_count(len(bound), 'bound company is', 'bound companies are')} at "
            f"{api.base_url}: this "
            f"is another account, and that needs another state (--state, MERCHANTCTL_STATE). Nothing was changed."
        )
    recorded, client_id = await store.account.load(), await api.client_id()
    known = recorded.client_id if recorded else None
    if not bound and known and client_id and known != client_id:  # no company speaks for it
        raise MerchantctlError(
            f"the state belongs to account {known}, and {api.base_url} is about account {client_id}: that needs "
            f"another state (--state, MERCHANTCTL_STATE). Nothing was changed."
        )
    account = RemoteAccount(api.base_url, client_id or known, api.key_hash, now)
    await store.account.bind(account)
    return account
