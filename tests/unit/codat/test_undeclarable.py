"""What of a document no key of a manifest stands for: the largest such parts, and what is set in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.codat.undeclarable import find_undeclarable_parts
from tests import build

ROWS = "configuration.sales"


def parts(patch: dict[str, Any]) -> dict[str, dict[str, object]]:
    return find_undeclarable_parts(json.dumps(patch).encode())


def below(*keys: str, value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def test_of_the_usual_document_only_the_default_zero_rate_has_no_key() -> None:
    document = build.usual_configuration().document
    assert [*find_undeclarable_parts(document)] in ([], ["configuration.sales.newTaxRates"])


@pytest.mark.parametrize(
    ("document", "path", "values"),
    [
        (below("countryCode", value="GB"), "countryCode", {"countryCode": "GB"}),
        (
            below("configuration", "mapSettings", "outputFormat", value="JournalEntry"),
            "configuration.mapSettings",
            {"configuration.mapSettings.outputFormat": "JournalEntry"},
        ),
        (
            below("configuration", "newPayments", value={"syncPayments": True, "accounts": {}}),
            "configuration.newPayments",
            {"configuration.newPayments.syncPayments": True},
        ),
        (
            below("configuration", "sales", "newTaxRates", "taxRateMappings", value=[{"rate": 1.50}]),
            f"{ROWS}.newTaxRates",
            {f"{ROWS}.newTaxRates.taxRateMappings": [{"rate": 1.5}]},
        ),
        (
            below("configuration", "sales", "taxRates", "17.5", "rounding", value=0),
            f'{ROWS}.taxRates["17.5"].rounding',
            {f'{ROWS}.taxRates["17.5"].rounding': 0},
        ),
        (
            below("configuration", "sales", "accounts", "cash", "colour", value="r\u00f8d"),
            f"{ROWS}.accounts.cash.colour",
            {f"{ROWS}.accounts.cash.colour": "r\u00f8d"},
        ),
    ],
)
def test_a_part_is_named_with_what_is_set_in_it(document: dict[str, Any], path: str, values: dict[str, object]) -> None:
    assert parts(document) == {path: values}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "",
        {"syncPayments": False, "accounts": {"card": {"selectedAccountId": None}}},
        {"accounts": {"card": {"required": True, "labelText": "Card", "accountOptions": [{"id": "1"}]}}},
    ],
)
def test_where_nothing_is_chosen_there_is_nothing_to_tell(value: Any) -> None:
    assert parts(below("configuration", "newPayments", value=value)) == {}


def test_what_a_manifest_has_a_key_for_is_none() -> None:
    rows = below("sales", "accounts", "cash", value={"selectedAccountId": "1", "descriptionText": "Till"})
    assert parts({"enabled": True, "schedule": {"timeZone": "Etc/UTC"}, "configuration": rows}) == {}


def test_a_number_that_is_none_for_us_is_told_as_its_text() -> None:
    digits = "9" * 5000
    document = f'{{"one": Infinity, "two": -1e999, "three": {digits}, "four": -12, "half": "\\ud800"}}'
    told = {path: values[path] for path, values in find_undeclarable_parts(document.encode()).items()}
    assert (told["one"], told["two"], told["three"], told["four"]) == ("Infinity", "-1e999", digits, -12)
    assert json.loads(json.dumps(told)) == told
