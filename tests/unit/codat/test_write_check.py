"""What Codat stored of a document, beside what was sent."""

from __future__ import annotations

import json

from controller.codat.write_check import UnexpectedChanges, find_unexpected_changes


def unexpected(before: object, stored: object) -> UnexpectedChanges:
    documents = (json.dumps({"configuration": each}).encode() for each in (before, before, stored))
    return find_unexpected_changes(*documents)


def test_what_is_gone_was_dropped_and_what_is_another_was_changed() -> None:
    before = {"newRefunds": {"sync": True, "by": "day"}, "empty": {}}
    found = unexpected(before, {"newRefunds": {"by": "month"}})
    assert found.dropped == ("configuration.empty", "configuration.newRefunds.sync")
    assert found.changed == ("configuration.newRefunds.by",)


def test_a_section_that_was_empty_and_that_codat_filled_meanwhile_was_not_dropped() -> None:
    rates = {"20": {"selectedTaxRateId": None, "taxRateOptions": [{"id": "t"}]}}
    assert unexpected({"taxRates": {}}, {"taxRates": rates}) == UnexpectedChanges()
    assert unexpected({"taxRates": {"20": {}}}, {"taxRates": rates}) == UnexpectedChanges()
