"""The drift report and the status of merchants, for a terminal."""

from __future__ import annotations

from collections import Counter

from controller.model.plan import Plan, State, Truth
from controller.model.report import FleetPlan
from controller.reporting.alike import told_once
from controller.reporting.freshness import data_rows, since_words
from controller.reporting.paint import PLAIN, Paint
from controller.reporting.text import age_lines, finding_lines, general_lines, merchant_lines
from controller.reporting.verdict import is_drift
from controller.reporting.words import clean, columns, count, moment


def drift_text(plan: FleetPlan, paint: Paint = PLAIN, *, unmanaged: bool = False, data: bool = False) -> str:
    """What was found, merchant by merchant, many alike as one; with `data` each one's age; then numbers by code."""
    blocks = ((each.merchant, _found_lines(each, paint)) for each in plan.plans if each.findings)
    lines = [line for block in told_once(blocks, paint) for line in (*block, "")]
    lines += general_lines(plan, paint)
    lines += _unmanaged_lines(plan, unmanaged)
    lines += _data_lines(plan, paint) if data else []
    codes = Counter(finding.code for each in plan.plans for finding in each.findings)
    lines += columns([(code, f"{number:,}") for code, number in sorted(codes.items())], "  ")
    return "\n".join([*lines, *age_lines(plan, paint), paint("strong", "Drift: ") + drift_summary(plan)])


def _found_lines(plan: Plan, paint: Paint) -> list[str]:
    found = [line for finding in plan.findings for line in finding_lines(finding, paint)]
    return [paint("strong", clean(plan.merchant)), *found]


def drift_summary(plan: FleetPlan) -> str:
    """`2 of 10 merchants; 3 more with findings that are no drift; 1 that could not be read.`"""
    moved = sum(any(map(is_drift, each.findings)) for each in plan.plans)
    others = [each for each in plan.plans if each.findings and not any(map(is_drift, each.findings))]
    unread = sum(each.unread for each in others)
    known = len(others) - unread
    of = count(len(plan.plans), "merchant")
    words = [f"{moved:,} of {of}" if moved else f"none in {of}"]
    words += [f"{known:,} {'more ' if moved else ''}with findings that are no drift"] if known else []
    words += [f"{unread:,} that could not be read"] if unread else []
    return "; ".join(words) + "."


def status_text(plan: FleetPlan, paint: Paint = PLAIN) -> str:
    """One line a merchant: how far it has come, and the first thing it waits for."""
    rows = [_status_row(each, paint) for each in plan.plans]
    head = tuple(paint("strong", word) for word in ("MERCHANT", "STATE", "READY", "WAITS FOR"))
    lines = columns([head, *rows], "") if rows else ["no merchants"]
    ready = sum(_is_ready(each) for each in plan.plans)
    summary = f"{ready:,} of {count(len(rows), 'merchant')} ready."
    return "\n".join(
        [*lines, "", *general_lines(plan, paint), *age_lines(plan, paint), paint("strong", "Status: ") + summary]
    )


def merchant_text(plan: Plan, paint: Paint = PLAIN) -> str:
    """One merchant in depth: its conditions in the order of its way, changes to come, findings."""
    rows = [
        (each.type, paint.word(each.status.value), moment(each.since) if each.since else "", clean(each.reason))
        for each in plan.conditions
    ]
    head, *rest = merchant_lines(plan, paint)
    age = [paint("quiet", f"  judged on {since_words(plan.data)}")] if plan.data else []
    return "\n".join([head, *columns(rows, "  "), *rest, *age])


def _status_row(plan: Plan, paint: Paint) -> tuple[str, str, str, str]:
    unmet = next((each for each in plan.conditions if each.status is not Truth.TRUE), None)
    ready = next((each.status.value for each in plan.conditions if each.type == "Ready"), Truth.UNKNOWN.value)
    waits = "" if unmet is None else f"{unmet.type}: {unmet.reason}" if unmet.reason else unmet.type
    reason = _rests(plan) if plan.state is State.IN_SYNC else waits
    return clean(plan.merchant), paint.word(plan.state.value), paint.word(ready), clean(reason)


def _rests(plan: Plan) -> str:
    """In sync and not ready is how the manifest wants it: unlinked or off. It waits for nothing."""
    reasons = [each.reason for each in plan.conditions if each.type in ("AccountingConnected", "Ready") and each.reason]
    return f"nothing: {reasons[0]}" if reasons and not _is_ready(plan) else ""


def _is_ready(plan: Plan) -> bool:
    return any(each.type == "Ready" and each.status is Truth.TRUE for each in plan.conditions)


def _data_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    rows = data_rows(plan)
    head = tuple(paint("strong", word) for word in ("MERCHANT", "PULLED", "OLDEST TYPE"))
    return [*columns([head, *rows], ""), ""] if rows else []


def _unmanaged_lines(plan: FleetPlan, every: bool) -> list[str]:
    if not plan.unmanaged:
        return []
    line = f"company-unmanaged: {count(len(plan.unmanaged), 'company', 'companies')} that no manifest claims"
    if not every:
        return [f"{line}; --unmanaged lists them", ""]
    return [line, *(f"  {clean(name)}" for name in plan.unmanaged), ""]
