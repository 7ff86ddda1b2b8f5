"""What we remember of a merchant once a plan was carried out, or needed no carrying out.

bound and connected to what was seen    configured, since when
last applied: the declared values, except those that policy keeps as somebody else left them
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any

from controller.model.desired import DeletionPolicy, DesiredMerchant, LinkState
from controller.model.field_values import (
    COMPANY_NAME_PATH,
    CONNECTION_STATE_PATH,
    REPLACED_CONNECTIONS_PATH,
    Option,
    Value,
    value_from_json,
    value_to_json,
)
from controller.model.observed import LastSync, RecordedState
from controller.model.plan import ChangeKind, ConditionStatus, Plan, PlanStatus
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome, Unchanged
from controller.model.run_policy import Author
from controller.model.syncs_and_uploads import MANUAL_SYNC
from controller.planning.diff import recorded_path
from controller.planning.tzdata_changes import recorded_source_path, time_sources
from controller.reconcile.merchant_lease import merchant_lease
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.history import NumberedRun, later_values
from state import EventRow, LastSyncRow, OccurrenceRow, Store
from state import MerchantRecord as Row


def recorded_state_of(row: Row, sync: LastSyncRow | None = None) -> RecordedState:
    """State's rows in the subject's own values; what was applied is parsed only when it is asked for."""
    last = last_sync_from_row(sync) if sync else None
    ids, applied = (row.company_id, row.connection_id), LastApplied(row)
    return RecordedState(*ids, applied, row.configured_at, row.deletion, row.retired_at, last, row.left_at)


def last_sync_from_row(row: LastSyncRow) -> LastSync:
    times = (row.failing_since, row.last_success_at)
    return LastSync(row.code, row.message, row.ran_at, row.since, row.read_at, row.detail or "", *times)


class LastApplied(Mapping[str, Value]):
    """What was set last, by field path. In a fleet that is in sync nobody asks."""

    def __init__(self, row: Row) -> None:
        self.text = row.applied_json
        self._row = row

    @cached_property
    def _values(self) -> dict[str, Value]:
        return {path: value_from_json(path, value) for path, value in self._row.applied.items()}

    def __getitem__(self, path: str) -> Value:
        return self._values[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


async def persist_outcome(plan: Plan, outcome: Outcome, snapshot: RunSnapshot) -> None:
    """Called for every merchant that was not skipped; writes only what is new.

    A write that was accepted binds, even where what came after it failed.
    """
    writes = list(_state_writes(plan, outcome, snapshot))
    if not writes:
        return
    # Whoever carried changes out has the lease already; whoever only looked may have looked before another run wrote.
    async with nullcontext() if plan.changes else merchant_lease(plan, snapshot) as left_alone:
        for write in writes if left_alone is None else ():
            await write()


def _state_writes(plan: Plan, outcome: Outcome, snapshot: RunSnapshot) -> Iterator[Callable[[], Awaitable[None]]]:
    """What is to be recorded of a merchant and is not yet, each as what records it."""
    wanted, recorded = snapshot.desired[plan.merchant], snapshot.recorded_state(plan.merchant)
    accepted = isinstance(outcome, Failed | ChangedSincePlan) and outcome.writes > 0
    if plan.status is PlanStatus.UNKNOWN or not (accepted or isinstance(outcome, Applied | Unchanged)):
        return
    bindings = snapshot.run.store.bindings
    if plan.is_closed:
        yield from _retain_while_closed_writes(plan.merchant, recorded, snapshot)
        return
    yield from _binding_writes(plan, wanted, recorded, snapshot)
    if accepted:
        return
    # The first time at once, so that a crash forgets nobody; `persist_configured` renews it for all in one go.
    if recorded.last_configured_at is None and is_configured_after(plan):
        yield partial(bindings.mark_configured, [plan.merchant], snapshot.run.service_now())
    if plan.is_removal and _is_take_down_complete(plan):
        yield partial(bindings.retire, plan.merchant, snapshot.run.now())
    # Of one with held changes nothing was set: recorded as applied, a change would later look like drift.
    elif (plan.company_id or plan.changes) and not plan.held_changes:
        yield from _last_applied_writes(plan, wanted, recorded, snapshot)
    if recorded.removed_at and not wanted.removal:
        yield partial(bindings.unretire, plan.merchant)
    yield from _manual_sync_writes(plan, snapshot)


def _manual_sync_writes(plan: Plan, snapshot: RunSnapshot) -> Iterator[Callable[[], Awaitable[None]]]:
    """A manual sync is closed once the switch is as the manifest says, or as it was before the sync."""
    open_sync = snapshot.open_manual_syncs.get(plan.merchant)
    if open_sync and open_sync.has_ended and plan.status is not PlanStatus.BLOCKED and not plan.held_changes:
        yield partial(snapshot.run.store.manual_syncs.close, open_sync.id, snapshot.run.now())


def _binding_writes(
    plan: Plan, wanted: DesiredMerchant, recorded: RecordedState, snapshot: RunSnapshot
) -> Iterator[Callable[[], Awaitable[None]]]:
    bindings = snapshot.run.store.bindings
    if plan.company_id and plan.company_id != recorded.company_id:
        yield partial(
            bindings.bind_company, plan.merchant, company_id=plan.company_id, company_name=wanted.company_name
        )
    if plan.connection_id and plan.connection_id != recorded.connection_id:
        yield partial(bindings.bind_connection, plan.merchant, plan.connection_id)


def _last_applied_writes(
    plan: Plan, wanted: DesiredMerchant, recorded: RecordedState, snapshot: RunSnapshot
) -> Iterator[Callable[[], Awaitable[None]]]:
    applied = {path: _applied_to_json(value) for path, value in last_applied_after(plan, wanted, recorded).items()}
    before = {path: _applied_to_json(value) for path, value in recorded.last_applied.items()}
    if applied != before or wanted.policy.deletion != recorded.deletion_policy:
        deletion = wanted.policy.deletion.value
        yield partial(snapshot.run.store.applied.save, plan.merchant, applied, deletion=deletion, at=snapshot.run.now())


def is_configured_after(plan: Plan) -> bool:
    """Whether a merchant whose plan was carried out is configured."""
    return plan.configured or any(change.kind is ChangeKind.SET_CONFIGURATION for change in plan.changes)


async def persist_configured(plans: Iterable[Plan], outcomes: Mapping[str, Outcome], snapshot: RunSnapshot) -> None:
    """When the whole fleet was last seen configured, in one go."""
    well = {name for name, outcome in outcomes.items() if isinstance(outcome, Applied | Unchanged)}
    await snapshot.run.store.bindings.mark_configured(
        [plan.merchant for plan in plans if plan.merchant in well and is_configured_after(plan)],
        snapshot.run.service_now(),
    )


def _is_take_down_complete(plan: Plan) -> bool:
    """Nothing that we could still do is left; what was found unknown, or is held, is left for the next time.

    A manual sync that is open may yet switch the merchant on.
    """
    is_synchronised = any(finding.code == MANUAL_SYNC for finding in plan.findings)
    return plan.status is not PlanStatus.BLOCKED and not plan.held_changes and not is_synchronised


def _retain_while_closed_writes(
    merchant: str, recorded: RecordedState, snapshot: RunSnapshot
) -> Iterator[Callable[[], Awaitable[None]]]:
    """Should its manifest go while it is closed, all stays as it is; whatever its policy says counts again later."""
    if recorded.company_id and not recorded.removed_at and recorded.deletion_policy != DeletionPolicy.RETAIN:
        applied = {path: _applied_to_json(value) for path, value in recorded.last_applied.items()}
        retain = DeletionPolicy.RETAIN.value
        yield partial(snapshot.run.store.applied.save, merchant, applied, deletion=retain, at=snapshot.run.now())


def _applied_to_json(value: Value) -> Any:
    """As JSON, with the kind of reference that led to a selection, so that a later look can tell which moved."""
    led = {"by": value.matched_by} if isinstance(value, Option) and value.matched_by else {}
    return value_to_json(value) | led if led else value_to_json(value)


def last_applied_after(plan: Plan, wanted: DesiredMerchant, recorded: RecordedState) -> dict[str, Value]:
    """Last applied after this plan: what was declared and stands; where it was not compared, what was before."""
    if not plan.resolved_values or not is_configured_after(plan):
        before = {path: value for path, value in recorded.last_applied.items() if path != CONNECTION_STATE_PATH}
        return {
            **before,
            **_written_values(plan),
            **_connection_state_if_unlinked_by_us(plan, wanted, recorded),
            **({REPLACED_CONNECTIONS_PATH: plan.replaced_connections} if plan.replaced_connections else {}),
            COMPANY_NAME_PATH: wanted.company_name,
        }
    left_alone = {recorded_path(field) for field in plan.differences} - set(_written_values(plan))
    ignored = {recorded_path(field) for _, field in plan.ignored}
    values: dict[str, Value] = {path: recorded.last_applied[path] for path in ignored & recorded.last_applied.keys()}
    values |= {COMPANY_NAME_PATH: wanted.company_name}
    rules = time_sources(wanted)
    for path, value in ((recorded_path(path), value) for path, value in plan.resolved_values.items()):
        if path not in left_alone:
            values[path] = value
            values |= {recorded_source_path(path): rules[path]} if path in rules else {}
        else:
            # Left as somebody else set it: what we set last stays, and the next look sees the same drift.
            values |= {
                each: recorded.last_applied[each]
                for each in (path, recorded_source_path(path))
                if each in recorded.last_applied
            }
    return values


def _connection_state_if_unlinked_by_us(
    plan: Plan, wanted: DesiredMerchant, recorded: RecordedState
) -> dict[str, Value]:
    """That we unlinked the connection, until it is linked again: what lies unlinked then is nobody's drift."""
    if wanted.link_state is LinkState.UNLINKED:
        return {CONNECTION_STATE_PATH: LinkState.UNLINKED.value}
    linked = any(each.type == "AccountingConnected" and each.status is ConditionStatus.TRUE for each in plan.conditions)
    return {CONNECTION_STATE_PATH: LinkState.UNLINKED.value} if recorded.unlinked_by_us and not linked else {}


