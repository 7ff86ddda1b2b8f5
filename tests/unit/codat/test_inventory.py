"""The list of all companies, from a server whose pages shift, repeat, fall short or fail."""

from __future__ import annotations

from typing import Any

import pytest

from controller.codat.client import open_client
from controller.model.errors import Unauthorized
from controller.model.observed import Listing
from tests.unit.codat.raw_server import DROP, RawServer, answer


def page(*ids: str, total: int) -> bytes:
    return answer(200, {"results": [{"id": one, "name": one} for one in ids], "totalResults": total})


async def listing_of(raw: RawServer, *answers: bytes) -> Listing:
    raw.script = list(answers)
    raw.usual = page(total=0)
    async with open_client(raw.url, "key", requests_per_minute=0) as client:
        return await client.companies()


def pages_asked(raw: RawServer) -> list[str]:
    return [seen.split("?")[1] for seen in raw.seen]


async def test_pages_are_counted_up_until_all_companies_came(raw: RawServer) -> None:
    listing = await listing_of(raw, page("a", "b", total=3), page("c", total=3))
    assert [company.id for company in listing.companies] == ["a", "b", "c"]
    assert (listing.complete, listing.why) == (True, "")
    assert pages_asked(raw) == ["page=1&pageSize=5000", "page=2&pageSize=5000"]


async def test_an_empty_fleet_is_complete(raw: RawServer) -> None:
    assert await listing_of(raw, page(total=0)) == Listing((), True)


async def test_a_short_page_is_not_the_last(raw: RawServer) -> None:
    listing = await listing_of(raw, page("a", total=3), page("b", total=3), page("c", total=3))
    assert listing.complete
    assert len(listing.companies) == 3


async def test_a_refused_page_size_falls_back_to_the_smaller_one(raw: RawServer) -> None:
    listing = await listing_of(raw, answer(400), page("a", total=1))
    assert listing.complete
    assert pages_asked(raw) == ["page=1&pageSize=5000", "page=1&pageSize=2000"]


async def test_a_list_that_is_refused_in_every_size_is_incomplete(raw: RawServer) -> None:
    listing = await listing_of(raw, answer(400), answer(400, {"error": "Malformed query."}))
    assert not listing.complete
    assert "Malformed query." in listing.why


async def test_a_company_that_came_twice_is_one(raw: RawServer) -> None:
    listing = await listing_of(raw, page("a", "b", total=3), page("b", "c", total=3))
    assert [company.id for company in listing.companies] == ["a", "b", "c"]
    assert listing.complete


async def test_an_empty_page_before_the_total_is_incomplete(raw: RawServer) -> None:
    listing = await listing_of(raw, page("a", total=3), page(total=3))
    assert not listing.complete
    assert listing.why == "1 of 3 companies came"


async def test_a_total_that_moved_is_incomplete(raw: RawServer) -> None:
    listing = await listing_of(raw, page("a", total=3), page("b", total=2))
    assert not listing.complete
    assert "from 3 to 2" in listing.why


async def test_a_service_that_repeats_itself_is_not_asked_for_ever(raw: RawServer) -> None:
    raw.usual = page("a", total=3)
    async with open_client(raw.url, "key", requests_per_minute=0) as client:
        listing = await client.companies()
    assert not listing.complete
    assert len(raw.seen) == 3


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
    listing = await listing_of(raw, page("a", total=3), *[mishap] * 5)
    assert [company.id for company in listing.companies] == ["a"]
    assert not listing.complete
    assert "GET /meta/companies" in listing.why


async def test_a_page_that_failed_once_is_asked_again_and_nothing_is_lost(raw: RawServer) -> None:
    listing = await listing_of(raw, page("a", total=2), DROP, page("b", total=2))
    assert listing.complete


async def test_a_wrong_key_is_told_as_such(raw: RawServer) -> None:
    with pytest.raises(Unauthorized):
        await listing_of(raw, answer(401))


@pytest.mark.parametrize("row", [{"name": "no id"}, None, "text", {"id": 7}])
async def test_a_page_with_a_row_that_is_no_company_is_not_believed(raw: RawServer, row: Any) -> None:
    broken = answer(200, {"results": [{"id": "a"}, row], "totalResults": 2})
    listing = await listing_of(raw, *[broken] * 5)
    assert not listing.complete
