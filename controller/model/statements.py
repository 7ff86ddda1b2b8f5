"""What a report says of each merchant, each thing once. Pure.

A change and the finding that explains it are one statement: the change's values, the finding's cause, place in the
manifests and age. Findings that no change stands for, adoptions and renames are statements of their own. Of a run that
wrote, a statement says what became of the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.drift import CAUSE_BY_DIRECTION
from controller.model.field_values import Ref, Value
from controller.model.merchant_status import not_applied_reason
from controller.model.plan import (
    Actor,
    Change,
    ChangeKind,
    Direction,
    FieldChange,
    Finding,
    Plan,
)
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    FleetReport,
    Outcome,
    Skipped,
    Unchanged,
)
from controller.model.severity import Severity, change_severity, finding_severity
from controller.quick_dataclasses import dataclass

ADOPTED = "adopted"
RENAMED_IN_MANIFESTS = "renamed-in-manifests"
SET_LATER = "set-later"
"""What is said of a plan that is neither a finding nor a change: these stand where a code would."""

_EXPLAINED_KINDS = {"not-configured": ChangeKind.SET_CONFIGURATION, "connection-missing": ChangeKind.CREATE_CONNECTION}
"""Findings about no single field that are said by a change of this kind."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is said, but for whom and with which values.

    kind     of the change; None where there is none to come
    code     of the finding; empty where none belongs to the change
    held     the change is shown and not written
    outcome  what became of it: the word of an Outcome; empty in a plan
    """

    severity: Severity
    actor: Actor
    kind: ChangeKind | None = None
    code: str = ""
    held: bool = False
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is said of one merchant.

    has_values  it is about two values, of which either may be unset
    cause       what happened, where field and values do not say it already
    """

    merchant: str
    subject: Subject
    field: str | None = None
    has_values: bool = False
    live: Value = None
    wanted: Value | Ref = None
    direction: Direction | None = None
    cause: str = ""
    remedy: str = ""
    link: str | None = None
    manifest: str | None = None
    since: datetime | None = None
    occurrences: int | None = None


_OUTCOME_SEVERITIES = {
    Failed.word: Severity.CRITICAL,
    ChangedSincePlan.word: Severity.WARNING,
    Skipped.word: Severity.WARNING,
    Applied.word: Severity.INFO,
}


def plan_statements(plan: FleetPlan) -> list[Statement]:
    """Of everyone in a plan; what was found of the whole fleet is not among them."""
    return [statement for each in plan.every_plan for statement in merchant_statements(each)]


def later_value_statements(plan: FleetPlan) -> list[Statement]:
    """What the first configuration of everyone who waits for consent or data will set."""
    subject = Subject(Severity.INFO, Actor.NOBODY, code=SET_LATER)
    return [
        Statement(each.merchant, subject, field, has_values=True, wanted=value)
        for each in plan.plans
        for field, value in sorted(each.later_values.items())
    ]


def report_statements(report: FleetReport) -> list[Statement]:
    """Of everyone in a run that wrote: what became of the changes, and what is left to say."""
    return [
        statement
        for each in report.plan.every_plan
        for statement in merchant_statements(each, report.outcomes.get(each.merchant))
    ]


def finding_statements_of_plans(plan: FleetPlan) -> list[Statement]:
    """Findings alone, whatever an apply would do about them."""
    return finding_statements(finding for each in plan.every_plan for finding in each.findings)


def finding_statements(findings: Iterable[Finding]) -> list[Statement]:
    """Each finding as it is."""
    return [_finding_statement(finding) for finding in findings]


def merchant_statements(plan: Plan, outcome: Outcome | None = None) -> list[Statement]:
    """One merchant's, the changes first. `outcome`: what became of them."""
    explanations, others = split_explaining_findings(plan)
    if isinstance(outcome, Applied):
        others = [*(each for each in others if each.actor is not Actor.APPLY), *outcome.findings]
    word = "" if outcome is None or isinstance(outcome, Unchanged) else outcome.word
    said = _adoption_and_rename_statements(plan)
    for change in plan.changes:
        said += _change_statements(plan, change, explanations, word, not_applied_reason(outcome))
    for change in plan.held_changes:
        said += _change_statements(plan, change, explanations)
    if word and not plan.changes:
        said.append(_outcome_statement(plan.merchant, word, not_applied_reason(outcome)))
    return said + [_finding_statement(finding) for finding in others]


Explanations = Mapping[tuple[ChangeKind, str | None], Finding]
"""By kind and field of a change the finding that it stands for; the field is None where that is about none."""


