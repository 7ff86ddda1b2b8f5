"""The account's own settings between the API's JSON and values by path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.codat.account_settings import live_settings, settings_write_body
from controller.codat.answer_parsing import UnreadableAnswer
from controller.codat.raw_json import JsonObject, parse_object, serialise


def document(**members: Any) -> JsonObject:
    return parse_object(json.dumps(members).encode())


def test_text_is_read_in_either_shape_and_sent_in_the_one_it_came_in() -> None:
    flat, nested = document(a="x", b="y"), document(a={"text": "x", "required": True}, b={"text": "y"})
    for shape, sent in ((flat, "z"), (nested, {"text": "z", "required": True})):
        assert live_settings("text.en-us", shape).values == {"text.en-us.a": "x", "text.en-us.b": "y"}
        assert settings_write_body("text.en-us", shape, {"text.en-us.a": "z"}) == {"a": sent}


def test_a_profile_goes_back_with_everything_that_nobody_declares() -> None:
    fresh = document(name="Shop", redirectUrl="https://a", alertAuthHeader="Basic x", newer={"limit": 1.50})
    sent = serialise(settings_write_body("profile", fresh, {"redirectUrl": "https://b"}))
    assert json.loads(sent) == {
        "name": "Shop",
        "redirectUrl": "https://b",
        "alertAuthHeader": "Basic x",
        "newer": {"limit": 1.50},
    }


def test_data_types_go_back_whole_and_are_the_accounts_own_from_then_on() -> None:
    entry = {"dataType": "taxRates", "fetchOnFirstLink": True, "syncSchedule": 0, "syncOrder": 3}
    locked = {**entry, "dataType": "invoices", "isLocked": True}
    fresh = document(clientId="c", settings=[entry, locked], overridesDefaults=False)
    live = live_settings("dataTypes", fresh)
    assert live.values["dataTypes.taxRates.syncSchedule"] == 0
    assert live.locked == {"dataTypes.invoices.fetchOnFirstLink", "dataTypes.invoices.syncSchedule"}
    sent = json.loads(serialise(settings_write_body("dataTypes", fresh, {"dataTypes.taxRates.syncSchedule": 24})))
    assert sent == {
        "clientId": "c",
        "settings": [{**entry, "syncSchedule": 24}, locked],
        "overridesDefaults": True,
    }


def test_all_rows_are_asked_for_with_an_empty_body() -> None:
    assert settings_write_body("visibleAccounts", {}, {"visibleAccounts": None}) == {}
    assert settings_write_body("visibleAccounts", {}, {"visibleAccounts": ()}) == {"visibleAccounts": ()}
    assert live_settings("visibleAccounts", document(visibleAccounts=None)).values == {"visibleAccounts": None}


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("text.en-us", document(a=1)),
        ("visibleAccounts", document(visibleAccounts="all")),
        ("profile", document(redirectUrl="https://a")),
        ("profile", document(name="Shop", redirectUrl={})),
        ("dataTypes", document(settings={})),
        ("dataTypes", document(settings=[{"fetchOnFirstLink": True}])),
    ],
)
def test_an_answer_of_another_form_says_nothing(part: str, answer: JsonObject) -> None:
    with pytest.raises(UnreadableAnswer):
        live_settings(part, answer)
