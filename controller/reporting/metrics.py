"""Metrics for Prometheus: what is known now as gauges, what happened as counters. No label holds a merchant's name.

Every name begins with `merchantctl_`; docs/operating.md lists them.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.model.latest import Latest
from controller.model.plan import Actor, Finding
from controller.model.report import Done, Failed, FleetPlan, FleetReport, Moved
from controller.reporting.standing import Standing, standing, still_open
from controller.reporting.verdict import is_drift

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use here


class Meters:
    """What happened since the process began."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._passes = self._counter("passes", "Looks at the fleet, by whom and how they ended.", "scope", "result")
        self._seconds = Histogram(
            "merchantctl_pass_seconds",
            "How long a look at the fleet took.",
            ["scope"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._writes = self._counter("writes", "Requests that changed something at the service.")
        self._outcomes = self._counter("outcomes", "What became of merchants' plans.", "outcome")
        self._deliveries = self._counter("webhook_deliveries", "Webhook requests, by what they were.", "result")
        self._alerts = self._counter("notifications", "Messages to the chat, by whether they arrived.", "result")
        ProcessCollector(namespace="merchantctl", registry=self.registry)

    def pass_ended(self, result: FleetPlan | FleetReport | None, *, everyone: bool, seconds: float) -> None:
        """A pass came back with this; None = it came to nothing."""
        scope = "everyone" if everyone else "named"
        self._passes.labels(scope, _ending(result)).inc()
        self._seconds.labels(scope).observe(seconds)
        for outcome in result.outcomes.values() if isinstance(result, FleetReport) else ():
            self._outcomes.labels(type(outcome).__name__.lower()).inc()
            if isinstance(outcome, Done | Failed | Moved):
                self._writes.inc(outcome.writes)

    def delivery(self, result: str) -> None:
        """A webhook request was answered. `result` is one of a few words."""
        self._deliveries.labels(result).inc()

    def notified(self, *, arrived: bool) -> None:
        self._alerts.labels("sent" if arrived else "failed").inc()

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"merchantctl_{name}", what, labels, registry=self.registry)


def exposition(meters: Meters, latest: Latest, version: str) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Known(latest, version))
    return generate_latest(registry) + generate_latest(meters.registry)


def _ending(result: FleetPlan | FleetReport | None) -> str:
    match result:
        case None:
            return "failed"
        case FleetReport(stopped=why):
            return "stopped" if why else "done"
        case FleetPlan(refusal=refusal):
            return "refused" if refusal else "done"


class _Known(Collector):
    """One moment, as gauges."""

    def __init__(self, latest: Latest, version: str) -> None:
        self._latest = latest
        self._version = version

    def collect(self) -> Iterator[Metric]:
        latest, plan = self._latest, self._latest.plan
        yield _by("info", "Always 1; the version as a label.", "version", {self._version: 1})
        yield _one("queue_merchants", "Merchants that are due or wait for their time.", latest.queued)
        yield _one("manifest_complaints", "Complaints about the manifests on disk.", len(latest.complaints))
        yield _one("last_pass_failed", "1 when the last pass came to nothing.", latest.trouble is not None)
        yield from _instant("everyone_looked_at", "When everyone was last looked at.", latest.at)
        yield from _instant("everyone_due", "When everyone is to be looked at again.", latest.next_at)
        if plan:
            yield from _of_plan(plan, latest)


def _of_plan(plan: FleetPlan, latest: Latest) -> Iterator[Metric]:
    standings = Tally(standing(each, latest.outcomes.get(each.merchant)).value for each in plan.plans)
    yield _by("merchants", "Merchants, by how they stand.", "state", {each: standings[each] for each in Standing})
    findings = [still_open(each, latest.outcomes.get(each.merchant)) for each in plan.plans if each.findings]
    codes = Tally(finding.code for theirs in findings for finding in theirs)
    yield _by("findings", "Findings, by code.", "code", codes)
    yield _by("merchants_needing", "Merchants with a finding that this one must act on.", "actor", _needing(findings))
    drifted = sum(any(is_drift(finding) for finding in theirs) for theirs in findings)
    yield _one("merchants_drifted", "Merchants that somebody else changed and that are not put right.", drifted)
    yield _one("unmanaged_companies", "Companies that no manifest claims.", len(plan.unmanaged))
    yield _one("complete", "1 when everything that was asked for could be read.", plan.complete)
    yield _one("refused", "1 while a safety limit keeps all writes back.", plan.refusal is not None)


def _needing(findings: Iterable[tuple[Finding, ...]]) -> dict[str, int]:
    needs = Tally(actor for theirs in findings for actor in {each.actor.value for each in theirs})
    return {actor.value: needs[actor.value] for actor in Actor}


def _one(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"merchantctl_{name}", what, value=float(value))


def _by(name: str, what: str, label: str, values: Tally[str] | dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"merchantctl_{name}", what, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _instant(name: str, what: str, at: datetime | None) -> Iterator[GaugeMetricFamily]:
    if at:
        yield _one(f"{name}_timestamp_seconds", what, at.timestamp())
