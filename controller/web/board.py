"""The dashboard as a value: who stands how, who must act, what drifted last, and the part that was asked for. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from controller.desired.selector import parse
from controller.model.latest import Latest
from controller.model.plan import Actor, Finding, Plan, Truth
from controller.model.report import Done, Outcome
from controller.reporting.standing import Standing, standing, still_open
from controller.reporting.verdict import is_drift

ON_A_PAGE = 50
NEWEST = 6
TOP_CODES = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One merchant in the list. `findings` still stand; `since` is the first sight of the newest of them."""

    plan: Plan
    outcome: Outcome | None
    labels: Mapping[str, str]
    standing: Standing
    findings: tuple[Finding, ...]
    since: datetime | None

    @property
    def merchant(self) -> str:
        return self.plan.merchant

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.code for each in self.findings))

    @property
    def waits_for(self) -> str:
        """The first condition that is not met, and why; after a write the first thing that it left open."""
        if isinstance(self.outcome, Done):
            return next(iter(self.codes), "")
        unmet = next((each for each in self.plan.conditions if each.status is not Truth.TRUE), None)
        if unmet is None:
            return ""
        return f"{unmet.type}: {unmet.reason}" if unmet.reason else unmet.type


@dataclass(frozen=True, slots=True)
class Need:
    """How many merchants wait for this one to act, and the codes of those findings, the most common first."""

    actor: Actor
    merchants: int
    codes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Something that somebody else changed, and whether it is put right already."""

    finding: Finding
    mended: bool


@dataclass(frozen=True, slots=True)
class Board:
    """The whole fleet; `rows` are all merchants, those first that need attention."""

    rows: tuple[Row, ...]
    standings: Mapping[Standing, int]
    needs: tuple[Need, ...]
    drifted: int
    newest: tuple[Moved, ...]
    codes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which merchants somebody wants to see; empty words ask for all. `name` is a part of it, or a shell glob."""

    state: str = ""
    code: str = ""
    actor: str = ""
    drift: str = ""
    label: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of a list. Pages count from 1."""

    rows: tuple[Row, ...]
    found: int
    page: int
    pages: int


def board(latest: Latest) -> Board:
    """The moment, put in order."""
    rows = tuple(sorted(_rows(latest), key=_urgency))
    talked_of = [row for row in rows if row.findings]
    return Board(
        rows=rows,
        standings=Counter(row.standing for row in rows),
        needs=tuple(_need(actor, talked_of) for actor in _WHO_ACTS),
        drifted=sum(any(is_drift(finding) for finding in row.findings) for row in talked_of),
        newest=_newest(rows),
        codes=tuple(sorted(Counter(code for row in talked_of for code in row.codes).items())),
    )


class Boards:
    """The board of the latest moment, made once however often it is looked at."""

    def __init__(self) -> None:
        self._made_of: tuple[object, ...] = ()
        self._board: Board | None = None

    def of(self, latest: Latest) -> Board:
        facts = (latest.plan, latest.outcomes, latest.fleet)
        if self._board is None or any(now is not then for now, then in zip(facts, self._made_of, strict=True)):
            self._made_of, self._board = facts, board(latest)
        return self._board


def chosen(rows: Iterable[Row], asked: Asked) -> list[Row]:
    """Those that were asked for, in the same order. Raises UsageError for a selector that is none."""
    wanted, name = parse(asked.label), asked.name.casefold()
    return [
        each
        for each in rows
        if asked.state in ("", each.standing)
        and (not asked.code or asked.code in each.codes)
        and (not asked.actor or any(finding.actor == asked.actor for finding in each.findings))
        and (not asked.drift or any(is_drift(finding) for finding in each.findings))
        and _is_called(each.merchant.casefold(), name)
        and all(requirement.holds(each.labels) for requirement in wanted)
    ]


def sheet(rows: Sequence[Row], page: int) -> Sheet:
    """That page, or the nearest there is."""
    pages = max(1, -(-len(rows) // ON_A_PAGE))
    page = min(max(1, page), pages)
    return Sheet(tuple(rows[(page - 1) * ON_A_PAGE : page * ON_A_PAGE]), len(rows), page, pages)


def _rows(latest: Latest) -> Iterable[Row]:
    declared = latest.fleet.merchants if latest.fleet else {}
    for plan in latest.plan.plans if latest.plan else ():
        wanted, outcome = declared.get(plan.merchant), latest.outcomes.get(plan.merchant)
        findings = still_open(plan, outcome)
        since = max((each.since for each in findings if each.since), default=None) if findings else None
        yield Row(plan, outcome, wanted.labels if wanted else {}, standing(plan, outcome), findings, since)


def _newest(rows: Iterable[Row]) -> tuple[Moved, ...]:
    moved = [
        Moved(finding, finding not in row.findings)
        for row in rows
        for finding in row.plan.findings
        if is_drift(finding)
    ]
    return tuple(sorted(moved, key=lambda each: each.finding.since or _LONG_AGO, reverse=True)[:NEWEST])


def _urgency(row: Row) -> tuple[int, float, str]:
    return _FIRST[row.standing], -row.since.timestamp() if row.since else 0.0, row.merchant


def _need(actor: Actor, rows: Iterable[Row]) -> Need:
    theirs = [codes for row in rows if (codes := {each.code for each in row.findings if each.actor is actor})]
    tally = Counter(code for codes in theirs for code in codes)
    return Need(actor, len(theirs), tuple(tally.most_common(TOP_CODES)))


def _is_called(merchant: str, name: str) -> bool:
    return fnmatchcase(merchant, name) if set("*?[") & set(name) else name in merchant


_FIRST = {each: place for place, each in enumerate(Standing)}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_WHO_ACTS = (Actor.US, Actor.MERCHANT, Actor.SERVICE, Actor.APPLY)
