"""`policy.ignore`: a finding that somebody decided to live with, at one live value and until a day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.end_to_end.place import (
    SAVE_CONFIGURATION,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)

TODAY = datetime.now(UTC).date()
NEXT_MONTH, YESTERDAY, IN_100_DAYS = (str(TODAY + timedelta(days=days)) for days in (30, -1, 100))


def ignoring(until: str = NEXT_MONTH, **rule: Any) -> dict[str, Any]:
    return {"policy": {"ignore": [{"reason": "the accountant asked for it", "until": until, **rule}]}}


SWITCHED_OFF: dict[str, Any] = {"field": "enabled", "live": False}


@pytest.fixture
def off(place: Place) -> Place:
    """Ann, whose sync somebody switched off, and that may stay so for a month."""
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    place.merchant("ann", **ignoring(**SWITCHED_OFF))
    return place


def test_an_ignored_field_is_neither_told_as_drift_nor_written(off: Place) -> None:
    with off.count_requests() as counts:
        assert off.run_in_process("apply", "--yes").returncode == 0
    assert count_writes_by_call(counts) == {}
    assert list(findings_by_code(off.plan(), "ann")) == ["ignored"]
    drift = off.run_in_process("drift", "-o", "json")
    assert (drift.returncode, json.loads(drift.stdout)["summary"]) == (0, {"ignored": 1})


def test_it_makes_nobody_ready(off: Place) -> None:
    status = json.loads(off.run_in_process("status", "-o", "json").stdout)
    conditions = {each["type"]: each["status"] for each in status["merchants"][0]["conditions"]}
    assert (conditions["Ready"], conditions["Switched"]) == ("False", "False")
    assert "sync-disabled is ignored until" in off.run_in_process("status").stdout


def test_what_else_differs_is_written_beside_it(off: Place) -> None:
    off.merchant(
        "ann", **ignoring(**SWITCHED_OFF), mapping={"sales": {"invoiceStatus": "Draft"}, "payments": {"sync": False}}
    )
    with off.count_requests() as counts:
        off.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert off.document("ann")["enabled"] is False
    assert off.document("ann")["configuration"]["sales"]["invoiceStatus"]["selectedInvoiceStatus"] == "Draft"


def test_once_it_is_over_the_field_counts_again_as_what_somebody_else_changed(off: Place) -> None:
    off.apply()
    off.merchant("ann", **ignoring(YESTERDAY, **SWITCHED_OFF))
    found = findings_by_code(off.plan(), "ann")["sync-disabled"]
    assert (found.direction, f"it was ignored until {YESTERDAY}" in found.cause) == ("drift", True)
    with off.count_requests() as counts:
        off.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}


def test_many_that_are_over_on_one_day_go_through_the_limits(place: Place) -> None:
    names = [f"m-{number}" for number in range(6)]
    place.provision(*names)
    on: dict[str, Any] = {"field": "enabled", "live": True}
    for name in names[:5]:
        place.merchant(name, enabled=False, **ignoring(**on))
    assert changes_by_merchant(place.plan()) == {}
    for name in names[:5]:
        place.merchant(name, enabled=False, **ignoring(YESTERDAY, **on))
    with place.count_requests() as counts:
        refused = place.run_in_process("apply", "--yes")
    assert (refused.returncode, count_writes_by_call(counts)) == (4, {})
    assert "disable: 5, and the limit is 1" in refused.stdout


def test_another_live_value_is_not_what_was_ignored(off: Place) -> None:
    off.merchant("ann", **ignoring(field="enabled", live=True))
    found = findings_by_code(off.plan(), "ann")
    assert "ignored" not in found
    assert "policy.ignore is not said of this value, live: false" in found["sync-disabled"].cause
    assert changes_by_merchant(off.plan()) == {"ann": ["set-configuration"]}


def test_the_ledger_says_that_the_manifest_ended_it(off: Place) -> None:
    off.merchant("ann", policy={"drift": "Report"})
    off.apply()
    off.merchant("ann", **ignoring(**SWITCHED_OFF))
    off.apply()
    history = off.run_in_process("history", "ann").stdout
    (ended,) = [line for line in history.splitlines() if "gone sync-disabled" in line]
    assert "the manifest changed" in ended


def test_a_finding_is_ignored_by_its_code(place: Place) -> None:
    place.provision("ann")
    place.unlink_books_in_portal("ann")
    place.merchant("ann", **ignoring(finding="connection-deauthorized", live="Deauthorized"))
    assert list(findings_by_code(place.plan(), "ann")) == ["ignored"]
    assert states_by_merchant(place.plan()) == {"ann": "waiting"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"finding": "company-missing"}, "company-missing"),
        ({"finding": "mapping-invalid"}, "mapping-invalid"),
        ({"finding": "unknown"}, "unknown"),
        ({"finding": "delete-held"}, "delete-held"),
        ({"field": "enabled"}, "add live"),
        ({"field": "enabled", "finding": "sync-disabled", "live": False}, "one of finding and field"),
        ({"field": "enabled", "live": {"colour": "red"}}, "no live value"),
        ({"field": "enabeld", "live": False}, "did you mean enabled?"),
        ({"finding": "data-stale", "until": IN_100_DAYS}, "90 days at most"),
        ({"finding": "last-sync-failed", "live": 4000}, "7 days at most"),
        ({"finding": "data-stale", "untill": YESTERDAY}, "did you mean 'until'?"),
    ],
)
def test_what_may_not_be_ignored_is_a_complaint(place: Place, rule: dict[str, Any], told: str) -> None:
    place.profile()
    place.merchant("ann", **ignoring(**rule))
    complaints = place.run_in_process("validate")
    assert complaints.returncode == 65
    assert told in complaints.stdout + complaints.stderr


def test_a_profile_ignores_nothing(place: Place) -> None:
    place.profile(**ignoring(**SWITCHED_OFF))
    place.merchant("ann")
    assert "unknown key 'ignore'" in place.run_in_process("validate").stderr
