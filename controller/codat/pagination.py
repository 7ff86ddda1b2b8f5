"""All companies, from pages that may shift, repeat, fall short or contradict themselves while they are read.

Pages are offsets into a list that moves (API notes 1.6): where a company is deleted between two of them, a later one
slides into a page that was read already, and is never seen; a total that agrees proves nothing once another company
was created. So every page begins inside the one before it, and must repeat the rows that were seen there:

    page 1 of 5,000   ├──────────────────┤
    page 2 of 4,999                     ├┤─────────────────┤          one row again
    page 3 of 4,998                                       ├┤───────────────┤     two rows again

The list is asked for in the order of creation, so that new companies stand at its end. It is complete when its pages
overlap without a difference, it has as many rows as Codat counts, and Codat says that no page follows. After three
tries without that, it is reported as incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from controller.codat import from_wire, wire
from controller.codat.wire_model import UnexpectedRow
from controller.model.errors import Rejected, RemoteError
from controller.model.id_format import has_id_format
from controller.model.observed import Company, Listing
from controller.quick_dataclasses import dataclass

MAX_LISTING_TRIES = 3

MAX_SIZE_REDUCTION = 100
"""A page that is shorter by more than this factor tells of no new page size: by such, a list would take thousands of
requests."""

UNPROVABLE_LISTING = "listing-unprovable"
"""The finding's code, with which the reason of such an incomplete listing begins."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to ask for: rows `start` to `start + size`. Pages are numbered from 1, rows from 0."""

    number: int
    size: int

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size

    @property
    def end(self) -> int:
        return self.number * self.size


FetchPage = Callable[[PageRequest], Awaitable[wire.CompanyPageJson]]


class PagesInconsistent(Exception):
    """The pages contradict each other, or the total: another try may succeed."""


