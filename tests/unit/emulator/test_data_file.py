"""The data file: every world reads back as it was saved, and other people's files are left alone."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.emulator.controls import seeding
from controller.emulator.service import books, companies, configuration, connections
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.data_file import DataFile, UnusableDataFileError
from controller.emulator.service.world import World

ACTS = ("seed", "create", "connect", "authorise", "unlink", "delete", "edit", "portal", "drop", "table", "wait")


def act(world: World, what: str, number: int) -> None:
    """One of the things that can happen to a world."""
    known = list(world.companies.values())
    company = known[number % len(known)] if known else None
    if what == "seed":
        state = ("pending", "linked", "configured")[number % 3]
        seeding.seed_companies(world, seeding.SeedRequest(2, ("gbol", "qhyg")[number % 2], state, "m-"))
    elif what == "create":
        wanted = {"name": f"shop {number}", "description": "d", "tags": {"a": "b"}}
        companies.create(world, wanted, for_commerce=True)
    elif what == "table":
        world.table("rules")[str(number % 4)] = {"id": number, "list": [1, None, {"x": "é"}]}
    elif what == "wait":
        world.clock.advance(timedelta(seconds=number))
        world.run_due()
    elif company is not None:
        act_on(world, company, what, number)


def act_on(world: World, company: CompanyRecord, what: str, number: int) -> None:
    if what == "drop":
        companies.delete(world, company)
        return
    if what == "portal":
        configuration.edit_in_portal(world, company, {"x": number, "enabled": True})
    elif what == "connect":
        connections.create(world, company.id, "gbol")
    link = next(iter(connections.list_of_type(world.companies[company.id], "Accounting")), None)
    if link is None:
        return
    if what == "authorise":
        connections.authorise(world, company.id, link.id)
    elif what == "unlink" and link.status == "Linked":
        connections.unlink(world, company.id, link.id)
    elif what == "delete":
        connections.delete(world, company.id, link.id)
    elif what == "edit":
        row = books.rows(company, link.platform, "chartOfAccounts")[0]
        books.edit_row(world, company.id, link.platform, "chartOfAccounts", row["id"], {"name": f"n{number}"})


def contents(world: World) -> tuple[list[tuple[str, CompanyRecord]], dict[str, dict[str, Any]]]:
    return list(world.companies.items()), {name: dict(rows) for name, rows in world.tables.items() if rows}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 30), st.booleans()), max_size=25))
def test_whatever_happened_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, bool]]
) -> None:
    path = str(tmp_path_factory.mktemp("data") / "world.db")
    world, file = World(), DataFile(path)
    for what, number, saved in acts:
        act(world, what, number)
        if saved:
            file.save(world)
    file.save_and_close(world)

    again, file = World(), DataFile(path)
    file.load_into(again)
    file.save_and_close(again)

    assert contents(again) == contents(world)
    assert again.clock.offset == world.clock.offset


def test_a_save_without_changes_writes_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "world.db")
    world, file = World(), DataFile(path)
    seeding.seed_companies(world, seeding.SeedRequest(2, "gbol", "linked", "m-"))
    file.save(world)
    with sqlite3.connect(path) as other:
        before = other.execute("SELECT value FROM facts ORDER BY name").fetchall()
        file.save(world)
        assert other.execute("SELECT value FROM facts ORDER BY name").fetchall() == before
    other.close()
    file.save_and_close(world)


def test_the_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE precious (x)")
    theirs.close()
    before = path.read_bytes()

    with pytest.raises(UnusableDataFileError, match=r"theirs\.db"):
        DataFile(str(path))

    assert path.read_bytes() == before
