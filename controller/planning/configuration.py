"""Is the mapping as declared? At most one POST of the whole document, checked as a whole before it is planned.

compare declared fields ─▶ keep what policy says ─▶ a first one: complete? ─▶ rules ─▶ one change
                                                                                └─ broken: switching off still works
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.desired import DeletionPolicy, DriftPolicy
from controller.model.drift import CAUSE_BY_DIRECTION
from controller.model.field_values import (
    ENABLED_PATH,
    LOCAL_TIME_PATH,
    START_DATE_PATH,
    SYNC_HOUR_PATH,
    LocalTime,
    Option,
    Value,
    resolve_live_path,
)
from controller.model.local_times import explain_utc_hour, utc_hour
from controller.model.observed import Configuration
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Direction,
    FieldChange,
    Finding,
)
from controller.planning.company import re_create_command
from controller.planning.configuration_rules import (
    RuleViolation,
    fields_missing_for_first_configuration,
    find_violations,
)
from controller.planning.context import PlanningContext, StepResult, condition_met, condition_unmet, stop_result
from controller.planning.diff import compare_fields, recorded_path
from controller.planning.new_accounts import NewAccountsPlan, plan_new_accounts
from controller.planning.reference_data import RIGHT_BOOKS, wrong_books_finding
from controller.planning.reference_findings import (
    dangling_findings,
    former_option_if_moved,
    problem_findings,
    remapped_finding,
)
from controller.planning.remedies import (
    APPLY_COMMAND,
    command_line,
    declare_remedy,
    first_local_day_from,
    report_policy_remedy,
    where_to_write,
    write_value_remedy,
)
from controller.planning.resolve import KnownReferences, ResolutionProblem, ResolvedFields, resolve_fields
from controller.planning.tzdata_changes import explain_changed_rules
from controller.quick_dataclasses import dataclass

MAPPED, SCHEDULED, SWITCHED = "Mapped", "Scheduled", "Switched"


def check_right_books(context: PlanningContext) -> StepResult:
    """In the wrong books nothing is mapped, but the merchant can still be switched off."""
    finding = wrong_books_finding(context)
    if finding is None:
        return StepResult(context, condition_met(RIGHT_BOOKS))
    live = context.observed.configuration
    assert isinstance(live, Configuration)
    diff = _compare(context, live, _resolve(context, live))
    return stop_result(
        context, RIGHT_BOOKS, finding, changes=_switch_off_only_changes(diff, live) if live.configured else ()
    )


@dataclass(frozen=True, slots=True)
class ConfigurationDiff:
    """How live differs from the declared fields, by what is done about it.

    to_write     to be sent
    left_alone   drift that policy `Report` leaves as it is
    backdated    a start before live's: Codat moves none earlier
    held         references that renumbered books moved elsewhere: not followed until a person says so
    old_options  by field, what such a reference led to before, whether it is held, left alone or written
    """

    to_write: tuple[FieldChange, ...]
    left_alone: tuple[FieldChange, ...]
    backdated: tuple[FieldChange, ...]
    held: tuple[FieldChange, ...]
    old_options: Mapping[str, Option]


def check_configuration(context: PlanningContext) -> StepResult:
    """Mapped, Scheduled and Switched at once: they are one document and one POST."""
    live = context.observed.configuration
    assert isinstance(live, Configuration)
    if context.is_to_be_taken_down:
        return _check_switched_off(context, live)
    resolved = _resolve(context, live)
    diff = _compare(context, live, resolved)
    left_alone_fields = frozenset(change.field for change in diff.left_alone)
    new = plan_new_accounts(context, live, resolved)
    findings = (
        *dangling_findings(context, live, resolved, left_alone_fields),
        *problem_findings(context, live, resolved),
    )
    if live.configured:
        result = _plan_update(context, live, resolved, diff, findings)
    else:
        result = _plan_first_configuration(context, live, resolved, diff, findings, new)
    findings = tuple(new.replace_unresolved_finding(finding) for finding in result.findings)
    return replace(result, findings=findings, changes=(*result.changes, *new.changes))


def _resolve(context: PlanningContext, live: Configuration) -> ResolvedFields:
    return resolve_fields(
        context.desired.fields,
        live,
        context.now,
        KnownReferences(context.recorded.last_applied, context.observed.records),
    )


def _compare(context: PlanningContext, live: Configuration, resolved: ResolvedFields) -> ConfigurationDiff:
    old_options: dict[str, Option] = {}
    to_write: list[FieldChange] = []
    left_alone: list[FieldChange] = []
    backdated: list[FieldChange] = []
    held: list[FieldChange] = []
    reports_drift = context.desired.policy.drift is DriftPolicy.REPORT
    for change in compare_fields(resolved.values, live.values, context.recorded.last_applied):
        old_option = former_option_if_moved(context, live, change.field, change.wanted)
        if old_option:
            old_options[change.field] = old_option
        change = _with_direction_and_reason(context, change, live, moved=old_option is not None)
        # A first configuration is sent whole: nothing of it is drift, and live's skeleton has no start to keep.
        if live.configured and _is_backdated(change):
            backdated.append(change)
        elif live.configured and reports_drift and change.direction is not Direction.PENDING:
            left_alone.append(change)
        elif old_option and not context.remap_allowed:
            held.append(change)
        else:
            to_write.append(change)
    return ConfigurationDiff(tuple(to_write), tuple(left_alone), tuple(backdated), tuple(held), old_options)


def _with_direction_and_reason(
    context: PlanningContext, change: FieldChange, live: Configuration, *, moved: bool
) -> FieldChange:
    """The change with who caused it, and why where that was neither the manifest nor somebody at Codat.

    moved  renumbered books made its reference mean another option
    """
    if moved:  # nobody wrote another reference into the manifest, so it is not pending
        return replace(change, direction=Direction.DRIFT)
    if not live.configured:
        return replace(change, direction=Direction.PENDING)
    declared = context.desired.fields.get(change.field)
    if change.direction is not Direction.PENDING or change.field not in (LOCAL_TIME_PATH, START_DATE_PATH):
        return change
    rules = explain_changed_rules(recorded_path(change.field), context.desired, context.recorded.last_applied)
    if not isinstance(declared, LocalTime):
        return replace(change, why=rules)
    start = context.desired.fields.get(START_DATE_PATH)
    start = start if isinstance(start, datetime) else None
    explanation = explain_utc_hour(declared, context.now, start)
    # The manifest's time is the same when it would have given the hour that we set, at the moment when we last saw
    # the merchant configured. Then it is the zone's offset that moved: summer time began or ended.
    seen, applied_hour = context.recorded.last_configured_at, context.recorded.last_applied.get(SYNC_HOUR_PATH)
    if seen is not None and utc_hour(declared, seen, start) == applied_hour:
        return replace(change, why=explanation)
    return replace(change, why=rules and f"{rules}: {explanation}")


def _is_backdated(change: FieldChange) -> bool:
    live, wanted = change.live, change.wanted
    return (
        change.field == START_DATE_PATH
        and isinstance(live, datetime)
        and isinstance(wanted, datetime)
        and wanted < live
    )


def _plan_first_configuration(
    context: PlanningContext,
    live: Configuration,
    resolved: ResolvedFields,
    diff: ConfigurationDiff,
    findings: tuple[Finding, ...],
    new: NewAccountsPlan,
) -> StepResult:
    """The first configuration: complete, or nothing is sent."""
    values = _values_after_changes(live, diff.to_write)
    incomplete = _first_configuration_gaps(context, live, resolved, values, new)
    violations = () if incomplete else _violation_findings(context, values, live)
    # All else of a first configuration is only to come: it differs from nothing yet.
    moved = [change for change in (*diff.held, *diff.to_write) if change.field in diff.old_options]
    differences = {change.field: change.direction for change in moved}
    findings = (
        *findings,
        *(
            _difference_finding(context, change, diff, live, "" if change in diff.to_write else "not followed")
            for change in moved
        ),
    )
    if diff.held or incomplete or violations:
        remedy = "configure the merchant first: see not-configured"
        findings = tuple(_replace_apply_remedy(finding, remedy) for finding in findings)
        # A held reference has its own finding, and is why the document is incomplete: one reason is enough.
        if not diff.held:
            findings = (*findings, *incomplete, *violations)
        return _result(context, resolved, (), findings, differences)
    change_class, finding = _not_configured_class_and_finding(context, values)
    change = Change(ChangeKind.SET_CONFIGURATION, (change_class,), diff.to_write)
    return _result(context, resolved, (change,), (*findings, finding), differences)


def _first_configuration_gaps(
    context: PlanningContext,
    live: Configuration,
    resolved: ResolvedFields,
    values: Mapping[str, Value],
    new: NewAccountsPlan,
) -> tuple[Finding, ...]:
    """Why a first configuration is not complete; a reference without an answer has a finding of its own beside it."""
    if not any(path.startswith(("mapping.", "schedule.")) for path in context.desired.fields):
        cause = "nobody has configured the mapping, and no manifest declares one"
        remedy = f"{command_line('link', context.desired.name, '--sync-flow')}; or declare it in a manifest"
        return (context.finding("not-configured", cause, remedy, Actor.MERCHANT),)
    unresolved = {resolve_live_path(live.values, problem.field) for problem in resolved.problems}
    missing = [path for path in fields_missing_for_first_configuration(values, live) if path not in unresolved]
    if missing:
        cause = f"the first configuration lacks {', '.join(missing)}"
        return (context.finding("not-configured", cause, declare_remedy(context, missing, live), Actor.OPERATOR),)
    if resolved.problems:
        cause = f"no single answer for {', '.join(problem.field for problem in resolved.problems)}"
        actor, remedy = Actor.OPERATOR, _correct_first_remedy(resolved.problems)
        if all(problem.field in new.findings for problem in resolved.problems):
            of_account = new.findings[resolved.problems[0].field]
            actor, remedy = of_account.actor, of_account.remedy
        return (context.finding("not-configured", cause, remedy, actor),)
    return ()


def _not_configured_class_and_finding(
    context: PlanningContext, values: Mapping[str, Value]
) -> tuple[ChangeClass, Finding]:
    """The class and finding of a first configuration: RE_CREATE where it would book twice what is booked already."""
    start, last_configured_at = values.get(START_DATE_PATH), context.recorded.last_configured_at
    if last_configured_at is None:
        return ChangeClass.CONFIGURE, _not_configured_finding(context, "never configured", APPLY_COMMAND)
    cause = "its mapping went with the deleted connection"
    booked_until = max(last_configured_at, context.observed.last_successful_sync or last_configured_at)
    if not isinstance(start, datetime) or start >= booked_until:
        return ChangeClass.CONFIGURE, _not_configured_finding(context, cause, APPLY_COMMAND)
    cause += f"; warning: startDate {start:%Y-%m-%d} would replay books up to {booked_until:%Y-%m-%d}"
    day = first_local_day_from(context, booked_until)
    remedy = (
        f"to begin where the books end: in the manifest of {context.desired.name} write "
        f"{START_DATE_PATH}: {day}; then {APPLY_COMMAND}\n"
        f"or to begin from the start again: {re_create_command(context)}"
    )
    return ChangeClass.RE_CREATE, _not_configured_finding(context, cause, remedy)


def _not_configured_finding(context: PlanningContext, cause: str, remedy: str) -> Finding:
    return context.finding("not-configured", cause, remedy, Actor.APPLY, direction=Direction.PENDING)


def _plan_update(
    context: PlanningContext,
    live: Configuration,
    resolved: ResolvedFields,
    diff: ConfigurationDiff,
    findings: tuple[Finding, ...],
) -> StepResult:
    """The change of a configured merchant: everything that differs in one document, or nothing of it."""
    values = _values_after_changes(live, diff.to_write)
    violations = find_violations(values, live)
    if resolved.problems or violations:
        changes = _switch_off_only_changes(diff, live)
    else:
        changes = (_configuration_change(diff.to_write),) if diff.to_write else ()
    written = {field.field for change in changes for field in change.fields}
    # What keeps the document from being sent; every field of it waits for that.
    obstacle = _correct_first_remedy((*resolved.problems, *violations))
    explained = {finding.field for finding in findings}
    # A selection that has its own finding (deleted, archived) did not move: what we set still counts as set.
    differing = [
        change
        for change in (*diff.to_write, *diff.left_alone, *diff.backdated, *diff.held)
        if change.field not in explained
    ]
    differences = (
        _difference_finding(context, change, diff, live, "" if change.field in written else obstacle)
        for change in differing
    )
    already = _already_explained_fields(context, live, findings, writes=bool(diff.to_write))
    broken_rules = _violation_findings(context, values, live, already)
    findings = tuple(
        finding if finding.field in written else _replace_apply_remedy(finding, obstacle) for finding in findings
    )
    directions = {change.field: change.direction for change in differing}
    return _result(context, resolved, changes, (*findings, *differences, *broken_rules), directions)


def _already_explained_fields(
    context: PlanningContext, live: Configuration, findings: tuple[Finding, ...], *, writes: bool
) -> frozenset[str]:
    """Live's paths whose broken rule would tell nothing new, since a finding is about them already.

    Where something is to be written, only declared ones: of an undeclared selection the broken rule tells that it keeps
    everything else from being written.
    """
    declared = {resolve_live_path(live.values, path) for path in context.desired.fields} if writes else None
    paths = (resolve_live_path(live.values, finding.field) or finding.field for finding in findings if finding.field)
    return frozenset(path for path in paths if declared is None or path in declared)


def _correct_first_remedy(obstacles: Iterable[ResolutionProblem | RuleViolation]) -> str:
    """The remedy of the merchant's other differences, while these keep the document from being sent."""
    fields = dict.fromkeys(
        obstacle.field if isinstance(obstacle, ResolutionProblem) else obstacle[0] for obstacle in obstacles
    )
    return f"mend {', '.join(list(fields)[:3])} first{', and more' if len(fields) > 3 else ''}; then {APPLY_COMMAND}"


