"""A commit a minute for an hour, reverts, broken heads, a kill and a forced push: what two controllers make of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.stage import Figure
from benchmarks.temporary_place import place_over_tcp
from tests.end_to_end.git_hour import MINUTES, tell_git_hour
from tests.postgresql import own_server


def measure() -> Iterator[Figure]:
    """Needs about a minute and a half, whatever the machine."""
    with place_over_tcp() as place, own_server() as server, TemporaryDirectory() as folder:
        followed = tell_git_hour(place, Path(folder), server.url)
    yield Figure("merchants that swung back in an hour of commits", len(followed.went_back), "", "<= 0")
    yield Figure(f"  documents written, of {MINUTES + 1} commits", followed.written, "", f">= {MINUTES / 2:.0f}")
