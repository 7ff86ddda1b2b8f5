"""Alerts: what a message to the chat says, so that each thing is announced once. Pure.

findings   each drift that came or ended, by the id of its occurrence in the drift ledger
topics     failed merchants, exceeded limits, invalid manifests and failed passes, each by a text without counts,
           ages, times and correlation ids (`mask_volatile_parts`). A topic is announced again only after it was over
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from controller.model.controller_status import ControllerStatus
from controller.model.desired import Diagnostic
from controller.model.finding_evidence import ENDED_WORDS, Ended
from controller.model.plan import Finding
from controller.model.report import Applied, Failed, FleetPlan, Outcome, Refusal, Unchanged
from controller.quick_dataclasses import dataclass
from controller.reporting.as_json import REPORT_SCHEMA_VERSION, diagnostics_json, finding_json, refusal_json
from controller.reporting.formatting import clean, format_count, format_iso
from controller.reporting.text import limit_exceeded_text

MAX_LINES_IN_TEXT = 12
"""Lines of each kind in the text of a message; the rest is counted."""

_CHAT_MARKUP = re.compile(r"@|:(?=//)|(?<=\bwww)\.|\](?=\()|(?<=\w)\.(?=[a-z]{2,}\b)", re.IGNORECASE)

MAX_ITEMS_IN_JSON = 100
"""Items of each kind in the JSON of a message."""

Topic = tuple[str, str]
"""Subject and identity, as in (`failure acme`, its reason without the parts that vary)."""


@dataclass(frozen=True, slots=True)
class FindingAlert:
    """A finding that came or ended since the last message.

    finding  as it was seen last
    number   id of its occurrence in the drift ledger
    is_new   it has not been announced yet; False: it was, and has ended since
    ended    how it ended; None while it is open
    """

    finding: Finding
    number: int
    is_new: bool = True
    ended: Ended | None = None
    gone_at: datetime | None = None

    @property
    def corrected(self) -> bool:
        return self.ended is Ended.MENDED


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. Falsy when there is nothing to announce."""

    findings: tuple[FindingAlert, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    refusal: Refusal | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    pass_failure: str | None = None

    def __bool__(self) -> bool:
        return bool(self.findings or self.failures or self.refusal or self.diagnostics or self.pass_failure)

    @property
    def new_findings(self) -> tuple[FindingAlert, ...]:
        return tuple(alert for alert in self.findings if alert.is_new)

    @property
    def announced_ended_findings(self) -> tuple[FindingAlert, ...]:
        return tuple(alert for alert in self.findings if not alert.is_new)


@dataclass(frozen=True, slots=True)
class StandingTopics:
    """The topics that stand after a pass, and the announced ones that it shows to be `over`."""

    failures: Mapping[Topic, tuple[str, str]] = field(default_factory=dict)
    limits: Mapping[Topic, Refusal] = field(default_factory=dict)
    invalid_manifests: Mapping[Topic, Diagnostic] = field(default_factory=dict)
    pass_failures: Mapping[Topic, str] = field(default_factory=dict)
    over: frozenset[Topic] = frozenset()

    @property
    def topics(self) -> frozenset[Topic]:
        return frozenset({*self.failures, *self.limits, *self.invalid_manifests, *self.pass_failures})


FAILURE, LIMIT, INVALID_MANIFEST, PASS_FAILURE = "failure ", "limit", "complaint", "trouble"


def standing_topics(
    latest: ControllerStatus,
    announced: Iterable[Topic],
    plan: FleetPlan | None,
    outcomes: Mapping[str, Outcome],
    *,
    is_whole_fleet: bool,
    is_pass_failure_over: bool = False,
) -> StandingTopics:
    """What stands after a pass.

    announced       topics announced before
    plan, outcomes  of the pass; None and empty where it failed, or there was no pass
    is_whole_fleet  the pass covered all merchants and succeeded: only then an unseen topic proves to be over
    is_pass_failure_over  passes have come through for long enough, though none covered all merchants
    """
    failures = {
        (FAILURE + name, mask_volatile_parts(outcome.reason)): (name, outcome.reason)
        for name, outcome in outcomes.items()
        if isinstance(outcome, Failed)
    }
    refusal = plan.refusal if plan else None
    limits = {(LIMIT, exceeded.limited_class): refusal for exceeded in refusal.exceeded_limits} if refusal else {}
    invalid_manifests = {
        (INVALID_MANIFEST, f"{diagnostic.file} {mask_volatile_parts(diagnostic.what)}"): diagnostic
        for diagnostic in latest.diagnostics
    }
    pass_failures = (
        {(PASS_FAILURE, mask_volatile_parts(latest.pass_failure)): latest.pass_failure} if latest.pass_failure else {}
    )
    current = StandingTopics(failures, limits, invalid_manifests, pass_failures)
    unread = {row.merchant for row in plan.every_plan if row.has_unread} if plan else set()
    # Who was left alone, or could not be read, may fail as before: that failure is not over.
    succeeded = {
        name for name, outcome in outcomes.items() if isinstance(outcome, Applied | Unchanged) and name not in unread
    }
    # `latest` also has those whom another pass looked at while this one was under way.
    known_merchants = {row.merchant for each in (plan, latest.plan) if each for row in each.every_plan}

    def is_over(topic: Topic) -> bool:
        subject, _ = topic
        # `latest` always holds all current diagnostics: one that it does not hold any more is over.
        if subject == INVALID_MANIFEST:
            return True
        if subject.startswith(FAILURE):
            name = subject.removeprefix(FAILURE)
            return name in succeeded or (is_whole_fleet and name not in known_merchants)
        return is_whole_fleet or (is_pass_failure_over and subject == PASS_FAILURE)

    return StandingTopics(
        failures, limits, invalid_manifests, pass_failures, frozenset(filter(is_over, set(announced) - current.topics))
    )


def add_untold(now: StandingTopics, untold: StandingTopics) -> StandingTopics:
    """Failures and limits of earlier passes that reached nobody, too, but for what is over, or is otherwise by now.
    Whoever is left alone after a failure has none in the passes after it."""
    failing = {name for name, _ in now.failures.values()}
    failures = {
        topic: item for topic, item in untold.failures.items() if topic not in now.over and item[0] not in failing
    }
    limits = {topic: refusal for topic, refusal in untold.limits.items() if topic not in now.over}
    return replace(now, failures=failures | dict(now.failures), limits=limits | dict(now.limits))


def new_alert(findings: Iterable[FindingAlert], standing: StandingTopics, announced: Iterable[Topic]) -> Alert:
    """The message: all `findings`, and the standing topics that are not among the announced ones."""
    announced_topics = frozenset(announced)
    limits = [refusal for topic, refusal in standing.limits.items() if topic not in announced_topics]
    pass_failures = [reason for topic, reason in standing.pass_failures.items() if topic not in announced_topics]
    return Alert(
        findings=tuple(findings),
        failures=tuple(sorted(item for topic, item in standing.failures.items() if topic not in announced_topics)),
        refusal=limits[0] if limits else None,
        diagnostics=tuple(item for topic, item in standing.invalid_manifests.items() if topic not in announced_topics),
        pass_failure=pass_failures[0] if pass_failures else None,
    )


def mask_volatile_parts(text: str) -> str:
    """A sentence without the parts that vary while it says the same: ids, times, ages, counts."""
    for pattern, placeholder in _VOLATILE:
        text = pattern.sub(placeholder, text)
    return text


_COUNTED_NOUNS = "failure|merchant|request|write|compan|finding|row|page|connection|change"
_VOLATILE = tuple(
    (re.compile(pattern, re.IGNORECASE), sign)
    for pattern, sign in (
        (r"\s*\(correlation id [^)]*\)", ""),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
        (r"\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{16,}\b", "<id>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?: ?UTC|Z|[+-]\d\d:\d\d)?", "<moment>"),
        (r"\b\d\d:\d\d(?::\d\d)?(?: UTC)?\b", "<moment>"),
        (r"\b[\d,.]+ ?(?:ms|s|sec|seconds?|min|minutes?|h|hours?|days?)\b", "<time>"),
        (r"\b[\d,]+ of [\d,]+\b", "<count>"),
        (rf"\b[\d,]+ (more|{_COUNTED_NOUNS})(?:s|ies|y)?\b", r"<count> \1"),
    )
)
"""Numbers that identify something, like a status or an account code, are kept."""


def alert_json(alert: Alert, environment: str | None = None) -> dict[str, Any]:
    """The JSON of one message: `text` for Slack-like chats, and the same facts as fields.

    environment  of merchantctl.toml, so that a chat with several tells them apart
    """
    return {
        "text": "\n".join(_text_lines(alert, environment)),
        "schemaVersion": REPORT_SCHEMA_VERSION,
        "kind": "Alert",
        "environment": environment,
        "drift": {
            "count": len(alert.new_findings),
            "findings": [_finding_alert_json(finding) for finding in alert.new_findings[:MAX_ITEMS_IN_JSON]],
        },
        "gone": {
            "count": len(alert.announced_ended_findings),
            "findings": [
                _finding_alert_json(finding) for finding in alert.announced_ended_findings[:MAX_ITEMS_IN_JSON]
            ],
        },
        "failures": {
            "count": len(alert.failures),
            "merchants": [{"merchant": name, "reason": reason} for name, reason in alert.failures[:MAX_ITEMS_IN_JSON]],
        },
        "refusal": refusal_json(alert.refusal) if alert.refusal else None,
        "complaints": diagnostics_json(alert.diagnostics[:MAX_ITEMS_IN_JSON]),
        "passFailure": alert.pass_failure,
    }


def _finding_alert_json(alert: FindingAlert) -> dict[str, Any]:
    return finding_json(alert.finding) | {
        "occurrence": alert.number,
        "corrected": alert.corrected,
        "how": alert.ended,
        "goneAt": format_iso(alert.gone_at),
    }


def _text_lines(alert: Alert, environment: str | None) -> list[str]:
    lines = [f"merchantctl{f' in {environment}' if environment else ''}: {_headline(alert)}"]
    lines += [_chat_safe_line(alert.pass_failure)] if alert.pass_failure else []
    for exceeded in alert.refusal.exceeded_limits if alert.refusal else ():
        lines.append(f"{limit_exceeded_text(exceeded)}. To allow it: merchantctl apply {exceeded.flag}")
    lines += _limit_lines([_chat_safe_line(str(diagnostic)) for diagnostic in alert.diagnostics])
    lines += _limit_lines([f"{_chat_safe_line(name)}: {_chat_safe_line(reason)}" for name, reason in alert.failures])
    lines += _limit_lines([_new_finding_line(finding) for finding in alert.new_findings])
    return lines + _limit_lines(
        [f"{_finding_label(ended)}: gone, {_ending_words(ended)}." for ended in alert.announced_ended_findings]
    )


def _headline(alert: Alert) -> str:
    parts = ["the last pass came to nothing"] if alert.pass_failure else []
    parts += ["a safety limit keeps all writes back"] if alert.refusal else []
    parts += (
        [format_count(len(alert.diagnostics), "new complaint") + " about the manifests"] if alert.diagnostics else []
    )
    parts += [format_count(len(alert.failures), "merchant") + " failed"] if alert.failures else []
    parts += [format_count(len(alert.new_findings), "new drift finding")] if alert.new_findings else []
    parts += (
        [f"{format_count(len(alert.announced_ended_findings), 'finding')} gone"]
        if alert.announced_ended_findings
        else []
    )
    return "; ".join(parts)


def _new_finding_line(alert: FindingAlert) -> str:
    """What came, and what to do, or how it has ended already."""
    ending = (
        _chat_safe_line(alert.finding.one_line_remedy)
        if alert.gone_at is None
        else f"{_ending_words(alert).capitalize()}."
    )
    return f"{_finding_label(alert)}. {_chat_safe_line(alert.finding.cause)} {ending}"


def _finding_label(alert: FindingAlert) -> str:
    finding = alert.finding
    field = f" {_chat_safe_line(finding.field)}" if finding.field else ""
    subject = _chat_safe_line(finding.merchant) or (
        format_count(len(finding.affected_merchants), "merchant") if finding.affected_merchants else "the fleet"
    )
    return f"{subject}: {finding.code}{field}"


def _ending_words(alert: FindingAlert) -> str:
    return ENDED_WORDS[alert.ended] if alert.ended else "it is over"


def _limit_lines(lines: list[str]) -> list[str]:
    rest = len(lines) - MAX_LINES_IN_TEXT
    return lines if rest <= 0 else [*lines[:MAX_LINES_IN_TEXT], f"and {rest:,} more"]


def _chat_safe_line(text: str) -> str:
    """A text as one line without links or mentions, as Slack and Markdown would recognise them.

    An invisible word joiner is put into each mention, address and link: names come from strangers.
    """
    one_line = clean(" ".join(text.split()))
    plain = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CHAT_MARKUP.sub("\\g<0>\u2060", plain)
