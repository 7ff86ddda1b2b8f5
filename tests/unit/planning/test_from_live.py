"""From live back to declared values: the planner has nothing to do about them, and the rest is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.model.field_values import LocalTime, Option, Ref
from controller.planning.from_live import DeclaredFromLive, declare_from_live
from tests import build
from tests.narrowing import expect

SALES, GRATUITY = "mapping.sales.accounts.sales", "mapping.sales.accounts.gratuity"
SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)


def adopted(
    patch: dict[str, Any] | None = None, now: datetime = build.USUAL_NOW, zone: str | None = None
) -> DeclaredFromLive:
    return declare_from_live(build.usual_configuration(patch, now), now, zone)


def account(
    key: str, selected: str | None, options: list[dict[str, Any]] | None = None, section: str = "sales"
) -> dict[str, Any]:
    row: dict[str, Any] = {"selectedAccountId": selected} | ({} if options is None else {"accountOptions": options})
    return {"configuration": {section: {"accounts": {key: row}}}}


def schedule(**words: Any) -> dict[str, dict[str, Any]]:
    return {"schedule": words}


def test_of_the_usual_merchant_everything_is_declared_and_the_plan_is_in_sync() -> None:
    found = adopted()
    assert found.undeclared == {}
    assert found.fields[SALES] == Ref("code", "200")
    assert found.fields["mapping.sales.customer"] == Ref("name", "POS daily takings")
    assert found.fields['mapping.sales.taxRates["20"]'] == Ref("name", "20% (VAT on income)")
    assert found.reference_names[SALES] == "Sales"
    plan = build.make_usual_plan(
        build.desired_merchant(dict(found.fields), without=build.desired_merchant().fields), last=build.NOTHING_RECORDED
    )
    assert (plan.changes, plan.findings) == ((), ())


# -- References


@pytest.mark.parametrize(
    ("options", "ref"),
    [
        ([{"id": "1", "name": "Tips", "nominalCode": "825"}], Ref("code", "825")),
        ([{"id": "1", "name": "Tips"}], Ref("name", "Tips")),
        ([{"id": "1"}], Ref("id", "1")),
        ([{"id": "1", "name": "Tips"}, {"id": "2", "name": "Tips"}], Ref("id", "1")),
        ([{"id": "1", "name": "Tips", "nominalCode": "1"}, {"id": "2", "nominalCode": "1"}], Ref("name", "Tips")),
        ([{"id": "1", "name": "", "nominalCode": ""}], Ref("id", "1")),
    ],
)
def test_a_reference_is_by_what_only_one_record_bears(options: list[dict[str, Any]], ref: Ref) -> None:
    assert adopted(account("gratuity", "1", options)).fields[GRATUITY] == ref


def test_a_name_that_another_row_offers_for_another_account_is_not_unique() -> None:
    elsewhere = account("swish", None, [{"id": "2", "name": "Tips"}], "payments")
    here = account("gratuity", "1", [{"id": "1", "name": "Tips"}])
    patch = {"configuration": here["configuration"] | elsewhere["configuration"]}
    assert adopted(patch).fields[GRATUITY] == Ref("id", "1")


def test_a_customer_and_an_account_may_share_a_name() -> None:
    found = adopted(account("gratuity", "1", [{"id": "1", "name": "POS daily takings"}]))
    assert expect(Ref, found.fields[GRATUITY]).by == "name"


def test_a_selection_that_is_not_offered_any_more_is_left_to_live() -> None:
    found = adopted(account("gratuity", "gone"))
    assert GRATUITY not in found.fields
    assert found.undeclared == {GRATUITY: "gone is not among this merchant's options"}


def test_nothing_selected_is_null_where_a_manifest_can_say_null_and_is_nothing_left_out() -> None:
    found = adopted(account("gratuity", None))
    assert found.fields[GRATUITY] is None
    rate = adopted({"configuration": {"sales": {"taxRates": {"20": {"selectedTaxRateId": None}}}}})
    assert 'mapping.sales.taxRates["20"]' not in rate.fields
    assert found.undeclared == rate.undeclared == {}


def test_an_account_that_live_has_under_two_keys_is_declared_once() -> None:
    both = account("gratuity", "1", [{"id": "1", "name": "A"}])["configuration"]
    other = account("GRATUITY", "2", [{"id": "2", "name": "B"}], "payments")["configuration"]
    found = adopted({"configuration": both | other})
    assert [path for path in found.fields if path.lower().endswith(".gratuity")] == [GRATUITY]
    assert [*found.undeclared] == ["mapping.payments.accounts.GRATUITY"]


# -- Rules of Codat that live breaks


@pytest.mark.parametrize(
    ("sales", "field"),
    [
        ({"syncSales": False}, "mapping.payments.sync"),
        ({"invoiceStatus": {"selectedInvoiceStatus": "Draft"}}, "mapping.sales.invoiceStatus"),
    ],
)
def test_what_the_service_would_refuse_is_not_declared(sales: dict[str, Any], field: str) -> None:
    found = adopted({"configuration": {"sales": sales}})
    assert field not in found.fields
    assert field in found.undeclared


def test_a_required_account_without_a_selection_is_no_null() -> None:
    found = adopted(account("sales", None))
    assert SALES not in found.fields
    assert SALES not in found.undeclared


# -- The schedule


@pytest.mark.parametrize(
    ("words", "zone", "declared", "meant_in"),
    [
        pytest.param(
            {"timeZone": None, "syncHourUtc": 3, "startDate": "2026-06-01"},
            None,
            {"schedule.syncHourUtc": 3, "schedule.startDate": datetime(2026, 6, 1, tzinfo=UTC)},
            None,
            id="utc",
        ),
        pytest.param(
            {"timeZone": "Europe/London", "syncHourUtc": 3, "startDate": "2026-06-01"},
            None,
            {
                "schedule.time": LocalTime("03:00", "Europe/London"),
                "schedule.startDate": datetime(2026, 5, 31, 23, tzinfo=UTC),
            },
            "Europe/London",
            id="live keeps a zone",
        ),
        pytest.param(
            {"timeZone": "Asia/Kolkata", "syncHourUtc": 3, "startDate": "2026-06-01"},
            None,
            {"schedule.startDate": datetime(2026, 5, 31, 18, 30, tzinfo=UTC)},
            "Asia/Kolkata",
            id="an hour of a half-hour zone",
        ),
        pytest.param(
            {"timeZone": "Europe/London", "syncHourUtc": 3, "startDate": "2026-06-01T09:00:00"},
            None,
            {"schedule.time": LocalTime("03:00", "Europe/London")},
            "Europe/London",
            id="a start within the day",
        ),
        pytest.param({"timeZone": "Mars", "syncHourUtc": 3, "startDate": "2026-06-01"}, None, {}, None, id="no zone"),
        pytest.param(
            {"timeZone": None, "syncHourUtc": 18, "startDate": "2026-05-31T18:30:00Z"},
            "Asia/Kolkata",
            {
                "schedule.time": LocalTime("23:30", "Asia/Kolkata"),
                "schedule.startDate": datetime(2026, 5, 31, 18, 30, tzinfo=UTC),
            },
            "Asia/Kolkata",
            id="asked for a half-hour zone",
        ),
        pytest.param(
            {"timeZone": None, "syncHourUtc": 0, "startDate": "2026-06-01"},
            "Australia/Lord_Howe",
            {"schedule.syncHourUtc": 0, "schedule.startDate": datetime(2026, 6, 1, tzinfo=UTC)},
            None,
            id="asked for a zone that no whole UTC hour fits all year",
        ),
        pytest.param(
            {"timeZone": None, "syncHourUtc": 0, "startDate": "2026-01-31T05:00:00Z"},
            "America/New_York",
            {
                "schedule.time": LocalTime("19:00", "America/New_York"),
                "schedule.startDate": datetime(2026, 1, 31, 5, tzinfo=UTC),
            },
            "America/New_York",
            id="asked for a zone that fits",
        ),
        pytest.param(
            {"timeZone": None, "syncHourUtc": 0, "startDate": "2026-01-31"},
            "America/New_York",
            {"schedule.syncHourUtc": 0, "schedule.startDate": datetime(2026, 1, 31, tzinfo=UTC)},
            None,
            id="asked for a zone in which the start is no midnight",
        ),
    ],
)
def test_the_schedule_is_said_in_the_zone_in_which_it_is_meant(
    words: dict[str, Any], zone: str | None, declared: dict[str, Any], meant_in: str | None
) -> None:
    found = adopted(schedule(**words), zone=zone)
    ours = ("schedule.time", "schedule.syncHourUtc", "schedule.startDate")
    assert {path: wish for path, wish in found.fields.items() if path in ours} == declared
    assert found.zone == meant_in


def test_a_clock_of_summer_is_said_in_summer() -> None:
    words = schedule(timeZone=None, syncHourUtc=23, startDate="2026-05-31T23:00:00Z")
    assert adopted(words, SUMMER, "Europe/London").fields["schedule.time"] == LocalTime("00:00", "Europe/London")
    assert adopted(words, build.USUAL_NOW, "Europe/London").fields["schedule.time"] == LocalTime(
        "23:00", "Europe/London"
    )


def test_a_start_that_is_yet_to_come_says_the_hour_as_it_will_be_then() -> None:
    words = schedule(timeZone="Europe/London", syncHourUtc=0, startDate="2027-07-01")
    assert adopted(words).fields["schedule.time"] == LocalTime("00:00", "Europe/London")


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo", "America/New_York"])
def test_the_end_of_time_is_no_start(zone: str | None) -> None:
    assert "schedule.startDate" in adopted(schedule(startDate="9999-12-31T23:00:00Z"), zone=zone).undeclared


def test_the_skeletons_date_is_no_start() -> None:
    found = adopted(schedule(startDate="0001-01-01T00:00:00"))
    assert "schedule.startDate" not in found.fields
    assert "schedule.startDate" not in found.undeclared


def test_what_is_selected_is_known_by_the_name_that_the_books_give_it() -> None:
    live = build.usual_configuration()
    assert isinstance(live.values[SALES], Option)
    assert declare_from_live(live, build.USUAL_NOW).reference_names == {
        path: option.name
        for path, option in live.values.items()
        if isinstance(option, Option) and option.code and path.startswith("mapping.")
    }
