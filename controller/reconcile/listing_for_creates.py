"""What a run's creates lean on: a listing begun after the plans, good for 200 company creates and 30 seconds.

plans ─▶ listing ─▶ creates ─▶ listing ─▶ creates … ─▶ last create ─▶ one more look (`concurrent_creates`)

Names are not unique at Codat, and nobody there refuses a second company (API notes 1.9). A new merchant must not
cost a listing of its own either, so one serves many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import datetime, timedelta

from controller.model.observed import CompaniesByName, Company, Listing, companies_named, group_companies_by_name
from controller.quick_dataclasses import dataclass

MAX_CREATES_PER_LISTING = 200
MAX_LISTING_AGE = timedelta(seconds=30)
"""So many company creates lean on one listing, and so long after it began."""


@dataclass(slots=True)
class ListingForCreates:
    """A listing, and what it is still good for. `incomplete_reason`: why it says nothing; empty where it is whole."""

    began: datetime
    by_name: CompaniesByName
    ids: frozenset[str] = frozenset()
    incomplete_reason: str = ""
    creates_left: int = MAX_CREATES_PER_LISTING

    @classmethod
    def from_listing(cls, listing: Listing, began: datetime) -> ListingForCreates:
        return cls(
            began,
            group_companies_by_name(listing.companies),
            frozenset(company.id for company in listing.companies),
            "" if listing.complete else listing.incomplete_reason or "incomplete",
        )

    def named(self, name: str) -> tuple[Company, ...]:
        return companies_named(name, self.by_name)

    def is_good_for_one_more(self, now: datetime) -> bool:
        """Whether another create may lean on it. One that failed is the trouble of whoever asked for it: the next one
        reads it anew."""
        return bool(self.creates_left) and self.is_fresh(now) and not self.incomplete_reason

    def is_fresh(self, now: datetime) -> bool:
        # Below nothing: the clock was put back since, and how old it is nobody knows.
        return timedelta() <= now - self.began < MAX_LISTING_AGE


@dataclass(slots=True)
class RunCreates:
    """The look in use, and what this run has made.

    companies    by merchant its company's id
    connections  by merchant its company's id and the connection's
    accounts     by merchant, what was created in its books and not pulled since: by intent, the ids of the accounts
    """

    listing: ListingForCreates | None = None
    companies: dict[str, str] = field(default_factory=dict)
    connections: dict[str, tuple[str, str]] = field(default_factory=dict)
    accounts: dict[str, dict[int, tuple[str, ...]]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take_listing_for_create(
        self, read: Callable[[], Awaitable[Listing]], now: Callable[[], datetime]
    ) -> ListingForCreates:
        """What the next company create leans on: the last look while it is good for one more, else a new one."""
        async with self.lock:
            if self.listing is None or not self.listing.is_good_for_one_more(now()):
                began = now()
                self.listing = ListingForCreates.from_listing(await read(), began)
            self.listing.creates_left -= 1
            return self.listing
