"""Requests are what a rate-limited API is paid with: how many each look and each write takes, counted at the server.

Beside the company, which a look at one merchant reads by its id and a look at many finds in the list:

                     in sync   a change, or a first mapping
looked at alone      1 (read)  3 (read, POST, read)
one of a fleet       1         4 (read, read anew, POST, read)

and the data status where the document of a first mapping does not show that all of the books were read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from controller.daemon.loop import run_and_record_pass
from controller.model.report import Applied, FleetReport
from controller.reconcile.recent_documents import MAX_AGE_S
from state.lock import StateLock
from tests.emulator import Emulator
from tests.end_to_end.interfere import at_request, interfere, is_call
from tests.end_to_end.place import (
    GET_COMPANY,
    GET_CONFIGURATION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    UK_PROFILE,
    Place,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)
from tests.end_to_end.stepped_controller import running_service
from tests.stopwatch import Stopwatch

GET_DATA_STATUS = "GET /companies/{companyId}/dataStatus"
NAMES = ("ann", "bob", "cat")
SWITCHED_OFF = {"enabled": False}
NOTE = {"note": "the merchant's own"}


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator, watch: Stopwatch) -> Place:
    """Without a socket, and with time that only passes with requests and where a test lets it."""
    place = Place(tmp_path, emulator_in_process)
    place.environment = watch.environment(place.environment)
    return place


def consented(place: Place, *names: str) -> None:
    """Merchants whose books are linked and read, and who were never configured."""
    place.profile()
    for name in names:
        place.merchant(name)
    place.apply()
    place.consent_everyone()


def look(place: Place, name: str, happens: Callable[[], object] = lambda: None) -> Counter[str]:
    """What `run` asks once it hears of one merchant to whom something happened."""

    async def served() -> Counter[str]:
        async with running_service(place) as service:
            happens()
            with place.count_requests() as counts:
                await run_and_record_pass((name,), service.daemon, urgent=True)
        return counts

    return asyncio.run(served())


# -- What a look takes


def test_run_reads_one_document_of_a_merchant_in_sync(place: Place) -> None:
    place.provision(*NAMES)
    assert look(place, "bob") == {GET_COMPANY: 1, GET_CONFIGURATION: 1}


def test_run_makes_a_change_by_one_read_one_post_and_one_read(place: Place) -> None:
    place.provision(*NAMES)
    counts = look(place, "bob", lambda: place.edit_in_portal("bob", SWITCHED_OFF))
    assert counts == {GET_COMPANY: 1, GET_CONFIGURATION: 2, SAVE_CONFIGURATION: 1}
    assert place.document("bob")["enabled"] is True


def test_run_makes_a_first_mapping_by_as_many(place: Place) -> None:
    consented(place)
    place.merchant("ann")
    place.apply()
    counts = look(place, "ann", place.consent_everyone)
    assert counts == {GET_COMPANY: 1, GET_CONFIGURATION: 2, SAVE_CONFIGURATION: 1}
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


def test_a_first_mapping_asks_for_the_data_status_where_the_document_does_not_show_every_pull(place: Place) -> None:
    """Books without a supplier: it cannot tell whether suppliers were read. What it offers grew old meanwhile."""
    consented(place, "ann")
    place.profile(mapping={**UK_PROFILE["mapping"], "fees": {"sync": False}})
    company = place.company("ann")["id"]
    for each in place.emulator.control("GET", f"/companies/{company}/suppliers")["results"]:
        place.emulator.control("DELETE", f"/companies/{company}/suppliers/{each['id']}")
    with place.count_requests() as counts:
        place.apply("ann")
    assert counts == {GET_COMPANY: 1, GET_CONFIGURATION: 3, GET_DATA_STATUS: 1, SAVE_CONFIGURATION: 1}


def test_a_fleet_is_read_anew_before_each_post(place: Place) -> None:
    consented(place, *NAMES)
    with place.count_requests() as first:
        place.apply()
    for name in NAMES:
        place.edit_in_portal(name, SWITCHED_OFF)
    with place.count_requests() as change:
        place.apply()
    assert first == change == {LIST_COMPANIES: 1, GET_CONFIGURATION: 9, SAVE_CONFIGURATION: 3}


def test_an_apply_to_one_merchant_takes_two_requests_in_sync_and_four_with_a_post(place: Place) -> None:
    place.provision(*NAMES)
    with place.count_requests() as in_sync:
        place.apply("bob")
    place.edit_in_portal("bob", SWITCHED_OFF)
    with place.count_requests() as change:
        place.apply("bob")
    assert in_sync == {GET_COMPANY: 1, GET_CONFIGURATION: 1}
    assert change == {GET_COMPANY: 1, GET_CONFIGURATION: 2, SAVE_CONFIGURATION: 1}


# -- The read that planned is the read before the POST while it is fresh, and only then


@pytest.mark.parametrize(("seconds", "reads"), [(MAX_AGE_S - 0.001, 2), (MAX_AGE_S + 0.001, 3)])
def test_a_plan_that_somebody_thinks_about_longer_is_carried_out_on_a_fresh_read(
    place: Place, watch: Stopwatch, seconds: float, reads: int
) -> None:
    """What a merchant edits meanwhile is kept, but for within the moment that no condition of the API guards."""
    place.provision("ann")
    place.edit_in_portal("ann", SWITCHED_OFF)

    def agree(plan: object) -> bool:
        watch.pass_time(seconds)
        place.edit_in_portal("ann", NOTE)
        return True

    with place.count_requests() as counts:
        report = place.apply("ann", agree=agree)
    assert outcome_of(report, "ann", Applied).findings == ()
    assert counts[GET_CONFIGURATION] == reads
    assert (place.document("ann").get("note") == NOTE["note"]) is (reads == 3)


def test_a_lock_whose_proof_takes_long_is_followed_by_a_fresh_read(
    place: Place, watch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", SWITCHED_OFF)
    prove = StateLock.prove

    async def slow(lock: StateLock) -> None:
        watch.pass_time(MAX_AGE_S + 0.001)
        place.edit_in_portal("ann", NOTE)
        await prove(lock)

    monkeypatch.setattr(StateLock, prove.__name__, slow)
    with place.count_requests() as counts:
        place.apply("ann")
    assert counts[GET_CONFIGURATION] == 3
    assert place.document("ann")["note"] == NOTE["note"]


def test_a_post_that_has_to_wait_is_sent_on_a_fresh_read(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", SWITCHED_OFF)
    place.emulator.fault(SAVE_CONFIGURATION, "status", code=429, retryAfter="0")
    interfere(place, before=at_request(SAVE_CONFIGURATION, lambda: place.edit_in_portal("ann", NOTE)))
    with place.count_requests() as counts:
        place.apply("ann")
    assert (counts[SAVE_CONFIGURATION], counts[GET_CONFIGURATION]) == (2, 3)
    assert place.document("ann")["note"] == NOTE["note"]


def test_a_post_after_another_write_of_its_merchant_is_sent_on_a_fresh_read(place: Place) -> None:
    place.provision("ann")
    place.merchant("ann", company={"name": "ann and sons"}, enabled=False)
    with place.count_requests() as counts:
        place.apply("ann", allow=("disable",))
    assert (counts[SAVE_CONFIGURATION], counts[GET_CONFIGURATION]) == (1, 3)


def test_of_a_fresh_document_what_the_service_drops_is_named_all_the_same(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {**SWITCHED_OFF, **NOTE})

    async def drop(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if is_call(request, SAVE_CONFIGURATION):
            place.edit_in_portal("ann", {"note": None})
        return answer

    interfere(place, after=drop)
    (finding,) = outcome_of(place.apply("ann"), "ann", Applied).findings
    assert finding.field == "note"


# -- Books that the document takes for read, and Codat does not


def test_after_a_first_mapping_that_was_not_ready_the_data_status_is_asked_for(place: Place) -> None:
    consented(place, "ann")
    place.emulator.fault(SAVE_CONFIGURATION, "status", code=409)
    with place.count_requests() as before:
        place.apply("ann")
    with place.count_requests() as after:
        place.apply("ann")
    assert (before[GET_DATA_STATUS], after[GET_DATA_STATUS]) == (0, 1)
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


def test_however_many_are_not_ready_the_others_have_their_turn(place: Place) -> None:
    names = [f"m-{number:02}" for number in range(12)]
    consented(place, *names)
    place.emulator.fault(SAVE_CONFIGURATION, "status", times=11, code=409)
    report = place.apply(parallelism=1)
    assert isinstance(report, FleetReport)
    assert report.stop_reason is None
    assert outcome_of(report, names[-1], Applied)
    assert place.apply().stop_reason is None
    assert states_by_merchant(place.plan()) == dict.fromkeys(names, "in-sync")


def test_while_a_part_of_the_books_is_read_for_the_first_time_nothing_is_written(place: Place) -> None:
    consented(place)
    place.merchant("ann")
    place.apply()
    company = place.company("ann")["id"]
    books = place.accounting_connection("ann")["id"]
    place.emulator.control("POST", f"/companies/{company}/connections/{books}/authorize")
    place.emulator.advance("PT5S")
    with place.count_requests() as counts:
        report = place.apply("ann")
    assert list(findings_by_code(report.plan, "ann")) == ["data-not-pulled"]
    assert counts == {GET_COMPANY: 1, GET_CONFIGURATION: 1, GET_DATA_STATUS: 1}
