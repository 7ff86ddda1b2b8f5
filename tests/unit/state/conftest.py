"""A state in SQLite and one in PostgreSQL: every test that takes `url` or `store` runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from state import Store, open_state
from tests.postgresql import empty_schema, state_without_rows


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a state that nobody has opened yet, but for a test that has it opened by `store`."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/var/state.db"
        return
    provided = state_without_rows if "store" in request.fixturenames else empty_schema
    with provided(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_state(url) as opened:
        yield opened
