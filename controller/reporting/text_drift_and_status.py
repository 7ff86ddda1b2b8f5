"""The drift report and the status of merchants, for a terminal."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.drift import is_drift
from controller.model.finding_filter import EVERYTHING, Shown, divide_by_label
from controller.model.plan import READY_CONDITION, ConditionStatus, Plan, PlanStatus
from controller.model.report import FleetPlan
from controller.model.statements import finding_statements_of_plans
from controller.reporting.as_json import all_findings, describe_unmanaged_companies
from controller.reporting.closed_merchants import closed_counts_text
from controller.reporting.data_age import data_age_text, oldest_data_rows
from controller.reporting.formatting import align_columns, clean, format_count, format_time
from controller.reporting.last_syncs import last_sync_short_text, last_sync_text, last_syncs_age_text, next_sync_text
from controller.reporting.paint import WITHOUT_COLOUR, Paint
from controller.reporting.report_provenance import filter_text
from controller.reporting.text import (
    actor_lines,
    collapsed_block_lines,
    data_age_lines,
    finding_lines,
    merchant_lines,
    notice_lines,
    provenance_lines,
)


def drift_text(
    plan: FleetPlan,
    paint: Paint = WITHOUT_COLOUR,
    shown: Shown = EVERYTHING,
    *,
    unmanaged: bool = False,
    data: bool = False,
) -> str:
    """What was found, merchant by merchant, many alike as one; with `data` each one's age; then numbers by code."""
    lines = _merchant_blocks(plan, paint)
    if shown.group_by:
        lines = []
        for value, part in divide_by_label(plan, shown.group_by).items():
            lines += [paint("strong", label_title(shown.group_by, value, part)), "", *_merchant_blocks(part, paint)]
    lines += notice_lines(plan, paint)
    lines += _unmanaged_lines(plan, unmanaged)
    lines += _oldest_data_table(plan, paint) if data else []
    codes = Counter(finding.code for finding in all_findings(plan))
    lines += align_columns([(code, f"{number:,}") for code, number in sorted(codes.items())], "  ")
    return "\n".join(
        [
            *lines,
            *data_age_lines(plan, paint),
            *last_syncs_age_lines(plan, paint),
            *provenance_lines(plan, paint),
            *([paint("change", filter_text(shown))] if filter_text(shown) else []),
            *actor_lines(plan, finding_statements_of_plans(plan)),
            paint("strong", "Drift: ") + drift_summary(plan),
        ]
    )


def _merchant_blocks(plan: FleetPlan, paint: Paint) -> list[str]:
    found = [each for each in plan.every_plan if each.findings]

    def block(plan: Plan) -> list[str]:
        lines = [line for finding in plan.findings for line in finding_lines(finding, paint)]
        return [paint("strong", clean(plan.merchant)), *lines]

    return collapsed_block_lines(found, paint, block)


def label_title(label: str, value: str, part: FleetPlan) -> str:
    """`tier=gold: 120 merchants, 3 of them with findings`; `no tier: …` for those without it."""
    title = clean(f"{label}={value}" if value else f"no {label}")
    found = sum(bool(each.findings) for each in part.plans)
    return f"{title}: {format_count(len(part.plans), 'merchant')}, {found:,} of them with findings"


def drift_summary(plan: FleetPlan) -> str:
    """`2 of 10 merchants; 3 more with findings that are no drift; 1 that could not be read.`"""
    moved = sum(any(map(is_drift, each.findings)) for each in plan.plans)
    others = [each for each in plan.plans if each.findings and not any(map(is_drift, each.findings))]
    unread = sum(each.has_unread for each in others)
    known = len(others) - unread
    of = format_count(len(plan.plans), "merchant")
    words = [f"{moved:,} of {of}" if moved else f"none in {of}"]
    words += [f"{known:,} {'more ' if moved else ''}with findings that are no drift"] if known else []
    words += [f"{unread:,} that could not be read"] if unread else []
    failed = sum(each.has_recent_sync_failure(plan.made_at) for each in plan.plans)
    words += [f"{failed:,} whose last sync failed"] if failed else []
    words += [f"{each.code}, {format_count(len(each.affected_merchants), 'merchant')}" for each in plan.findings]
    of_account = len(plan.account.findings) if plan.account else 0
    words += [f"{format_count(of_account, 'finding')} about the account's settings"] if of_account else []
    return "; ".join(words) + "."


