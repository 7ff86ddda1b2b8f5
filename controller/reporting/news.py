"""What is worth a message: what a pass brought to light that the moment before did not know. Pure.

Drift and conflicts, refusals by a limit, failures. A merchant that waits for consent is no news.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.model.latest import Latest
from controller.model.merchant import Complaint
from controller.model.plan import Finding
from controller.model.report import Done, Failed, FleetPlan, Refusal
from controller.reporting.as_json import SCHEMA_VERSION, complaints_json, finding_json, refusal_json
from controller.reporting.text import excess_words
from controller.reporting.verdict import is_drift
from controller.reporting.words import clean, count

LINES = 12
"""So many findings and failures are told in words; the rest is counted."""

IN_FULL = 100
"""So many are told as fields."""


@dataclass(frozen=True, slots=True)
class News:
    """What is new. Falsy when nothing is. The drift of `mended` merchants is put right already."""

    drift: tuple[Finding, ...] = ()
    mended: frozenset[str] = frozenset()
    failures: tuple[tuple[str, str], ...] = ()
    refusal: Refusal | None = None
    complaints: tuple[Complaint, ...] = ()
    trouble: str | None = None

    def __bool__(self) -> bool:
        return bool(self.drift or self.failures or self.refusal or self.complaints or self.trouble)


def news(before: Latest, now: Latest, *, since: datetime) -> News:
    """What `now` tells and `before` did not. `since` is when the pass between them began.

    After a start there is no moment before: then a finding is new when the ledger saw it first in this very pass.
    """
    return News(
        drift=tuple(_new_drift(before, now, since)),
        mended=_mended(now),
        failures=tuple(sorted(_failures(now) - _failures(before))),
        refusal=_new_refusal(before, now),
        complaints=tuple(each for each in now.complaints if each not in before.complaints),
        trouble=now.trouble if now.trouble != before.trouble else None,
    )


def message(news: News) -> dict[str, Any]:
    """The JSON of one message: `text` as chats of Slack's kind take it, and the facts as fields."""
    return {
        "text": "\n".join(_lines(news)),
        "schemaVersion": SCHEMA_VERSION,
        "kind": "News",
        "drift": {"count": len(news.drift), "findings": [_drift_json(each, news) for each in news.drift[:IN_FULL]]},
        "failures": {
            "count": len(news.failures),
            "merchants": [{"merchant": name, "reason": why} for name, why in news.failures[:IN_FULL]],
        },
        "refusal": refusal_json(news.refusal) if news.refusal else None,
        "complaints": complaints_json(news.complaints[:IN_FULL]),
        "trouble": news.trouble,
    }


def _drift_json(finding: Finding, news: News) -> dict[str, Any]:
    return finding_json(finding) | {"mended": finding.merchant in news.mended}


def _new_drift(before: Latest, now: Latest, since: datetime) -> Iterable[Finding]:
    known = {finding.key for finding in _standing_drift(before)}
    for finding in _drift(now.plan):
        seen_first_now = before.plan is not None or finding.since is None or finding.since >= since
        if finding.key not in known and seen_first_now:
            yield finding


def _standing_drift(latest: Latest) -> Iterable[Finding]:
    """Drift that was put right does not stand any more: should it come again, it is new."""
    mended = _mended(latest)
    return (finding for finding in _drift(latest.plan) if finding.merchant not in mended)


def _mended(latest: Latest) -> frozenset[str]:
    return frozenset(name for name, outcome in latest.outcomes.items() if isinstance(outcome, Done))


def _drift(plan: FleetPlan | None) -> Iterable[Finding]:
    return (finding for each in (plan.plans if plan else ()) for finding in each.findings if is_drift(finding))


def _failures(latest: Latest) -> set[tuple[str, str]]:
    return {(name, outcome.reason) for name, outcome in latest.outcomes.items() if isinstance(outcome, Failed)}


def _new_refusal(before: Latest, now: Latest) -> Refusal | None:
    """A refusal that stands is told once, however its numbers move."""
    refusal = now.plan.refusal if now.plan else None
    return refusal if _limits(now) != _limits(before) else None


def _limits(latest: Latest) -> frozenset[str]:
    refusal = latest.plan.refusal if latest.plan else None
    return frozenset(each.limit_of for each in refusal.excesses) if refusal else frozenset()


def _lines(news: News) -> list[str]:
    lines = [f"merchantctl: {_headline(news)}"]
    lines += [_told(news.trouble)] if news.trouble else []
    for excess in news.refusal.excesses if news.refusal else ():
        lines.append(f"{excess_words(excess)}. To allow it: merchantctl apply {excess.flag}")
    lines += _some([_told(str(each)) for each in news.complaints])
    lines += _some([f"{_told(name)}: {_told(why)}" for name, why in news.failures])
    return lines + _some([_finding(each, news) for each in news.drift])


def _headline(news: News) -> str:
    parts = ["the last pass came to nothing"] if news.trouble else []
    parts += ["a safety limit keeps all writes back"] if news.refusal else []
    parts += [count(len(news.complaints), "new complaint") + " about the manifests"] if news.complaints else []
    parts += [count(len(news.failures), "merchant") + " failed"] if news.failures else []
    parts += [count(len(news.drift), "new drift finding")] if news.drift else []
    return "; ".join(parts)


def _finding(finding: Finding, news: News) -> str:
    field = f" {_told(finding.field)}" if finding.field else ""
    remedy = "Put right." if finding.merchant in news.mended else _told(finding.remedy)
    return f"{_told(finding.merchant)}: {finding.code}{field}. {_told(finding.cause)} {remedy}"


def _some(lines: list[str]) -> list[str]:
    rest = len(lines) - LINES
    return lines if rest <= 0 else [*lines[:LINES], f"and {rest:,} more"]


def _told(text: str) -> str:
    """One line, in which a chat finds neither a link nor anybody to call."""
    one_line = clean(" ".join(text.split()))
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
