"""A daily quota or a company limit that runs out: where it ends a run, what the report keeps, how it goes on."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, time, timedelta

import pytest

from controller.model.exit_codes import exit_code
from controller.model.report import Failed, FleetPlan, FleetReport, Skipped
from controller.reporting.as_json import apply_json, drift_json, plan_json, status_json
from controller.reporting.text import apply_text, plan_text
from controller.reporting.text_drift_and_status import drift_text
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)

SIX = tuple(f"m-{number}" for number in range(6))


@pytest.fixture(autouse=True)
def _noon(place: Place) -> None:
    """The day's end is far away, whenever the tests run."""
    noon = datetime.combine(_emulated_now(place).date() + timedelta(days=1), time(12, tzinfo=UTC))
    place.emulator.advance(f"PT{int((noon - _emulated_now(place)).total_seconds())}S")


def _emulated_now(place: Place) -> datetime:
    return datetime.fromisoformat(place.emulator.control("GET", "/clock")["now"])


def is_midnight(resume_at: datetime | str | None, place: Place) -> bool:
    """Whether that instant of ours is the end of the emulated day."""
    when = datetime.fromisoformat(resume_at) if isinstance(resume_at, str) else resume_at
    now = _emulated_now(place)
    end = datetime.combine(now.date() + timedelta(days=1), time(tzinfo=UTC))
    return when is not None and abs(when - datetime.now(UTC) - (end - now)) < timedelta(seconds=5)


def only(place: Place, requests: int) -> None:
    """So many requests are left of the day."""
    place.emulator.control("POST", "/limits", {"perDay": requests})


def next_day(place: Place) -> None:
    place.emulator.advance("PT13H")
    only(place, 1000)


def results(report: FleetReport) -> list[str]:
    return [each["outcome"]["result"] for each in apply_json(report)["merchants"]]


def new_fleet(place: Place) -> None:
    place.profile()
    for name in SIX:
        place.merchant(name)
    assert place.run_in_process("state", "rebind").returncode == 0, (
        "whose account it is costs a request once, and not here"
    )


def drifted_fleet(place: Place) -> None:
    place.provision(*SIX)
    for name in SIX:
        place.edit_in_portal(name, {"enabled": False})


# -- The daily quota


def test_a_quota_that_ends_between_writes_ends_the_run_with_the_report_kept(place: Place) -> None:
    new_fleet(place)
    only(place, 12)
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes", "--parallelism", "1", "-o", "json")
    assert done.returncode == 3, done.stderr
    assert sum(counts.values()) <= 12, "no 429 was drawn"
    assert counts[CREATE_CONNECTION] >= 2
    report = json.loads(done.stdout)
    told = [each["outcome"]["result"] for each in report["merchants"]]
    assert told == sorted(told, key=["done", "failed", "skipped"].index), told
    assert (told[0], told[-1], told.count("failed") <= 1) == ("done", "skipped", True)
    assert report["merchants"][5]["outcome"]["reason"] == "not begun: Codat's quota of requests is used up"
    assert report["stopped"] == "Codat's quota of requests is used up"
    assert is_midnight(report["resumeAt"], place)


def test_on_the_next_day_apply_does_the_rest_and_there_is_no_twin(place: Place) -> None:
    new_fleet(place)
    for requests in (9, 9):
        only(place, requests)
        report = place.apply()
        assert exit_code("apply", report) in (3, 5), "5 where the last look was not answered any more"
        assert re.search(r"Writes may go on after \d{4}-\d\d-\d\d \d\d:\d\d UTC", apply_text(report))
        next_day(place)
    assert exit_code("apply", place.apply()) == 0
    assert [each["name"] for each in place.companies()] == list(SIX)
    assert all(len(each["dataConnections"]) == 2 for each in place.companies())


def test_a_quota_that_ends_before_the_read_back_leaves_a_write_that_the_next_run_finds_done(place: Place) -> None:
    drifted_fleet(place)
    only(place, 1 + 6 + 2)
    report = place.apply(parallelism=1)
    assert results(report) == ["failed"] + ["skipped"] * 5
    assert outcome_of(report, "m-0", Failed).writes == 1
    next_day(place)
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 5}


