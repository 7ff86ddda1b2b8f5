"""Metrics: numbers for Prometheus, whose labels stay few however large the fleet is."""

import re
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from controller.model.controller_status import ControllerStatus
from controller.model.desired import DesiredMerchant, Fleet
from controller.model.plan import Actor, Direction
from controller.model.report import Applied, Failed, LimitExceeded, Refusal
from controller.telemetry.metrics import Metrics, exposition
from tests.unit.reporting.fleets import NOW, changing, finding, fleet, merchant, report, waiting


def samples(latest: ControllerStatus | None = None, meters: Metrics | None = None) -> dict[tuple[str, ...], float]:
    """Value by name and labels."""
    text = exposition(meters or Metrics(), latest or ControllerStatus(), "1.2.3").decode()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_moment_is_told_as_gauges() -> None:
    drift = finding("mapping-changed", "d", direction=Direction.DRIFT)
    plans = [merchant("a"), merchant("b"), waiting("c"), replace(changing("d"), findings=(drift,)), changing("e")]
    latest = ControllerStatus(
        plan=fleet(*plans),
        outcomes={"e": Failed("no", True)},
        last_full_pass_at=NOW,
        queued_count=7,
        pass_failure="no answer",
    )
    told = samples(latest)
    assert told["merchantctl_merchants", "in-sync"] == 2
    assert told["merchantctl_merchants", "waiting"] == 1
    assert told["merchantctl_merchants", "change"] == 1
    assert told["merchantctl_merchants", "failed"] == 1
    assert told["merchantctl_merchants", "blocked"] == 0
    assert told["merchantctl_findings", "connection-pending"] == 1
    assert told["merchantctl_merchants_awaiting_action", Actor.MERCHANT.value] == 1
    assert told["merchantctl_merchants_drifted",] == 1
    assert told["merchantctl_queue_merchants",] == 7
    assert told["merchantctl_last_pass_failed",] == 1
    assert told["merchantctl_last_full_pass_timestamp_seconds",] == NOW.timestamp()
    assert told["merchantctl_info", "1.2.3"] == 1


def test_what_happened_is_counted() -> None:
    meters, refusal = Metrics(), Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
    done = report(fleet(changing("a"), changing("b")), {"a": Applied(2), "b": Failed("no", True, writes=1)})
    meters.record_pass(done, everyone=True, seconds=3)
    meters.record_pass(fleet(refusal=refusal), everyone=True, seconds=1)
    meters.record_pass(None, everyone=False, seconds=1)
    meters.record_webhook_delivery("accepted")
    meters.record_alert(arrived=False)
    told = samples(meters=meters)
    assert told["merchantctl_passes_total", "done", "everyone"] == 1
    assert told["merchantctl_passes_total", "everyone", "refused"] == 1
    assert told["merchantctl_passes_total", "failed", "named"] == 1
    assert told["merchantctl_writes_total",] == 3
    assert told["merchantctl_outcomes_total", "failed"] == 1
    assert told["merchantctl_webhook_deliveries_total", "accepted"] == 1
    assert told["merchantctl_notifications_total", "failed"] == 1
    assert told["merchantctl_pass_seconds_sum", "everyone"] == 4


def test_every_name_is_ours_and_no_merchant_is_named() -> None:
    plans = [replace(waiting(f"merchant-{n}"), company_id=f"company-{n}") for n in range(200)]
    told = samples(ControllerStatus(plan=fleet(*plans)))
    assert all(name.startswith("merchantctl_") for name, *_ in told)
    assert not any("merchant-" in label or "company-1" in label for _, *labels in told for label in labels)
    assert len(told) < 120


def test_every_metric_has_its_line_in_the_documents() -> None:
    manifests = Fleet({"ann": DesiredMerchant("ann", "Ann")}, frozenset({"ann"}), (), True, "")
    latest = ControllerStatus(
        manifests, fleet(waiting()), looked_at={"ann": NOW}, last_full_pass_at=NOW, max_look_age_s=3960.0
    )
    text = exposition(Metrics(), latest, "1.2.3").decode()
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    page = (Path(__file__).parents[3] / "docs" / "reference.md").read_text(encoding="utf-8")
    rows = (line for line in page.splitlines() if line.startswith("| `merchantctl_"))
    listed = {name for row in rows for name in re.findall(r"`(merchantctl_\w+)", row)}
    ours = {name for name in told if not name.startswith("merchantctl_process_")}
    assert ours == listed - {"merchantctl_process_"}
