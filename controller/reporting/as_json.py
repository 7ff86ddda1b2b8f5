"""Plans and reports as JSON: the shapes that programs rely on, and the digest that seals a saved plan.

Every document has `schemaVersion`, `kind` and `complete`. Instants are ISO 8601 UTC to the second.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from shlex import quote
from typing import Any

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Diagnostic
from controller.model.errors import MerchantctlError
from controller.model.field_values import COMPANY_NAME_PATH, value_to_json
from controller.model.finding_filter import EVERYTHING, Shown, divide_by_label
from controller.model.plan import Actor, Change, Condition, FieldChange, Finding, Plan
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    FleetReport,
    Outcome,
    Refusal,
    RetainedMerchant,
    Skipped,
    Unchanged,
)
from controller.model.run_policy import Scope
from controller.model.zones import TZDATA_VERSION
from controller.reporting.closed_merchants import closed_json
from controller.reporting.data_age import data_age_json, fleet_data_age_json
from controller.reporting.formatting import format_iso
from controller.reporting.last_syncs import last_and_next_sync_json, last_syncs_summary_json
from controller.reporting.report_provenance import filter_json, provenance_json
from controller.untrusted_text import dump_json

REPORT_SCHEMA_VERSION = 2
"""Of every document here. 2: a merchant's state may be `drifted`, which 1 called `in-sync`."""

Json = dict[str, Any]


class UnusablePlan(MerchantctlError):
    """A saved plan that was edited, or that this version cannot read."""


class MalformedPlan(UnusablePlan):
    """What should be a saved plan and is none: something in it is missing, or is not what a plan has there."""

    exit_code = 65


def plan_json(plan: FleetPlan) -> Json:
    """A plan as `plan -o json` prints it and `--out` saves it; its `scope` tells `apply FILE` whom it is about."""
    document = _head_json("Plan", plan) | {
        "manifests": plan.fleet_digest,
        "cost": {
            "reads": plan.request_estimate.reads,
            "writes": plan.request_estimate.writes,
            "minutes": round(plan.request_estimate.minutes, 2),
        },
        "merchants": [_merchant_plan_json(each) for each in plan.plans],
        "refusal": None if plan.refusal is None else refusal_json(plan.refusal),
        "unmanaged": plan.unmanaged_count,
        "retained": _retained_json(plan),
        **_account_plan_json(plan),
    }
    return document | {"digest": digest(document)}


def drift_json(plan: FleetPlan, shown: Shown = EVERYTHING, *, unmanaged: bool = False) -> Json:
    """A drift report. A finding's `since` is when it was first seen; `unmanaged` lists companies otherwise counted.

    Where it is filtered, `filter` and `leftOut` say so, and all of it is about what is shown; `parts` divide it.

    `data` tells the age of what was judged, by merchant too: those without findings have no place of their own.
    """
    findings = all_findings(plan)
    counted = Counter(each.code for each in findings)
    if plan.unmanaged_count:
        counted["company-unmanaged"] += plan.unmanaged_count
    ages = {each.merchant: data_age_json(each.data_age) for each in plan.plans if each.data_age}
    return _head_json("DriftReport", plan) | {
        "data": fleet_data_age_json(plan) | {"merchants": ages},
        "summary": dict(sorted(counted.items())),
        "findings": [finding_json(each) for each in (*findings, *(unmanaged_findings(plan) if unmanaged else ()))],
        "unmanaged": describe_unmanaged_companies(plan) if unmanaged else plan.unmanaged_count,
        "retained": _retained_json(plan),
        "syncs": last_syncs_summary_json(plan),
        **filter_json(shown),
        **(_parts_by_label(plan, shown.group_by) if shown.group_by else {}),
    }


def _parts_by_label(plan: FleetPlan, label: str) -> Json:
    """By value of a label, null for those without it, how many merchants there are, and their findings by code."""
    parts = [
        {
            "value": value or None,
            "merchants": len(part.plans),
            "withFindings": sum(bool(each.findings) for each in part.plans),
            "summary": dict(sorted(Counter(found.code for each in part.plans for found in each.findings).items())),
        }
        for value, part in divide_by_label(plan, label).items()
    ]
    return {"groupBy": label, "parts": parts}


