"""How the fleet stands and what happened in a period, from what the state remembers: nothing of it is asked for. Pure.

FleetMemory   what was read from the state: the last look at each merchant, the ledger, the latest syncs
PeriodReport  what a report of it says: new, still open and closed findings, the onboarding funnel, ages, syncs
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from typing import Any

from controller.model.drift import is_drift
from controller.model.field_values import Value, value_from_json
from controller.model.finding_filter import Shown
from controller.model.merchant_status import MerchantStatus
from controller.model.not_booked import NotBooked, NotBookedGroup, group_not_booked
from controller.model.observed import LastSync
from controller.model.plan import Actor, ConditionStatus, Direction, Finding, Plan
from controller.model.rollout import Rollout
from controller.quick_dataclasses import dataclass

CHART_DAYS = 30
"""Of so many days what came and went is counted by day; flapping is counted over the same time."""
LEAST_RECURRENCES = 3
AGE_LIMITS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))

FUNNEL_CONDITIONS = (
    ("created", "CompanyReady"),
    ("consented", "AccountingConnected"),
    ("data", "DataReady"),
    ("mapped", "Mapped"),
)
"""A merchant's way, after it is declared and before its sales are synced: the step, and the condition that it meets."""


@dataclass(frozen=True, slots=True)
class ReportedOccurrence:
    """One time that a finding was open, as the ledger has it; values as JSON. `gone_at`: None while it is open."""

    merchant: str
    code: str
    field: str
    direction: str | None
    live: Any
    wanted: Any
    cause: str | None
    found_at: datetime
    gone_at: datetime | None
    how: str | None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.merchant, self.code, self.field)


@dataclass(frozen=True, slots=True)
class FleetMemory:
    """What the state remembers of the merchants that a report is about.

    names        who is declared; where the manifests could not be read, who was seen
    plans        how each stood at the last look at it; whoever was never looked at is not among them
    statuses     and its status, with what a run made of it since
    looked_at    when that look began, by merchant
    met          the conditions that each met when they were seen last
    occurrences  open, or ended within the period or the days of a chart
    syncs        the latest sync of each, as it was read last
    labels       by merchant
    base_url, environment, revision   of the last look at everyone
    samples      how many merchants had which status, now and then within the days of a chart, the oldest first; of the
                 whole fleet, so none where the report is about a part of it
    not_booked   whose sales do not arrive in the books
    rollout      the newest one; None where there was none, or the report is about a part of the fleet
    """

    names: frozenset[str]
    plans: Mapping[str, Plan]
    statuses: Mapping[str, MerchantStatus]
    looked_at: Mapping[str, datetime]
    met: Mapping[str, frozenset[str]]
    occurrences: Sequence[ReportedOccurrence]
    syncs: Mapping[str, LastSync]
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    base_url: str = ""
    environment: str | None = None
    revision: str = ""
    notes: tuple[str, ...] = ()
    samples: Sequence[tuple[datetime, Mapping[MerchantStatus, int]]] = ()
    not_booked: Sequence[NotBooked] = ()
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class ClosedFinding:
    """A finding that is over. `how` it ended, in a word of `finding_evidence.Ended`; `is_back`: it is open again."""

    finding: Finding
    closed_at: datetime
    how: str
    is_back: bool


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A finding that came again and again."""

    merchant: str
    code: str
    field: str
    times: int
    is_open: bool
    last_found_at: datetime


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many drifts were found and ended on a day (UTC)."""

    day: date
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class StatusTrend:
    """How many merchants had a status at the end of each of the days; None for a day of which nothing is known."""

    status: MerchantStatus
    counts: tuple[int | None, ...]

    @property
    def known_counts(self) -> tuple[int, ...]:
        return tuple(count for count in self.counts if count is not None)


@dataclass(frozen=True, slots=True)
class LabelPart:
    """The merchants with one value of a label, None for those without it."""

    value: str | None
    merchants: int
    statuses: Mapping[MerchantStatus, int]
    new: int
    still_open: int
    closed: int


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """How the fleet stands, and what came and went since `since`.

    never_looked_at  declared, and no look has seen it
    new, still_open  open findings, first seen in the period or before
    closed           findings that ended in the period
    ages             open drift by age: under each of AGE_LIMITS, and older
    data_ages        merchants by the age of the reference data that they were judged on: likewise
    rollout          the newest one; None where there was none, or the report is about a part of the fleet
    funnel           by step how many merchants have come so far
    trends          by status, over the same days as `days`; of the whole fleet alone, where a controller took samples
    not_booked       whose sales do not arrive in the books, by cause and by who must act
    sync_outcomes    of those that are mapped: how the latest sync went, in the words of `sync_outcome`
    """

    made_at: datetime
    since: datetime
    base_url: str
    environment: str | None
    revision: str
    oldest_look_at: datetime | None
    newest_look_at: datetime | None
    merchants: int
    never_looked_at: int
    statuses: Mapping[MerchantStatus, int]
    new: tuple[Finding, ...]
    still_open: tuple[Finding, ...]
    closed: tuple[ClosedFinding, ...]
    recurrences: tuple[Recurrence, ...]
    days: tuple[DayCount, ...]
    ages: tuple[int, ...]
    funnel: tuple[tuple[str, int], ...]
    sync_outcomes: Mapping[str, int]
    syncs_read_at: tuple[datetime, datetime] | None
    trends: tuple[StatusTrend, ...] = ()
    parts: tuple[LabelPart, ...] = ()
    shown: Shown = field(default_factory=Shown)
    notes: tuple[str, ...] = ()
    not_booked: tuple[NotBookedGroup, ...] = ()
    data_ages: tuple[int, ...] = ()
    rollout: Rollout | None = None

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        return self.new + self.still_open