def _written_values(plan: Plan) -> dict[str, Value]:
    of_configuration = (each for each in plan.changes if each.kind is ChangeKind.SET_CONFIGURATION)
    return {recorded_path(field.field): field.wanted for change in of_configuration for field in change.fields}


def history_events(
    run: int, plans: Iterable[Plan], outcomes: Mapping[str, Outcome], snapshot: RunSnapshot
) -> tuple[EventRow, ...]:
    """One line of history per merchant that was written to, or that could not be."""
    carried_out = ((plan, outcomes.get(plan.merchant)) for plan in plans if plan.changes)
    return tuple(
        EventRow(snapshot.run.now(), run, plan.merchant, outcome.word, _event_detail(plan, outcome))
        for plan, outcome in carried_out
        if outcome is not None
    )


def _event_detail(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    reason = getattr(outcome, "reason", None) or getattr(outcome, "what", None)
    changes = [
        {
            "kind": each.kind.value,
            "fields": [field.field for field in each.fields],
            "values": [
                {"field": field.field, "live": value_to_json(field.live), "wanted": value_to_json(field.wanted)}
                for field in each.fields
            ],
        }
        for each in plan.changes
    ]
    writes = {"writes": outcome.writes} if isinstance(outcome, Failed | ChangedSincePlan) and outcome.writes else {}
    return {"changes": changes} | writes | ({"reason": reason} if reason else {})


async def load_run_authors(
    store: Store, events_: Iterable[EventRow], findings: Iterable[OccurrenceRow]
) -> dict[int, NumberedRun]:
    """Who did what happened to a merchant, and who saw it."""
    numbers = [each.run_id for each in events_]
    numbers += [number for each in findings for number in (each.found_run, each.gone_run) if number is not None]
    numbers += [number for each in findings for _, number, *_ in later_values(each) if number is not None]
    known = await store.runs.load_authors(numbers)
    return {
        number: NumberedRun(number, Author(each.verb, each.user or "", each.host or ""), each.revision)
        for number, each in known.items()
    }
