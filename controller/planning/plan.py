"""One merchant's plan: conditions in order, each checked only while the ones before it are met.

CompanyReady → CommerceConnected → AccountingConnected → DataReady → RightBooks → Mapped, Scheduled, Switched → Ready
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.desired import DeletionPolicy, DesiredMerchant, LinkState, Origin
from controller.model.drift import is_drift
from controller.model.field_values import (
    START_DATE_PATH,
    LocalTime,
    Option,
    Ref,
    Value,
    resolve_live_path,
    split_account_path,
    value_to_json,
)
from controller.model.local_times import utc_hour
from controller.model.observed import (
    DEAUTHORIZED,
    LINKED,
    REQUIRED_DATA_TYPES,
    UNLINKED,
    Configuration,
    Observed,
    RecordedState,
    Unread,
)
from controller.model.plan import (
    READY_CONDITION,
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    CheckedPart,
    Condition,
    ConditionStatus,
    DataAge,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
)
from controller.planning.company import check_company
from controller.planning.configuration import check_configuration, check_right_books
from controller.planning.connection import check_accounting_connection, check_commerce_connection
from controller.planning.context import PlanningContext, StepResult, condition_met
from controller.planning.ignore import CORRECTED_BY, ignored_findings, match_ignore_rules, without_ignored_fields
from controller.planning.last_sync import last_sync_findings, sync_schedule_of, syncing_condition
from controller.planning.reference_data import DATA_READY, RIGHT_BOOKS, check_reference_data

STEPS: tuple[tuple[Callable[[PlanningContext], StepResult], CheckedPart], ...] = (
    (check_company, CheckedPart.COMPANY),
    (check_commerce_connection, CheckedPart.COMMERCE_CONNECTION),
    (check_accounting_connection, CheckedPart.ACCOUNTING_CONNECTION),
    (check_reference_data, CheckedPart.REFERENCE_DATA),
    (check_right_books, CheckedPart.BOOKS),
    (check_configuration, CheckedPart.MAPPING),
)
"""Each step, and the part of the merchant that it checks."""

NOT_CHECKED_WHEN_DOWN = frozenset({*CheckedPart} - {CheckedPart.COMPANY, CheckedPart.NAMES, CheckedPart.EVERYTHING})
"""Parts that count as checked for a merchant that is to be taken down: whatever they hold, nothing is to be done."""

CONDITION_ORDER = (
    "CompanyReady",
    "CommerceConnected",
    "AccountingConnected",
    "DataReady",
    "RightBooks",
    "Mapped",
    "Scheduled",
    "Switched",
)


def make_plan(
    desired: DesiredMerchant, observed: Observed, recorded: RecordedState, now: datetime, *, remap: bool = False
) -> Plan:
    """What has to change for one merchant so that live is as declared, and everything that was found.

    `remap`: a person wants its references followed to where renumbered books have moved them.
    """
    declared = _run_steps(desired, observed, recorded, now, remap_allowed=remap)
    declared, hidden = match_ignore_rules(declared, desired, now)
    if not hidden:
        return declared
    # A second time for what is written: the first one has told how the merchant stands against all that is declared.
    rest = _run_steps(without_ignored_fields(desired, hidden), observed, recorded, now, remap_allowed=remap)
    not_made = {CORRECTED_BY.get(finding.code) for finding in hidden}
    changes = tuple(change for change in rest.changes if change.kind not in not_made)
    keys = {finding.key for finding in hidden}
    findings = (
        *(finding for finding in match_ignore_rules(rest, desired, now)[0].findings if finding.key not in keys),
        *ignored_findings(hidden, desired),
    )
    # What is ignored is still not as declared, so the conditions stay as they are: nothing becomes ready by it.
    return replace(
        rest,
        status=_status_beside_ignored(declared, changes, findings),
        changes=changes,
        findings=findings,
        conditions=declared.conditions,
        observed_values=rest.observed_values if changes else {},
        ignored=tuple((finding.code, finding.field or "") for finding in hidden),
    )


def _status_beside_ignored(declared: Plan, changes: tuple[Change, ...], findings: tuple[Finding, ...]) -> PlanStatus:
    """In sync but for what is ignored; where the merchant has not come as far as its mapping it waits all the same."""
    status, unmet = _status(changes, findings), declared.first_unmet_condition
    is_mapped = unmet is None or unmet.type not in CONDITION_ORDER[: CONDITION_ORDER.index("Mapped")]
    return status if is_mapped or status is not PlanStatus.IN_SYNC else PlanStatus.WAITING


def _run_steps(
    desired: DesiredMerchant, observed: Observed, recorded: RecordedState, now: datetime, *, remap_allowed: bool
) -> Plan:
    """The steps one after another up to the first that does not proceed, and the plan that they amount to."""
    context = PlanningContext(desired, observed, recorded, now, remap_allowed=remap_allowed)
    results: list[StepResult] = []
    checked: set[CheckedPart] = set()
    # Retained, or already taken down: no step may find anything to change.
    is_left_alone = desired.removal is DeletionPolicy.RETAIN or (desired.removal and recorded.removed_at)
    for step, part in () if is_left_alone else STEPS:
        result = step(context)
        results.append(result)
        context = result.context
        if result.condition.status is not ConditionStatus.UNKNOWN:
            checked.add(part)
        if not result.proceed:
            break
    return conclude_plan(context, results, _checked_parts(context, results, checked))


def _checked_parts(
    context: PlanningContext, results: list[StepResult], checked_by_steps: set[CheckedPart]
) -> frozenset[CheckedPart]:
    """What was checked: by the steps, and beside them what they had the means to check."""
    # Nothing is desired of it, so nothing that was found of it stays open.
    if not results:
        return frozenset(CheckedPart)
    observed, connection = context.observed, context.connection
    parts = set(checked_by_steps)
    if observed.listing_is_complete:
        parts.add(CheckedPart.NAMES)
    data_ready = any(result.condition == condition_met(DATA_READY) for result in results)
    if data_ready and connection is not None and connection.last_pulled_at is not None:
        parts.add(CheckedPart.DATA_AGE)
    if isinstance(observed.data_status, Mapping):
        parts.add(CheckedPart.PULLS)
    if isinstance(observed.configuration, Configuration) and context.recorded.last_sync:
        parts.add(CheckedPart.SYNC)
    unread = any(result.condition.status is ConditionStatus.UNKNOWN for result in results)
    if context.is_to_be_taken_down and not unread:
        parts |= NOT_CHECKED_WHEN_DOWN
    return frozenset(parts)


def conclude_plan(
    context: PlanningContext, results: list[StepResult], checked_parts: frozenset[CheckedPart] = frozenset()
) -> Plan:
    """The plan that the steps' results amount to. `checked_parts`: what they checked."""
    live = context.observed.configuration
    findings = (*(finding for result in results for finding in result.findings), *last_sync_findings(context))
    unread = any(finding.code == "unknown" for finding in findings)
    changes = tuple(change for result in results for change in result.changes)
    # What could not be read may still be on; once the connection is unlinked, nobody can switch it off.
    if not unread:
        changes = (*changes, *_take_down_changes(context))
    resolved_values = results[-1].resolved_values if results else {}
    sets_configuration = any(change.kind is ChangeKind.SET_CONFIGURATION for change in changes)
    return Plan(
        merchant=context.desired.name,
        status=_status(changes, findings),
        changes=changes,
        findings=findings,
        conditions=_conditions(context, results, findings),
        company_id=context.company.id if context.company else None,
        connection_id=context.connection.id if context.connection else None,
        replaced_connections=tuple(connection.id for connection in context.replaced),
        adopts=bool(context.company) and context.recorded.company_id is None,
        is_removal=bool(context.desired.removal) and context.desired.removal is not DeletionPolicy.RETAIN,
        configured=isinstance(live, Configuration) and live.configured,
        resolved_values=resolved_values,
        later_values={} if unread else _expected_first_configuration(context, results),
        differences={field: moved for result in results for field, moved in result.differences.items()},
        observed_values=live_values_of_declared_fields(context.desired, live)
        if sets_configuration and isinstance(live, Configuration)
        else {},
        fingerprint=fingerprint(context, resolved_values),
        data_age=_data_age(context),
        last_sync=context.recorded.last_sync,
        schedule=sync_schedule_of(live),
        checked_parts=checked_parts | {CheckedPart.EVERYTHING} if checked_parts and not unread else checked_parts,
    )