def split_explaining_findings(plan: Plan) -> tuple[Explanations, list[Finding]]:
    """The findings that a change of the plan stands for, and all others.

    A change that will be made says all but the cause. One that is held has the remedy of its finding to say, too,
    where no other finding says the same.
    """
    kinds_by_field = {field.field: change.kind for change in plan.changes for field in change.fields}
    held_by_field = {field.field: change.kind for change in plan.held_changes for field in change.fields}
    kinds = {change.kind for change in plan.changes}
    explanations: dict[tuple[ChangeKind, str | None], Finding] = {}
    others = []
    for finding in plan.findings:
        to_come = kinds_by_field.get(finding.field or "") if finding.actor is Actor.APPLY else None
        kind = to_come or held_by_field.get(finding.field or "")
        field = finding.field if kind else None
        if kind is None and finding.actor is Actor.APPLY and _EXPLAINED_KINDS.get(finding.code) in kinds:
            kind = _EXPLAINED_KINDS[finding.code]
        if kind and (kind, field) not in explanations:
            explanations[kind, field] = finding
        else:
            others.append(finding)
    said = {finding.remedy for finding in others}
    once = {key: replace(each, remedy="") if each.remedy in said else each for key, each in explanations.items()}
    return once, others


def cause_unless_restated(finding: Finding, why: str = "") -> str:
    """The cause of a finding that a change stands for; empty where the change says it already."""
    restates = finding.cause == why or finding.cause in CAUSE_BY_DIRECTION.values()
    return "" if restates else finding.cause


def _change_statements(
    plan: Plan,
    change: Change,
    explanations: Explanations,
    outcome: str = "",
    reason: str = "",
) -> list[Statement]:
    """A statement for each field; one for a change without any."""
    held = change in plan.held_changes
    usual_actor = _who_releases(plan) if held else Actor.APPLY
    if outcome:
        usual_actor = Actor.NOBODY if outcome == Applied.word else Actor.OPERATOR
    whole = explanations.get((change.kind, None))
    said = []
    for field in change.fields or (None,):
        finding = explanations.get((change.kind, field.field if field else None)) or whole
        code = finding.code if finding else ""
        severity = _OUTCOME_SEVERITIES[outcome] if outcome else _worst_severity(change_severity(change, field), finding)
        actor = finding.actor if finding and held else usual_actor
        subject = Subject(severity, actor, change.kind, code, held, outcome)
        said.append(_field_statement(plan.merchant, subject, field, finding, reason))
    return said


def _worst_severity(severity: Severity, finding: Finding | None) -> Severity:
    """Of a change and the finding that it stands for."""
    if finding is None:
        return severity
    of_finding = finding_severity(finding.code, finding.direction, finding.actor)
    return min(severity, of_finding, key=lambda each: each.rank)


def _field_statement(
    merchant: str, subject: Subject, field: FieldChange | None, finding: Finding | None, reason: str
) -> Statement:
    why = field.why if field else ""
    cause = cause_unless_restated(finding, why) if finding else ""
    return Statement(
        merchant,
        subject,
        field=field.field if field else None,
        has_values=field is not None,
        live=field.live if field else None,
        wanted=field.wanted if field else None,
        direction=field.direction if field else None,
        cause="; ".join(filter(None, (why, cause, reason))),
        remedy=finding.remedy if finding and subject.held else "",
        link=finding.link if finding else None,
        manifest=finding.manifest if finding else None,
        since=finding.since if finding else None,
        occurrences=finding.occurrences if finding else None,
    )


def _finding_statement(finding: Finding) -> Statement:
    severity = finding_severity(finding.code, finding.direction, finding.actor)
    return Statement(
        finding.merchant,
        Subject(severity, finding.actor, code=finding.code),
        field=finding.field,
        has_values=finding.live is not None or finding.wanted is not None,
        live=finding.live,
        wanted=finding.wanted,
        direction=finding.direction,
        cause=finding.cause,
        remedy=finding.remedy,
        link=finding.link,
        manifest=finding.manifest,
        since=finding.since,
        occurrences=finding.occurrences,
    )


def _adoption_and_rename_statements(plan: Plan) -> list[Statement]:
    said = []
    if plan.renamed_from:
        subject = Subject(Severity.INFO, Actor.APPLY, code=RENAMED_IN_MANIFESTS)
        said.append(Statement(plan.merchant, subject, "metadata.name", True, plan.renamed_from, plan.merchant))
    if plan.adopts:
        said.append(Statement(plan.merchant, Subject(Severity.INFO, Actor.APPLY, code=ADOPTED)))
    return said


def _outcome_statement(merchant: str, word: str, reason: str) -> Statement:
    """What became of a plan that had no change of its own, as of an adoption."""
    actor = Actor.NOBODY if word == Applied.word else Actor.OPERATOR
    subject = Subject(_OUTCOME_SEVERITIES[word], actor, outcome=word)
    return Statement(merchant, subject, cause=reason)


def _who_releases(plan: Plan) -> Actor:
    """Who has to decide about held changes."""
    return Actor.NOBODY if plan.hold is not None and plan.hold.ends_by_itself else Actor.OPERATOR
