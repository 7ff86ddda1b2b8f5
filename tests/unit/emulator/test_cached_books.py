"""Books and the cache of them: what a pull takes over, and what it stamps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from controller.emulator.controls import seeding
from controller.emulator.service import books, cached_books
from controller.emulator.service import pulls as datasets
from controller.emulator.service.world import World
from tests.narrowing import present


def merchant(world: World, platform: str = "gbol") -> tuple[str, str]:
    (company,) = seeding.seed_companies(world, seeding.SeedRequest(1, platform, "linked", "m-"))
    return company.id, company.connections[1].id


def held(
    world: World, company_id: str, connection_id: str, data_type: str = "chartOfAccounts"
) -> dict[Any, dict[str, Any]]:
    company = world.companies[company_id]
    link = next(each for each in company.connections if each.id == connection_id)
    return {row["id"]: row for row in present(cached_books.cached_rows_json(company, link, data_type))}


def pull(world: World, company_id: str, connection_id: str, data_type: str = "chartOfAccounts") -> None:
    world.clock.advance(timedelta(seconds=1))
    datasets.record_finished_pull(world, company_id, connection_id, data_type)


def test_only_rows_that_changed_get_a_new_modified_date() -> None:
    world = World()
    company_id, link = merchant(world)
    before = held(world, company_id, link)
    changed, *others = before
    books.edit_row(world, company_id, "gbol", "chartOfAccounts", changed, {"name": "Takings"})
    pull(world, company_id, link)

    after = held(world, company_id, link)

    assert after[changed]["modifiedDate"] > before[changed]["modifiedDate"]
    assert [after[row] for row in others] == [before[row] for row in others]
    pull(world, company_id, link)
    assert held(world, company_id, link) == after


def test_a_row_that_came_and_went_between_two_pulls_was_never_seen() -> None:
    world = World()
    company_id, link = merchant(world)
    made = books.add_row(world, company_id, "gbol", "customers", {"customerName": "Ghost"})
    books.mark_row_deleted(world, company_id, "gbol", "customers", made["id"])
    pull(world, company_id, link, "customers")

    assert made["id"] not in held(world, company_id, link, "customers")


def test_a_row_that_was_pulled_and_then_deleted_stays_marked() -> None:
    world = World()
    company_id, link = merchant(world)
    row_id, *_ = held(world, company_id, link)
    books.mark_row_deleted(world, company_id, "gbol", "chartOfAccounts", row_id)
    pull(world, company_id, link)
    pull(world, company_id, link)

    assert held(world, company_id, link)[row_id]["metadata"] == {"isDeleted": True}


def test_a_first_pull_of_edited_books_leaves_out_what_was_deleted_before() -> None:
    world = World()
    (company,) = seeding.seed_companies(world, seeding.SeedRequest(1, "gbol", "pending", "m-"))
    link = company.connections[1].id
    row = books.rows(company, "gbol", "chartOfAccounts")[0]
    books.mark_row_deleted(world, company.id, "gbol", "chartOfAccounts", row["id"])
    pull(world, company.id, link)

    assert row["id"] not in held(world, company.id, link)
    assert len(held(world, company.id, link)) == 8


def test_bank_accounts_follow_the_accounts_they_are() -> None:
    world = World()
    company_id, link = merchant(world, "qhyg")
    row_id, *_ = held(world, company_id, link, "bankAccounts")
    books.edit_row(world, company_id, "qhyg", "chartOfAccounts", row_id, {"name": "Old till", "status": "Archived"})
    pull(world, company_id, link, "bankAccounts")

    bank = held(world, company_id, link, "bankAccounts")[row_id]

    assert (bank["accountName"], bank["status"]) == ("Old till", "Archived")


def test_new_ids_are_of_the_platforms_kind_and_not_taken() -> None:
    world = World()
    for platform in ("gbol", "qhyg"):
        company_id, _ = merchant(world, platform)
        known = {row["id"] for row in books.rows(world.companies[company_id], platform, "chartOfAccounts")}
        made = [books.add_row(world, company_id, platform, "chartOfAccounts", {"name": "n"})["id"] for _ in range(3)]
        assert len({*known, *made}) == len(known) + 3
        assert all(each.isdigit() == (platform == "qhyg") for each in made)


def test_ten_thousand_companies_have_ids_of_their_own() -> None:
    """On whole-number platforms too, where a number is short: a pair may meet, a crowd may not."""
    for platform in ("gbol", "qhyg"):
        prefixes = [books.id_prefix(f"company-{number}", platform) for number in range(10_000)]
        assert len(set(prefixes)) > 9_970
