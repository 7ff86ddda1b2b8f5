"""An answer from a slightly older copy, around a write: nobody is accused of anything before a second look."""

from __future__ import annotations

import pytest

from controller.model.report import Applied, FleetReport
from tests.end_to_end.place import (
    GET_CONFIGURATION,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    states_by_merchant,
)


def changed(place: Place) -> None:
    place.provision("ann")
    place.skip_waits()
    place.set_create_settle(5)
    place.merchant("ann", mapping={"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}})


def stale(place: Place, skip: int) -> None:
    """So many reads of the document are answered well, the next one from before the last write."""
    fault = {"match": GET_CONFIGURATION, "do": "stale", "times": 1, "skip": skip}
    place.emulator.control("POST", "/faults", fault)


def test_a_stale_read_after_the_write_is_read_again_before_anybody_is_accused(place: Place) -> None:
    """It said: somebody else writes too, or Codat keeps another value."""
    changed(place)
    stale(place, skip=2)
    with place.count_requests() as counts:
        report = place.apply()
    assert isinstance(report, FleetReport)
    assert isinstance(report.outcomes["ann"], Applied), report.outcomes
    assert (count_writes_by_call(counts), counts[GET_CONFIGURATION]) == ({SAVE_CONFIGURATION: 1}, 4)
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


@pytest.mark.parametrize("read", [0, 1], ids=["the look", "the read before the write"])
def test_a_stale_read_before_the_write_moved_nothing(place: Place, read: int) -> None:
    """It said: somebody else moved it since the plan was made, so it was not written over."""
    changed(place)
    place.edit_in_portal("ann", {"schedule": {"syncHourUtc": 7}})
    stale(place, skip=read)
    with place.count_requests() as counts:
        report = place.apply()
    assert isinstance(report, FleetReport)
    if read == 1:
        assert isinstance(report.outcomes["ann"], Applied), report.outcomes
        assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    place.apply()
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}