def make_period_report(memory: FleetMemory, since: datetime, now: datetime, shown: Shown) -> PeriodReport:
    """The report; findings that its filter leaves out count nowhere in it."""
    ledger = memory.occurrences
    known = {finding.key: finding for plan in memory.plans.values() for finding in plan.findings}
    told = [(each, _finding_from_occurrence(each, known)) for each in ledger]
    wanted = [(each, finding) for each, finding in told if shown.filter.shows(finding)]
    open_keys = {each.key for each in ledger if each.gone_at is None}
    open_ = [(each, finding) for each, finding in wanted if each.gone_at is None]
    new = tuple(finding for each, finding in open_ if each.found_at > since)
    still_open = tuple(finding for each, finding in open_ if each.found_at <= since)
    closed = tuple(
        ClosedFinding(finding, each.gone_at, each.how or "", each.key in open_keys)
        for each, finding in wanted
        if each.gone_at is not None and each.gone_at > since
    )
    drift = [each for each, finding in wanted if is_drift(finding)]
    looked_at = [memory.looked_at[name] for name in memory.names if name in memory.looked_at]
    syncing = [name for name in memory.names if _has_reached("Mapped", memory.met.get(name, frozenset()))]
    read_at = [memory.syncs[name].read_at for name in syncing if name in memory.syncs]
    return PeriodReport(
        made_at=now,
        since=since,
        base_url=memory.base_url,
        environment=memory.environment,
        revision=memory.revision,
        oldest_look_at=min(looked_at, default=None),
        newest_look_at=max(looked_at, default=None),
        merchants=len(memory.names),
        never_looked_at=len(memory.names - memory.looked_at.keys()),
        statuses=_count_statuses(memory, memory.names),
        new=new,
        still_open=still_open,
        closed=closed,
        recurrences=_recurrences([each for each, _ in wanted], now),
        days=_count_drift_by_day(drift, now),
        ages=count_ages((each.found_at for each in drift if each.gone_at is None), now),
        funnel=count_funnel(memory.names, memory.met, memory.syncs),
        sync_outcomes=dict(Counter(sync_outcome(memory.syncs.get(name)) for name in syncing)),
        syncs_read_at=(min(read_at), max(read_at)) if read_at else None,
        trends=_trends(memory.samples, now),
        shown=Shown(shown.filter, len(told) - len(wanted), shown.group_by),
        notes=memory.notes,
        not_booked=group_not_booked(_shown_not_booked(memory, shown)),
        data_ages=count_ages(_oldest_pull_times(memory), now),
        rollout=memory.rollout,
        parts=_label_parts(memory, shown.group_by, new, still_open, closed) if shown.group_by else (),
    )


def _oldest_pull_times(memory: FleetMemory) -> Iterator[datetime]:
    for plan in memory.plans.values():
        if plan.data_age and plan.data_age.oldest_pulled_at:
            yield plan.data_age.oldest_pulled_at


def _shown_not_booked(memory: FleetMemory, shown: Shown) -> Iterator[NotBooked]:
    """Those that the filter shows. What stopped a merchant has been there for as long as the ledger has it."""
    found_at = {each.key: each.found_at for each in memory.occurrences if each.gone_at is None}
    for each in memory.not_booked:
        if shown.filter.shows(each.finding):
            since = each.finding.since or found_at.get(each.finding.key)
            yield replace(each, finding=replace(each.finding, since=since))


