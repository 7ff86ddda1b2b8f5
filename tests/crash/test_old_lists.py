"""A listing may be a little behind. What it lacks is asked for by its id before anything is made in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.crash.scenario import twins
from tests.end_to_end.place import COMPANIES, COMPANY, Place, writes


def test_a_bound_connection_that_the_list_does_not_show_yet_is_not_made_anew(tmp_path: Path, emulator: Any) -> None:
    place = Place(tmp_path, emulator)
    place.profile()
    place.merchant("ann")
    place.apply()
    emulator.fault("GET /meta/companies", "stale")
    with place.counted() as counts:
        place.merchant("bob")
        place.apply(allow=("re-create",))
    assert twins(place) == []
    assert place.accounting("ann")["status"] == "PendingAuth"
    assert (counts[COMPANIES], counts[COMPANY]) == (1, 1)


def test_a_bound_connection_that_is_really_gone_is_made_anew(tmp_path: Path, emulator: Any) -> None:
    place = Place(tmp_path, emulator)
    place.profile()
    for name in ("ann", "bob"):
        place.merchant(name)
    place.apply()
    before = place.accounting("ann")["id"]
    emulator.api.delete(f"/companies/{place.company('ann')['id']}/connections/{before}")
    with place.counted() as counts:
        place.apply(allow=("re-create",))
    assert place.accounting("ann")["id"] != before
    assert sum(writes(counts).values()) == 1
