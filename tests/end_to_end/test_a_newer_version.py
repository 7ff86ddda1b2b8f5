"""One version of merchantctl after another on one state: what the earlier one knew, and what it does beside the newer
one, which has brought the state up to its own schema between two passes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from controller.daemon.loop import end_where_another_version_took_over
from state import ReceivedDelivery, open_state
from state.database import open_existing_database_as_is
from state.errors import StateUnusable
from state.migrations import VERSION_TABLE
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, count_writes_by_call
from tests.end_to_end.stepped_controller import Fleet, Service
from tests.unit.state.older_states import make_older_state


@pytest.fixture
def fleet(tmp_path: Path, emulator_in_process: Emulator) -> Fleet:
    return Fleet(tmp_path, emulator_in_process, 2, enabled=True)


async def a_newer_version_comes(fleet: Fleet) -> None:
    async with open_existing_database_as_is(fleet.place.settings.state) as database:
        assert database is not None
        async with database.writing() as transaction:
            await transaction.execute(text("UPDATE state_version SET version_num = '9999'"))


ONE_LOCK = "0021"
"""The step of the versions that had one lock, and no rows of who is due."""


async def bring_back(place: Place) -> None:
    """The state as such a version would have left it: its tables, with what is in them now."""
    newer = place.database.rename(place.folder / "newer.db")

    def copy(connection: Connection) -> None:
        inspector = inspect(connection)
        with sqlite3.connect(newer) as source:
            known = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in known.intersection(inspector.get_table_names()) - {VERSION_TABLE}:
                columns = ", ".join(each["name"] for each in inspector.get_columns(table))
                for row in source.execute(f"SELECT {columns} FROM {table}"):
                    places = ", ".join("?" * len(row))
                    connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({places})", row)

    await make_older_state(place.settings.state, ONE_LOCK, copy)


async def receive_delivery(place: Place, company: str) -> None:
    async with open_state(place.settings.state) as store:
        now = place.environment.clock()
        await store.inbox.save_and_schedule_looks(ReceivedDelivery("d1", "connection.disconnected", company, now))
        assert len(await store.inbox.load_waiting_merchants()) == 1


def test_what_the_version_before_knew_is_taken_over_with_the_events_that_it_did_not_come_to(fleet: Fleet) -> None:
    (drifted,) = fleet.some(1)
    asyncio.run(receive_delivery(fleet.place, fleet.companies[drifted]))
    fleet.switch([drifted])
    asyncio.run(bring_back(fleet.place))

    async def story(service: Service) -> None:
        assert await service.daemon.run.store.inbox.load_waiting_merchants() == ()

    with fleet.place.count_requests() as counts:
        fleet.serve(story)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}, "nobody is created or configured anew"
    assert fleet.otherwise() == []


def test_nothing_is_written_any_more(fleet: Fleet) -> None:
    async def story(service: Service) -> None:
        fleet.switch(fleet.companies)
        await a_newer_version_comes(fleet)
        with fleet.place.count_requests() as counts, pytest.raises(StateUnusable, match="another version"):
            await service.told_of(fleet.companies)
        assert count_writes_by_call(counts) == {}

    fleet.serve(story)


def test_it_ends_though_nobody_is_due(fleet: Fleet) -> None:
    async def story(service: Service) -> None:
        await a_newer_version_comes(fleet)
        with pytest.raises(StateUnusable, match="another version"):
            await end_where_another_version_took_over(service.daemon)

    fleet.serve(story)
