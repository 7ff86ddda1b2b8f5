"""Findings that `policy.ignore` hides for a while: told as `ignored`, their fields neither compared nor written. Pure.

the plan as declared ─▶ which findings does a rule fit? ─▶ the plan without their fields ─▶ those findings as `ignored`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.desired import DesiredMerchant, IgnoreRule
from controller.model.field_values import (
    LOCAL_TIME_PATH,
    LocalTime,
    Option,
    Ref,
    Value,
    value_to_json,
    values_equal,
)
from controller.model.finding_evidence import NOT_IGNORABLE
from controller.model.local_times import local_date
from controller.model.plan import Actor, ChangeKind, Finding, Plan
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED
from controller.model.yaml_snippets import option_as_yaml

IGNORED_CODE = "ignored"

CORRECTED_BY: Mapping[str, ChangeKind] = {
    "connection-missing": ChangeKind.CREATE_CONNECTION,
    "not-configured": ChangeKind.SET_CONFIGURATION,
    "company-renamed": ChangeKind.RENAME_COMPANY,
}
"""By code, the change that would correct it, where that is no field of the document: it is not made either."""


def match_ignore_rules(plan: Plan, desired: DesiredMerchant, now: datetime) -> tuple[Plan, dict[Finding, IgnoreRule]]:
    """The findings that are hidden, by the first rule that fits; and the plan, whose other findings say why a rule that
    is about them hides them no more."""
    if not desired.ignore:
        return plan, {}
    hidden: dict[Finding, IgnoreRule] = {}
    told = []
    for finding in plan.findings:
        rules = [rule for rule in desired.ignore if _matches_code_or_field(rule, finding)]
        fitting = next(
            (rule for rule in rules if now < rule.until and _matches_live_value(rule, finding, plan, desired)), None
        )
        if fitting:
            hidden[finding] = fitting
        told.append(
            replace(finding, cause=_cause_when_not_ignored(finding, rules[-1], plan, now))
            if rules and not fitting
            else finding
        )
    return replace(plan, findings=tuple(told)), hidden


def without_ignored_fields(desired: DesiredMerchant, hidden: Mapping[Finding, IgnoreRule]) -> DesiredMerchant:
    """What is desired but for the fields of the hidden findings: those are nobody's for now."""
    fields = {finding.field for finding in hidden}
    return replace(desired, fields={path: value for path, value in desired.fields.items() if path not in fields})


def ignored_findings(hidden: Mapping[Finding, IgnoreRule], desired: DesiredMerchant) -> tuple[Finding, ...]:
    """What is told in their place: one finding a field, waiting for nobody, and no drift."""
    by_field: dict[str | None, list[Finding]] = {}
    for finding in hidden:
        by_field.setdefault(finding.field, []).append(finding)
    origins = desired.origins.get("policy.ignore")
    return tuple(
        replace(
            findings[0],
            code=IGNORED_CODE,
            cause="; ".join(
                f"{each.code} is ignored until {hidden[each].until:%Y-%m-%d}: {hidden[each].reason}"
                for each in findings
            ),
            remedy=f"to have it put right again: delete policy.ignore from the manifest of {desired.name}",
            actor=Actor.NOBODY,
            direction=None,
            link=None,
            recheck_after=None,
            manifest=str(origins[-1]) if origins else None,
        )
        for findings in by_field.values()
    )


def _matches_code_or_field(rule: IgnoreRule, finding: Finding) -> bool:
    if finding.code in NOT_IGNORABLE:
        return False
    if rule.code:
        return rule.code == finding.code
    field = finding.field or ""
    return rule.field in (field, field.lower())  # keys of accounts compare without case


def _matches_live_value(rule: IgnoreRule, finding: Finding, plan: Plan, desired: DesiredMerchant) -> bool:
    """Whether the finding has the very value that the rule was said of."""
    said, live = rule.live, _live_value_or_sync_code(finding, plan)
    if isinstance(said, Ref):
        return isinstance(live, Option) and getattr(live, said.by) == said.value
    if isinstance(live, datetime):
        return said in (value_to_json(live), str(local_date(live, _zone(desired))))
    return not isinstance(said, Ref | LocalTime) and (said is live is None or values_equal(said, live))


def _live_value_or_sync_code(finding: Finding, plan: Plan) -> Value:
    """A failed sync has its code for a value: another one is another failure."""
    if finding.code == LAST_SYNC_FAILED and plan.last_sync:
        return plan.last_sync.code
    return finding.live


def _zone(desired: DesiredMerchant) -> str | None:
    local_time = desired.fields.get(LOCAL_TIME_PATH)
    return local_time.zone if isinstance(local_time, LocalTime) else None


def _cause_when_not_ignored(finding: Finding, rule: IgnoreRule, plan: Plan, now: datetime) -> str:
    if now >= rule.until:
        return f"{finding.cause}; it was ignored until {rule.until:%Y-%m-%d}"
    live = _live_value_or_sync_code(finding, plan)
    shown = option_as_yaml(live, "id") if isinstance(live, Option) else json.dumps(value_to_json(live))
    return f"{finding.cause}; policy.ignore is not said of this value, live: {shown}"
