"""Plans and reports as JSON: the shapes that programs rely on, and the digest that seals a saved plan.

Every document has `schemaVersion`, `kind` and `complete`. Instants are ISO 8601 UTC to the second.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from controller.model.errors import MerchantctlError
from controller.model.merchant import Complaint
from controller.model.plan import Actor, Change, Condition, FieldChange, Finding, Plan
from controller.model.report import Done, Failed, FleetPlan, FleetReport, Moved, Nothing, Outcome, Refusal, Skipped
from controller.model.run import Scope
from controller.model.values import COMPANY_NAME, to_json
from controller.reporting.freshness import data_json, freshness_json
from controller.reporting.words import instant

SCHEMA_VERSION = 1

Json = dict[str, Any]


class UnusablePlan(MerchantctlError):
    """A saved plan that was edited, or that this version cannot read."""


def plan_json(plan: FleetPlan) -> Json:
    """A plan as `plan -o json` prints it and `--out` saves it; its `scope` tells `apply FILE` whom it is about."""
    document = _head("Plan", plan) | {
        "manifests": plan.manifests,
        "scope": _scope(plan.scope),
        "cost": {"reads": plan.cost.reads, "writes": plan.cost.writes, "minutes": round(plan.cost.minutes, 2)},
        "merchants": [_merchant(each) for each in plan.plans],
        "refusal": None if plan.refusal is None else refusal_json(plan.refusal),
        "unmanaged": len(plan.unmanaged),
    }
    return document | {"digest": digest(document)}


def drift_json(plan: FleetPlan, *, unmanaged: bool = False) -> Json:
    """A drift report. A finding's `since` is when it was first seen; `unmanaged` lists companies otherwise counted.

    `data` tells the age of what was judged, by merchant too: those without findings have no place of their own.
    """
    findings = findings_of(plan)
    counted = Counter(each.code for each in findings)
    if plan.unmanaged:
        counted["company-unmanaged"] += len(plan.unmanaged)
    ages = {each.merchant: data_json(each.data) for each in plan.plans if each.data}
    return _head("DriftReport", plan) | {
        "data": freshness_json(plan) | {"merchants": ages},
        "summary": dict(sorted(counted.items())),
        "findings": [finding_json(each) for each in (*findings, *(strangers(plan) if unmanaged else ()))],
        "unmanaged": list(plan.unmanaged) if unmanaged else len(plan.unmanaged),
    }


def status_json(plan: FleetPlan) -> Json:
    """How far each merchant has come."""
    return _head("Status", plan) | {
        "merchants": [
            {
                "merchant": each.merchant,
                "conditions": [_condition(condition) for condition in each.conditions],
                "findings": [finding_json(finding) for finding in each.findings],
                "data": data_json(each.data),
            }
            for each in plan.plans
        ]
    }


def report_json(result: FleetReport | FleetPlan) -> Json:
    """What `apply` did; of a plan that came back untouched, that nothing was done, and why."""
    plan = result.plan if isinstance(result, FleetReport) else result
    outcomes = result.outcomes if isinstance(result, FleetReport) else {}
    report = _head("ApplyReport", plan) | {
        "merchants": [
            {
                "merchant": each.merchant,
                "state": each.state.value,
                "changes": [_change(change) for change in each.changes],
                "outcome": outcome_json(outcomes.get(each.merchant, Nothing())),
                "findings": [finding_json(finding) for finding in each.findings],
            }
            for each in plan.plans
        ],
        "refusal": None if plan.refusal is None else refusal_json(plan.refusal),
    }
    if isinstance(result, FleetReport):
        report |= {
            "started": instant(result.started),
            "ended": instant(result.ended),
            "stopped": result.stopped,
            "remedy": result.remedy or None,
            "resumeAt": instant(result.resume_at),
        }
    return report


def finding_json(finding: Finding) -> Json:
    return {
        "code": finding.code,
        "merchant": finding.merchant,
        "field": finding.field,
        "live": to_json(finding.live),
        "wanted": to_json(finding.wanted),
        "direction": finding.direction and finding.direction.value,
        "since": instant(finding.since),
        "cause": finding.cause,
        "remedy": finding.remedy,
        "actor": finding.actor.value,
        "link": finding.link,
    }


def outcome_json(outcome: Outcome) -> Json:
    match outcome:
        case Nothing():
            return {"result": "nothing", "writes": 0}
        case Done():
            findings = [finding_json(each) for each in outcome.findings]
            return {"result": "done", "writes": outcome.writes, "findings": findings}
        case Failed():
            return {"result": "failed", "writes": outcome.writes, "reason": outcome.reason, "again": outcome.again}
        case Moved():
            return {"result": "moved", "writes": outcome.writes, "reason": outcome.what}
        case Skipped():
            return {"result": "skipped", "writes": 0, "reason": outcome.reason}


def refusal_json(refusal: Refusal) -> Json:
    return {
        "excesses": [
            {
                "class": each.limit_of,
                "count": each.count,
                "before": each.before,
                "limit": each.limit,
                "flag": each.flag,
                "merchants": list(each.merchants),
            }
            for each in refusal.excesses
        ]
    }


def findings_of(plan: FleetPlan) -> list[Finding]:
    return [finding for each in plan.plans for finding in each.findings]


def strangers(plan: FleetPlan) -> list[Finding]:
    """A finding for each company that no manifest claims, by the company's name for want of a merchant's."""
    cause, remedy = "no manifest claims this company", "merchantctl import writes a manifest that adopts it"
    about = partial(Finding, "company-unmanaged", cause=cause, remedy=remedy, actor=Actor.NOBODY, field=COMPANY_NAME)
    return [about(merchant=name, live=name) for name in plan.unmanaged]


def dumps(document: Mapping[str, Any]) -> str:
    """For stdout and files: readable, in the documented order."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def digest(document: Mapping[str, Any]) -> str:
    """The sha256 of the canonical JSON without `digest`: the same however the file was indented or ordered."""
    body = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def read_saved_plan(text: str) -> Json | None:
    """A saved plan, recognised by what it says it is; None when the text is something else.

    Raises UnusablePlan when it was edited after it was made, or comes from another version.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("kind") != "Plan":
        return None
    if document.get("schemaVersion") != SCHEMA_VERSION:
        raise UnusablePlan(
            f"The saved plan has schemaVersion {document.get('schemaVersion')!r}, this version reads "
            f"{SCHEMA_VERSION}. Make it again: merchantctl plan --out FILE"
        )
    if document.get("digest") != digest(document):
        raise UnusablePlan(
            "The saved plan was edited after it was made (its digest does not fit). Nothing was done. "
            "Make it again: merchantctl plan --out FILE"
        )
    return document


def complaints_json(complaints: Iterable[Complaint]) -> list[Json]:
    return [
        {"file": each.file, "line": each.line, "column": each.column, "what": each.what, "remedy": each.remedy}
        for each in complaints
    ]


def _head(kind: str, plan: FleetPlan) -> Json:
    head: Json = {
        "schemaVersion": SCHEMA_VERSION,
        "kind": kind,
        "complete": plan.complete,
        "incomplete": list(plan.incomplete),
        "notes": list(plan.notes),
        "data": freshness_json(plan),
    }
    head |= {"resumeAt": instant(plan.resume_at)} if plan.resume_at else {}
    return head | ({"complaints": complaints_json(plan.complaints)} if plan.complaints else {})


def _scope(scope: Scope) -> Json:
    path = None if scope.path is None else str(scope.path)
    return {"path": path, "targets": list(scope.targets), "selector": scope.selector}


def _merchant(plan: Plan) -> Json:
    return {
        "merchant": plan.merchant,
        "state": plan.state.value,
        "changes": [_change(each) for each in plan.changes],
        "findings": [finding_json(each) for each in plan.findings],
        "data": data_json(plan.data),
        "fingerprint": plan.fingerprint,
    }


def _change(change: Change) -> Json:
    classes = [each.value for each in change.classes]
    return {
        "kind": change.kind.value,
        "class": classes[0] if classes else None,
        "classes": classes,
        "fields": [_field(each) for each in change.fields],
    }


def _field(change: FieldChange) -> Json:
    entry = {
        "field": change.field,
        "live": to_json(change.live),
        "wanted": to_json(change.wanted),
        "direction": change.direction.value,
    }
    return entry | ({"why": change.why} if change.why else {})


def _condition(condition: Condition) -> Json:
    return {
        "type": condition.type,
        "status": condition.status.value,
        "reason": condition.reason,
        "since": instant(condition.since),
    }
