"""A whole fleet at once: companies that wait for consent, are linked, or are configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from controller.emulator import books, starting_books
from controller.emulator.datasets import MAPPING_TYPES
from controller.emulator.errors import ApiError
from controller.emulator.platforms import COMMERCE_KEY, PLATFORMS
from controller.emulator.records import Company, Connection, Dataset, Pulled
from controller.emulator.starting_books import StartingBooks
from controller.emulator.world import World

STATES = ("pending", "linked", "configured")
_MOST = 1_000_000
_STARTED_AGO = timedelta(days=30)

# section → row → which line of the starting books' accounts is selected (REFERENCE 4.9, 4.10)
_SALES = {"sales": 0, "refund": 1, "gratuity": 2, "prepaid": 3}
_FEES = {"paymentFee": 4, "paymentFeeRefund": 4}
_PAYMENTS = {"prepaidPayment": 5, "card": 6, "cash": 7, "payout": 8}


@dataclass(frozen=True, slots=True)
class Seed:
    """How many companies of which platform, in which state, and how they are called."""

    companies: int
    platform: str
    state: str
    prefix: str


def ordered(order: Mapping[str, Any]) -> Seed:
    """A seed from the body of `POST /_emulator/seed`. Raises ApiError 400 that says what is wrong."""
    seed = Seed(
        order.get("companies", 1),
        order.get("platform", "gbol"),
        order.get("state", "pending"),
        order.get("prefix", "m-"),
    )
    if not isinstance(seed.companies, int) or not 0 <= seed.companies <= _MOST:
        raise ApiError(400, f'"companies" is a whole number up to {_MOST}; got {seed.companies!r}')
    platform = PLATFORMS.get(seed.platform)
    if platform is None or platform.source_type != "Accounting":
        raise ApiError(400, f'"platform" is the key of an accounting platform; got {seed.platform!r}')
    if seed.state not in STATES:
        raise ApiError(400, f'"state" is one of {", ".join(STATES)}; got {seed.state!r}')
    if not isinstance(seed.prefix, str):
        raise ApiError(400, f'"prefix" is text; got {seed.prefix!r}')
    return seed


def sow(world: World, seed: Seed) -> list[Company]:
    """Make the companies. Nobody is told of their creation; configured ones are announced as such."""
    now = world.now()
    pulled = {data_type: Pulled(at=now, first=now) for data_type in MAPPING_TYPES}
    made = [_company(seed, f"{seed.prefix}{number:05d}", now, pulled) for number in range(seed.companies)]
    for company in made:
        world.companies[company.id] = company
    for company in made:
        if company.configured:
            world.emit("configuration.changed", company.id)
    return made


def _company(seed: Seed, name: str, now: datetime, pulled: Mapping[str, Pulled]) -> Company:
    company_id = str(uuid4())
    commerce = Connection(str(uuid4()), COMMERCE_KEY, "Linked", now)
    if seed.state == "pending":
        waiting = Connection(str(uuid4()), seed.platform, "PendingAuth", now)
        return Company(company_id, name, now, connections=(commerce, waiting))
    accounting = Connection(str(uuid4()), seed.platform, "Linked", now, last_sync=now, pulled=pulled)
    pulls = tuple(Dataset(str(uuid4()), accounting.id, each, now, now) for each in MAPPING_TYPES)
    configured = seed.state == "configured"
    return Company(
        company_id,
        name,
        now,
        connections=(commerce, accounting),
        datasets=pulls,
        chosen=_selections(company_id, seed.platform, now) if configured else None,
        configured=configured,
    )


def _selections(company_id: str, platform: str, now: datetime) -> dict[str, Any]:
    """What a merchant chose in the examples of REFERENCE 4.9 and 4.10, with this company's own ids."""
    start, prefix = starting_books.of(platform), books.id_prefix(company_id, platform)
    midnight = (now - _STARTED_AGO).strftime("%Y-%m-%dT00:00:00Z")
    return {
        "enabled": True,
        "schedule": {
            "selectedFrequency": "Daily",
            "startDate": midnight,
            "syncHourUtc": 0,
            "timeZone": None,
        },
        "configuration": {
            "sales": _sales(start, prefix),
            "payments": {"syncPayments": True, "accounts": _accounts(_PAYMENTS, start, prefix)},
            "fees": {
                "feesSupplier": {"selectedSupplierId": prefix + start.suppliers[0][0]},
                "syncFees": True,
                "accounts": _accounts(_FEES, start, prefix),
            },
        },
    }


def _sales(start: StartingBooks, prefix: str) -> dict[str, Any]:
    by_rate = {rate: code for code, _, rate in reversed(start.taxes) if rate is not None}
    return {
        "syncSales": True,
        "accounts": _accounts(_SALES, start, prefix),
        "invoiceStatus": {"selectedInvoiceStatus": "Submitted"},
        "salesCustomer": {"selectedCustomerId": prefix + start.customers[0][0]},
        "taxRates": {rate: {"selectedTaxRateId": by_rate[float(rate)]} for rate in start.offered_rates},
        "newTaxRates": {"selectedDefaultZeroTaxRateId": by_rate[0.0]},
        "grouping": {
            "groupingPeriod": {"selectedGroupingPeriod": "Daily"},
            "groupingLevels": {"invoiceLevel": {"selectedGroupByOptions": ["Location"]}},
        },
    }


def _accounts(rows: Mapping[str, int], start: StartingBooks, prefix: str) -> dict[str, Any]:
    return {row: {"selectedAccountId": prefix + start.accounts[line][0]} for row, line in rows.items()}
