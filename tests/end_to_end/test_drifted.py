"""A merchant that somebody changed, and whose policy leaves that as it is, is `drifted` and never `in-sync`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.model.controller_status import ControllerStatus
from controller.model.merchant_status import STATUS_MEANINGS, MerchantStatus
from controller.telemetry.metrics import Metrics, exposition
from controller.web.dashboard_view import build_dashboard_view
from tests.end_to_end.place import Place, count_writes_by_call, states_by_merchant


@pytest.fixture
def reported(place: Place) -> Place:
    """`kept` is under `drift: Report`, and somebody switched its sync off; `ann` is as she should be."""
    place.provision("ann")
    place.provision("kept", policy={"drift": "Report"})
    place.edit_in_portal("kept", {"enabled": False})
    return place


def json_of(place: Place, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(place.run_in_process(*arguments, "-o", "json").stdout)
    return document


def test_a_merchant_that_drifted_under_report_is_not_in_sync(reported: Place) -> None:
    document = json_of(reported, "plan")
    found = {each["merchant"]: each["state"] for each in document["merchants"]}
    assert (found, document["schemaVersion"]) == ({"ann": "in-sync", "kept": "drifted"}, 2)
    for verb in ("plan", "status"):
        lines = reported.run_in_process(verb).stdout.splitlines()
        (line,) = [each for each in lines if each.startswith("kept ")]
        assert "drifted" in line, verb
        assert "in-sync" not in line, verb
    assert "Plan: 1 drifted, 1 in sync." in reported.run_in_process("plan").stdout
    for output, heading in (("markdown", "sync-disabled — kept\n"), ("html", "</span> sync-disabled, kept</h3>")):
        assert heading in reported.run_in_process("plan", "-o", output).stdout


def test_apply_leaves_it_and_ends_well_and_drift_says_so(reported: Place) -> None:
    with reported.count_requests() as counts:
        done = reported.run_in_process("apply", "--yes")
    assert (done.returncode, count_writes_by_call(counts)) == (0, {})
    assert "1 drifted" in done.stdout
    assert reported.run_in_process("drift").returncode == 2
    assert reported.run_in_process("plan", "--detailed-exitcode").returncode == 0


def test_the_dashboard_and_the_metrics_count_it_as_drifted(reported: Place) -> None:
    latest = ControllerStatus(plan=reported.plan())
    assert build_dashboard_view(latest).statuses == {MerchantStatus.DRIFTED: 1, MerchantStatus.IN_SYNC: 1}
    metrics = exposition(Metrics(), latest, "1").decode()
    assert 'merchantctl_merchants{state="drifted"} 1.0' in metrics
    assert 'merchantctl_merchants{state="in-sync"} 1.0' in metrics


def test_it_changes_from_drifted_to_in_sync_only_when_manifest_and_live_agree(reported: Place) -> None:
    reported.merchant("kept", policy={"drift": "Report"}, enabled=False)
    assert states_by_merchant(reported.plan())["kept"] == "in-sync"


def test_after_a_write_what_policy_kept_is_drifted_still(reported: Place) -> None:
    """`apply` brings the pending change of the manifest, and the switch stays as somebody left it."""
    reported.merchant(
        "kept", policy={"drift": "Report"}, mapping={"sales": {"accounts": {"gratuity": {"name": "Sales returns"}}}}
    )
    report = reported.apply()
    latest = ControllerStatus(plan=report.plan, outcomes=report.outcomes)
    assert build_dashboard_view(latest).statuses == {MerchantStatus.DRIFTED: 1, MerchantStatus.IN_SYNC: 1}


def test_every_state_has_its_meaning() -> None:
    assert set(STATUS_MEANINGS) == set(MerchantStatus)