def _expected_first_configuration(context: PlanningContext, results: list[StepResult]) -> Mapping[str, Value | Ref]:
    """What a first configuration will set, of a merchant whose books are not linked or not read yet.

    Nothing of one that may have been configured before: what its document holds when it is back nobody knows. What a
    new document has already (nothing, false, an empty list) is left out.
    """
    reached = {result.condition.type for result in results}
    is_new = any(change.kind is ChangeKind.CREATE_COMPANY for result in results for change in result.changes)
    has_company = context.company is not None or is_new
    if not has_company or RIGHT_BOOKS in reached or context.is_to_be_taken_down or _may_have_been_configured(context):
        return {}
    fields = context.desired.fields
    start = fields.get(START_DATE_PATH)
    start = start if isinstance(start, datetime) else None
    return {
        path: utc_hour(declared, context.now, start) if isinstance(declared, LocalTime) else declared
        for path, declared in fields.items()
        # 0 is an hour, and equal to False.
        if declared or (declared == 0 and declared is not False)
    }


def _may_have_been_configured(context: PlanningContext) -> bool:
    """Whether it was seen configured, or its connection was linked once and could have been."""
    live, connection = context.observed.configuration, context.connection
    return (
        context.recorded.last_configured_at is not None
        or (isinstance(live, Configuration) and live.configured)
        or (connection is not None and connection.status in (UNLINKED, DEAUTHORIZED))
    )


