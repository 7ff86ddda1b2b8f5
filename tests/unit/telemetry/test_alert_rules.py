"""Alert rules and Grafana dashboard in docs/: each query names a metric that moves when what it is about happens."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.model.controller_status import ControllerStatus
from controller.model.desired import DesiredMerchant, Diagnostic, Fleet
from controller.model.observed import LastSync
from controller.model.plan import Actor, Direction
from controller.model.report import Applied, Failed, LimitExceeded, Refusal
from controller.telemetry.metrics import Metrics
from tests.unit.reporting.fleets import NOW, changing, finding, fleet, merchant, report
from tests.unit.telemetry.test_metrics import samples

DOCS = Path(__file__).parents[3] / "docs"

# Metrics whose value never changes while the process lives: that they are there is what is asked.
CONSTANT = {"merchantctl_info"}


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((DOCS / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [str(rule["expr"]) for rule in rules()] + of_panels


def quiet() -> dict[tuple[str, ...], float]:
    manifests = Fleet({"a": DesiredMerchant("a", "A")}, frozenset("a"), (), True, "")
    return samples(ControllerStatus(manifests, fleet(merchant("a")), looked_at={"a": NOW}), Metrics())


def troubled() -> dict[tuple[str, ...], float]:
    """Everything that can go wrong, at once and an hour later."""
    meters, refusal = Metrics(), Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
    meters.record_pass(report(fleet(changing("a")), {"a": Applied(2)}), everyone=True, seconds=3)
    meters.record_webhook_delivery("not-proven")
    meters.record_alert(arrived=False)
    meters.record_report_delivery("finance", "mail", "lost")
    meters.set_report_sent_times({("finance", "mail"): NOW})
    failed_sync = LastSync(4000, "no account", NOW, NOW, NOW)
    drift = finding("mapping-changed", "b", Actor.OPERATOR, direction=Direction.DRIFT)
    plans = [changing("a"), replace(merchant("b"), findings=(drift,), last_sync=failed_sync)]
    manifests = Fleet({name: DesiredMerchant(name, name) for name in "ab"}, frozenset("ab"), (), True, "")
    latest = ControllerStatus(
        manifests,
        replace(fleet(*plans), refusal=refusal),
        outcomes={"a": Failed("no", retryable=True)},
        looked_at=dict.fromkeys("ab", NOW + timedelta(hours=1)),
        queued_count=3,
        diagnostics=(Diagnostic("a.yaml", 1, 1, "no"),),
        pass_failure="no answer",
        revision_note="held",
        max_look_age_s=3960.0,
    )
    return samples(latest, meters)


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_query_is_about_a_metric_that_moves(expression: str) -> None:
    before, after = quiet(), troubled()
    moved = {key[0] for key in before.keys() | after.keys() if before.get(key) != after.get(key)} | CONSTANT
    named = set(re.findall(r"merchantctl_\w+", expression))
    assert named, expression
    assert named <= moved


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_label_that_a_query_asks_for_is_one_that_the_metric_has(expression: str) -> None:
    after = troubled()
    for name, label, value in re.findall(r"(merchantctl_\w+)\{(\w+)=\"([^\"]+)\"\}", expression):
        assert any(key[0] == name and value in key[1:] for key in after), f"{name} has no {label} {value}"


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_no_two_panels_lie_on_each_other_and_each_knows_its_data_source() -> None:
    places: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & places, panel["title"]
        assert max(x for x, _ in cells) < 24
        places |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in panels()}) == len(panels())
