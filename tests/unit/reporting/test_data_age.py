"""Every report says how old the data is that it judged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from controller.model.plan import DataAge
from controller.reporting.as_json import drift_json, plan_json, status_json
from controller.reporting.data_age import fleet_data_age_text, format_age
from controller.reporting.html import drift_html, plan_html
from controller.reporting.markdown import drift_markdown, plan_markdown
from controller.reporting.paint import WITHOUT_COLOUR
from controller.reporting.text import plan_text
from controller.reporting.text_drift_and_status import drift_text, merchant_detail_text, status_text
from tests.unit.reporting.fleets import NOW, fleet, merchant, waiting

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FLEET = fleet(
    merchant("acme", data_age=DataAge(NOW - 2 * HOUR)),
    merchant("bolt", data_age=DataAge(NOW - 9 * DAY)),
    merchant("cafe", data_age=DataAge(None)),
    waiting("dora"),
)
SENTENCE = "Judged on data pulled between 2 hours and 9 days ago; not known for 1 merchant."


@pytest.mark.parametrize(
    "show", [plan_text, drift_text, status_text, plan_markdown, drift_markdown, plan_html, drift_html]
)
def test_every_report_says_how_old_the_data_is_that_it_judged(show: Callable[..., Any]) -> None:
    assert SENTENCE in show(FLEET)


def test_where_no_books_were_looked_at_nothing_is_said_of_their_age() -> None:
    assert fleet_data_age_text(fleet(waiting())) == ""
    assert "Judged" not in plan_text(fleet(waiting()))


def test_one_age_is_one_age_and_an_unknown_one_is_said() -> None:
    assert fleet_data_age_text(fleet(merchant(data_age=DataAge(NOW - 3 * DAY)))) == "Judged on data pulled 3 days ago."
    assert fleet_data_age_text(fleet(merchant(data_age=DataAge(None)))) == "Judged on data of unknown age."


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (-HOUR, "1 minute"),
        (timedelta(seconds=5), "1 minute"),
        (1.5 * HOUR, "90 minutes"),
        (47 * HOUR, "47 hours"),
        (400 * DAY, "400 days"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_that_says_enough(age: timedelta, words: str) -> None:
    assert format_age(age) == words


def test_programs_get_the_age_of_each_merchant_and_of_all() -> None:
    of_all = {"oldest": "2026-11-13T06:00:00Z", "newest": "2026-11-22T04:00:00Z", "unknown": 1}
    for document in (plan_json(FLEET), status_json(FLEET)):
        assert document["data"] == of_all
        assert [each["data"] for each in document["merchants"]] == [
            {"lastSync": "2026-11-22T04:00:00Z"},
            {"lastSync": "2026-11-13T06:00:00Z"},
            {"lastSync": None},
            None,
        ]
    ages = {"acme": {"lastSync": "2026-11-22T04:00:00Z"}, "bolt": {"lastSync": "2026-11-13T06:00:00Z"}}
    assert drift_json(FLEET)["data"] == of_all | {"merchants": ages | {"cafe": {"lastSync": None}}}


def test_drift_with_data_lists_each_merchants_oldest_type_the_stalest_first() -> None:
    types = {"suppliers": NOW - HOUR, "taxRates": NOW - 20 * DAY}
    asked = merchant("eden", data_age=DataAge(NOW - HOUR, types))
    never = merchant("fern", data_age=DataAge(NOW - HOUR, {"suppliers": None, "taxRates": NOW - DAY}))
    lines = drift_text(fleet(*FLEET.plans[:3], asked, never), data=True).splitlines()
    assert [line.split() for line in lines[1:6]] == [
        ["cafe", "unknown"],
        ["eden", "20", "days", "ago", "taxRates"],
        ["bolt", "9", "days", "ago"],
        ["fern", "24", "hours", "ago", "never:", "suppliers"],
        ["acme", "2", "hours", "ago"],
    ]


def test_one_merchant_in_depth_says_when_its_data_was_pulled() -> None:
    assert "  judged on data pulled 2026-11-22 04:00 UTC" in merchant_detail_text(FLEET.plans[0], WITHOUT_COLOUR, NOW)
