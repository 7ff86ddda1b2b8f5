"""Who was unlinked, linked, renamed or deleted, found without a webhook and without asking for everyone one by one.

every minute       one request for the companies of which a connection is not linked: whoever came to be in that list,
                   left it, or stands otherwise in it, is looked at at once
every ten minutes  the complete listing: whoever has another name or other connections, or is not in it any more; and
                   which companies nobody claims, so that nobody has to be looked at to know that

Only what differs from the listing before, or from a look since, is an event. When it was pulled last says nothing: at
midnight that moves for everyone. A listing that is not whole says nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from math import ceil

import structlog

from controller.codat.client import Reader
from controller.codat.rate_limiter import DAY_S
from controller.daemon.scheduler import Timer
from controller.daemon.workqueue import Lane, Queue
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.errors import ApiUnusable, RemoteError
from controller.model.observed import Company, Listing
from controller.quick_dataclasses import dataclass
from state import Binding, Store
from state.errors import StateProblem

NOT_LINKED_STATUSES = ("PendingAuth", "Unlinked", "Deauthorized")
LINKED_STATUS = "Linked"

COMPLETE_LISTING_INTERVAL = timedelta(minutes=10)

COMPLETE_LISTING_SHARE = 0.03
STATUS_LISTING_SHARE = 0.07
"""Of the requests that Codat allows in a day, so many at most are for either: some clients have a thousand."""

ROWS_PER_REQUEST = 5000

log = structlog.get_logger()

ConnectionStatuses = frozenset[tuple[str, str]]
"""(connection id, status) of each connection of a company."""

CompanyRow = tuple[str, ConnectionStatuses]
"""What of a company is compared: its name, and how its connections stand."""


@dataclass(slots=True)
class ListingWatcher:
    """Compares each listing with the one before.

    interval_s        seconds from one look to the next, at least
    record_unclaimed  is told of each complete listing the companies that no merchant of the state has: by id the name
    """

    api: Reader
    store: Store
    queue: Queue
    now: Callable[[], datetime]
    interval_s: float
    record_unclaimed: Callable[[Mapping[str, str]], None]
    companies: dict[str, CompanyRow] | None = None
    listed_at: datetime | None = None
    statuses_listed_at: datetime | None = None
    failing: bool = False

    @property
    def timer(self) -> Timer:
        return Timer("listings", self.interval_s, self.poll, at_once=True)

    def record_read_statuses(self, company: Company) -> None:
        """A look has just read it by its id: how its connections stand by now is no event at the next listing, which
        would lead to the same look once more. Its name is: the look that finds another one puts it right."""
        if self.companies and (before := self.companies.get(company.id)):
            self.companies[company.id] = (before[0], _company_row(company)[1])

    async def poll(self) -> None:
        """One listing, where one is due. The first is the complete one that all others are compared with."""
        try:
            if self._is_due(self.listed_at, COMPLETE_LISTING_INTERVAL, COMPLETE_LISTING_SHARE, self._company_count):
                await self._poll_all_companies()
            elif self._is_due(self.statuses_listed_at, timedelta(), STATUS_LISTING_SHARE, self._not_linked_count):
                await self._poll_not_linked_companies()
        except (ApiUnusable, RemoteError, StateProblem) as error:
            self._warn_once(str(error))

    async def _poll_all_companies(self) -> None:
        listing = await self.api.companies()
        if not self._is_usable_or_warn(listing):
            return
        # Before the listing takes the place of the one before: where the state does not answer, the next one compares.
        bindings = await self.store.bindings.load()
        before, self.companies = self.companies, {each.id: _company_row(each) for each in listing.companies}
        # A complete listing tells the statuses, too; by its beginning, since what happened while it was read may lack.
        self.listed_at = self.statuses_listed_at = listing.began_at
        # As a look at everyone counts: who was taken down has its company no more.
        claimed = {each.company_id for each in bindings if not each.retired_at}
        self.record_unclaimed({each.id: each.name for each in listing.companies if each.id not in claimed})
        if before is not None:
            self._enqueue_merchants_of(changed_company_ids(before, self.companies), bindings)

    async def _poll_not_linked_companies(self) -> None:
        """Raises AssertionError before the first complete listing."""
        assert self.companies is not None, "the first listing is a complete one"
        listing = await self.api.companies(connection_statuses=NOT_LINKED_STATUSES)
        if not self._is_usable_or_warn(listing):
            return
        is_news = bool(changed_company_ids(self.companies, merge_status_listing(self.companies, listing.companies)))
        bindings = await self.store.bindings.load() if is_news else ()
        # What was listed before, as of now: a look may have read somebody while the state was asked.
        before, self.companies = self.companies, merge_status_listing(self.companies, listing.companies)
        self.statuses_listed_at = listing.began_at
        if is_news:
            self._enqueue_merchants_of(changed_company_ids(before, self.companies), bindings)

    def _enqueue_merchants_of(self, company_ids: Collection[str], bindings: Iterable[Binding]) -> None:
        merchants = sorted(each.merchant for each in bindings if each.company_id in company_ids)
        if merchants:
            log.info("merchants_queued_by_listing", merchants=len(merchants))
            self.queue.add(merchants, lane=Lane.EVENT)

    def _is_usable_or_warn(self, listing: Listing) -> bool:
        if not listing.complete:
            self._warn_once(listing.incomplete_reason)
        elif self.failing:
            self.failing = False
            log.info("listing_readable_again")
        return listing.complete

    def _warn_once(self, reason: str) -> None:
        """Once, until one is whole again."""
        if not self.failing:
            self.failing = True
            log.warning("listing_unreadable", reason=reason)

    def _is_due(self, listed_at: datetime | None, floor: timedelta, share: float, rows: int) -> bool:
        if listed_at is None:
            return True
        quota = self.api.quota
        wait = poll_interval(floor, quota.limit if quota else None, rows, share)
        # A timer is early or late by a little: a tenth of a turn is no reason to wait for the next one.
        elapsed = self.now() - listed_at
        return elapsed >= wait - timedelta(seconds=self.interval_s / 10) or elapsed < -MAX_CLOCK_DIFFERENCE

    @property
    def _company_count(self) -> int:
        return len(self.companies or ())

    @property
    def _not_linked_count(self) -> int:
        return sum(_is_not_linked(row) for row in (self.companies or {}).values())


def poll_interval(floor: timedelta, daily_limit: int | None, rows: int, share: float) -> timedelta:
    """How long after a listing of so many rows the next one comes: never more than a share of a day's requests."""
    if not daily_limit:
        return floor
    requests = ceil(rows / ROWS_PER_REQUEST) or 1
    return max(floor, timedelta(seconds=DAY_S * requests / (daily_limit * share)))


def changed_company_ids(before: Mapping[str, CompanyRow], now: Mapping[str, CompanyRow]) -> frozenset[str]:
    """The ids of whoever came, went, or is otherwise than before."""
    return frozenset(id_ for id_ in before.keys() | now.keys() if before.get(id_) != now.get(id_))


def merge_status_listing(companies: Mapping[str, CompanyRow], not_linked: Iterable[Company]) -> dict[str, CompanyRow]:
    """The companies of the last complete listing, where those of whom a connection is not linked are exactly these.

    Whoever was one of them and is none any more has been linked, or deleted: the next complete listing tells.
    """
    listed = {each.id: _company_row(each) for each in not_linked}
    linked = {
        id_: (name, frozenset((connection, LINKED_STATUS) for connection, _ in statuses))
        for id_, (name, statuses) in companies.items()
        if id_ not in listed and _is_not_linked((name, statuses))
    }
    return {**companies, **linked, **listed}


def _company_row(company: Company) -> CompanyRow:
    return company.name, frozenset((each.id, each.status) for each in company.connections)


def _is_not_linked(row: CompanyRow) -> bool:
    return any(status in NOT_LINKED_STATUSES for _, status in row[1])