def _replace_apply_remedy(finding: Finding, remedy: str) -> Finding:
    """The finding with this remedy where an apply was to correct it: now it cannot, until something else is done."""
    return replace(finding, remedy=remedy) if finding.actor is Actor.APPLY else finding


def _values_after_changes(live: Configuration, changes: tuple[FieldChange, ...]) -> dict[str, Value]:
    """The document's values once these changes are written, by live's own paths."""
    written = {resolve_live_path(live.values, change.field) or change.field: change.wanted for change in changes}
    return {**live.values, **written}


def _violation_findings(
    context: PlanningContext, values: Mapping[str, Value], live: Configuration, already_explained: Collection[str] = ()
) -> tuple[Finding, ...]:
    """A finding for each rule that this document breaks, whether or not it is about to be sent."""
    return tuple(
        _violation_finding(context, path, sentence, values, live)
        for path, sentence in find_violations(values, live)
        if path not in already_explained
    )


def _violation_finding(
    context: PlanningContext, path: str, sentence: str, values: Mapping[str, Value], live: Configuration
) -> Finding:
    fields = context.desired.fields
    declared = next((field for field in fields if resolve_live_path(live.values, field) == path), None)
    correct = write_value_remedy(context, declared or path, path, live, values.get(path))
    flow = f"\nor have it mended in the Sync Flow: {command_line('link', context.desired.name, '--sync-flow')}"
    remedy = f"{correct}; then {APPLY_COMMAND}{'' if declared else flow}"
    # The rule about a start is ours; all others are Codat's.
    cause = sentence if path == START_DATE_PATH else f"Codat would refuse: {sentence}"
    return context.finding("mapping-invalid", cause, remedy, Actor.OPERATOR, field=path)


