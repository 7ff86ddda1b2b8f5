"""`run` beside a newer merchantctl, which has brought the state up to its own schema between two passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from controller.daemon.loop import end_where_another_version_took_over
from state.database import open_existing_database_as_is
from state.errors import StateUnusable
from tests.emulator import Emulator
from tests.end_to_end.place import count_writes_by_call
from tests.end_to_end.stepped_controller import Fleet, Service


@pytest.fixture
def fleet(tmp_path: Path, emulator_in_process: Emulator) -> Fleet:
    return Fleet(tmp_path, emulator_in_process, 2, enabled=True)


async def a_newer_version_comes(fleet: Fleet) -> None:
    async with open_existing_database_as_is(fleet.place.settings.state) as database:
        assert database is not None
        async with database.writing() as transaction:
            await transaction.execute(text("UPDATE state_version SET version_num = '9999'"))


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
