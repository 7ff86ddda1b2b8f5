"""How a state stands, looked at without making it, upgrading it or taking its lock."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from state import migrations
from state.database import existing_database
from state.lock import LockRow, lock_holder


@dataclass(frozen=True, slots=True)
class Standing:
    """A state as it was found.

    place     its address, without a password
    step      the step that its tables stand at; None where there is no state yet
    newest    the step that this version brings it to when it is opened
    lock      who holds it; None where nobody does, or nothing can be known of an older state's lock
    writable  this process may write there, as far as the file system says
    """

    place: str
    step: str | None
    newest: str
    lock: LockRow | None
    writable: bool


async def standing(url: str) -> Standing:
    """Raises StateUnusable where it cannot be reached, or is somebody else's."""
    async with existing_database(url) as database:
        place, writable = _place(url), _writable(url)
        if database is None:
            return Standing(place, None, migrations.HEAD, None, writable)
        async with database.reading() as connection:
            step = await connection.run_sync(migrations.step_of)
        lock = await lock_holder(database) if step == migrations.HEAD else None
        return Standing(place, step, migrations.HEAD, lock, writable)


def _place(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _writable(url: str) -> bool:
    """The file and its folder, or the nearest folder that there is: those in between are made."""
    path = make_url(url).database if url.startswith("sqlite:") else None
    if path is None:
        return True
    file = Path(path).absolute()
    folder = next(each for each in file.parents if each.exists())
    return os.access(folder, os.W_OK | os.X_OK) and (not file.exists() or os.access(file, os.W_OK))