def status_json(plan: FleetPlan) -> Json:
    """How far each merchant has come."""
    return _head_json("Status", plan) | {
        "merchants": [
            {
                "merchant": each.merchant,
                "conditions": [_condition_json(condition) for condition in each.conditions],
                "findings": [finding_json(finding) for finding in each.findings],
                "data": data_age_json(each.data_age),
                **closed_json(each.hold),
                **last_and_next_sync_json(each, plan.made_at),
            }
            for each in plan.plans
        ],
        **_account_plan_json(plan),
        "syncs": last_syncs_summary_json(plan),
    }


def apply_json(result: FleetReport | FleetPlan) -> Json:
    """What `apply` did; of a plan that came back untouched, that nothing was done, and why."""
    plan = result.plan if isinstance(result, FleetReport) else result
    outcomes = result.outcomes if isinstance(result, FleetReport) else {}
    report = _head_json("ApplyReport", plan) | {
        "merchants": [
            {
                "merchant": each.merchant,
                "state": each.status.value,
                "changes": [_change_json(change) for change in each.changes],
                **_held_and_closed_json(each),
                "outcome": outcome_json(outcomes.get(each.merchant, Unchanged())),
                "findings": [finding_json(finding) for finding in each.findings],
            }
            | _renamed_from_json(each)
            for each in plan.plans
        ],
        "refusal": None if plan.refusal is None else refusal_json(plan.refusal),
    }
    if account := _account_plan_json(plan):
        report |= {"account": account["account"] | {"outcome": outcome_json(outcomes.get(ACCOUNT_NAME, Unchanged()))}}
    if isinstance(result, FleetReport):
        report |= {
            "started": format_iso(result.started_at),
            "ended": format_iso(result.ended_at),
            "stopped": result.stop_reason,
            "remedy": result.remedy or None,
            "resumeAt": format_iso(result.resume_at),
        }
    return report


def finding_json(finding: Finding) -> Json:
    """`merchants` instead of `merchant` where a finding is about the whole fleet."""
    about: Json = {"merchants": list(finding.affected_merchants)} if finding.affected_merchants else {}
    return about | {
        "code": finding.code,
        "merchant": finding.merchant or None,
        "field": finding.field,
        "live": value_to_json(finding.live),
        "wanted": value_to_json(finding.wanted),
        "direction": finding.direction and finding.direction.value,
        "since": format_iso(finding.since),
        "occurrences": finding.occurrences,
        "manifest": finding.manifest,
        "cause": finding.cause,
        "remedy": finding.remedy,
        "actor": finding.actor.value,
        "link": finding.link,
    }


def outcome_json(outcome: Outcome) -> Json:
    match outcome:
        case Unchanged():
            return {"result": outcome.word, "writes": 0}
        case Applied():
            findings = [finding_json(each) for each in outcome.findings]
            return {"result": outcome.word, "writes": outcome.writes, "findings": findings}
        case Failed():
            return {
                "result": outcome.word,
                "writes": outcome.writes,
                "reason": outcome.reason,
                "retryable": outcome.retryable,
            }
        case ChangedSincePlan():
            return {"result": outcome.word, "writes": outcome.writes, "reason": outcome.what}
        case Skipped():
            return {"result": outcome.word, "writes": 0, "reason": outcome.reason}


def error_json(message: str, code: int, diagnostics: Iterable[Diagnostic] = ()) -> Json:
    """What stands in the place of a document that could not be made: never complete, and why."""
    return {
        "schemaVersion": REPORT_SCHEMA_VERSION,
        "kind": "Error",
        "complete": False,
        "error": message,
        "exitCode": code,
        "complaints": diagnostics_json(diagnostics),
    }


def refusal_json(refusal: Refusal) -> Json:
    return {
        "limitsExceeded": [
            {
                "class": each.limited_class,
                "count": each.count,
                "limit": each.limit,
                "flag": each.flag,
                "merchants": list(each.merchants),
            }
            for each in refusal.exceeded_limits
        ]
    }


def all_findings(plan: FleetPlan) -> list[Finding]:
    """Of the whole fleet first, then of each merchant and of the account's own settings."""
    return [*plan.findings, *(finding for each in plan.every_plan for finding in each.findings)]


def unmanaged_findings(plan: FleetPlan) -> list[Finding]:
    """A finding for each company that no manifest claims, by the company's name for want of a merchant's."""
    cause, remedy = "no manifest claims this company", "to have a manifest that adopts it: merchantctl import"
    about = partial(
        Finding, "company-unmanaged", cause=cause, remedy=remedy, actor=Actor.NOBODY, field=COMPANY_NAME_PATH
    )
    return [
        *(about(merchant=name, live=name) for name in plan.unmanaged_names),
        *(_retained_finding(each) for each in plan.retained),
    ]


