"""A report of a period as JSON, and two of them compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.model.finding_evidence import ENDED_WORDS
from controller.model.not_booked import NotBookedGroup, count_not_booked_by_actor, count_not_booked_by_reason
from controller.model.period_report import AGE_LIMITS, ClosedFinding, LabelPart, PeriodReport, Recurrence
from controller.model.plan import Finding
from controller.model.rollout import Rollout
from controller.model.severity import finding_severity
from controller.reporting.as_json import finding_json
from controller.reporting.formatting import format_iso
from controller.reporting.report_provenance import filter_json
from controller.reporting.rollout import wave_json

PERIOD_REPORT_SCHEMA_VERSION = 1
KIND = "Report"


def period_report_json(report: PeriodReport) -> dict[str, Any]:
    """`findings` are open, each `new` or not; `closed` ended in the period. `complete` is false while somebody who is
    declared was never looked at."""
    return {
        "schemaVersion": PERIOD_REPORT_SCHEMA_VERSION,
        "kind": KIND,
        "complete": report.never_looked_at == 0,
        "generatedAt": format_iso(report.made_at),
        "environment": report.environment,
        "baseUrl": report.base_url or None,
        "revision": report.revision or None,
        "since": format_iso(report.since),
        "looks": {
            "oldest": format_iso(report.oldest_look_at),
            "newest": format_iso(report.newest_look_at),
            "never": report.never_looked_at,
        },
        "notes": list(report.notes),
        "merchants": report.merchants,
        "statuses": {status.value: number for status, number in report.statuses.items()},
        "summary": {"new": len(report.new), "stillOpen": len(report.still_open), "closed": len(report.closed)},
        "findings": [
            *(_open_finding_json(each, is_new=True) for each in report.new),
            *(_open_finding_json(each, is_new=False) for each in report.still_open),
        ],
        "closed": [_closed_finding_json(each) for each in report.closed],
        "recurrences": list(map(_recurrence_json, report.recurrences)),
        "days": [{"day": day.day.isoformat(), "opened": day.opened, "closed": day.closed} for day in report.days],
        "trends": {each.status.value: list(each.counts) for each in report.trends},
        "openDriftAges": _age_counts_json(report.ages),
        "dataAges": _age_counts_json(report.data_ages),
        "rollout": _rollout_summary_json(report.rollout) if report.rollout else None,
        "funnel": dict(report.funnel),
        "syncs": _sync_outcomes_json(report),
        "notBooked": {
            "merchants": sum(len(group.merchants) for group in report.not_booked),
            "reasons": {
                reason.value: number for reason, number in count_not_booked_by_reason(report.not_booked).items()
            },
            "actors": {actor.value: number for actor, number in count_not_booked_by_actor(report.not_booked).items()},
            "groups": list(map(_not_booked_group_json, report.not_booked)),
        },
        **filter_json(report.shown),
        **(
            {"groupBy": report.shown.group_by, "parts": list(map(_label_part_json, report.parts))}
            if report.parts
            else {}
        ),
    }


def _recurrence_json(recurrence: Recurrence) -> dict[str, Any]:
    return {
        "merchant": recurrence.merchant or None,
        "code": recurrence.code,
        "field": recurrence.field or None,
        "times": recurrence.times,
        "open": recurrence.is_open,
        "lastFoundAt": format_iso(recurrence.last_found_at),
    }


def _age_counts_json(counts: Sequence[int]) -> dict[str, Any]:
    return {"limitsInDays": [limit.days for limit in AGE_LIMITS], "counts": list(counts)}


def _sync_outcomes_json(report: PeriodReport) -> dict[str, Any]:
    oldest, newest = report.syncs_read_at or (None, None)
    outcomes = dict(sorted(report.sync_outcomes.items()))
    return {"outcomes": outcomes, "oldest": format_iso(oldest), "newest": format_iso(newest)}


def _rollout_summary_json(rollout: Rollout) -> dict[str, Any]:
    return {
        "name": rollout.name,
        "state": rollout.state.value,
        "wave": rollout.current_wave,
        "waves": [wave_json(rollout, number) for number in range(1, rollout.wave_count + 1)],
    }


def _open_finding_json(finding: Finding, *, is_new: bool) -> dict[str, Any]:
    return {"new": is_new, "severity": finding_severity(finding.code, finding.direction, finding.actor).value} | (
        finding_json(finding)
    )


def _not_booked_group_json(group: NotBookedGroup) -> dict[str, Any]:
    example = group.example
    about = {key: finding_json(example.finding)[key] for key in ("code", "field", "cause", "remedy", "actor")}
    merchants = [
        {
            "merchant": each.merchant,
            "since": format_iso(each.finding.since),
            "lastSuccessAt": format_iso(each.last_success_at),
            "nextSync": format_iso(each.next_sync_at),
            "frequency": each.frequency,
            "readAt": format_iso(each.read_at),
            "link": each.finding.link,
        }
        for each in group.merchants
    ]
    return {"reason": example.reason.value, **about, "since": format_iso(group.since), "merchants": merchants}


def _closed_finding_json(closed: ClosedFinding) -> dict[str, Any]:
    finding = closed.finding
    about = finding_json(finding)
    kept = {key: about[key] for key in ("code", "merchant", "field", "live", "wanted", "direction", "since", "cause")}
    how = {"how": closed.how or None, "howInWords": ENDED_WORDS.get(closed.how, closed.how) or None}
    return kept | {"closedAt": format_iso(closed.closed_at), **how, "openAgain": closed.is_back}


def _label_part_json(part: LabelPart) -> dict[str, Any]:
    return {
        "value": part.value,
        "merchants": part.merchants,
        "statuses": {status.value: number for status, number in part.statuses.items()},
        "new": part.new,
        "stillOpen": part.still_open,
        "closed": part.closed,
    }
