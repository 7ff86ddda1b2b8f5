"""The lists that decide something, from a server whose pages shift, repeat, fall short or fail."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.codat import wire
from controller.codat.client import open_client
from controller.codat.pagination import PageRequest, list_companies
from controller.model.errors import ApiKeyRefused, UnexpectedAnswer
from controller.model.observed import Company, Listing
from tests import build
from tests.environments import hurried_sleep
from tests.unit.codat.raw_server import DROP, RawServer, answer


def page(*ids: str, total: int, more: bool = False) -> bytes:
    """Rows, what Codat counts, and whether it says that another page follows."""
    rows = [{"id": one, "name": one, "dataConnections": []} for one in ids]
    links = {"self": {"href": "/companies"}} | ({"next": {"href": "/companies?page=2"}} if more else {})
    return answer(200, {"results": rows, "totalResults": total, "_links": links})


async def listing_of(raw: RawServer, *answers: bytes) -> Listing:
    raw.script = list(answers)
    raw.usual = page(total=0)
    async with open_client(raw.url, "key", requests_per_minute=0, sleep=hurried_sleep) as client:
        return await client.companies()


def pages_asked(raw: RawServer) -> list[str]:
    return [seen.split("?")[1].removesuffix("&orderBy=created") for seen in raw.seen]


class Shelf:
    """A list of companies behind a network, cut into pages as it stands at each request; `clamp` = largest page."""

    def __init__(self, *ids: str, clamp: int = 5000) -> None:
        self.ids, self.clamp = list(ids), clamp
        self.asked: list[tuple[int, int]] = []
        self.between: dict[int, Callable[[], None]] = {}

    async def page(self, slice_: PageRequest) -> wire.CompanyPageJson:
        self.asked.append((slice_.number, slice_.size))
        size = min(slice_.size, self.clamp)
        start = (slice_.number - 1) * size
        rows = [{"id": one, "name": one, "dataConnections": []} for one in self.ids[start : start + size]]
        links = {"next": {"href": "/companies"}} if start + size < len(self.ids) else {}
        shown = {"results": rows, "totalResults": len(self.ids), "pageNumber": slice_.number, "_links": links}
        self.between.pop(len(self.asked), lambda: None)()
        return wire.CompanyPageJson.model_validate(shown)

    async def listing(self, largest: int = 5000) -> Listing:
        return await list_companies(self.page, largest, lambda: build.USUAL_NOW)


def names(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


async def test_one_page_with_hardly_a_row_does_not_make_a_list_of_ten_thousand_pages() -> None:
    shelf = Shelf(*names(10000), clamp=1)
    shelf.between[1] = lambda: setattr(shelf, "clamp", 5000)
    listing = await shelf.listing()
    assert (listing.complete, len(listing.companies), len(shelf.asked)) == (True, 10000, 4)


@pytest.mark.parametrize(
    ("companies", "requests"), [(0, 1), (4999, 1), (5000, 1), (5001, 2), (9998, 2), (10000, 3), (50000, 11)]
)
async def test_pages_that_overlap_cost_hardly_more_than_pages_that_do_not(companies: int, requests: int) -> None:
    shelf = Shelf(*names(companies))
    listing = await shelf.listing()
    assert (listing.complete, len(listing.companies), len(shelf.asked)) == (True, companies, requests)


@settings(deadline=None)
@given(count=st.integers(0, 300), largest=st.integers(1, 60), clamp=st.integers(1, 60))
def test_whatever_the_pages_every_company_is_seen(count: int, largest: int, clamp: int) -> None:
    shelf = Shelf(*names(count), clamp=clamp)
    listing = asyncio.run(shelf.listing(largest))
    assert listing.complete
    assert [company.id for company in listing.companies] == names(count)


@settings(deadline=None)
@given(data=st.data(), count=st.integers(12, 80), largest=st.integers(3, 12))
def test_a_listing_that_calls_itself_complete_has_everyone_who_was_there_all_along(
    data: st.DataObject, count: int, largest: int
) -> None:
    """Companies are deleted and created between any two pages, as many of one as of the other."""
    shelf, made = Shelf(*names(count)), itertools.count()

    def moved(place: int) -> Callable[[], None]:
        def change() -> None:
            del shelf.ids[place % len(shelf.ids)]
            shelf.ids.append(f"new{next(made)}")

        return change

    moves = st.dictionaries(st.integers(1, 40), st.integers(0, 100), max_size=6)
    shelf.between = {when: moved(place) for when, place in data.draw(moves).items()}
    before = set(shelf.ids)
    listing = asyncio.run(shelf.listing(largest))
    stayed = before & set(shelf.ids)
    assert not listing.complete or stayed <= {company.id for company in listing.companies}


async def test_a_list_that_shifts_at_every_try_is_unprovable_with_the_numbers() -> None:
    shelf = Shelf(*names(25))

    def shift() -> None:
        shelf.ids.pop(0)
        shelf.ids.append(f"new{len(shelf.asked)}")

    shelf.between = dict.fromkeys(range(1, 99, 1), shift)
    listing = await shelf.listing(10)
    assert not listing.complete
    assert listing.incomplete_reason.startswith("listing-unprovable: in 3 tries row 10 was ")
    assert "companies were seen, 25 are counted" in listing.incomplete_reason


async def test_a_clamped_page_starts_anew_with_the_size_served() -> None:
    shelf = Shelf(*names(5500), clamp=2000)
    listing = await shelf.listing()
    assert (listing.complete, len(listing.companies)) == (True, 5500)
    assert shelf.asked == [(1, 5000), (1, 2000), (2, 1999), (3, 1998)]


CONTRADICTIONS = {
    "counts none": (page("a", "b", total=0), "counts 0 companies and lists 2"),
    "counts less than none": (page("a", "b", total=-1), "counts -1 companies and lists 2"),
    "counts fewer": (page("a", "b", total=1), "counts 1 companies and lists 2"),
    "counts this page alone": (page("a", "b", total=2, more=True), "says that another page follows"),
    "counts more, and no page follows": (page("a", "b", total=3), "2 of 3 companies came"),
    "lists one twice": (page("a", "a", total=2), "company a stands in two rows"),
    "numbers another page": (answer(200, {"results": [], "totalResults": 0, "pageNumber": 7}), "page 7 came"),
}


@pytest.mark.parametrize(("contradiction", "why"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
async def test_a_list_that_contradicts_itself_is_tried_three_times_and_not_believed(
    raw: RawServer, contradiction: bytes, why: str
) -> None:
    listing = await listing_of(raw, *[contradiction] * 3)
    assert not listing.complete
    assert why in listing.incomplete_reason
    assert len(raw.seen) == 3


async def test_a_list_without_an_end_is_given_up() -> None:
    """Every page brings new companies, and the count grows with them."""
    number = itertools.count()

    class Endless(Shelf):
        async def page(self, slice_: PageRequest) -> wire.CompanyPageJson:
            self.ids += [f"more{next(number)}" for _ in range(3)]
            return await super().page(slice_)

    endless = Endless(*names(3))
    listing = await endless.listing(3)
    assert not listing.complete
    assert "grows as fast as it is read" in listing.incomplete_reason
    assert len(endless.asked) < 1000


async def test_without_a_word_of_what_follows_the_end_is_looked_for_once_more(raw: RawServer) -> None:
    silent = answer(200, {"results": [{"id": "a", "name": "a", "dataConnections": []}], "totalResults": 1})
    listing = await listing_of(raw, silent, silent)
    assert listing.complete
    assert len(raw.seen) == 2


async def test_an_empty_fleet_is_complete(raw: RawServer) -> None:
    before = datetime.now(UTC)
    listing = await listing_of(raw, page(total=0))
    assert listing == Listing((), True, listing.began_at)
    assert before <= listing.began_at <= datetime.now(UTC)


async def test_a_short_page_is_not_the_last() -> None:
    shelf = Shelf(*names(3), clamp=1)
    listing = await shelf.listing()
    assert (listing.complete, len(listing.companies)) == (True, 3)


async def test_a_refused_page_size_falls_back_to_the_smaller_one(raw: RawServer) -> None:
    listing = await listing_of(raw, answer(400), page("a", total=1))
    assert listing.complete
    assert pages_asked(raw) == ["page=1&pageSize=5000", "page=1&pageSize=2000"]


async def test_a_service_that_refuses_the_order_is_asked_without_it(raw: RawServer) -> None:
    listing = await listing_of(raw, answer(400), answer(400), page("a", total=1))
    assert listing.complete
    assert raw.seen[-1] == "GET /meta/companies?page=1&pageSize=5000"


async def test_a_list_that_is_refused_in_every_size_is_incomplete(raw: RawServer) -> None:
    listing = await listing_of(raw, *[answer(400)] * 3, answer(400, {"error": "Malformed query."}))
    assert not listing.complete
    assert "Malformed query." in listing.incomplete_reason


@pytest.mark.parametrize(
    "mishap",
    [
        DROP,
        answer(500),
        answer(200),
        answer(200, {"results": None, "totalResults": 3}),
        answer(200, b'{"results": [{"'),
    ],
)
async def test_what_came_before_a_page_that_failed_is_kept_but_incomplete(raw: RawServer, mishap: bytes) -> None:
    listing = await listing_of(raw, page("a", total=3, more=True), *[mishap] * 5)
    assert [company.id for company in listing.companies] == ["a"]
    assert not listing.complete
    assert "GET /meta/companies" in listing.incomplete_reason


async def test_a_page_that_failed_once_is_asked_again_and_nothing_is_lost(raw: RawServer) -> None:
    listing = await listing_of(raw, DROP, page("a", total=1))
    assert listing.complete


async def test_a_wrong_key_is_told_as_such(raw: RawServer) -> None:
    with pytest.raises(ApiKeyRefused):
        await listing_of(raw, answer(401))


ODD_ROWS = {
    "no id": ({"name": "b"}, ".id: field required"),
    "nothing": (None, "input should be"),
    "text": ("text", "input should be"),
    "a number as id": ({"id": 7}, ".id: input should be a valid string"),
    "an id that is another path": ({"id": "..", "name": "b"}, "no id"),
    "an object as name": ({"id": "b", "name": {}}, ".name: input should be a valid string"),
    "no name": ({"id": "b", "name": None}, "no name"),
}


@pytest.mark.parametrize(("row", "why"), ODD_ROWS.values(), ids=ODD_ROWS)
async def test_one_odd_row_spoils_no_other_and_the_listing_is_not_complete(raw: RawServer, row: Any, why: str) -> None:
    rows = [{"id": "a", "name": "a", "dataConnections": []}, row]
    listing = await listing_of(raw, answer(200, {"results": rows, "totalResults": 2, "_links": {}}))
    assert listing.companies[0] == Company("a", "a")
    assert (listing.complete, len(raw.seen)) == (False, 1)
    assert listing.incomplete_reason.startswith("results[1] of page 1 cannot be read")
    assert why in listing.incomplete_reason


@pytest.mark.parametrize(
    ("connections", "why"),
    [
        ([None], ".dataConnections[0]: input should be"),
        ([{"id": "x", "status": {}, "sourceType": "Accounting"}], ".dataConnections[0].status: input"),
        ([{"id": "x", "status": "Linked"}], ".dataConnections[0].sourceType: missing"),
        ([{"id": "../x", "status": "Linked", "sourceType": "Accounting"}], ".dataConnections[0].id: not an id"),
        (None, ".dataConnections: missing"),
        ("none", ".dataConnections: input should be a valid list"),
    ],
)
async def test_an_odd_connection_is_the_trouble_of_its_company_alone(
    raw: RawServer, connections: Any, why: str
) -> None:
    rows = [{"id": "a", "name": "a", "dataConnections": connections}, {"id": "b", "name": "b", "dataConnections": []}]
    listing = await listing_of(raw, answer(200, {"results": rows, "totalResults": 2, "_links": {}}))
    assert listing.complete
    assert listing.companies[0].unreadable_parts.startswith(why)
    assert listing.companies[1] == Company("b", "b")


def pushes(*keys: str, total: int) -> bytes:
    rows = [{"pushOperationKey": key, "status": "Success", "dataType": "chartOfAccounts"} for key in keys]
    return answer(200, {"results": rows, "totalResults": total})


OTHER_PUSHES = {
    "one begins while they are read, and pushes a row onto the next page": [
        pushes("b", "a", total=3),
        pushes("a", total=3),
    ],
    "fewer are counted than are there": [pushes("b", "a", total=0)],
    "there is no end": [pushes("b", "a", total=2**40)],
}


@pytest.mark.parametrize("pages", OTHER_PUSHES.values(), ids=OTHER_PUSHES)
async def test_accounts_on_their_way_that_are_not_all_read_are_not_told(raw: RawServer, pages: list[bytes]) -> None:
    *raw.script, raw.usual = [*pages, pushes(total=3)] if len(pages) > 1 else pages
    async with open_client(raw.url, "key", requests_per_minute=0, sleep=hurried_sleep) as client:
        with pytest.raises(UnexpectedAnswer, match="operations were read, and Codat counts"):
            await client.account_pushes("c1")
        assert len(raw.seen) <= 100
        raw.script, raw.usual = [pushes("c", "b", total=3)], pushes("a", total=3)
        assert [each.key for each in await client.account_pushes("c1")] == ["c", "b", "a"]
