"""A listing may be a little behind. What it lacks is asked for by its id before anything is made in its place."""

from __future__ import annotations

from pathlib import Path

from tests.crash.scenario import duplicates
from tests.emulator import Emulator
from tests.end_to_end.place import GET_COMPANY, LIST_COMPANIES, Place, count_writes_by_call


def test_a_bound_connection_that_the_list_does_not_show_yet_is_not_made_anew(
    tmp_path: Path, emulator: Emulator
) -> None:
    place = Place(tmp_path, emulator)
    place.profile()
    place.merchant("ann")
    place.apply()
    emulator.fault("GET /meta/companies", "stale")
    with place.count_requests() as counts:
        place.merchant("bob")
        place.apply(allow=("re-create",))
    assert duplicates(place) == []
    assert place.accounting_connection("ann")["status"] == "PendingAuth"
    assert counts[LIST_COMPANIES] == 3, (
        "the plans', the one that bob's create leans on, and the look for duplicates after it"
    )
    assert counts[GET_COMPANY] == 2, "ann, whose connection the list lacked; bob, before his connection was made"


def test_a_bound_connection_that_is_really_gone_is_made_anew(tmp_path: Path, emulator: Emulator) -> None:
    place = Place(tmp_path, emulator)
    place.profile()
    for name in ("ann", "bob"):
        place.merchant(name)
    place.apply()
    before = place.accounting_connection("ann")["id"]
    emulator.api.delete(f"/companies/{place.company('ann')['id']}/connections/{before}")
    with place.count_requests() as counts:
        place.apply(allow=("re-create",))
    assert place.accounting_connection("ann")["id"] != before
    assert sum(count_writes_by_call(counts).values()) == 1
