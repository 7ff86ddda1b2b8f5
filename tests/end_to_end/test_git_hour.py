"""An hour in which a team commits once a minute, and two processes follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.git_hour import MINUTES, tell_git_hour
from tests.end_to_end.place import Place
from tests.postgresql import empty_schema


@pytest.mark.soak
@pytest.mark.over_tcp
def test_a_commit_a_minute_reverts_and_broken_heads_swing_nothing(
    place: Place, tmp_path: Path, postgresql: str
) -> None:
    pytest.importorskip("procrastinate")
    with empty_schema(postgresql) as state:
        followed = tell_git_hour(place, tmp_path, state)
    assert followed.went_back == ()
    assert followed.written >= MINUTES / 2, "most were carried out, each at its time"
