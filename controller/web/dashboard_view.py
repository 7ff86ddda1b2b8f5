"""The dashboard as a value: statuses, who must act, the newest drift, and the list of merchants, filtered and sorted.
Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from heapq import nlargest
from typing import Any

from controller.desired.selector import parse_selector
from controller.model.controller_status import ControllerStatus
from controller.model.desired import DesiredMerchant
from controller.model.drift import is_drift
from controller.model.merchant_status import MerchantStatus, merchant_status, open_findings
from controller.model.plan import Actor, Finding, Plan
from controller.model.platforms import platform_name
from controller.model.report import Applied, Outcome
from controller.quick_dataclasses import dataclass

ROWS_PER_PAGE = 50
MAX_NEWEST_DRIFT = 6
MAX_CODES_PER_ACTOR = 6


@dataclass(frozen=True, slots=True)
class MerchantRow:
    """One merchant in the list.

    desired    as its manifest has it; `profile` and `platform` are empty where it names none
    findings   the open ones; `codes` are theirs, each once
    since      when the newest of them was found
    waits_for  the first condition that is not met, with its reason; after a write the first finding still open. Empty
               for a merchant that is as declared: one that is meant to be switched off waits for nothing
    drifts     one of the open findings is drift
    drift      the findings that are drift, also those that the last pass has put right
    waits      whom it waits for with which codes, each pair once
    urgency    what the list is sorted by where nobody asks otherwise
    """

    plan: Plan
    outcome: Outcome | None
    desired: DesiredMerchant | None
    profile: str
    platform: str
    status: MerchantStatus
    findings: tuple[Finding, ...]
    codes: tuple[str, ...]
    since: datetime | None
    waits_for: str
    drifts: bool
    drift: tuple[Finding, ...]
    waits: frozenset[tuple[Actor, str]]
    urgency: tuple[int, float, str]

    @property
    def merchant(self) -> str:
        return self.plan.merchant

    @property
    def labels(self) -> Mapping[str, str]:
        return self.desired.labels if self.desired else {}


@dataclass(frozen=True, slots=True)
class ActionSummary:
    """How many merchants wait for this actor, and the codes of those findings with counts, the most common first."""

    actor: Actor
    merchants: int
    codes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DriftEntry:
    """A drift finding; `corrected`: the last pass has put it right."""

    finding: Finding
    corrected: bool


@dataclass(frozen=True, slots=True)
class DashboardView:
    """The whole fleet. `rows` are all merchants, the most urgent first.

    codes, profiles, platforms  how many merchants have each
    """

    rows: tuple[MerchantRow, ...]
    statuses: Mapping[MerchantStatus, int]
    actions: tuple[ActionSummary, ...]
    drifted: int
    newest_drift: tuple[DriftEntry, ...]
    codes: tuple[tuple[str, int], ...]
    profiles: tuple[tuple[str, int], ...]
    platforms: tuple[tuple[str, int], ...]


class SortKey(StrEnum):
    """By what the list can be sorted: its columns."""

    MERCHANT = "merchant"
    STATE = "state"
    PROFILE = "profile"
    PLATFORM = "platform"
    WAITS_FOR = "waits-for"
    FINDINGS = "findings"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which merchants to list, and in which order; an empty field matches all.

    name  a part of the name, or a shell glob
    sort  a `SortKey`, with `-` before it the other way round; empty or unknown = the most urgent first
    """

    state: str = ""
    code: str = ""
    actor: str = ""
    drift: str = ""
    profile: str = ""
    platform: str = ""
    label: str = ""
    name: str = ""
    sort: str = ""

    @property
    def sorted_by(self) -> tuple[SortKey | None, bool]:
        """The column, and whether it runs the other way round."""
        word = self.sort.removeprefix("-")
        return (SortKey(word), word != self.sort) if word in tuple(SortKey) else (None, False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list, numbered from 1. `found` counts the rows of all pages."""

    rows: tuple[MerchantRow, ...]
    found: int
    number: int
    page_count: int


def build_dashboard_view(
    latest: ControllerStatus, reusable_rows: Mapping[str, MerchantRow] | None = None
) -> DashboardView:
    """Build the dashboard of one status.

    reusable_rows  the rows of an earlier one, by merchant: those of whom nothing is new are taken from there
    """
    rows = tuple(sorted(_rows(latest, reusable_rows or {}), key=lambda row: row.urgency))
    with_findings = [row for row in rows if row.findings]
    return DashboardView(
        rows=rows,
        statuses=Counter(row.status for row in rows),
        actions=_action_summaries(with_findings),
        drifted=sum(row.drifts for row in with_findings),
        newest_drift=_newest_drift(rows),
        codes=tuple(sorted(Counter(code for row in with_findings for code in row.codes).items())),
        profiles=tuple(sorted(Counter(row.profile for row in rows if row.profile).items())),
        platforms=tuple(sorted(Counter(row.platform for row in rows if row.platform).items())),
    )


class DashboardViewCache:
    """Builds the view of the latest status once, however many requests ask for it."""

    def __init__(self) -> None:
        self._source: tuple[object, ...] = ()
        self._view: DashboardView | None = None

    def get(self, latest: ControllerStatus) -> DashboardView:
        source = (latest.plan, latest.outcomes, latest.fleet)
        # By identity: a pass replaces these values, and comparing ten thousand plans would cost more than the view.
        if self._view is None or any(new is not old for new, old in zip(source, self._source, strict=True)):
            reusable_rows = {row.merchant: row for row in self._view.rows} if self._view else {}
            self._source, self._view = source, build_dashboard_view(latest, reusable_rows)
        return self._view


def filter_rows(rows: Iterable[MerchantRow], filter_: Filter) -> list[MerchantRow]:
    """The rows that match, in the same order. Raises UsageError for an invalid label selector."""
    requirements, name = parse_selector(filter_.label), filter_.name.casefold()
    return [
        row
        for row in rows
        if filter_.state in ("", row.status)
        and (not filter_.code or filter_.code in row.codes)
        and (not filter_.actor or any(finding.actor == filter_.actor for finding in row.findings))
        and filter_.profile in ("", row.profile)
        and filter_.platform in ("", row.platform)
        and (not filter_.drift or row.drifts)
        and (name in row.merchant.casefold() or fnmatchcase(row.merchant.casefold(), name))
        and all(requirement.is_met_by(row.labels) for requirement in requirements)
    ]


def sort_rows(rows: Sequence[MerchantRow], filter_: Filter) -> Sequence[MerchantRow]:
    """The rows as the filter wants them sorted; where two are alike the more urgent one stays first.

    Whoever has nothing in the column comes last, either way round.
    """
    key, is_reversed = filter_.sorted_by
    if key is None:
        return rows
    value = _SORT_VALUES[key]
    filled, empty = [row for row in rows if value(row)], [row for row in rows if not value(row)]
    return [*sorted(filled, key=value, reverse=is_reversed), *empty]


def paginate(rows: Sequence[MerchantRow], number: int) -> Page:
    """That page, or the nearest existing one."""
    page_count = max(1, -(-len(rows) // ROWS_PER_PAGE))
    number = min(max(1, number), page_count)
    return Page(tuple(rows[(number - 1) * ROWS_PER_PAGE : number * ROWS_PER_PAGE]), len(rows), number, page_count)


def _rows(latest: ControllerStatus, reusable_rows: Mapping[str, MerchantRow]) -> Iterable[MerchantRow]:
    declared = latest.fleet.merchants if latest.fleet else {}
    for plan in latest.plan.plans if latest.plan else ():
        name = plan.merchant
        desired, outcome, old = declared.get(name), latest.outcomes.get(name), reusable_rows.get(name)
        # By identity, as in the cache.
        is_same = old is not None and old.plan is plan and old.outcome is outcome and old.desired is desired
        yield old if old is not None and is_same else _row(plan, outcome, desired)


def _row(plan: Plan, outcome: Outcome | None, desired: DesiredMerchant | None) -> MerchantRow:
    status, findings = merchant_status(plan, outcome), open_findings(plan, outcome)
    codes = tuple(dict.fromkeys(finding.code for finding in findings))
    since = max((finding.since for finding in findings if finding.since), default=None) if findings else None
    platform = desired.platform if desired else None
    return MerchantRow(
        plan,
        outcome,
        desired,
        profile=(desired.profile or "") if desired else "",
        platform=(platform_name(platform) or platform) if platform else "",
        status=status,
        findings=findings,
        codes=codes,
        since=since,
        waits_for=_waits_for_text(plan, outcome, status, codes),
        drifts=any(map(is_drift, findings)),
        drift=tuple(filter(is_drift, plan.findings)),
        waits=frozenset((finding.actor, finding.code) for finding in findings),
        urgency=(_URGENCY_OF_STATUS[status], -since.timestamp() if since else 0.0, plan.merchant),
    )


def _waits_for_text(plan: Plan, outcome: Outcome | None, status: MerchantStatus, codes: Sequence[str]) -> str:
    if status is MerchantStatus.IN_SYNC and not codes:
        return ""
    if isinstance(outcome, Applied):
        return next(iter(codes), "")
    unmet = plan.first_unmet_condition
    return ": ".join(filter(None, (unmet.type, unmet.reason))) if unmet else ""


def _newest_drift(rows: Iterable[MerchantRow]) -> tuple[DriftEntry, ...]:
    found = ((finding, row) for row in rows for finding in row.drift)
    newest = nlargest(MAX_NEWEST_DRIFT, found, key=lambda entry: entry[0].since or _LONG_AGO)
    return tuple(DriftEntry(finding, finding not in row.findings) for finding, row in newest)


def _action_summaries(rows: Sequence[MerchantRow]) -> tuple[ActionSummary, ...]:
    codes = Counter(pair for row in rows for pair in row.waits)
    merchants = Counter(actor for row in rows for actor in {actor for actor, _ in row.waits})
    by_actor = {actor: Counter({code: n for (who, code), n in codes.items() if who is actor}) for actor in _ACTORS}
    return tuple(
        ActionSummary(actor, merchants[actor], tuple(by_actor[actor].most_common(MAX_CODES_PER_ACTOR)))
        for actor in _ACTORS
    )


_URGENCY_OF_STATUS = {status: position for position, status in enumerate(MerchantStatus)}
_SORT_VALUES: Mapping[SortKey, Callable[[MerchantRow], Any]] = {
    SortKey.MERCHANT: lambda row: row.merchant.casefold(),
    SortKey.STATE: lambda row: row.urgency[0] + 1,
    SortKey.PROFILE: lambda row: row.profile,
    SortKey.PLATFORM: lambda row: row.platform,
    SortKey.WAITS_FOR: lambda row: row.waits_for,
    SortKey.FINDINGS: lambda row: row.codes,
    SortKey.NEWEST: lambda row: row.urgency[1],
}
"""What a column is sorted by; the newest first."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_ACTORS = (Actor.OPERATOR, Actor.MERCHANT, Actor.CODAT, Actor.APPLY)
