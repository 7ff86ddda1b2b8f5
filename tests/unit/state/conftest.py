"""A state in SQLite and one in PostgreSQL: every test that takes `url` or `store` runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from state import Store, open_state
from tests.postgresql import empty_schema


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a state that nobody has opened yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/var/state.db"
        return
    with empty_schema(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_state(url) as opened:
        yield opened
