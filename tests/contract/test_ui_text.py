"""Endpoints 18 to 21: what the Sync Flow says and shows (API notes 3.6, 3.7, Appendix A)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator import Emulator
from tests.in_process import TEST_ACCOUNT

TEXT = "/sync/commerce/config/ui/text"
TITLE = "configure-content-sales-title"
OWN = "/sync/commerce/config/ui/accounts/platform/lqai"
CLIENT = f"/clients/{TEST_ACCOUNT}/config/ui/accounts/platform/lqai"


def texts(emulator: Emulator, **params: Any) -> dict[str, Any]:
    return {key: value["text"] for key, value in emulator.api.get(TEXT, params=params).json().items()}


def test_every_key_of_the_appendix_is_there_the_odd_one_included(emulator: Emulator) -> None:
    shown = texts(emulator)
    assert shown[TITLE] == "Sales"
    assert shown["configure-misc-previousButton"] == "Previous"
    assert "configure-setupSidebar=checkboxes-syncSchedule" in shown
    assert "configure-content-payments-accounts-entries-prepaidPayment" in shown
    assert "configure-content-sales-accounts-taxRates-entries-15" in shown


@pytest.mark.parametrize("value", ["Takings", {"text": "Takings"}, {"text": "Takings", "required": True}])
def test_both_documented_shapes_are_accepted_and_the_nested_one_comes_back(
    emulator: Emulator, value: str | dict[str, Any]
) -> None:
    answer = emulator.api.patch(TEXT, json={TITLE: value})
    assert answer.status_code == 200
    assert answer.json()[TITLE] == {"text": "Takings", "required": False}
    assert texts(emulator)["configure-content-fees-title"] == "Fees"


def test_an_empty_text_shows_nothing_and_null_is_the_default_again(emulator: Emulator) -> None:
    emulator.api.patch(TEXT, json={TITLE: ""})
    assert texts(emulator)[TITLE] == ""
    emulator.api.patch(TEXT, json={TITLE: None})
    assert texts(emulator)[TITLE] == "Sales"


def test_each_locale_has_its_own_texts_and_american_english_is_the_default(emulator: Emulator) -> None:
    emulator.api.patch(TEXT, params={"locale": "fr-fr"}, json={TITLE: "Recettes"})
    assert texts(emulator, locale="fr-fr")[TITLE] == "Recettes"
    assert texts(emulator, locale="en-us")[TITLE] == texts(emulator)[TITLE] == "Sales"
    assert emulator.api.get(TEXT, params={"locale": "de-de"}).status_code == 400


def test_a_key_the_flow_does_not_have_is_refused_and_nothing_is_changed(emulator: Emulator) -> None:
    answer = emulator.api.patch(TEXT, json={TITLE: "x", "configure-content-sale-title": "y"})
    assert answer.status_code == 400
    assert answer.json()["validation"]["errors"][0]["itemId"] == "configure-content-sale-title"
    assert texts(emulator)[TITLE] == "Sales"


def test_all_rows_are_visible_at_first_on_both_read_paths(emulator: Emulator) -> None:
    rows = emulator.api.get(CLIENT).json()["visibleAccounts"]
    assert "payments-accounts-vipps" in rows
    assert emulator.api.get(OWN).json()["visibleAccounts"] == rows


@pytest.mark.parametrize("verb", ["POST", "PATCH"])
def test_a_list_shows_exactly_these_and_the_required_rows(emulator: Emulator, verb: str) -> None:
    answer = emulator.api.request(verb, OWN, json={"visibleAccounts": ["fees-accounts-loan"]})
    rows = answer.json()["visibleAccounts"]
    assert "fees-accounts-loan" in rows
    assert "payments-accounts-card" in rows
    assert "payments-accounts-cash" not in rows
    assert emulator.api.get(CLIENT).json()["visibleAccounts"] == rows


def test_an_empty_list_leaves_the_required_rows_and_an_empty_object_shows_all(emulator: Emulator) -> None:
    everything = emulator.api.get(OWN).json()["visibleAccounts"]
    required = emulator.api.post(OWN, json={"visibleAccounts": []}).json()["visibleAccounts"]
    assert required == [
        "sales-accounts-sales",
        "sales-accounts-refund",
        "sales-taxRates-0",
        "sales-taxRates-5",
        "sales-taxRates-10",
        "sales-taxRates-20",
        "sales-other-invoiceStatus",
        "sales-other-groupingPeriod",
        "payments-accounts-card",
    ]
    assert emulator.api.post(OWN, json={}).json()["visibleAccounts"] == everything


def test_visibility_is_kept_by_commerce_platform(emulator: Emulator) -> None:
    emulator.api.post(OWN, json={"visibleAccounts": []})
    other = emulator.api.get(OWN.replace("lqai", "fztf")).json()["visibleAccounts"]
    assert "payments-accounts-cash" in other
    assert emulator.api.get(OWN.replace("lqai", "gbol")).status_code == 404


def test_another_clients_rows_are_forbidden_and_an_unknown_row_is_refused(emulator: Emulator) -> None:
    assert emulator.api.get(CLIENT.replace("3c1f", "0000")).status_code == 403
    assert emulator.api.post(OWN, json={"visibleAccounts": ["sales-accounts-nope"]}).status_code == 400