class PageSizeReduced(Exception):
    """Codat serves smaller pages than it was asked for: start over with its size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


def next_page(seen: int, max_size: int) -> PageRequest:
    """The page that begins at the last of `seen` rows or before it, and reaches furthest.

    Where no size does both (pages of a few rows only), the page that begins right after: it overlaps nothing.
    """
    if not seen:
        return PageRequest(1, max_size)
    last = seen - 1
    # A page begins at a multiple of its size, so each size has exactly one page with the last row in it.
    size = max(range(1, max_size + 1), key=lambda size: (last // size + 1) * size)
    furthest = PageRequest(last // size + 1, size)
    return furthest if furthest.end > seen else PageRequest(seen // max_size + 1, max_size)


async def list_companies(fetch: FetchPage, max_size: int, now: Callable[[], datetime]) -> Listing:
    """All companies, each once; `Listing` says whether they are complete, and if not, why.

    Another error of Codat makes it incomplete with what was read so far. Raises Rejected and ApiUnusable.
    """
    companies: dict[str, Company] = {}
    failures: list[str] = []
    reductions = 0
    started_at = now()
    while len(failures) < MAX_LISTING_TRIES and reductions < MAX_LISTING_TRIES:
        started_at, builder = now(), ListingBuilder(fetch, max_size)
        try:
            await builder.read_all()
            unreadable = "; ".join(builder.unreadable_rows)
            return Listing(tuple(builder.companies.values()), not unreadable, started_at, unreadable)
        except PageSizeReduced as reduced:
            max_size, reductions = reduced.size, reductions + 1
        except PagesInconsistent as inconsistent:
            failures.append(str(inconsistent))
        except Rejected:  # the caller asks for another order or page size
            raise
        except RemoteError as error:
            return Listing(tuple((companies | builder.companies).values()), False, started_at, str(error))
        # An incomplete listing still proves that these exist: keep what every try saw.
        companies |= builder.companies
    reason = failures[-1] if failures else f"each page was shorter than the one before, {max_size} rows at last"
    return Listing(
        tuple(companies.values()),
        False,
        started_at,
        f"{UNPROVABLE_LISTING}: in {MAX_LISTING_TRIES} tries {reason}; "
        f"{len(companies)} companies were seen, {builder.total_count} are counted",
    )


class ListingBuilder:
    """One try to read the whole list: its rows in order, and the companies in them.

    companies        by id
    unreadable_rows  why a row is no company, or not all of one
    total_count      what Codat counted in the last page
    """

    def __init__(self, fetch: FetchPage, max_size: int) -> None:
        self._fetch, self._max_size = fetch, max_size
        self._row_keys: list[str] = []
        self.companies: dict[str, Company] = {}
        self.unreadable_rows: list[str] = []
        self.total_count = 0

    async def read_all(self) -> None:
        """Read pages until none follows. Raises PagesInconsistent, PageSizeReduced, or an error of Codat."""
        max_rows = 0
        while True:
            request = next_page(len(self._row_keys), self._max_size)
            page = await self._fetch(request)
            self.total_count = page.total_results
            max_rows = max_rows or 2 * (page.total_results + self._max_size)
            if self._row_keys and request.start == len(self._row_keys):
                # This page repeats no row, so it proves nothing. Read the page before it again: if that is still
                # as it was, nothing slid from this page into it while this one was read.
                previous = await self._fetch(PageRequest(request.number - 1, request.size))
                self._compare_with_known([_row_key(row) for row in previous.results], request.start - request.size)
            new_rows = self._add_page(page, request)
            if self._is_last_page_or_raise(page, request, new_rows):
                return
            if len(self._row_keys) > max_rows:
                raise PagesInconsistent("the list grows as fast as it is read")

    def _add_page(self, page: wire.CompanyPageJson, request: PageRequest) -> int:
        """Add the page's rows behind those that are known, which it must repeat. Returns how many are new."""
        if page.page_number not in (None, request.number):
            raise PagesInconsistent(f"page {page.page_number} came for page {request.number}")
        if len(page.results) > request.size:
            raise PagesInconsistent(f"{len(page.results)} rows came for a page of {request.size}")
        keys = [_row_key(row) for row in page.results]
        repeated = len(self._row_keys) - request.start
        self._compare_with_known(keys[:repeated], request.start)
        for index, row in enumerate(page.results[repeated:], start=repeated):
            self._add_row(row, keys[index], f"results[{index}] of page {request.number}")
        return len(page.results) - repeated

    def _compare_with_known(self, keys: list[str], start: int) -> None:
        """PagesInconsistent unless `keys` begins with all known rows from `start` on."""
        known = self._row_keys[start:]
        for number, (before, now) in enumerate(zip(known, keys, strict=False), start=start + 1):
            if before != now:
                raise PagesInconsistent(f"row {number} was {before} and then {now}: the pages do not join")
        if len(keys) < len(known):
            raise PagesInconsistent(
                f"row {start + len(keys) + 1} was {known[len(keys)]} and then nothing: the pages do not join"
            )

    def _add_row(self, row: wire.CompanyJson | UnexpectedRow, key: str, place: str) -> None:
        company = None
        if isinstance(row, UnexpectedRow):
            # A company with an id exists, whatever else of its row is unreadable: it must not count as deleted.
            company_id, name = row.get("id"), row.get("name")
            if has_id_format(company_id):
                company = Company(company_id, name if isinstance(name, str) else "", unreadable_parts=row.why)
        elif has_id_format(row.id):
            company = from_wire.company_from(row)
        if key in self.companies:
            raise PagesInconsistent(f"company {key} stands in two rows")
        self._row_keys.append(key)
        if company is None or not company.name:
            reason = row.why if isinstance(row, UnexpectedRow) else "no id, or no name"
            self.unreadable_rows.append(f"{place} cannot be read: {reason}")
        if company:
            self.companies[key] = company

    def _is_last_page_or_raise(self, page: wire.CompanyPageJson, request: PageRequest, new_rows: int) -> bool:
        """Whether the list ends with this page, by Codat's total and by its link to a next page."""
        seen, total = len(self._row_keys), page.total_results
        has_next = None if page.links is None else page.links.next is not None
        if total < seen or (total == seen and has_next):
            another = ", and says that another page follows" if has_next else ""
            raise PagesInconsistent(f"Codat counts {total} companies and lists {seen}{another}")
        if total == seen:
            # Without a word of what follows, the end is believed when a further page brings no more.
            return has_next is False or new_rows <= 0
        if has_next is False or not page.results or new_rows <= 0:
            raise PagesInconsistent(f"{seen} of {total} companies came, and nothing follows")
        # Fewer rows than asked for, and not at the end: Codat has lowered the page size, so offsets are by its size.
        if len(page.results) * MAX_SIZE_REDUCTION < min(request.size, total):
            raise PagesInconsistent(
                f"{len(page.results)} rows came for a page of {request.size}, and {total} are counted"
            )
        if len(page.results) < request.size:
            raise PageSizeReduced(len(page.results))
        return False


def _row_key(row: wire.CompanyJson | UnexpectedRow) -> str:
    """What a row is recognised by when it comes again: its id, else what it holds."""
    row_id = row.id if isinstance(row, wire.CompanyJson) else row.get("id")
    if has_id_format(row_id):
        return str(row_id)
    return json.dumps(row.raw_row if isinstance(row, UnexpectedRow) else row.id)[:100]