def test_a_quota_that_ends_while_everyone_is_read_writes_nothing_and_asks_nobody(place: Place) -> None:
    drifted_fleet(place)
    only(place, 1 + 3)

    def agree(plan: FleetPlan) -> bool:
        pytest.fail("nobody is asked about what cannot be done")

    with place.count_requests() as counts:
        report = place.apply(agree=agree)
    assert count_writes_by_call(counts) == {}
    assert exit_code("apply", report) == 5, "who was not read may be in any state"
    assert sorted(results(report)) == ["nothing"] * 3 + ["skipped"] * 3
    assert sorted(states_by_merchant(report.plan).values()) == ["change"] * 3 + ["unknown"] * 3
    assert is_midnight(report.resume_at, place)
    text = apply_text(report)
    assert "3 of 6 merchants were not read" in text
    shown = text[: text.index("Not everything was read")]
    assert "unknown  since" in shown, "the plan was not shown before, and is shown with the report"
    assert all(each.merchant in shown for each in report.plan.plans)
    next_day(place)
    assert exit_code("apply", place.apply()) == 0


def test_a_saved_plan_says_of_who_was_not_read_that_and_not_that_it_moved(place: Place) -> None:
    drifted_fleet(place)
    saved = plan_json(place.plan())
    only(place, 1 + 2)
    report = place.apply(saved=saved)
    assert exit_code("apply", report) == 5
    assert sorted(states_by_merchant(report.plan).values()) == ["change"] * 2 + ["unknown"] * 4
    assert {each.reason for each in report.outcomes.values() if isinstance(each, Skipped)} == {
        "not begun: Codat's quota of requests is used up"
    }
    next_day(place)
    assert exit_code("apply", place.apply(saved=saved)) == 0
    assert all(place.document(name)["enabled"] for name in SIX)


def test_a_quota_that_is_just_enough_for_reading_ends_the_run_before_the_first_write(place: Place) -> None:
    drifted_fleet(place)
    only(place, 1 + 6)
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {}
    assert exit_code("apply", report) == 3
    assert results(report) == ["skipped"] * 6
    assert report.plan.is_complete
    assert is_midnight(report.resume_at, place)


def test_a_lost_create_is_not_waited_for_while_no_look_goes_through(place: Place) -> None:
    new_fleet(place)
    place.emulator.fault(CREATE_COMPANY, "lose-answer")
    only(place, 2)
    place.apply(parallelism=1)
    place.set_create_settle(60)
    assert states_by_merchant(place.apply().plan)["m-0"] == "unknown"
    next_day(place)
    place.set_create_settle(0.01)
    assert exit_code("apply", place.apply()) == 0
    assert [each["name"] for each in place.companies()] == list(SIX)


def test_a_quota_that_is_spent_before_the_list_is_read_creates_nothing(place: Place) -> None:
    place.provision("ann")
    place.merchant("new")
    only(place, 0)
    with place.count_requests() as counts:
        report = place.apply()
    assert counts == {LIST_COMPANIES: 1}
    assert exit_code("apply", report) == 5
    assert states_by_merchant(report.plan) == {"ann": "unknown", "new": "unknown"}
    assert is_midnight(apply_json(report)["resumeAt"], place)


def test_who_was_not_read_is_unknown_and_never_in_sync_nor_missing(place: Place) -> None:
    place.provision(*SIX)
    only(place, 1 + 2)
    plan = place.plan()
    assert sorted(states_by_merchant(plan).values()) == ["in-sync"] * 2 + ["unknown"] * 4
    assert {code for name in SIX for code in findings_by_code(plan, name)} == {"unknown"}
    assert [exit_code(verb, plan) for verb in ("plan", "drift", "status")] == [5, 5, 5]
    for document in (plan_json(plan), drift_json(plan), status_json(plan)):
        assert document["complete"] is False
        assert is_midnight(document["resumeAt"], place)
    assert [each.conditions[-1].status for each in plan.plans if each.has_unread] == ["Unknown"] * 4
    assert drift_text(plan).endswith("Drift: none in 6 merchants; 4 that could not be read.")
    used_up = r"quota of requests is used up until \d{4}-\d\d-\d\d \d\d:\d\d UTC: 4 of 6 merchants were not read"
    assert re.search(used_up, plan_text(plan))


