"""A failed sync has an owner, a cause in the mapping, an age, and it counts; nobody is blocked by it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.model.controller_status import ControllerStatus
from controller.telemetry.metrics import Metrics, exposition
from tests.end_to_end.place import UK_PROFILE, Place, findings_by_code

STATUS = "GET /meta/companies/{companyId}/sync/commerce/status"


def json_of(place: Place, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(place.run_in_process(*arguments, "-o", "json").stdout)
    return document


@pytest.fixture
def failed(place: Place) -> Place:
    """`ann` is in sync as far as her configuration goes; her latest sync failed: an account is gone from the books."""
    today = datetime.now(UTC).date()
    place.profile(schedule={**UK_PROFILE["schedule"], "startDate": str(today - timedelta(days=20))})
    place.merchant("ann")
    place.merchant("bob")
    place.apply()
    place.consent_everyone()
    place.apply()
    selected = place.document("ann")["configuration"]["sales"]["accounts"]["gratuity"]["selectedAccountId"]
    company = place.company("ann")["id"]
    place.emulator.control("DELETE", f"/companies/{company}/accounts/{selected}?pull=false")
    begun = place.emulator.api.post(
        f"/companies/{company}/sync/historic",
        json={
            "dateRange": {
                "start": f"{today - timedelta(days=9)}T00:00:00Z",
                "finish": f"{today - timedelta(days=8)}T00:00:00Z",
            }
        },
    )
    assert begun.status_code == 200, begun.text
    place.emulator.advance("PT5S")
    return place


def conditions(place: Place, name: str) -> Mapping[str, str]:
    (merchant,) = json_of(place, "status", name)["merchants"]
    return {each["type"]: each["status"] for each in merchant["conditions"]}


def test_drift_reads_each_sync_where_it_is_asked_to_and_says_what_it_is_about(failed: Place) -> None:
    assert failed.run_in_process("drift").returncode == 0
    with failed.count_requests() as counts:
        done = failed.run_in_process("drift", "--syncs", "-o", "json")
    assert (done.returncode, counts[STATUS]) == (2, 2)
    document = json.loads(done.stdout)
    (found,) = [each for each in document["findings"] if each["code"] == "last-sync-failed"]
    assert found["field"] == "mapping.sales.accounts.gratuity"
    assert "The following account(s) were not found" in found["cause"]
    assert "Tips payable" in found["cause"]
    assert found["actor"] == "us"
    assert "merchantctl explain ann mapping.sales.accounts.gratuity" in found["remedy"]
    assert document["syncs"]["outcomes"] == {"failed": 1, "none": 1}
    assert document["syncs"]["unread"] == 0


def test_what_was_read_lately_counts_without_reading_again_and_blocks_nobody(failed: Place) -> None:
    failed.run_in_process("drift", "--syncs")
    with failed.count_requests() as counts:
        done = failed.run_in_process("drift")
    assert (done.returncode, counts[STATUS]) == (2, 0)
    assert "Last syncs as read 1 minute ago." in done.stdout
    assert "1 whose last sync failed" in done.stdout
    assert failed.run_in_process("apply", "--yes").returncode == 0
    assert failed.run_in_process("plan", "--detailed-exitcode").returncode == 0


def test_ready_and_syncing_say_two_things(failed: Place) -> None:
    assert conditions(failed, "bob")["Syncing"] == "Unknown"
    failed.run_in_process("drift", "--syncs")
    seen = conditions(failed, "ann")
    assert (seen["Ready"], seen["Syncing"]) == ("True", "False")
    (line,) = [each for each in failed.run_in_process("status").stdout.splitlines() if each.startswith("ann ")]
    assert "Syncing: last-sync-failed" in line


def test_a_reading_of_the_day_before_yesterday_is_shown_and_does_not_count(failed: Place) -> None:
    failed.run_in_process("drift", "--syncs")
    plan = failed.plan()
    (ann,) = [each for each in plan.plans if each.merchant == "ann"]
    assert ann.has_recent_sync_failure(plan.made_at)
    assert not ann.has_recent_sync_failure(plan.made_at + timedelta(hours=27))


def test_status_shows_the_last_and_the_next_sync(failed: Place) -> None:
    failed.run_in_process("drift", "--syncs")
    shown = failed.run_in_process("status", "ann").stdout
    assert "last sync  failed (4000)" in shown
    assert re.search(r"next sync  \d{4}-\d\d-\d\d (00|23):00 UTC \(Daily\)", shown)
    failed.merchant("bob", enabled=False)
    failed.apply()
    assert "next sync  none: switched off" in failed.run_in_process("status", "bob").stdout
    (bob,) = json_of(failed, "status", "bob")["merchants"]
    assert (bob["nextSync"], bob["nextSyncReason"]) == (None, "none: switched off")


def test_a_sync_that_cannot_be_read_is_unread_and_not_well(failed: Place) -> None:
    failed.emulator.fault(
        f"GET /meta/companies/{failed.company('bob')['id']}/sync/commerce/status", "status", code=500, times=20
    )
    done = failed.run_in_process("drift", "--syncs")
    assert done.returncode == 5
    assert "the latest sync of 1 merchant (bob)" in done.stdout


@pytest.mark.parametrize("output", ["text", "json", "markdown", "html", "csv"])
def test_every_format_names_the_field_and_the_owner(failed: Place, output: str) -> None:
    said = failed.run_in_process("drift", "--syncs", "-o", output).stdout.replace("\\", "").replace("<wbr>", "")
    assert "last-sync-failed" in said
    assert "mapping.sales.accounts.gratuity" in said


def test_the_metrics_count_last_syncs_by_code(failed: Place) -> None:
    failed.run_in_process("drift", "--syncs")
    metrics = exposition(Metrics(), ControllerStatus(plan=failed.plan()), "1").decode()
    assert 'merchantctl_last_syncs{code="4000"} 1.0' in metrics
    assert "last-sync-failed" in findings_by_code(failed.plan(), "ann")
