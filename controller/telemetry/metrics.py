"""Metrics for Prometheus: the current status as gauges, events as counters. No label holds a merchant's name.

Every name begins with `merchantctl_`; docs/reference.md lists them.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.model.controller_status import ControllerStatus
from controller.model.drift import is_drift
from controller.model.holds import count_closed_by_word
from controller.model.merchant_status import MerchantStatus, merchant_status, open_findings
from controller.model.plan import Actor
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, FleetReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PASS_BUCKETS_S = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800)

# Without this each counter has a second series with its creation time, of no use here.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Counters since the process began, and the histogram of passes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._passes = self._counter("passes", "Looks at the fleet, by whom and how they ended.", "scope", "result")
        self._seconds = Histogram(
            "merchantctl_pass_seconds",
            "How long a look at the fleet took.",
            ["scope"],
            buckets=_PASS_BUCKETS_S,
            registry=self.registry,
        )
        self._writes = self._counter("writes", "Requests that changed something at Codat.")
        self._outcomes = self._counter("outcomes", "What became of merchants' plans.", "outcome")
        self._deliveries = self._counter("webhook_deliveries", "Webhook requests, by what they were.", "result")
        self._alerts = self._counter("notifications", "Messages to the chat, by whether they arrived.", "result")
        self._reports = self._counter(
            "report_deliveries",
            "Attempts to deliver scheduled reports: sent, failed (tried again) or lost (not tried again).",
            *("report", "destination", "result"),
        )
        self._reports_sent = Gauge(
            "merchantctl_report_last_sent_timestamp_seconds",
            "When a scheduled report last arrived at a destination, whichever process sent it.",
            ["report", "destination"],
            registry=self.registry,
        )
        ProcessCollector(namespace="merchantctl", registry=self.registry)

    def record_pass(self, result: FleetPlan | FleetReport | None, *, everyone: bool, seconds: float) -> None:
        """Count a pass with its result; None = it failed as a whole."""
        scope = "everyone" if everyone else "named"
        self._passes.labels(scope, _result_word(result)).inc()
        self._seconds.labels(scope).observe(seconds)
        if isinstance(result, FleetReport):
            self.record_outcomes(result)

    def record_outcomes(self, report: FleetReport) -> None:
        """Count what became of plans, and the requests that it took."""
        for outcome in report.outcomes.values():
            self._outcomes.labels(outcome.word).inc()
            if isinstance(outcome, Applied | Failed | ChangedSincePlan):
                self._writes.inc(outcome.writes)

    def record_webhook_delivery(self, result: str) -> None:
        """Count an answered webhook request. `result` is one of a few words: it becomes a label."""
        self._deliveries.labels(result).inc()

    def record_alert(self, *, arrived: bool) -> None:
        self._alerts.labels("sent" if arrived else "failed").inc()

    def record_report_delivery(self, report: str, destination: str, result: str) -> None:
        """Count an attempt. `result`: sent, failed or lost."""
        self._reports.labels(report, destination, result).inc()

    def set_report_sent_times(self, sent_at: Mapping[tuple[str, str], datetime]) -> None:
        """When each report last arrived, by report and destination."""
        for (report, destination), at in sent_at.items():
            self._reports_sent.labels(report, destination).set(at.timestamp())

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"merchantctl_{name}", help_text, labels, registry=self.registry)


def exposition(metrics: Metrics, latest: ControllerStatus, version: str) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_StatusCollector(latest, version))
    return generate_latest(registry) + generate_latest(metrics.registry)


def _result_word(result: FleetPlan | FleetReport | None) -> str:
    match result:
        case None:
            return "failed"
        case FleetReport(stop_reason=reason):
            return "stopped" if reason else "done"
        case FleetPlan(refusal=refusal):
            return "refused" if refusal else "done"


class _StatusCollector(Collector):
    """The gauges of one status snapshot."""

    def __init__(self, latest: ControllerStatus, version: str) -> None:
        self._latest = latest
        self._version = version

    def collect(self) -> Iterator[Metric]:
        latest, plan = self._latest, self._latest.plan
        yield _labelled_gauge("info", "Always 1; the version as a label.", "version", {self._version: 1})
        yield _gauge("queue_merchants", "Merchants that are due or wait for their time.", latest.queued_count)
        yield _gauge("manifest_complaints", "Complaints about the manifests on disk.", len(latest.diagnostics))
        held = latest.revision_note is not None
        help_text = "1 while a revision waits for a decision, is not in force here, or none can be fetched."
        yield _gauge("revision_held", help_text, held)
        yield _gauge("last_pass_failed", "1 when the last pass came to nothing.", latest.pass_failure is not None)
        yield from _timestamp_gauge(
            "last_full_pass", "When the last pass over everyone ended.", latest.last_full_pass_at
        )
        yield from _timestamp_gauge(
            "oldest_look", "Since when everyone who has a manifest was looked at.", latest.oldest_look_at
        )
        if latest.max_look_age_s is not None:
            help_text = "How old the oldest look may grow while Codat answers, by resync, merchants and pace."
            yield _gauge("oldest_look_limit_seconds", help_text, latest.max_look_age_s)
        if plan:
            yield from _plan_metrics(plan, latest)


def _plan_metrics(plan: FleetPlan, latest: ControllerStatus) -> Iterator[Metric]:
    # Every state and actor is exported, also with 0: a series that disappears breaks alerts on it.
    statuses = Tally(merchant_status(row, latest.outcomes.get(row.merchant)).value for row in plan.plans)
    by_state = {status.value: statuses[status] for status in MerchantStatus}
    yield _labelled_gauge("merchants", "Merchants, by how they stand.", "state", by_state)
    findings = [open_findings(row, latest.outcomes.get(row.merchant)) for row in plan.plans if row.findings]
    codes = Tally(finding.code for merchant_findings in (plan.findings, *findings) for finding in merchant_findings)
    yield _labelled_gauge("findings", "Findings, by code.", "code", codes)
    actors = Tally(
        actor for merchant_findings in findings for actor in {finding.actor.value for finding in merchant_findings}
    )
    by_actor = {actor.value: actors[actor.value] for actor in Actor}
    help_text = "Merchants with a finding that this one must act on."
    yield _labelled_gauge("merchants_awaiting_action", help_text, "actor", by_actor)
    sync_codes = Tally(
        str(row.last_sync.code) for row in plan.plans if row.last_sync and row.last_sync.code is not None
    )
    help_text = "Merchants by the status code of their last sync, as it was read."
    yield _labelled_gauge("last_syncs", help_text, "code", sync_codes)
    drifted = sum(any(is_drift(finding) for finding in merchant_findings) for merchant_findings in findings)
    yield _gauge("merchants_drifted", "Merchants that somebody else changed and that are not put right.", drifted)
    for word, number in count_closed_by_word(row.hold for row in plan.plans).items():
        yield _gauge(f"merchants_{word}", f"Merchants that are {word}: looked at, and not written to.", number)
    yield _gauge("unmanaged_companies", "Companies that no manifest claims.", plan.unmanaged_count)
    yield _gauge("complete", "1 when everything that was asked for could be read.", plan.is_complete)
    refused = plan.refusal is not None or bool(plan.findings)
    yield _gauge(
        "refused", "1 while a safety limit keeps all writes back, or a mass loss creates and removals.", refused
    )


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"merchantctl_{name}", help_text, value=float(value))


def _labelled_gauge(name: str, help_text: str, label: str, values: Tally[str] | dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"merchantctl_{name}", help_text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _timestamp_gauge(name: str, help_text: str, at: datetime | None) -> Iterator[GaugeMetricFamily]:
    if at:
        yield _gauge(f"{name}_timestamp_seconds", help_text, at.timestamp())