def _switch_off_only_changes(diff: ConfigurationDiff, live: Configuration) -> tuple[Change, ...]:
    """Only the switch, where it is to be off and live as it is would be accepted: that never waits for a reference."""
    off = tuple(change for change in diff.to_write if change.field == ENABLED_PATH and change.wanted is False)
    return (_configuration_change(off),) if off and not find_violations(_values_after_changes(live, off), live) else ()


def _configuration_change(fields: tuple[FieldChange, ...]) -> Change:
    """One write of the whole document; in the order of ChangeClass, each class that one of its fields belongs to."""
    classes = set()
    for field in fields:
        if field.field == ENABLED_PATH:
            classes.add(ChangeClass.ENABLE if field.wanted else ChangeClass.DISABLE)
        elif not field.field.startswith("schedule."):
            classes.add(ChangeClass.REMAP)
        elif not field.why:  # with `why` it is summer time for the whole fleet at once: no limit must stop that
            classes.add(ChangeClass.RESCHEDULE)
    in_order = tuple(change_class for change_class in ChangeClass if change_class in classes)
    return Change(ChangeKind.SET_CONFIGURATION, in_order, fields)


def _difference_finding(
    context: PlanningContext, change: FieldChange, diff: ConfigurationDiff, live: Configuration, obstacle: str = ""
) -> Finding:
    """A finding that live differs in a field. `obstacle`: the remedy for what keeps an apply from correcting it."""
    if change.field in diff.old_options:
        kept, followed = change in diff.left_alone, change in diff.to_write and not obstacle
        return remapped_finding(context, change, diff.old_options[change.field], live, kept=kept, followed=followed)
    code, cause = _difference_code_and_cause(
        change, recorded=recorded_path(change.field) in context.recorded.last_applied
    )
    actor, remedy = Actor.APPLY, obstacle or APPLY_COMMAND
    if change in diff.left_alone:
        actor, remedy = Actor.NOBODY, report_policy_remedy(context, change.field, change.live)
    # Codat moves no start earlier. Where the manifest means the same day and only the zone or tzdata made it another
    # instant (`why`), live may stand; else a person has to choose another day.
    if change in diff.backdated and isinstance(change.live, datetime):
        day = first_local_day_from(context, change.live)
        actor, remedy = Actor.OPERATOR, f"{where_to_write(context, START_DATE_PATH)}: {day}"
        cause = "startDate is earlier than live's, and a start cannot move earlier"
        if change.why:
            cause, actor = f"{change.why}; a start cannot move earlier, so live's stands", Actor.NOBODY
            remedy = "nothing is to be done: the manifest means the same day"
    return context.finding(
        code,
        cause,
        remedy,
        actor,
        field=change.field,
        live=change.live,
        wanted=change.wanted,
        direction=change.direction,
    )