def status_text(plan: FleetPlan, paint: Paint = WITHOUT_COLOUR) -> str:
    """One line a merchant: how far it has come, and the first thing it waits for."""
    rows = [_status_row(each, paint, plan.made_at) for each in plan.plans]
    head = tuple(paint("strong", word) for word in ("MERCHANT", "STATE", "READY", "LAST SYNC", "WAITS FOR"))
    lines = align_columns([head, *rows], "", width=paint.width) if rows else ["no merchants"]
    lines += _account_lines(plan, paint)
    ready = sum(_is_ready(each) for each in plan.plans)
    left_alone = closed_counts_text(each.hold for each in plan.plans)
    summary = f"{ready:,} of {format_count(len(rows), 'merchant')} ready{left_alone}."
    return "\n".join(
        [
            *lines,
            "",
            *notice_lines(plan, paint),
            *data_age_lines(plan, paint),
            *last_syncs_age_lines(plan, paint),
            *provenance_lines(plan, paint),
            paint("strong", "Status: ") + summary,
        ]
    )


def _account_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """How the account's own settings stand, below the merchants."""
    if plan.account is None:
        return []
    findings = format_count(len(plan.account.findings), "finding")
    more = f"  {findings}: merchantctl status '{ACCOUNT_NAME}'" if plan.account.findings else ""
    return ["", f"the account's own settings: {paint.colour_word(plan.account.status.value)}{more}"]


def merchant_detail_text(plan: Plan, paint: Paint, now: datetime) -> str:
    """One merchant in depth: its conditions in the order of its way, changes to come, findings."""
    rows = [
        (
            each.type,
            paint.colour_word(each.status.value),
            format_time(each.since) if each.since else "",
            clean(each.reason),
        )
        for each in plan.conditions
    ]
    head, *rest = merchant_lines(plan, paint)
    age = [paint("quiet", f"  judged on {data_age_text(plan.data_age)}")] if plan.data_age else []
    if plan.merchant == ACCOUNT_NAME:
        return "\n".join([head, *rest])
    syncs = align_columns([("last sync", last_sync_text(plan, now)), ("next sync", next_sync_text(plan, now))], "  ")
    return "\n".join([head, *align_columns(rows, "  "), *rest, *map(clean, syncs), *age])


def _status_row(plan: Plan, paint: Paint, now: datetime) -> tuple[str, ...]:
    unmet = plan.first_unmet_condition
    ready = next(
        (each.status.value for each in plan.conditions if each.type == READY_CONDITION), ConditionStatus.UNKNOWN.value
    )
    waits = "" if unmet is None else f"{unmet.type}: {unmet.reason}" if unmet.reason else unmet.type
    reason = _why_left_alone(plan) or (
        _why_at_rest(plan) if plan.status is PlanStatus.IN_SYNC else _why_held_back(plan) or waits
    )
    return (
        clean(plan.merchant),
        paint.colour_word(plan.status.value),
        paint.colour_word(ready),
        last_sync_short_text(plan, now),
        clean(reason),
    )


def _why_left_alone(plan: Plan) -> str:
    """That it is closed to writes, or what of it is ignored: a manifest says so, and nobody is waited for."""
    if plan.hold and plan.is_closed:
        return plan.hold.reason
    return next((each.cause for each in plan.findings if each.code == "ignored"), "")


def _why_held_back(plan: Plan) -> str:
    """Nothing is waited for while the same would be refused or fail again."""
    return next((f"held back: {each.cause}" for each in plan.findings if each.code == "quarantined"), "")


def _why_at_rest(plan: Plan) -> str:
    """In sync and not ready is how the manifest wants it: unlinked or off. It waits for nothing."""
    reasons = [
        each.reason for each in plan.conditions if each.type in ("AccountingConnected", READY_CONDITION) and each.reason
    ]
    if not _is_ready(plan):
        return f"nothing: {reasons[0]}" if reasons else ""
    unmet = plan.first_unmet_condition
    return f"{unmet.type}: {unmet.reason}" if unmet else ""


def _is_ready(plan: Plan) -> bool:
    return any(each.type == READY_CONDITION and each.status is ConditionStatus.TRUE for each in plan.conditions)


def last_syncs_age_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """How old it is what is known of the last syncs."""
    words = last_syncs_age_text(plan)
    return [paint("quiet", words)] if words else []


def _oldest_data_table(plan: FleetPlan, paint: Paint) -> list[str]:
    rows = oldest_data_rows(plan)
    head = tuple(paint("strong", word) for word in ("MERCHANT", "PULLED", "OLDEST TYPE"))
    return [*align_columns([head, *rows], "", width=paint.width), ""] if rows else []


def _unmanaged_lines(plan: FleetPlan, every: bool) -> list[str]:
    if not plan.unmanaged_count:
        return []
    line = f"company-unmanaged: {format_count(plan.unmanaged_count, 'company', 'companies')} that no manifest claims"
    if not every:
        return [f"{line}; --unmanaged lists them", ""]
    return [line, *(f"  {clean(name)}" for name in describe_unmanaged_companies(plan)), ""]
