"""A whole fleet at once: companies that wait for consent, are linked, or are configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from controller.emulator.service import books, starting_books
from controller.emulator.service.company_records import CachedRows, CompanyRecord, ConnectionRecord, PullRecord
from controller.emulator.service.errors import ApiError
from controller.emulator.service.platforms import COMMERCE_KEY, PLATFORMS
from controller.emulator.service.pulls import MAPPING_TYPES
from controller.emulator.service.starting_books import StartingBooks
from controller.emulator.service.world import World

SEED_STATES = ("pending", "linked", "configured")
_MAX_COMPANIES = 1_000_000
_START_DATE_AGE = timedelta(days=30)

# section → row → which line of the starting books' accounts is selected (API notes 4.9, 4.10)
_SALES_ACCOUNT_LINES = {"sales": 0, "refund": 1, "gratuity": 2, "prepaid": 3}
_FEE_ACCOUNT_LINES = {"paymentFee": 4, "paymentFeeRefund": 4}
_PAYMENT_ACCOUNT_LINES = {"prepaidPayment": 5, "card": 6, "cash": 7, "payout": 8}


@dataclass(frozen=True, slots=True)
class SeedRequest:
    """How many companies of which platform, in which state, and how they are called."""

    companies: int
    platform: str
    state: str
    prefix: str


def parse_seed(body: Mapping[str, Any]) -> SeedRequest:
    """A seed from the body of `POST /_emulator/seed`. Raises ApiError 400 that says what is wrong."""
    seed = SeedRequest(
        body.get("companies", 1),
        body.get("platform", "gbol"),
        body.get("state", "pending"),
        body.get("prefix", "m-"),
    )
    if not isinstance(seed.companies, int) or not 0 <= seed.companies <= _MAX_COMPANIES:
        raise ApiError(400, f'"companies" is a whole number up to {_MAX_COMPANIES}; got {seed.companies!r}')
    platform = PLATFORMS.get(seed.platform)
    if platform is None or platform.source_type != "Accounting":
        raise ApiError(400, f'"platform" is the key of an accounting platform; got {seed.platform!r}')
    if seed.state not in SEED_STATES:
        raise ApiError(400, f'"state" is one of {", ".join(SEED_STATES)}; got {seed.state!r}')
    if not isinstance(seed.prefix, str):
        raise ApiError(400, f'"prefix" is text; got {seed.prefix!r}')
    return seed


def seed_companies(world: World, seed: SeedRequest) -> list[CompanyRecord]:
    """Make the companies. Nobody is told of their creation; configured ones are announced as such."""
    now = world.now()
    pulled = {data_type: CachedRows(at=now, first=now) for data_type in MAPPING_TYPES}
    created = [_new_company(seed, f"{seed.prefix}{number:05d}", now, pulled) for number in range(seed.companies)]
    for company in created:
        world.companies[company.id] = company
    for company in created:
        if company.configured:
            world.emit("configuration.changed", company.id)
    return created


def _new_company(seed: SeedRequest, name: str, now: datetime, pulled: Mapping[str, CachedRows]) -> CompanyRecord:
    company_id = str(uuid4())
    commerce = ConnectionRecord(str(uuid4()), COMMERCE_KEY, "Linked", now)
    if seed.state == "pending":
        waiting = ConnectionRecord(str(uuid4()), seed.platform, "PendingAuth", now)
        return CompanyRecord(company_id, name, now, connections=(commerce, waiting))
    accounting = ConnectionRecord(str(uuid4()), seed.platform, "Linked", now, last_sync=now, pulled=pulled)
    pulls = tuple(PullRecord(str(uuid4()), accounting.id, data_type, now, now) for data_type in MAPPING_TYPES)
    configured = seed.state == "configured"
    return CompanyRecord(
        company_id,
        name,
        now,
        connections=(commerce, accounting),
        datasets=pulls,
        chosen=_selections(company_id, seed.platform, now) if configured else None,
        configured=configured,
    )


def _selections(company_id: str, platform: str, now: datetime) -> dict[str, Any]:
    """What a merchant chose in the examples of API notes 4.9 and 4.10, with this company's own ids."""
    start, prefix = starting_books.starting_books_of(platform), books.id_prefix(company_id, platform)
    midnight = (now - _START_DATE_AGE).strftime("%Y-%m-%dT00:00:00Z")
    return {
        "enabled": True,
        "schedule": {
            "selectedFrequency": "Daily",
            "startDate": midnight,
            "syncHourUtc": 0,
            "timeZone": None,
        },
        "configuration": {
            "sales": _sales_selections(start, prefix),
            "payments": {"syncPayments": True, "accounts": _selected_accounts(_PAYMENT_ACCOUNT_LINES, start, prefix)},
            "fees": {
                "feesSupplier": {"selectedSupplierId": prefix + start.suppliers[0][0]},
                "syncFees": True,
                "accounts": _selected_accounts(_FEE_ACCOUNT_LINES, start, prefix),
            },
        },
    }


def _sales_selections(start: StartingBooks, prefix: str) -> dict[str, Any]:
    by_rate = {rate: code for code, _, rate in reversed(start.taxes) if rate is not None}
    return {
        "syncSales": True,
        "accounts": _selected_accounts(_SALES_ACCOUNT_LINES, start, prefix),
        "invoiceStatus": {"selectedInvoiceStatus": "Submitted"},
        "salesCustomer": {"selectedCustomerId": prefix + start.customers[0][0]},
        "taxRates": {rate: {"selectedTaxRateId": by_rate[float(rate)]} for rate in start.offered_rates},
        "newTaxRates": {"selectedDefaultZeroTaxRateId": by_rate[0.0]},
        "grouping": {
            "groupingPeriod": {"selectedGroupingPeriod": "Daily"},
            "groupingLevels": {"invoiceLevel": {"selectedGroupByOptions": ["Location"]}},
        },
    }


def _selected_accounts(rows: Mapping[str, int], start: StartingBooks, prefix: str) -> dict[str, Any]:
    return {row: {"selectedAccountId": prefix + start.accounts[line][0]} for row, line in rows.items()}