def _difference_code_and_cause(change: FieldChange, recorded: bool) -> tuple[str, str]:
    """The finding's code and cause. `recorded`: we set the field before, so that it is known who changed it."""
    drifted = change.direction is Direction.DRIFT
    cause = change.why or (
        "live differs, and we never set it" if drifted and not recorded else CAUSE_BY_DIRECTION[change.direction]
    )
    if change.field == ENABLED_PATH and drifted and recorded:
        cause = "the merchant or Codat switched it " + ("off" if change.wanted else "on")
    if change.field == ENABLED_PATH:
        return ("sync-disabled" if change.wanted else "sync-enabled"), cause
    return ("schedule-changed" if change.field.startswith("schedule.") else "mapping-changed"), cause


def _check_switched_off(context: PlanningContext, live: Configuration) -> StepResult:
    """The configuration of a merchant that is to be taken down must be off before it is unlinked or deleted."""
    if not (live.configured and live.enabled):
        return StepResult(context, condition_met(SWITCHED, "off, as wanted"))
    off = FieldChange(ENABLED_PATH, True, False, Direction.PENDING)
    violations = _violation_findings(context, _values_after_changes(live, (off,)), live)
    if not violations:
        return StepResult(
            context, condition_unmet(SWITCHED, "to be taken down"), changes=(_configuration_change((off,)),)
        )
    # Codat would reject the document. An unlinked merchant does not synchronise anyway, so it matters only where
    # switching off is all that policy asks for.
    findings = violations if context.desired.removal is DeletionPolicy.DISABLE else ()
    return StepResult(context, condition_unmet(SWITCHED, "cannot be switched off"), findings=findings)


def _result(
    context: PlanningContext,
    resolved: ResolvedFields,
    changes: tuple[Change, ...],
    findings: tuple[Finding, ...],
    differences: Mapping[str, Direction],
) -> StepResult:
    """The step's result, with a condition for each part of the document: the first finding about it is its reason."""
    parts = {MAPPED: "mapping.", SCHEDULED: "schedule.", SWITCHED: ENABLED_PATH}
    not_configured = next((finding.code for finding in findings if finding.code == "not-configured"), None)
    conditions = []
    for kind, prefix in parts.items():
        codes = (finding.code for finding in findings if (finding.field or "").startswith(prefix))
        reason = not_configured or next(codes, None)
        conditions.append(condition_unmet(kind, reason) if reason else condition_met(kind))
    first, *more = conditions
    # «Last applied» becomes these once all is well: half of them would make the rest look like drift.
    resolved_values = {} if resolved.problems else dict(resolved.values)
    return StepResult(
        context,
        first,
        findings=findings,
        changes=changes,
        more_conditions=tuple(more),
        resolved_values=resolved_values,
        differences=differences,
    )
