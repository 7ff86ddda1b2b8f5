"""The API's operations, one method each: `Reader` only reads, `Client` writes too.

Errors are those of `model.errors`: TransientError where a retry may help, PermanentError where not, OutcomeUnknown
where a write may or may not have been done. Numbers like #12 are those of API notes 3.0.

A write that rests on a read goes through `Client.read_then_write`: the API has no ETag, and the undeclared parts of a
document must not be overwritten with what they were a minute ago.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from controller.codat import from_wire, wire
from controller.codat.account_settings import live_settings, settings_address
from controller.codat.aiohttp_transport import OpenNetwork, open_network
from controller.codat.answer_body import MAX_LISTING_BYTES, format_size
from controller.codat.answer_parsing import UnreadableAnswer, parse_answer, parse_rows, problem_at, sanitize_json
from controller.codat.dates import format_utc
from controller.codat.hooks import PATHS as HOOK_PATHS
from controller.codat.hooks import RULES_PAGE_SIZE, created_id, hook_body, hooks_from
from controller.codat.pagination import PageRequest, list_companies
from controller.codat.quota_headers import Quota
from controller.codat.rate_limiter import RateLimiter
from controller.codat.raw_json import JsonObject, parse_object, parse_value, serialise
from controller.codat.transport import ClockFunction, Query, SleepFunction, Transport, utc_now
from controller.codat.wire_model import UnexpectedRow
from controller.model.errors import InvalidId, NotFound, Rejected, RemoteError, UnexpectedAnswer
from controller.model.field_values import RefKind
from controller.model.hooks import Hook, HookKind, LiveHook
from controller.model.id_format import has_id_format
from controller.model.observed import (
    REQUIRED_DATA_TYPES,
    Absent,
    AccountPush,
    BooksRecord,
    Company,
    Connection,
    DataTypeStatus,
    Listing,
)
from controller.model.platforms import COMMERCE_KEY
from controller.model.syncs_and_uploads import Sync, UploadStatus

T = TypeVar("T")

PAGE_SIZES = (5000, 2000)
"""The two documented maxima (API notes 1.6, 7 #18): the first that Codat accepts is used."""

LISTING_ORDERS: tuple[Query, ...] = ({"orderBy": "created"}, {})
"""By creation, new companies stand at the end. Should Codat refuse that, its own order: pages are proven to join."""

_QUERY_TOKENS = ("&&", "||", "{", "}")
"""What a value in a query cannot contain, since the language has no escape (API notes 1.7)."""

_RECORD_PATHS = {
    RefKind.ACCOUNT: "accounts",
    RefKind.TAX_RATE: "taxRates",
    RefKind.CUSTOMER: "customers",
    RefKind.SUPPLIER: "suppliers",
}
MAX_RULE_PAGES = 20
MAX_PUSHES_A_PAGE, MAX_PUSH_PAGES = 100, 100
_PUSHED_ACCOUNT_TYPES = ("chartOfAccounts", "accounts")
_FIELDS_KEPT_BY_RENAME = ("description", "tags")


class ListingSize:
    """Counts the bytes of all pages of one listing, all tries together."""

    def __init__(self) -> None:
        self._bytes = 0

    def add_or_raise(self, page: bytes) -> None:
        """UnreadableAnswer beyond MAX_LISTING_BYTES."""
        self._bytes += len(page)
        if self._bytes > MAX_LISTING_BYTES:
            raise UnreadableAnswer(
                f"all pages together have more than {format_size(MAX_LISTING_BYTES)}, the most that is read"
            )


@asynccontextmanager
async def open_client(
    base_url: str,
    api_key: str,
    *,
    requests_per_minute: int = 950,
    concurrency: int = 16,
    network: OpenNetwork = open_network,
    sleep: SleepFunction = asyncio.sleep,
    clock: ClockFunction = utc_now,
) -> AsyncIterator[Client]:
    """A client that may write. `requests_per_minute` 0 = unlimited. UsageError for an unusable base URL."""
    async with network(base_url, concurrency) as opened:
        yield Client(Transport(base_url, api_key, opened, RateLimiter(requests_per_minute, concurrency), sleep, clock))


class Reader:
    """The operations that change nothing at Codat."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def use_key(self, api_key: str) -> None:
        """Send all further requests with this key."""
        self._transport.use_key(api_key)

    def set_budget(self, per_minute: int) -> None:
        """Keep to so many requests in any minute from now on; no effect where there is no limit."""
        self._transport.rate_limiter.set_budget(per_minute)

    @property
    def has_waiting_requests(self) -> bool:
        """Whether requests wait for their turn."""
        return self._transport.rate_limiter.has_waiting_requests

    @property
    def requests_in_last_minute(self) -> int:
        """Requests under way, or answered within the last minute."""
        return self._transport.rate_limiter.requests_in_last_minute

    @property
    def reads(self) -> int:
        """Reading requests sent so far, every attempt counted."""
        return self._transport.reads

    @property
    def writes(self) -> int:
        """Writing requests sent so far, every attempt counted."""
        return self._transport.writes

    @property
    def quota(self) -> Quota | None:
        """The quota as of the last answer; None before the first, or where Codat does not say."""
        return self._transport.quota

    @property
    def resume_at(self) -> datetime | None:
        """When requests go through again, once Codat said that its quota is used up; None while they do."""
        return self._transport.resume_at

    @property
    def server_time(self) -> datetime | None:
        """Codat's own clock as of the last answer, to the second; None where it did not say."""
        return self._transport.server_time

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at its end."""
        return self._transport.base_url

    @property
    def key_hash(self) -> str:
        """A hash of the API key: enough to see that it is another one."""
        return self._transport.key_hash

    async def client_id(self) -> str | None:
        """#47: Codat's id of the account; None where it does not tell this key (API notes 3.16)."""
        try:
            settings = await self._transport.read("/profile/syncSettings", _parse_object)
        except RemoteError:
            return None
        client_id = settings.get("clientId")
        return client_id if isinstance(client_id, str) and client_id else None

    @property
    def skew(self) -> timedelta | None:
        """What has to be added to our clock to have Codat's, as an answer said last; None where none did."""
        return self._transport.skew

    async def count_companies(self) -> int:
        """#2, one row of it: returns how many companies there are, and proves that the API answers."""
        query = {"page": 1, "pageSize": 1}
        page = await self._transport.read("/meta/companies", partial(parse_answer, wire.CompanyPageJson), query)
        return page.total_results

    async def companies(self, connection_statuses: Collection[str] = ()) -> Listing:
        """#2: all companies with their connections; `pagination` says when the listing counts as complete.

        connection_statuses  only those of whom a connection has one of these (API notes 1.7)

        The larger page size and the order of creation are asked for, unless Codat refuses them. A page that fails
        makes the listing incomplete. Raises only ApiUnusable.
        """
        refusal = ""
        query: Query = {"query": "||".join(f"dataConnections.status={status}" for status in connection_statuses)}
        for order, page_size in itertools.product(LISTING_ORDERS, PAGE_SIZES):
            chosen = {**order, **query} if connection_statuses else order
            fetch = partial(self._company_page, chosen, ListingSize())
            try:
                return await list_companies(fetch, page_size, self._transport.now)
            except Rejected as error:
                refusal = str(error)
        return Listing((), False, self._transport.now(), refusal)

    async def company(self, company_id: str) -> Company | Absent:
        """#3: one company with its connections; Absent when Codat itself says 404.

        That alone does not prove that it was deleted: the listing must not have it either.
        """
        try:
            company = await self._transport.read(_company_path(company_id), _company_parser(company_id))
        except NotFound:
            return Absent()
        if company.unreadable_parts:
            raise UnexpectedAnswer(f"GET {_company_path(company_id)}: cannot be read: {company.unreadable_parts}")
        return company

    async def configuration(self, company_id: str) -> bytes:
        """#12: the document, byte for byte; checked to be whole JSON, and this company's own."""
        return await self._transport.read(_configuration_path(company_id), _document_owner_checker(company_id))

    async def data_status(self, company_id: str) -> Mapping[str, DataTypeStatus]:
        """#22: by data type, how its last pull went; types that were never requested may be missing."""
        return await self._transport.read(f"{_company_path(company_id)}/dataStatus", _parse_data_status)

    async def books_record(self, company_id: str, kind: RefKind, record_id: str) -> BooksRecord | Absent:
        """#27, #29-31: one row of the cached books, deleted ones included; Absent when there is none of that id.

        NotFound when nothing at all is cached, DataNotReady when the type was never pulled. UnexpectedAnswer when
        the answer does not say: a row that cannot be read, or rows that were not asked for.
        """
        path = f"{_company_path(company_id)}/data/{_RECORD_PATHS[kind]}"
        if not record_id.isprintable() or any(token in record_id for token in _QUERY_TOKENS):
            raise UnexpectedAnswer(f"GET {path}: there is no way to ask for a record of the id {record_id!r}")
        query: Query = {"page": 1, "pageSize": 100, "query": f"id={record_id}"}
        page = await self._transport.read(path, partial(parse_answer, wire.RecordPageJson), query)
        for row in page.results:
            if isinstance(row, wire.RecordJson) and row.id == record_id:
                return from_wire.record_from(row)
        # The record may be in the row that we could not read, or the filter was ignored: neither proves its absence.
        if page.results or page.total_results:
            fault = next((f": {row.why}" for row in page.results if isinstance(row, UnexpectedRow)), "")
            raise UnexpectedAnswer(f"GET {path}: the answer does not say whether there is a record {record_id}{fault}")
        return Absent()

    async def last_successful_sync(self, company_id: str) -> Sync | None:
        """#39: the last sync that went well; None when there was none."""
        try:
            return await self._transport.read(_last_success_path(company_id), _parse_sync)
        except NotFound:
            return None

    async def accounts_with(self, company_id: str, field: str, text: str) -> tuple[BooksRecord, ...]:
        """#27: the accounts of the cached books whose `field` (`nominalCode`, `name`) is this text, deleted ones too.

        UnexpectedAnswer where the answer does not say: a row that cannot be read, or rows that were not asked for.
        """
        path = f"{_company_path(company_id)}/data/accounts"
        if not text.isprintable() or any(token in text for token in _QUERY_TOKENS):
            raise UnexpectedAnswer(f"GET {path}: there is no way to ask for an account whose {field} is {text!r}")
        query: Query = {"page": 1, "pageSize": 100, "query": f"{field}={text}"}
        page = await self._transport.read(path, partial(parse_answer, wire.RecordPageJson), query)
        found = tuple(from_wire.record_from(row) for row in page.results if isinstance(row, wire.RecordJson))
        shown = ((record.code if field == "nominalCode" else record.name) or "" for record in found)
        is_whole = len(found) == len(page.results) and page.total_results in (None, len(found))
        if not is_whole or any(each.strip().casefold() != text.strip().casefold() for each in shown):
            raise UnexpectedAnswer(f"GET {path}: the answer does not say which accounts have the {field} {text!r}")
        return found

    async def creatable_account_types(self, company_id: str, connection_id: str) -> tuple[str, ...]:
        """#34: in which categories an account can be created in the books; empty where that is not said."""
        path = f"{_connection_path(company_id, connection_id)}/options/chartOfAccounts"
        return from_wire.creatable_account_types_from(
            await self._transport.read(path, partial(parse_answer, wire.PushOptionsJson))
        )

    async def account_pushes(self, company_id: str) -> tuple[AccountPush, ...]:
        """#35: the accounts that were sent to the books of this company. UnexpectedAnswer where not all can be read."""
        path, rows = f"{_company_path(company_id)}/push", dict[str, wire.PushJson]()
        for number in range(1, MAX_PUSH_PAGES + 1):
            query: Query = {"page": number, "pageSize": MAX_PUSHES_A_PAGE}
            page = await self._transport.read(path, partial(parse_answer, wire.PushPageJson), query)
            # By key, since the newest comes first: one that begins meanwhile pushes rows onto the next page again.
            rows |= {row.push_operation_key: row for row in page.results}
            if not page.results or len(rows) >= page.total_results:
                break
        if len(rows) != page.total_results:
            raise UnexpectedAnswer(
                f"GET {path}: {len(rows)} operations were read, and Codat counts {page.total_results}"
            )
        return tuple(
            # One that does not say its type may be an account: left out, it would be taken for not sent.
            from_wire.account_push_from(row)
            for row in rows.values()
            if row.data_type in (None, *_PUSHED_ACCOUNT_TYPES)
        )

    async def account_push(self, company_id: str, key: str) -> AccountPush:
        """#35, one."""
        path = f"{_company_path(company_id)}/push/{_checked_id(key)}"
        return from_wire.account_push_from(await self._transport.read(path, partial(parse_answer, wire.PushJson)))

    async def synchronised_until(self, company_id: str) -> datetime | None:
        """#39: the end of what the last successful sync covered, else when it ran; None when there was none."""
        try:
            sync = await self._transport.read(_last_success_path(company_id), partial(parse_answer, wire.SyncJson))
        except NotFound:
            return None
        covered_until = sync.sync_date_range_utc.finish if sync.sync_date_range_utc else None
        return from_wire.parse_instant_or_none(covered_until) or from_wire.parse_instant_or_none(sync.sync_utc)

    async def latest_sync(self, company_id: str) -> Sync | None:
        """#38: the latest sync, whether it runs, went well or failed; None when there was none."""
        try:
            return await self._transport.read(f"/meta{_company_path(company_id)}/sync/commerce/status", _parse_sync)
        except NotFound:
            return None

    async def upload_status(self, company_id: str, dataset_id: str) -> UploadStatus:
        """#26: what became of an upload so far."""
        path = f"/meta{_company_path(company_id)}/pull/history/{_checked_id(dataset_id)}"
        return from_wire.upload_status_from(await self._transport.read(path, partial(parse_answer, wire.DatasetJson)))

    async def dataset_ids_since(self, company_id: str, data_type: str, since: datetime) -> list[str]:
        """#25: ids of the latest datasets of a type, uploads among them, requested since; at most 100."""
        path = f"/meta{_company_path(company_id)}/pull/history/"
        query: Query = {
            "page": 1,
            "pageSize": 100,
            "orderBy": "-requested",
            "query": f"dataType={_checked_id(data_type)}",
        }
        page = await self._transport.read(path, partial(parse_answer, wire.DatasetPageJson), query)
        return [
            each.id
            for each in page.results
            # One without a readable time may be the one that is looked for.
            if each.data_type == data_type and (from_wire.parse_instant_or_none(each.requested) or since) >= since
        ]

    async def sync_flow_url(self, company_id: str, platform: str, redirect_url: str | None) -> str:
        """#17: the page where a merchant sets everything up. Never store it: it has a one-time password, good for 30 s.

        Only for a company that exists: an unknown one Codat would create.
        """
        query = {"merchantIdentifier": company_id} | ({"redirectUrl": redirect_url} if redirect_url else {})
        path = f"/config/sync/commerce/{COMMERCE_KEY}/{_checked_id(platform)}/start"
        return (await self._transport.read(path, partial(parse_answer, wire.SyncFlowJson), query)).url

    async def settings_document(self, part: str, account_id: str | None) -> JsonObject:
        """#18, #20, #45, #47: one part of the account's own settings as it came, proven to be of a known form.

        account_id  that of the account, where Codat tells it
        """
        path = settings_address(part).read_path
        if "{account}" in path:
            if account_id is None:
                raise UnexpectedAnswer(f"GET {path}: Codat does not tell this key which account it is for")
            path = path.format(account=_checked_id(account_id))

        def parse(body: bytes) -> JsonObject:
            document = parse_object(sanitize_json(body))
            live_settings(part, document)
            return document

        return await self._transport.read(path, parse)

    async def hooks(self, kind: HookKind) -> tuple[LiveHook, ...]:
        """#43, #46: all rules, or all webhook consumers. UnexpectedAnswer where not all of them can be read.

        NotFound where the account has none of that kind any more: rules were switched off in January 2025.
        """

        def parse(body: bytes) -> tuple[list[LiveHook], object]:
            answer = parse_value(sanitize_json(body))
            if not isinstance(answer, dict):
                raise ValueError("not a JSON object")
            return hooks_from(kind, answer), answer.get("totalResults")

        if kind is HookKind.CONSUMER:  # not paged
            consumers, _ = await self._transport.read(HOOK_PATHS[kind], parse)
            return tuple(consumers)
        found: dict[str, LiveHook] = {}
        for page in range(1, MAX_RULE_PAGES + 1):
            query: Query = {"page": page, "pageSize": RULES_PAGE_SIZE}
            rows, total = await self._transport.read(HOOK_PATHS[kind], parse, query)
            found |= {row.id: row for row in rows}
            # `totalResults` is raw JSON, of whatever type: held against the number as text.
            if not rows or str(len(found)) == str(total):
                break
        if str(len(found)) != str(total):
            raise UnexpectedAnswer(f"GET {HOOK_PATHS[kind]}: {len(found)} rules were read, and Codat counts {total}")
        return tuple(found.values())

    async def _company_page(
        self, filter_and_order: Query, size: ListingSize, page: PageRequest
    ) -> wire.CompanyPageJson:
        def parse(body: bytes) -> wire.CompanyPageJson:
            size.add_or_raise(body)
            return parse_answer(wire.CompanyPageJson, body)

        query: Query = {"page": page.number, "pageSize": page.size, **filter_and_order}
        return await self._transport.read("/meta/companies", parse, query)


class Client(Reader):
    """Reader, and the operations that write. Each may raise OutcomeUnknown: then read what became of it first."""

    async def read_then_write(self, read_and_write: Callable[[Client], Awaitable[T]]) -> T:
        """A read and the write that rests on it, with no wait between the two.

            async def read_and_write(api):
                fresh = await api.configuration(company_id)
                return await api.set_configuration(company_id, changed(fresh))

            await client.read_then_write(read_and_write)

        `read_and_write` makes one read and at most one write, through the client that it is given. The two take their
        places in the budget together. A write that would have to wait (a pause after 429), was answered 429 or never
        left was not done: after the wait `read_and_write` is run again from its read, so that no document is sent
        that grew old. Its other errors are raised as they are. It is bounded as any request: by MAX_RETRY_S and,
        where nothing is sent at all, by MAX_REQUEST_ATTEMPTS.
        """
        return await self._transport.read_then_write(lambda transport: read_and_write(Client(transport)))

    async def create_company(self, name: str, idempotency_key: str | None = None) -> Company:
        """#1: a company with its commerce connection. Never idempotent: the key only names it (API notes 1.9)."""
        return await self._write("POST", "/meta/companies/sync", {"name": name}, _parse_company, idempotency_key)

    async def rename_company(
        self, company_id: str, name: str, before_write: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[str, ...]:
        """#4: a full replace, so description and tags are read first and sent back as they were.

        Returns which of the two Codat did not store. `before_write` is awaited each time just before the write.
        """

        async def read_and_replace(api: Client) -> tuple[str, ...]:
            before = await api._transport.read(_company_path(company_id), _parse_object)
            kept = {key: before[key] for key in _FIELDS_KEPT_BY_RENAME if key in before}
            if before_write:
                await before_write()
            after = await api._write(
                "PUT", _company_path(company_id), {"name": name, **kept}, _raw_company_parser(company_id)
            )
            return tuple(key for key, value in kept.items() if value and after.get(key) != value)

        return await self.read_then_write(read_and_replace)

    async def delete_company(self, company_id: str) -> None:
        """#5: delete it for good, with connections, configuration and data."""
        await self._transport.write("DELETE", _company_path(company_id), None, _ignore_body)

    async def create_connection(self, company_id: str, platform: str, idempotency_key: str | None = None) -> Connection:
        """#7: a connection that waits for its merchant. Never idempotent: the key as for `create_company`."""
        # The body is the platform's key as a bare JSON string.
        return await self._write(
            "POST", f"/meta{_company_path(company_id)}/connections", platform, _parse_connection, idempotency_key
        )

    async def unlink_connection(self, company_id: str, connection_id: str) -> Connection:
        """#9: revoke access; the configuration stays. Only a linked connection can be unlinked."""
        path = f"/meta{_company_path(company_id)}/connections/{_checked_id(connection_id)}"
        return await self._write("PATCH", path, {"status": "Unlinked"}, _parse_connection)

    async def delete_connection(self, company_id: str, connection_id: str) -> None:
        """#10: delete it for good, and with it the configuration and what was synchronised. NotFound: it is gone."""
        await self._transport.write("DELETE", _connection_path(company_id, connection_id), None, _ignore_body)

    async def push_account(
        self, company_id: str, connection_id: str, account: Mapping[str, str], idempotency_key: str | None = None
    ) -> AccountPush:
        """#33: have an account created in the books. The answer says that it was begun; #35 what became of it."""
        path = f"{_connection_path(company_id, connection_id)}/push/accounts"
        return await self._write("POST", path, account, _parse_push, idempotency_key)

    async def set_configuration(self, company_id: str, document: bytes) -> bytes:
        """#13: replace the whole document; returns it as stored."""
        path, parse = _configuration_path(company_id), _document_owner_checker(company_id)
        return await self._transport.write("POST", path, document, parse)

    async def refresh(self, company_id: str) -> None:
        """#23: ask for a new pull of every data type that is fetched on first link."""
        await self._transport.write("POST", f"{_company_path(company_id)}/data/all", None, _ignore_body)

    async def refresh_type(self, company_id: str, data_type: str) -> None:
        """#24: ask for a new pull of one data type; needs a linked connection."""
        path = f"{_company_path(company_id)}/data/queue/{_checked_id(data_type)}"
        await self._transport.write("POST", path, None, _ignore_body)

    async def start_sync_until(self, company_id: str, until: datetime | None) -> Sync:
        """#36: a sync from the end of the last success (else the start date) to `until`, None = now."""
        body = {} if until is None else {"syncTo": format_utc(until)}
        return await self._write("POST", f"{_company_path(company_id)}/sync/commerce/latest", body, _parse_sync)

    async def start_sync_of_range(self, company_id: str, start: datetime, finish: datetime) -> Sync:
        """#37: a sync of a range. One that overlaps what was synchronised is rejected or fails."""
        body = {"dateRange": {"start": format_utc(start), "finish": format_utc(finish)}}
        return await self._write("POST", f"{_company_path(company_id)}/sync/historic", body, _parse_sync)

    async def upload(self, company_id: str, data_type: str, body: Mapping[str, Any]) -> str:
        """#41: upload whole records of one commerce data type; returns the id of their dataset. One call at a time."""
        path = f"/data{_company_path(company_id)}/sync/{_checked_id(data_type)}"
        return (await self._write("POST", path, body, partial(parse_answer, wire.UploadedJson))).dataset_id

    async def set_settings(self, part: str, document: JsonObject) -> None:
        """#19, #21, #45, #47: what `codat.account_settings.changed_document` made of a fresh read."""
        address = settings_address(part)
        await self._transport.write(address.write_method, address.write_path, serialise(document), _ignore_body)

    async def create_hook(self, hook: Hook) -> str:
        """#43, #46: a rule or a webhook consumer; its id. Never idempotent."""
        return await self._write("POST", HOOK_PATHS[hook.kind], hook_body(hook), _parse_created_id)

    async def delete_consumer(self, consumer_id: str) -> None:
        """#46: its pending deliveries are dropped. A rule cannot be deleted."""
        await self._transport.write("DELETE", f"/webhooks/{_checked_id(consumer_id)}", None, _ignore_body)

    async def _write(
        self, method: str, path: str, body: object, parse: Callable[[bytes], T], idempotency_key: str | None = None
    ) -> T:
        return await self._transport.write(method, path, json.dumps(body).encode(), parse, idempotency_key)


# Addresses and answers ----------------------------------------------------------------------------------


def _checked_id(id_: str) -> str:
    """An id or key for a URL path; every one goes through here. InvalidId, and nothing is sent."""
    if not has_id_format(id_):
        raise InvalidId(f"{id_!r} is not an id of Codat's; nothing was sent")
    return id_


def _company_path(company_id: str) -> str:
    return f"/companies/{_checked_id(company_id)}"


def _last_success_path(company_id: str) -> str:
    return f"{_company_path(company_id)}/sync/status/lastSuccessful"


def _connection_path(company_id: str, connection_id: str) -> str:
    return f"{_company_path(company_id)}/connections/{_checked_id(connection_id)}"


def _configuration_path(company_id: str) -> str:
    return f"/config{_company_path(company_id)}/sync/commerce"


def _ignore_body(_: bytes) -> None:
    """For writes whose success has no body worth reading."""


def _parse_object(body: bytes) -> dict[str, object]:
    """A JSON object as it is; ValueError for anything else."""
    value = json.loads(sanitize_json(body))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _parse_created_id(body: bytes) -> str:
    return created_id(_parse_object(body))


def _parse_company(body: bytes) -> Company:
    """UnreadableAnswer only without an id; `unreadable_parts` says what else could not be read."""
    company = from_wire.company_from(parse_answer(wire.CompanyJson, body))
    if not has_id_format(company.id):
        raise UnreadableAnswer("its id is none")
    return company


def _raw_company_parser(company_id: str) -> Callable[[bytes], dict[str, object]]:
    """Parses this company as a JSON object; ValueError for the answer about another one."""

    def parse(body: bytes) -> dict[str, object]:
        company = _parse_object(body)
        if company.get("id") != company_id:
            raise ValueError("another company")
        return company

    return parse


def _company_parser(company_id: str) -> Callable[[bytes], Company]:
    """Parses this company; ValueError for the answer about another one."""

    def parse(body: bytes) -> Company:
        company = _parse_company(body)
        if company.id != company_id:
            raise ValueError("another company")
        return company

    return parse


def _document_owner_checker(company_id: str) -> Callable[[bytes], bytes]:
    """Checks that the document is this company's, and returns it byte for byte: the undeclared parts go back as is."""

    def parse(body: bytes) -> bytes:
        if parse_answer(wire.DocumentOwnerJson, body).company_id != company_id:
            raise ValueError("the document of another company")
        return body

    return parse


def _parse_connection(body: bytes) -> Connection:
    connection = from_wire.connection_from(parse_answer(wire.ConnectionJson, body))
    if not has_id_format(connection.id):
        raise UnreadableAnswer("its id is none")
    return connection


def _parse_push(body: bytes) -> AccountPush:
    return from_wire.account_push_from(parse_answer(wire.PushJson, body))


def _parse_data_status(body: bytes) -> Mapping[str, DataTypeStatus]:
    """By data type. UnreadableAnswer for a required one that cannot be read; another is left out."""
    statuses = {}
    for data_type, row in parse_rows(wire.DataTypeStatusJson, body).items():
        if isinstance(row, wire.DataTypeStatusJson):
            statuses[data_type] = from_wire.data_type_status_from(data_type, row)
        elif data_type in REQUIRED_DATA_TYPES:
            raise UnreadableAnswer(problem_at(f".{data_type}", row.why))
    return statuses


def _parse_sync(body: bytes) -> Sync:
    """From one object, or the first of an array (API notes 7 #15)."""
    value = json.loads(sanitize_json(body))
    row = value[0] if isinstance(value, list) and value else value
    return from_wire.sync_from(wire.SyncJson.model_validate(row))