def sync_outcome(sync: LastSync | None) -> str:
    """`succeeded`, `failed`, `running`, `none` where there was no sync yet, `unread` where nobody looked."""
    if sync is None:
        return "unread"
    if sync.code is None:
        return "none"
    return "failed" if sync.failed else {1: "running", 2: "succeeded"}.get(sync.code // 1000, "unread")


def _finding_from_occurrence(occurrence: ReportedOccurrence, known: Mapping[tuple[str, str, str], Finding]) -> Finding:
    """As the last look at the merchant had it, with who must act; what is over, or was not seen then, as noted."""
    seen = known.get(occurrence.key) if occurrence.gone_at is None else None
    if seen is not None:
        return replace(seen, since=occurrence.found_at)
    direction = next((each for each in Direction if each == occurrence.direction), None)
    return Finding(
        occurrence.code,
        occurrence.merchant,
        occurrence.cause or "",
        "",
        Actor.NOBODY,
        field=occurrence.field or None,
        live=_decode_stored_value(occurrence.field, occurrence.live),
        wanted=_decode_stored_value(occurrence.field, occurrence.wanted),
        direction=direction,
        since=occurrence.found_at,
    )


def _decode_stored_value(field_path: str, stored: Any) -> Value:
    """As the state keeps it; an imported state may hold anything there."""
    try:
        return value_from_json(field_path, stored)
    except (KeyError, TypeError, ValueError):
        return str(stored)


def _count_statuses(memory: FleetMemory, names: Iterable[str]) -> dict[MerchantStatus, int]:
    counts = Counter(memory.statuses[name] for name in names if name in memory.statuses)
    return {status: counts[status] for status in MerchantStatus if counts[status]}


def _recurrences(occurrences: Sequence[ReportedOccurrence], now: datetime) -> tuple[Recurrence, ...]:
    """What came at least LEAST_RECURRENCES times within the days of a chart; most often first."""
    recent = [each for each in occurrences if each.found_at > now - timedelta(days=CHART_DAYS)]
    times = Counter(each.key for each in recent)
    open_keys = {each.key for each in recent if each.gone_at is None}
    last = {each.key: each.found_at for each in sorted(recent, key=lambda each: each.found_at)}
    found = [
        Recurrence(*key, number, key in open_keys, last[key])
        for key, number in times.items()
        if number >= LEAST_RECURRENCES
    ]
    return tuple(sorted(found, key=lambda each: (-each.times, each.merchant, each.code, each.field)))


def _count_drift_by_day(drift: Sequence[ReportedOccurrence], now: datetime) -> tuple[DayCount, ...]:
    opened = Counter(each.found_at.date() for each in drift)
    closed = Counter(each.gone_at.date() for each in drift if each.gone_at)
    days = [now.date() - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    return tuple(DayCount(day, opened[day], closed[day]) for day in days)


def _trends(samples: Sequence[tuple[datetime, Mapping[MerchantStatus, int]]], now: datetime) -> tuple[StatusTrend, ...]:
    """By status the last sample of each day; a status that nobody ever had is left out."""
    last_of_day = {at.date(): counts for at, counts in samples}
    days = [last_of_day.get(now.date() - timedelta(days=back)) for back in range(CHART_DAYS - 1, -1, -1)]
    had = {status for counts in last_of_day.values() for status, number in counts.items() if number}
    return tuple(
        StatusTrend(status, tuple(None if counts is None else counts.get(status, 0) for counts in days))
        for status in MerchantStatus
        if status in had
    )


def count_ages(found_at: Iterable[datetime], now: datetime) -> tuple[int, ...]:
    """How many are younger than each of AGE_LIMITS, and how many older than all of them."""
    counts = Counter(sum(now - at >= limit for limit in AGE_LIMITS) for at in found_at)
    return tuple(counts[place] for place in range(len(AGE_LIMITS) + 1))


def count_funnel(
    names: Collection[str], met: Mapping[str, frozenset[str]], syncs: Mapping[str, LastSync]
) -> tuple[tuple[str, int], ...]:
    """How many have come to each step; whoever has come to one has come to all before it.

    met    by merchant the conditions that it meets
    syncs  by merchant its latest sync
    """
    steps = [("declared", len(names))]
    for word, condition in FUNNEL_CONDITIONS:
        steps.append((word, sum(_has_reached(condition, met.get(name, frozenset())) for name in names)))
    mapped = [name for name in names if _has_reached("Mapped", met.get(name, frozenset()))]
    return (*steps, ("syncing", sum(sync_outcome(syncs.get(name)) == "succeeded" for name in mapped)))


def count_funnel_of_plans(plans: Sequence[Plan]) -> tuple[tuple[str, int], ...]:
    """The same of merchants that were looked at just now."""
    met = {
        plan.merchant: frozenset(each.type for each in plan.conditions if each.status is ConditionStatus.TRUE)
        for plan in plans
    }
    return count_funnel(met.keys(), met, {plan.merchant: plan.last_sync for plan in plans if plan.last_sync})


def _has_reached(condition: str, met: frozenset[str]) -> bool:
    conditions = [each for _, each in FUNNEL_CONDITIONS]
    return met.issuperset(conditions[: conditions.index(condition) + 1])


def _label_parts(
    memory: FleetMemory,
    label: str,
    new: Sequence[Finding],
    still_open: Sequence[Finding],
    closed: Sequence[ClosedFinding],
) -> tuple[LabelPart, ...]:
    value_of = {name: memory.labels.get(name, {}).get(label) for name in memory.names}
    counts = [
        Counter(value_of.get(each.merchant) for each in findings)
        for findings in (new, still_open, [each.finding for each in closed])
    ]
    names_by_value: dict[str | None, list[str]] = defaultdict(list)
    for name, value in value_of.items():
        names_by_value[value].append(name)
    parts = []
    for value in sorted(names_by_value, key=lambda value: (value is None, value or "")):
        names, numbers = names_by_value[value], [count[value] for count in counts]
        parts.append(LabelPart(value, len(names), _count_statuses(memory, names), *numbers))
    return tuple(parts)