def test_a_drift_report_tells_the_time_to_resume(place: Place) -> None:
    place.provision("ann", "bob")
    only(place, 2)
    done = place.run_in_process("drift")
    assert done.returncode == 5, done.stderr
    assert "1 of 2 merchants were not read" in done.stdout
    assert "company-missing" not in done.stdout


def test_a_quota_that_is_just_enough_is_nobodys_trouble(place: Place) -> None:
    place.provision(*SIX)
    for verb, run in (("apply", place.apply), ("plan", place.plan)):
        only(place, 1 + 6)
        result = run()
        assert exit_code(verb, result, detailed=True) == 0
        assert result.resume_at is None


def test_a_link_that_could_not_be_read_is_no_missing_company(place: Place) -> None:
    new_fleet(place)
    place.apply()
    only(place, 0)
    done = place.run_in_process("link", "m-0")
    assert done.returncode == 5, done.stderr
    assert "could not be read" in done.stderr


# -- What a plan says of it


def of_the_quota(plan: FleetPlan) -> list[str]:
    """Without that the emulator's clock is ahead."""
    return [note for note in plan.notes if "quota" in note]


def test_a_plan_that_the_days_quota_has_no_room_for_says_so_in_numbers(place: Place) -> None:
    new_fleet(place)
    only(place, 11)
    plan = place.plan()
    assert (plan.request_estimate.reads, plan.request_estimate.writes) == (1, 12)
    assert 11 * 60 < plan.request_estimate.minutes < 13 * 60, "the last writes wait for the next day"
    (note,) = of_the_quota(plan)
    assert "takes 13 requests, and Codat's quota has 10 left before " in note


def test_a_plan_that_takes_several_days_says_how_long(place: Place) -> None:
    new_fleet(place)
    only(place, 4)
    assert 59 * 60 < place.plan().request_estimate.minutes < 61 * 60, "3 today, 4 tomorrow, 4 on the day after, then 2"


def test_a_plan_that_fits_the_days_quota_says_nothing_of_it(place: Place) -> None:
    new_fleet(place)
    only(place, 14)
    plan = place.plan()
    assert of_the_quota(plan) == []
    assert plan.request_estimate.minutes < 1


def test_an_apply_counts_only_what_is_still_ahead_of_it(place: Place) -> None:
    drifted_fleet(place)
    only(place, 1 + 6 + 3 * 6)
    report = place.apply()
    assert (report.plan.request_estimate.reads, report.plan.request_estimate.writes) == (12, 6)
    assert of_the_quota(report.plan) == []
    assert report.stop_reason is None


# -- The limit of companies


def test_a_company_limit_ends_the_writes_says_what_to_do_and_the_rest_is_done_once_there_is_room(place: Place) -> None:
    place.provision("ann", "zoe")
    new_fleet(place)
    place.edit_in_portal("zoe", {"enabled": False})
    place.emulator.control("PATCH", "/settings", {"companyLimit": 4})
    done = place.run_in_process("apply", "--yes", "--parallelism", "1")
    assert done.returncode == 3, done.stderr
    assert (
        "m-2  failed  POST /meta/companies/sync: 402 CompanyValidationException: Company limit exceeded" in done.stdout
    )
    for name in ("m-3", "m-4", "m-5", "zoe"):
        assert f"{name}  skipped  not begun: the account is at its limit of companies" in done.stdout
    assert "Ended early: the account is at its limit of companies; raise it at Codat" in done.stdout
    place.emulator.control("PATCH", "/settings", {"companyLimit": None})
    assert exit_code("apply", place.apply()) == 0
    assert [each["name"] for each in place.companies()] == ["ann", *SIX, "zoe"]
    assert place.document("zoe")["enabled"] is True


def test_a_402_that_is_about_one_merchant_ends_nobody_elses_writes(place: Place) -> None:
    """A free plan refuses an hourly schedule with the same status."""
    drifted_fleet(place)
    company = place.company("m-0")["id"]
    place.emulator.fault(f"POST /config/companies/{company}/sync/commerce", "status", code=402)
    report = place.apply()
    assert report.stop_reason is None
    assert results(report) == ["failed"] + ["done"] * 5
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}, (
        "the account may have been raised meanwhile: it is tried again"
    )