def _data_age(context: PlanningContext) -> DataAge | None:
    """How old the reference data is, by type where the data status was read; None where none was read."""
    if context.connection is None or not isinstance(context.observed.configuration, Configuration):
        return None
    statuses = context.observed.data_status
    if statuses is None or isinstance(statuses, Unread):
        return DataAge(context.connection.last_pulled_at)
    pulled_at = {name: statuses[name].last_pulled_at for name in REQUIRED_DATA_TYPES if name in statuses}
    return DataAge(context.connection.last_pulled_at, pulled_at)


def _take_down_changes(context: PlanningContext) -> Iterable[Change]:
    """What follows once the configuration is off: unlink, then delete, as far as the manifest or its policy goes."""
    removal, connection, company = context.desired.removal, context.connection, context.company
    unlinks = context.desired.link_state is LinkState.UNLINKED or removal in (
        DeletionPolicy.UNLINK,
        DeletionPolicy.DELETE,
    )
    if unlinks and connection and connection.status == LINKED:
        field = FieldChange("connection.state", LINKED, "Unlinked", Direction.PENDING)
        yield Change(ChangeKind.UNLINK_CONNECTION, (ChangeClass.UNLINK,), (field,))
    if removal is DeletionPolicy.DELETE and company:
        field = FieldChange("company.name", company.name, None, Direction.PENDING)
        yield Change(ChangeKind.DELETE_COMPANY, (ChangeClass.DELETE,), (field,))


