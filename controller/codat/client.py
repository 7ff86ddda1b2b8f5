"""Everything we say to the API, one method a sentence: `Reader` only looks, `Client` writes too.

Errors are those of `model.errors`: Transient where asking again may help, Permanent where not, OutcomeUnknown where
a write may or may not have been done. Numbers of operations are those of REFERENCE 3.0.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from controller.codat import convert, wire
from controller.codat.instants import utc_text
from controller.codat.inventory import Inventory
from controller.codat.pace import Pace
from controller.codat.quota import Quota
from controller.codat.transport import Query, Transport, open_network
from controller.model.errors import NotFound, Rejected, RemoteError, Unauthorized
from controller.model.observed import Absent, Company, Connection, Listing, Pull, Record
from controller.model.sync import Dataset, Sync
from controller.model.values import RefKind

T = TypeVar("T")

PAGE_SIZES = (5000, 2000)
"""The two documented maxima (REFERENCE 1.6, 7 row 18): the first that is not refused."""

COMMERCE = "lqai"
"""Our side of every company: the platform key of Partner Commerce (REFERENCE 5.3)."""

_ROWS = {
    RefKind.ACCOUNT: "accounts",
    RefKind.TAX_RATE: "taxRates",
    RefKind.CUSTOMER: "customers",
    RefKind.SUPPLIER: "suppliers",
}
_DATA_STATUS: TypeAdapter[dict[str, wire.Pull]] = TypeAdapter(dict[str, wire.Pull])
_KEPT_BY_RENAME = ("description", "tags")


@asynccontextmanager
async def open_client(
    base_url: str, api_key: str, *, requests_per_minute: int = 950, concurrency: int = 16
) -> AsyncIterator[Client]:
    """A client that may write. `requests_per_minute` 0 = unpaced. UsageError for an unusable base URL."""
    async with open_network(concurrency) as network:
        yield Client(Transport(base_url, api_key, network, Pace(requests_per_minute, concurrency)))


class Reader:
    """What can be asked without changing anything."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
        """The quota as of the last answer; None before the first, or where the service does not say."""
        return self._transport.quota

    @property
    def resume_at(self) -> datetime | None:
        """When requests go through again, once the service said that its quota is used up; None while they do."""
        return self._transport.resume_at

    @property
    def server_time(self) -> datetime | None:
        """The service's own clock as of the last answer, to the second; None where it did not say."""
        return self._transport.server_time

    async def hello(self) -> int:
        """#2, one row of it: how many companies there are. That it answers at all is what is asked."""
        query = {"page": 1, "pageSize": 1}
        page = await self._transport.read("/meta/companies", wire.CompanyPage.model_validate_json, query)
        return page.total_results

    async def companies(self) -> Listing:
        """#2: all companies with their connections. A page that fails makes it incomplete; only Unauthorized raises."""
        largest, smaller = PAGE_SIZES
        inventory = Inventory()
        try:
            try:
                await self._fill(inventory, largest)
            except Rejected:
                inventory = Inventory()
                await self._fill(inventory, smaller)
        except Unauthorized:
            raise
        except RemoteError as problem:
            inventory.doubt(str(problem))
        return inventory.listing()

    async def company(self, company_id: str) -> Company | Absent:
        """#3: one company with its connections; Absent when the service says 404."""
        try:
            return await self._transport.read(_company(company_id), _owned_company(company_id))
        except NotFound:
            return Absent()

    async def configuration(self, company_id: str) -> bytes:
        """#12: the document as it came, proven to be whole JSON and this company's own."""
        return await self._transport.read(_configuration(company_id), _owned_document(company_id))

    async def data_status(self, company_id: str) -> Mapping[str, Pull]:
        """#22: how each data type stands; types that were never requested may be missing."""
        return await self._transport.read(f"{_company(company_id)}/dataStatus", _pulls)

    async def record(self, company_id: str, kind: RefKind, record_id: str) -> Record | Absent:
        """#27, #29-31: one row of the cached books, deleted ones included; Absent when there is none of that id.

        NotFound when nothing at all is cached, NotReady when the type was never pulled.
        """
        query: Query = {"page": 1, "pageSize": 100, "query": f"id={record_id}"}
        rows = await self._transport.read(f"{_company(company_id)}/data/{_ROWS[kind]}", _record_page, query)
        return next((row for row in rows if row.id == record_id), Absent())

    async def last_successful_sync(self, company_id: str) -> datetime | None:
        """#39: the end of what the last successful sync covered, else when it ran; None when there was none."""
        try:
            return await self._transport.read(f"{_company(company_id)}/sync/status/lastSuccessful", _sync_end)
        except NotFound:
            return None

    async def latest_sync(self, company_id: str) -> Sync | None:
        """#38: the latest sync, whether it runs, went well or failed; None when there was none."""
        try:
            return await self._transport.read(f"/meta{_company(company_id)}/sync/commerce/status", _sync)
        except NotFound:
            return None

    async def dataset(self, company_id: str, dataset_id: str) -> Dataset:
        """#26: how an upload stands."""
        path = f"/meta{_company(company_id)}/pull/history/{quote(dataset_id, safe='')}"
        return await self._transport.read(path, _dataset)

    async def sync_flow_url(self, company_id: str, platform: str, redirect_url: str | None) -> str:
        """#17: where a merchant sets everything up, with a one-time password good for 30 s. Never store it.

        Only for a company that exists: for an unknown one the service would create it.
        """
        query = {"merchantIdentifier": company_id} | ({"redirectUrl": redirect_url} if redirect_url else {})
        path = f"/config/sync/commerce/{COMMERCE}/{quote(platform, safe='')}/start"
        return (await self._transport.read(path, wire.SyncFlow.model_validate_json, query)).url

    async def _fill(self, inventory: Inventory, size: int) -> None:
        number = 1
        while not inventory.finished:
            query = {"page": number, "pageSize": size}
            page = await self._transport.read("/meta/companies", wire.CompanyPage.model_validate_json, query)
            inventory.add(page)
            number += 1


