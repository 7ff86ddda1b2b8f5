"""One merchant's trouble is nobody else's: quarantine, back-off, the breaker, and the last 24 hours of limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta

from controller.model.exit_codes import exit_code
from controller.model.report import Skipped
from controller.reporting.as_json import apply_json
from state import Quarantine, open_state
from tests.end_to_end.place import CREATE_COMPANY, SAVE_CONFIGURATION, Place, count_writes_by_call, outcome_of
from tests.narrowing import present

TWELVE = tuple(f"m-{number:02}" for number in range(12))


def stays(place: Place) -> Mapping[str, Quarantine]:
    """Who is left alone, as the state has it."""

    async def ask() -> Mapping[str, Quarantine]:
        async with open_state(place.settings.state) as store:
            return await store.quarantine.load()

    return asyncio.run(ask())


def fails(place: Place, *names: str, code: int, times: int = 1) -> None:
    """Codat refuses these merchants' next configurations."""
    for name in names:
        company = place.company(name)["id"]
        place.emulator.fault(f"POST /config/companies/{company}/sync/commerce", "status", code=code, times=times)


def drifted(place: Place, *names: str) -> None:
    for name in names:
        place.edit_in_portal(name, {"enabled": False})


# -- Failed for now


def test_whoever_failed_for_now_is_left_alone_by_a_run_that_nobody_asked_for(place: Place) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann")
    fails(place, "ann", code=500)
    place.apply(unattended=True)
    with place.count_requests() as counts:
        report = place.apply(unattended=True)
    assert count_writes_by_call(counts) == {}
    assert re.match(r"left alone until \d\d:\d\d:\d\d UTC after 1 failure: ", outcome_of(report, "ann", Skipped).reason)
    assert exit_code("apply", report) == 3
    asyncio.run(_let_its_time_pass(place))
    with place.count_requests() as later:
        place.apply(unattended=True)
    assert count_writes_by_call(later) == {SAVE_CONFIGURATION: 1}


async def _let_its_time_pass(place: Place) -> None:
    async with open_state(place.settings.state) as store:
        for stay in (await store.quarantine.load()).values():
            past = present(stay.until) - timedelta(minutes=1)
            await store.quarantine.put(stay.merchant, key=stay.key, reason=stay.reason, until=past, tries=stay.tries)


def test_a_person_who_applies_has_everyone_tried_at_once_and_a_success_releases(place: Place) -> None:
    place.provision("ann")
    drifted(place, "ann")
    fails(place, "ann", code=500, times=2)
    waits = []
    for _ in range(2):
        report = place.apply()
        (stay,) = stays(place).values()
        waits.append((stay.tries, round((present(stay.until) - report.ended_at).total_seconds() / 60)))
    assert waits == [(1, 1), (2, 2)]
    assert exit_code("apply", place.apply()) == 0
    assert stays(place) == {}
    assert place.document("ann")["enabled"] is True


def test_whoever_failed_for_now_is_tried_at_once_when_the_manifest_moves(place: Place) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann")
    fails(place, "ann", code=500)
    place.apply(unattended=True)
    place.merchant("ann", company={"name": "Ann and sons"})
    assert exit_code("apply", place.apply(unattended=True)) == 0


def test_whoever_has_nothing_left_to_do_is_released(place: Place) -> None:
    place.provision("ann")
    drifted(place, "ann")
    fails(place, "ann", code=400)
    place.apply()
    assert set(stays(place)) == {"ann"}
    place.edit_in_portal("ann", {"enabled": True})
    place.apply()
    assert stays(place) == {}


# -- Many failures


def test_many_failures_in_a_row_pause_the_writes_and_say_why_and_what_to_do(place: Place) -> None:
    place.provision(*TWELVE)
    drifted(place, *TWELVE)
    fails(place, *TWELVE, code=400)
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes", "--parallelism", "1")
    assert done.returncode == 3, done.stderr
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 10}
    assert "Ended early: 10 merchants in a row failed; their lines say with what; once that is mended" in done.stdout
    for name in TWELVE[10:]:
        assert f"{name}  skipped  not begun: 10 merchants in a row failed" in done.stdout
    assert "10 failed, 2 skipped" in done.stdout


def test_after_a_pause_nobody_is_blamed_and_the_next_apply_tries_them_all(place: Place) -> None:
    """Refused for good they were, all ten: had each waited until something of its own moves, none would ever go on."""
    place.provision(*TWELVE)
    drifted(place, *TWELVE)
    fails(place, *TWELVE, code=400)
    place.apply(parallelism=1)
    assert stays(place) == {}
    place.emulator.control("DELETE", "/faults")
    assert exit_code("apply", place.apply()) == 0
    assert all(place.document(name)["enabled"] for name in TWELVE)


def test_failures_scattered_among_successes_pause_nothing(place: Place) -> None:
    names = tuple(f"m-{number:02}" for number in range(24))
    place.provision(*names)
    drifted(place, *names)
    fails(place, *names[::2], code=400)
    report = place.apply(parallelism=1)
    assert report.stop_reason is None
    assert [type(each).__name__ for each in report.outcomes.values()] == ["Failed", "Applied"] * 12
    assert set(stays(place)) == set(names[::2])


def test_a_service_that_is_down_ends_the_creates_with_nothing_doubled(place: Place) -> None:
    place.profile()
    for name in TWELVE:
        place.merchant(name)
    place.emulator.fault(CREATE_COMPANY, "status", code=503, times=100)
    report = place.apply(parallelism=1)
    assert report.stop_reason == "10 merchants in a row failed"
    place.emulator.control("DELETE", "/faults")
    assert exit_code("apply", place.apply()) == 0
    assert [each["name"] for each in place.companies()] == list(TWELVE)


# -- The last 24 hours


def test_small_runs_that_nobody_asked_for_do_not_add_up_past_a_limit(place: Place) -> None:
    place.provision("ann", "bob", "cem")
    place.merchant("ann", enabled=False)
    assert exit_code("apply", place.apply(unattended=True)) == 0
    place.merchant("bob", enabled=False)
    with place.count_requests() as counts:
        report = place.apply(unattended=True)
    assert count_writes_by_call(counts) == {}
    assert exit_code("apply", report) == 4
    (finding,) = apply_json(report)["fleetFindings"]
    assert (finding["code"], finding["remedy"]) == ("disable-held", "merchantctl apply --allow disable")
    assert finding["cause"] == (
        "1 merchant to be switched off; 1 written in the last 24 hours; the limit of a run is 1 of 3 in 24 hours."
    )
    assert exit_code("apply", place.apply(allow=("disable",))) == 0
    assert place.document("bob")["enabled"] is False


def test_what_a_person_did_is_not_counted_against_a_run_that_nobody_asked_for(place: Place) -> None:
    place.provision("ann", "bob", "cem")
    for name in ("ann", "bob"):
        place.merchant(name, enabled=False)
        assert exit_code("apply", place.apply()) == 0
    place.merchant("cem", enabled=False)
    assert exit_code("apply", place.apply(unattended=True)) == 0
    assert place.document("cem")["enabled"] is False


def test_only_what_was_done_counts(place: Place) -> None:
    place.provision("ann", "bob")
    place.merchant("ann", enabled=False)
    fails(place, "ann", code=400)
    place.apply(unattended=True)
    place.merchant("ann")
    place.merchant("bob", enabled=False)
    assert exit_code("apply", place.apply(unattended=True)) == 0
