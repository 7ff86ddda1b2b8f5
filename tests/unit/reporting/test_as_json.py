"""The shapes that programs rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.desired import Diagnostic
from controller.model.plan import Direction
from controller.model.report import Applied, Failed, LimitExceeded, Refusal
from controller.reporting.as_json import (
    UnusablePlan,
    apply_json,
    digest,
    drift_json,
    dumps,
    plan_json,
    read_saved_plan,
    status_json,
)
from tests.unit.reporting.fleets import NOW, changing, finding, fleet, merchant, report, waiting


def test_a_plan_says_what_changes_in_each_merchant() -> None:
    document = plan_json(fleet(changing(), merchant("bolt")))
    assert (document["schemaVersion"], document["kind"], document["complete"]) == (2, "Plan", True)
    assert document["cost"] == {"reads": 3, "writes": 1, "minutes": 0.1}
    assert document["merchants"] == [
        {
            "merchant": "acme",
            "state": "change",
            "changes": [
                {
                    "kind": "set-configuration",
                    "class": "remap",
                    "classes": ["remap"],
                    "fields": [
                        {
                            "field": "mapping.sales.accounts.gratuity",
                            "live": {"id": "a", "code": "610", "name": "Tips"},
                            "wanted": {"id": "b", "code": "820", "name": "Tips payable"},
                            "direction": "drift",
                        }
                    ],
                }
            ],
            "findings": [],
            "data": None,
            "fingerprint": "f" * 64,
        },
        {"merchant": "bolt", "state": "in-sync", "changes": [], "findings": [], "data": None, "fingerprint": ""},
    ]


def test_a_drift_report_counts_findings_by_code() -> None:
    found = finding(direction=Direction.DRIFT, since=NOW, live=False, wanted=True, field="enabled")
    document = drift_json(fleet(merchant(findings=(found,)), waiting("bolt"), unmanaged_names=("x", "y")))
    assert document["kind"] == "DriftReport"
    assert document["summary"] == {"company-unmanaged": 2, "connection-pending": 1, "mapping-changed": 1}
    assert document["findings"][0] == {
        "code": "mapping-changed",
        "merchant": "acme",
        "field": "enabled",
        "live": False,
        "wanted": True,
        "direction": "drift",
        "since": "2026-11-22T06:00:00Z",
        "occurrences": None,
        "manifest": None,
        "cause": "someone changed it",
        "remedy": "merchantctl apply",
        "actor": "apply",
        "link": None,
    }
    assert document["unmanaged"] == 2


def test_unmanaged_companies_are_listed_when_asked_for() -> None:
    document = drift_json(fleet(unmanaged_names=("x", "y")), unmanaged=True)
    assert document["unmanaged"] == ["x", "y"]
    assert document["summary"] == {"company-unmanaged": 2}
    assert [(each["code"], each["live"]) for each in document["findings"]] == [
        ("company-unmanaged", "x"),
        ("company-unmanaged", "y"),
    ]


def test_a_status_holds_conditions_in_their_order() -> None:
    document = status_json(fleet(waiting()))
    assert document["merchants"][0]["conditions"] == [
        {"type": "CompanyReady", "status": "True", "reason": "", "since": None},
        {
            "type": "AccountingConnected",
            "status": "False",
            "reason": "connection-pending",
            "since": "2026-11-22T06:00:00Z",
        },
    ]


def test_what_apply_did_stands_beside_what_was_planned() -> None:
    document = apply_json(
        report(fleet(changing(), changing("bolt")), {"acme": Applied(1), "bolt": Failed("no", False)})
    )
    assert [each["outcome"]["result"] for each in document["merchants"]] == ["done", "failed"]


def test_a_refusal_is_told_in_numbers() -> None:
    refusal = Refusal((LimitExceeded("delete", 2, 0, "--allow delete", ("acme",)),))
    (told,) = plan_json(fleet(refusal=refusal))["refusal"]["limitsExceeded"]
    assert told == {
        "class": "delete",
        "count": 2,
        "limit": 0,
        "flag": "--allow delete",
        "merchants": ["acme"],
    }


def test_complaints_stand_in_the_report_of_a_partly_broken_fleet() -> None:
    document = drift_json(fleet(is_complete=False, diagnostics=(Diagnostic("a.yaml", 7, 5, "bad", "mend it"),)))
    assert document["complaints"] == [{"file": "a.yaml", "line": 7, "column": 5, "what": "bad", "remedy": "mend it"}]


def test_a_saved_plan_is_read_back_however_it_was_indented() -> None:
    document = plan_json(fleet(changing()))
    assert read_saved_plan(dumps(document)) == document
    assert read_saved_plan("\n" + json.dumps(document, sort_keys=True)) == document


def test_an_edited_plan_is_refused() -> None:
    edited = dumps(plan_json(fleet(changing()))).replace('"acme"', '"bolt"')
    with pytest.raises(UnusablePlan, match="edited"):
        read_saved_plan(edited)


def test_a_plan_of_another_version_is_refused() -> None:
    other = plan_json(fleet(changing())) | {"schemaVersion": 1}
    with pytest.raises(UnusablePlan, match="schemaVersion 1"):
        read_saved_plan(json.dumps(other | {"digest": digest(other)}))


@pytest.mark.parametrize("text", ["kind: Plan", "{", "[]", '{"kind": "Merchant"}', "{kind: Plan}"])
def test_what_is_no_plan_is_left_to_be_read_as_a_manifest(text: str) -> None:
    assert read_saved_plan(text) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _json, max_size=5))
def test_a_digest_survives_a_round_trip_and_ignores_the_order_of_keys(document: dict[str, Any]) -> None:
    document.pop("digest", None)
    sealed = json.loads(json.dumps(document | {"digest": digest(document)}))
    assert digest(dict(reversed(sealed.items()))) == sealed["digest"]