def _status(changes: tuple[Change, ...], findings: tuple[Finding, ...]) -> PlanStatus:
    if changes:
        return PlanStatus.CHANGE
    if any(finding.code == "unknown" for finding in findings):
        return PlanStatus.UNKNOWN
    actors = {finding.waits_for for finding in findings}
    if Actor.OPERATOR in actors:
        return PlanStatus.BLOCKED
    if actors & {Actor.MERCHANT, Actor.CODAT}:
        return PlanStatus.WAITING
    return PlanStatus.DRIFTED if any(map(is_drift, findings)) else PlanStatus.IN_SYNC


def _conditions(
    context: PlanningContext, results: list[StepResult], findings: tuple[Finding, ...]
) -> tuple[Condition, ...]:
    """The steps' conditions, those that no step reached as Unknown, then Ready and Syncing, which are derived."""
    conditions = [condition for result in results for condition in (result.condition, *result.more_conditions)]
    reached = {condition.type for condition in conditions}
    unmet = next((condition for condition in conditions if condition.status is not ConditionStatus.TRUE), None)
    reason = f"waits for {unmet.type}" if unmet else "not asked"
    conditions += [Condition(kind, ConditionStatus.UNKNOWN, reason) for kind in CONDITION_ORDER if kind not in reached]
    ready = _ready_condition(context, unmet)
    return (*conditions, ready, syncing_condition(context.recorded.last_sync, ready, findings, context.now))


def _ready_condition(context: PlanningContext, unmet: Condition | None) -> Condition:
    """True where both connections are Linked and the configuration is enabled, so that Codat synchronises."""
    live = context.observed.configuration
    connections = context.company.connections if context.company else ()
    linked = [connection.source_type.lower() for connection in connections if connection.status == LINKED]
    # Exactly one of each: with two that are linked Codat synchronises nothing (API notes 4.5 #1).
    has_both = linked.count("commerce") == linked.count("accounting") == 1
    if isinstance(live, Configuration) and live.configured and live.enabled and has_both:
        return condition_met(READY_CONDITION)
    if unmet is None:
        return Condition(READY_CONDITION, ConditionStatus.FALSE, "not switched on")
    status = ConditionStatus.UNKNOWN if unmet.status is ConditionStatus.UNKNOWN else ConditionStatus.FALSE
    return Condition(READY_CONDITION, status, unmet.type)


def fingerprint(context: PlanningContext, resolved_values: dict[str, Value]) -> str:
    """A hash of what the plan rests on: a saved plan is out of date for this merchant once it has changed."""
    company, live = context.company, context.observed.configuration
    connections = company.connections if company else ()
    basis = {
        "company": company.name if company else None,
        "connections": sorted([connection.id, connection.status] for connection in connections),
        "live": _comparable_values(live_values_of_declared_fields(context.desired, live))
        if isinstance(live, Configuration)
        else None,
        "wanted": _comparable_values(resolved_values),
    }
    return hashlib.sha256(json.dumps(basis, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _comparable_values(values: dict[str, Value]) -> dict[str, object]:
    """Values as JSON; selections by their ids alone, so that a new name in the books makes no plan out of date."""
    return {
        path: value.id if isinstance(value, Option) else value_to_json(value) for path, value in sorted(values.items())
    }


def live_values_of_declared_fields(desired: DesiredMerchant, live: Configuration) -> dict[str, Value]:
    """The live value of each declared field, by the manifest's own path."""
    return {path: live.values.get(resolve_live_path(live.values, path) or path) for path in sorted(desired.fields)}


def with_manifest_places(plan: Plan, origins: Mapping[str, tuple[Origin, ...]]) -> Plan:
    """The plan with each finding's place in the manifests: the layer whose value won."""

    def with_place(finding: Finding) -> Finding:
        path: str | None = finding.field or ""
        if path not in origins:  # a finding may name live's spelling of an account, the manifest another
            path = resolve_live_path(origins, path or "") if split_account_path(path or "") else None
        layers = origins.get(path or "", ())
        return replace(finding, manifest=str(layers[-1])) if layers else finding

    return replace(plan, findings=tuple(map(with_place, plan.findings))) if plan.findings else plan