def _retained_finding(retained: RetainedMerchant) -> Finding:
    cause = (
        f"its manifest is gone, and policy deletion: Retain keeps company {retained.company_id}, its connection and "
        "its sync as they are"
    )
    remedy = f"give it a manifest again, or forget it: merchantctl state rm {quote(retained.merchant)}"
    return Finding(
        "company-unmanaged",
        retained.merchant,
        cause,
        remedy,
        Actor.NOBODY,
        field=COMPANY_NAME_PATH,
        live=retained.company_name,
        since=retained.retained_since,
    )


def describe_unmanaged_companies(plan: FleetPlan) -> list[str]:
    """Companies that no manifest claims, by their names; of those whose manifest went, it is said."""
    return [
        *plan.unmanaged_names,
        *(f"{each.merchant} (its manifest is gone; deletion: Retain)" for each in plan.retained),
    ]


def _retained_json(plan: FleetPlan) -> list[Json]:
    return [
        {
            "merchant": each.merchant,
            "companyId": each.company_id,
            "companyName": each.company_name,
            "leftAt": format_iso(each.retained_since),
        }
        for each in plan.retained
    ]


def dumps(document: Mapping[str, Any]) -> str:
    """For stdout and files: readable, in the documented order."""
    return dump_json(document)


def digest(document: Mapping[str, Any]) -> str:
    """The sha256 of the canonical JSON without `digest`: the same however the file was indented or ordered."""
    body = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def canonical_changes(changes: Iterable[Mapping[str, Any]]) -> str:
    """Changes as JSON in one spelling, to be compared: `true` is not 1, and the order of keys means nothing."""
    return json.dumps(list(changes), sort_keys=True)


def changes_json(plan: Plan) -> list[Json]:
    return [_change_json(each) for each in plan.changes]


def read_saved_plan(text: str) -> Json | None:
    """A saved plan, recognised by what it says it is; None when the text is something else.

    Raises MalformedPlan for an empty text and for a plan that is not whole, UnusablePlan when it was edited after it
    was made, or comes from another version.
    """
    text = text.removeprefix("\ufeff")  # editors and shells of Windows put it there
    if not text.strip():
        raise MalformedPlan("The file is empty: it holds no plan and no manifest. Nothing was done.")
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text, object_pairs_hook=_refuse_duplicate_keys)
        return _require_usable(document) if isinstance(document, dict) and document.get("kind") == "Plan" else None
    except (ValueError, RecursionError) as error:
        if re.search(r'"kind"\s*:\s*"Plan"', text):
            raise _malformed("", f"it is no whole JSON document: {error}") from None
        return None


def _require_usable(document: Json) -> Json:
    if document.get("schemaVersion") != REPORT_SCHEMA_VERSION:
        raise UnusablePlan(
            f"The saved plan has schemaVersion {document.get('schemaVersion')!r}, this version reads "
            f"{REPORT_SCHEMA_VERSION}. Make it again: merchantctl plan --out FILE"
        )
    if document.get("digest") != digest(document):
        raise UnusablePlan(
            "The saved plan was edited after it was made (its digest does not fit). Nothing was done. "
            "Make it again: merchantctl plan --out FILE"
        )
    scope: Any = document.get("scope")
    _require(isinstance(document.get("manifests"), str), "manifests", "text")
    _require(isinstance(scope, dict), "scope", "an object")
    for key in ("path", "selector"):
        _require(key in scope and _is_text(scope[key], none_allowed=True), f"scope.{key}", "text or null")
    _require(
        _is_list(scope.get("targets")) and all(map(_is_text, scope["targets"])), "scope.targets", "a list of names"
    )
    _require(_is_list(document.get("merchants")), "merchants", "a list")
    seen: set[str] = set()
    for number, each in enumerate(document["merchants"]):
        at = f"merchants[{number}]"
        _require(isinstance(each, dict), at, "an object")
        _require(_is_text(each.get("merchant")), f"{at}.merchant", "a name")
        _require(each["merchant"] not in seen, f"{at}.merchant", "a name that is not in the plan before")
        seen.add(each["merchant"])
        _require(isinstance(each.get("fingerprint"), str), f"{at}.fingerprint", "text")
        for key, changes in (("changes", each.get("changes")), ("held", each.get("held", []))):
            _require(_is_list(changes) and all(isinstance(change, dict) for change in changes), f"{at}.{key}", "a list")
    return document


