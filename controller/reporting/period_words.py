"""The words of a report of a period, the same in all formats: its sentences, its tables as rows of text."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from controller.model.finding_evidence import ENDED_WORDS
from controller.model.merchant_status import STATUS_MEANINGS
from controller.model.not_booked import (
    NotBookedGroup,
    NotBookedReason,
    count_not_booked_by_actor,
    count_not_booked_by_reason,
)
from controller.model.period_report import AGE_LIMITS, ClosedFinding, PeriodReport
from controller.model.rollout import MemberState, Rollout
from controller.reporting.formatting import ACTOR_WORDS, clean, format_count, format_list, format_time
from controller.reporting.report_provenance import SHORT_REVISION_DIGITS, filter_text

FUNNEL_WORDS = {
    "declared": "declared in a manifest",
    "created": "created at Codat",
    "consented": "consented: books linked",
    "data": "reference data there",
    "mapped": "mapped",
    "syncing": "last sync succeeded",
}
SYNC_WORDS = {
    "succeeded": "succeeded",
    "failed": "failed",
    "running": "running",
    "none": "no sync yet",
    "unread": "not read yet",
}
NOT_BOOKED_WORDS = {
    NotBookedReason.FAILED: "by a failed sync",
    NotBookedReason.OVERDUE: "overdue",
    NotBookedReason.STOPPED: "not synchronised any more",
}
MAX_NAMES = 10

Rows = list[tuple[str, ...]]


def provenance_text(report: PeriodReport) -> str:
    """When it was made, of which API, from which manifests, and how old what it rests on is."""
    where = " ".join(filter(None, (report.environment, report.base_url)))
    at = f" of {where}" if where else ""
    revision = f" from manifests {report.revision[:SHORT_REVISION_DIGITS]}" if report.revision else ""
    looked = "no merchant has been looked at yet"
    if report.oldest_look_at and report.newest_look_at:
        first, last = format_time(report.oldest_look_at), format_time(report.newest_look_at)
        looked = f"looked at {first}" if first == last else f"looked at between {first} and {last}"
    never = f"; {format_count(report.never_looked_at, 'merchant')} never looked at" if report.never_looked_at else ""
    sentences = [f"Made {format_time(report.made_at)}{at}{revision}, from the state alone: {looked}{never}."]
    return " ".join([*sentences, *filter(None, [filter_text(report.shown)])])


def period_text(report: PeriodReport) -> str:
    return f"{format_time(report.since)} to {format_time(report.made_at)}"


def status_counts_text(report: PeriodReport) -> str:
    """`1,200 merchants: 3 blocked, 57 waiting, 1,140 in sync`"""
    words = [f"{number:,} {STATUS_MEANINGS[status].label}" for status, number in report.statuses.items()]
    return f"{format_count(report.merchants, 'merchant')}: {', '.join(words) or 'none looked at yet'}"


def finding_counts_text(report: PeriodReport) -> str:
    """`12 findings new, 30 still open, 45 closed`"""
    new = format_count(len(report.new), "finding")
    return f"{new} new, {len(report.still_open):,} still open, {len(report.closed):,} closed"


def findings_by_code_rows(report: PeriodReport) -> Rows:
    """Code, new, still open, closed; most first."""
    counts = [
        Counter(each.code for each in findings)
        for findings in (report.new, report.still_open, [each.finding for each in report.closed])
    ]
    codes = sorted(set().union(*counts), key=lambda code: (-sum(count[code] for count in counts), code))
    return [(code, *(f"{count[code]:,}" for count in counts)) for code in codes]


def ending_rows(report: PeriodReport) -> Rows:
    """How findings ended, and how many so; how many are back."""
    how = Counter(ENDED_WORDS.get(each.how, each.how or "not known") for each in report.closed)
    rows: Rows = [(word, f"{number:,}") for word, number in how.most_common()]
    back = sum(each.is_back for each in report.closed)
    return rows + ([("of these open again", f"{back:,}")] if back else [])


def recurrence_rows(report: PeriodReport) -> Rows:
    return [
        (
            clean(each.merchant),
            " ".join(filter(None, (each.code, clean(each.field)))),
            f"{each.times} times in 30 days",
            f"{'open' if each.is_open else 'closed'}, last {format_time(each.last_found_at)}",
        )
        for each in report.recurrences
    ]


def drift_age_rows(report: PeriodReport) -> Rows:
    return [(word, f"{number:,}") for word, number in zip(age_range_words(), report.ages, strict=True)]


def age_range_words() -> list[str]:
    days = [limit.days for limit in AGE_LIMITS]
    between = [f"{low} to {high} days" for low, high in pairwise(days)]
    return [f"under {format_count(days[0], 'day')}", *between, f"over {days[-1]} days"]


def rollout_rows(rollout: Rollout) -> list[tuple[str, int]]:
    """How far its merchants have come, and how many; without what nobody has come to."""
    counted = Counter(_MEMBER_WORDS[each.state] for each in rollout.members)
    return [(word, counted[word]) for word in dict.fromkeys(_MEMBER_WORDS.values()) if counted[word]]


_MEMBER_WORDS = {
    MemberState.DONE: "done",
    MemberState.FAILED: "failed",
    MemberState.DEFERRED: "left to an apply",
    MemberState.UNDONE: "put back",
    MemberState.NOT_REVERTED: "not put back",
    MemberState.IN_PROGRESS: "still to come",
    MemberState.PENDING: "still to come",
}


def funnel_rows(report: PeriodReport) -> Rows:
    """Step, how many merchants have come to it, and how many have not yet come from the step before."""
    rows: Rows = []
    before = None
    for step, number in report.funnel:
        short = f"{before - number:,} not yet" if before is not None and before > number else ""
        rows.append((FUNNEL_WORDS[step], f"{number:,}", short))
        before = number
    return rows


def sync_rows(report: PeriodReport) -> Rows:
    return [
        (words, f"{report.sync_outcomes[word]:,}") for word, words in SYNC_WORDS.items() if word in report.sync_outcomes
    ]


def not_booked_text(report: PeriodReport) -> str:
    """`Not being booked: 5 merchants (3 by a failed sync, 2 overdue), 3 wait for our side, 2 for Codat`; empty where
    all is booked."""
    if not report.not_booked:
        return ""
    reasons = [
        f"{number:,} {NOT_BOOKED_WORDS[each]}" for each, number in count_not_booked_by_reason(report.not_booked).items()
    ]
    waits = [
        f"{number:,} for {ACTOR_WORDS[each]}" for each, number in count_not_booked_by_actor(report.not_booked).items()
    ]
    who = format_count(sum(len(group.merchants) for group in report.not_booked), "merchant")
    return f"Not being booked: {who} ({', '.join(reasons)}); waiting {', '.join(waits)}"


NOT_BOOKED_HEAD = ("merchant", "since", "last success", "next sync", "waits for")


def not_booked_title(group: NotBookedGroup) -> str:
    """`3 merchants, since 2026-11-20 05:00 UTC, waiting for our side: the sync ended with 4000, …`"""
    who = format_count(len(group.merchants), "merchant")
    since = f", since {format_time(group.since)}" if group.since else ""
    found = group.example.finding
    return clean(f"{who}{since}, waiting for {ACTOR_WORDS[found.actor]}: {found.cause}")


def not_booked_remedy(group: NotBookedGroup) -> str:
    """What to do, in one line; of several merchants for the first, whose name stands in the commands."""
    remedy = clean(group.example.finding.one_line_remedy)
    return f"such as for {clean(group.example.merchant)}: {remedy}" if remedy and len(group.merchants) > 1 else remedy


def not_booked_rows(group: NotBookedGroup) -> Rows:
    """Merchant, since when, last success, next sync, who must act."""
    return [
        (
            clean(each.merchant),
            format_time(each.finding.since) if each.finding.since else "not known",
            format_time(each.last_success_at) if each.last_success_at else "none read",
            format_time(each.next_sync_at) if each.next_sync_at else clean(each.frequency or "none"),
            ACTOR_WORDS[each.finding.actor],
        )
        for each in group.merchants
    ]


def sync_read_times_text(report: PeriodReport) -> str:
    if not report.syncs_read_at:
        return ""
    oldest, newest = report.syncs_read_at
    return f"as read between {format_time(oldest)} and {format_time(newest)}"


def trend_rows(report: PeriodReport) -> Rows:
    """Status, how many had it on the first day that is known, least, most, and on the last."""
    return [
        (
            STATUS_MEANINGS[each.status].label,
            *(f"{number:,}" for number in (known[0], min(known), max(known), known[-1])),
        )
        for each in report.trends
        if (known := each.known_counts)
    ]


TREND_HEAD = ("status", "at first", "least", "most", "at last")


def label_part_rows(report: PeriodReport) -> Rows:
    """Value, merchants, how they stand, new, still open, closed."""
    return [
        (
            clean(part.value) if part.value is not None else f"no {clean(report.shown.group_by or '')}",
            f"{part.merchants:,}",
            ", ".join(f"{number:,} {STATUS_MEANINGS[status].label}" for status, number in part.statuses.items()),
            f"{part.new:,}",
            f"{part.still_open:,}",
            f"{part.closed:,}",
        )
        for part in report.parts
    ]


def closed_findings_merchants_text(closed: tuple[ClosedFinding, ...]) -> str:
    return format_list(sorted({each.finding.merchant or "the fleet" for each in closed}), MAX_NAMES)