class Client(Reader):
    """Reader, and what changes something. Each of these may raise OutcomeUnknown: then look before asking again."""

    async def create_company(self, name: str) -> Company:
        """#1: a company with its commerce connection. Never idempotent."""
        return await self._write("POST", "/meta/companies/sync", {"name": name}, _any_company)

    async def rename_company(self, company_id: str, name: str) -> Company:
        """#4: a full replace, so description and tags are read first and sent back as they were."""
        before: dict[str, Any] = await self._transport.read(_company(company_id), _object)
        kept = {key: before[key] for key in _KEPT_BY_RENAME if key in before}
        return await self._write("PUT", _company(company_id), {"name": name, **kept}, _owned_company(company_id))

    async def delete_company(self, company_id: str) -> None:
        """#5: for good, with connections, configuration and data."""
        await self._transport.write("DELETE", _company(company_id), None, _nothing)

    async def create_connection(self, company_id: str, platform: str) -> Connection:
        """#7: a connection that waits for its merchant. Never idempotent. The body is a bare JSON string."""
        return await self._write("POST", f"/meta{_company(company_id)}/connections", platform, _connection)

    async def unlink(self, company_id: str, connection_id: str) -> Connection:
        """#9: access is revoked, the configuration stays. Only a linked connection can be unlinked."""
        path = f"/meta{_company(company_id)}/connections/{quote(connection_id, safe='')}"
        return await self._write("PATCH", path, {"status": "Unlinked"}, _connection)

    async def set_configuration(self, company_id: str, document: bytes) -> bytes:
        """#13: replaces the whole document; returns it as stored."""
        path, parse = _configuration(company_id), _owned_document(company_id)
        return await self._transport.write("POST", path, document, parse)

    async def refresh(self, company_id: str) -> None:
        """#23: asks for a new pull of every data type that is fetched on first link."""
        await self._transport.write("POST", f"{_company(company_id)}/data/all", None, _nothing)

    async def refresh_type(self, company_id: str, data_type: str) -> None:
        """#24: asks for a new pull of one data type; needs a linked connection."""
        path = f"{_company(company_id)}/data/queue/{quote(data_type, safe='')}"
        await self._transport.write("POST", path, None, _nothing)

    async def sync_latest(self, company_id: str, until: datetime | None) -> Sync:
        """#36: a sync from the end of the last success (else the start date) to `until`, None = now."""
        body = {} if until is None else {"syncTo": utc_text(until)}
        return await self._write("POST", f"{_company(company_id)}/sync/commerce/latest", body, _sync)

    async def sync_range(self, company_id: str, start: datetime, finish: datetime) -> Sync:
        """#37: a sync of a range. One that overlaps what was synchronised is refused or fails."""
        body = {"dateRange": {"start": utc_text(start), "finish": utc_text(finish)}}
        return await self._write("POST", f"{_company(company_id)}/sync/historic", body, _sync)

    async def upload(self, company_id: str, data_type: str, body: Mapping[str, Any]) -> str:
        """#41: whole records of one commerce data type, one call at a time; the id of the dataset that they became."""
        path = f"/data{_company(company_id)}/sync/{quote(data_type, safe='')}"
        return await self._write("POST", path, body, _uploaded)

    async def _write(self, method: str, path: str, body: object, parse: Callable[[bytes], T]) -> T:
        return await self._transport.write(method, path, json.dumps(body).encode(), parse)


# Addresses and answers ----------------------------------------------------------------------------------


def _company(company_id: str) -> str:
    return f"/companies/{quote(company_id, safe='')}"


def _configuration(company_id: str) -> str:
    return f"/config{_company(company_id)}/sync/commerce"


def _nothing(_: bytes) -> None:
    """Any success will do, whatever its body."""


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _any_company(body: bytes) -> Company:
    return convert.company_from(wire.Company.model_validate_json(body))


def _owned_company(company_id: str) -> Callable[[bytes], Company]:
    def parse(body: bytes) -> Company:
        company = _any_company(body)
        if company.id != company_id:
            raise ValueError("another company")
        return company

    return parse


def _owned_document(company_id: str) -> Callable[[bytes], bytes]:
    def parse(body: bytes) -> bytes:
        if wire.Owner.model_validate_json(body).company_id != company_id:
            raise ValueError("the document of another company")
        return body

    return parse


def _connection(body: bytes) -> Connection:
    return convert.connection_from(wire.Connection.model_validate_json(body))


def _pulls(body: bytes) -> Mapping[str, Pull]:
    return {name: convert.pull_from(name, pull) for name, pull in _DATA_STATUS.validate_json(body).items()}


def _record_page(body: bytes) -> list[Record]:
    return [convert.record_from(row) for row in wire.RecordPage.model_validate_json(body).results]


def _sync_end(body: bytes) -> datetime | None:
    sync = wire.Sync.model_validate_json(body)
    covered = sync.sync_date_range_utc.finish if sync.sync_date_range_utc else None
    return convert.lenient_instant(covered) or convert.lenient_instant(sync.sync_utc)


def _sync(body: bytes) -> Sync:
    """One object, or the first of an array (REFERENCE 7 row 15)."""
    value = json.loads(body)
    row = value[0] if isinstance(value, list) and value else value
    return convert.sync_from(wire.Sync.model_validate(row))


def _uploaded(body: bytes) -> str:
    return wire.Uploaded.model_validate_json(body).dataset_id


def _dataset(body: bytes) -> Dataset:
    return convert.dataset_from(wire.Dataset.model_validate_json(body))