def _refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> Json:
    """A key that is there twice shows one value to the reader and another to the program."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in one object")
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_text(value: Any, *, none_allowed: bool = False) -> bool:
    """Text that a name or a path can be: not empty, and nothing in it that UTF-8 or the system cannot say."""
    if value is None:
        return none_allowed
    return isinstance(value, str) and bool(value) and not re.search("[\0\ud800-\udfff]", value)


def _require(fits: bool, place: str, what: str) -> None:
    if not fits:
        raise _malformed(place, f"this is not {what}")


def _malformed(place: str, what: str) -> MalformedPlan:
    at = f"The saved plan, at {place}" if place else "The saved plan"
    return MalformedPlan(f"{at}: {what}. Nothing was done. Make it again: merchantctl plan --out FILE")


def diagnostics_json(diagnostics: Iterable[Diagnostic]) -> list[Json]:
    return [
        {"file": each.file, "line": each.line, "column": each.column, "what": each.what, "remedy": each.remedy}
        for each in diagnostics
    ]


def _head_json(kind: str, plan: FleetPlan) -> Json:
    head: Json = {
        "schemaVersion": REPORT_SCHEMA_VERSION,
        "kind": kind,
        "complete": plan.is_complete and not (plan.account and plan.account.has_unread),
        **provenance_json(plan),
        "scope": _scope_json(plan.scope),
        "timeZones": TZDATA_VERSION,
        "incomplete": list(plan.unread_reasons),
        "notes": list(plan.notes),
        "fleetFindings": [finding_json(each) for each in plan.findings],
        "data": fleet_data_age_json(plan),
    }
    head |= {"resumeAt": format_iso(plan.resume_at)} if plan.resume_at else {}
    return head | ({"complaints": diagnostics_json(plan.diagnostics)} if plan.diagnostics else {})


def _scope_json(scope: Scope) -> Json:
    path = None if scope.path is None else str(scope.path)
    return {"path": path, "targets": list(scope.targets), "selector": scope.selector, "name": scope.name}


def _merchant_plan_json(plan: Plan) -> Json:
    return {
        "merchant": plan.merchant,
        "state": plan.status.value,
        "changes": changes_json(plan),
        **_held_and_closed_json(plan),
        **_later_values_json(plan),
        "findings": [finding_json(each) for each in plan.findings],
        "data": data_age_json(plan.data_age),
        "fingerprint": plan.fingerprint,
    } | _renamed_from_json(plan)


def _account_plan_json(plan: FleetPlan) -> Json:
    """The account's own settings, where they were looked at."""
    if plan.account is None:
        return {}
    return {
        "account": {
            "state": plan.account.status.value,
            "changes": changes_json(plan.account),
            "findings": [finding_json(each) for each in plan.account.findings],
            "fingerprint": plan.account.fingerprint,
        }
    }


def _renamed_from_json(plan: Plan) -> Json:
    return {"renamedFrom": plan.renamed_from} if plan.renamed_from else {}


def _later_values_json(plan: Plan) -> Json:
    """What a first configuration will set, once the merchant has come that far."""
    values = sorted(plan.later_values.items())
    return {"later": [{"field": field, "wanted": value_to_json(value)} for field, value in values]} if values else {}


def _held_and_closed_json(plan: Plan) -> Json:
    """Changes that are planned and not written until somebody releases them; and that it is closed to writes."""
    held = {"held": [_change_json(each) for each in plan.held_changes]} if plan.held_changes else {}
    return held | closed_json(plan.hold)


def _change_json(change: Change) -> Json:
    classes = [each.value for each in change.classes]
    return {
        "kind": change.kind.value,
        "class": classes[0] if classes else None,
        "classes": classes,
        "fields": [_field_change_json(each) for each in change.fields],
    }


def _field_change_json(change: FieldChange) -> Json:
    entry = {
        "field": change.field,
        "live": value_to_json(change.live),
        "wanted": value_to_json(change.wanted),
        "direction": change.direction.value,
    }
    return entry | ({"why": change.why} if change.why else {})


def _condition_json(condition: Condition) -> Json:
    return {
        "type": condition.type,
        "status": condition.status.value,
        "reason": condition.reason,
        "since": format_iso(condition.since),
    }
