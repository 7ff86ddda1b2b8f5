"""One merchant's plan: the conditions in their order, each asked only while the ones before it are met.

CompanyReady → CommerceConnected → AccountingConnected → DataReady → RightBooks → Mapped, Scheduled, Switched → Ready
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime

from controller.model.merchant import Deletion, LinkState, Wanted
from controller.model.observed import DATA_TYPES, LINKED, Company, Configuration, Memory, Observed, Unread
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Condition,
    DataAge,
    Direction,
    FieldChange,
    Finding,
    Plan,
    State,
    Truth,
)
from controller.model.values import Option, Value, locate, to_json
from controller.planning.case import Case, Verdict
from controller.planning.company import company_ready
from controller.planning.configuration import configured, right_books
from controller.planning.connection import accounting_connected, commerce_connected
from controller.planning.last_sync import last_sync
from controller.planning.reference_data import data_ready

STEPS: tuple[Callable[[Case], Verdict], ...] = (
    company_ready,
    commerce_connected,
    accounting_connected,
    data_ready,
    right_books,
    configured,
)
CONDITIONS = (
    "CompanyReady",
    "CommerceConnected",
    "AccountingConnected",
    "DataReady",
    "RightBooks",
    "Mapped",
    "Scheduled",
    "Switched",
)


def make_plan(wanted: Wanted, observed: Observed, memory: Memory, now: datetime) -> Plan:
    """What has to change for one merchant so that live is as declared, and everything that was found."""
    case = Case(wanted, observed, memory, now)
    verdicts: list[Verdict] = []
    left_alone = wanted.retired is Deletion.RETAIN or (wanted.retired and memory.retired_at)
    for step in () if left_alone else STEPS:
        verdicts.append(step(case))
        case = verdicts[-1].settled
        if not verdicts[-1].go:
            break
    return _concluded(case, verdicts)


def _concluded(case: Case, verdicts: list[Verdict]) -> Plan:
    findings = (*(finding for each in verdicts for finding in each.findings), *last_sync(case))
    unread = any(each.code == "unknown" for each in findings)
    changes = (*(change for each in verdicts for change in each.changes), *(() if unread else _down(case)))
    declared = verdicts[-1].declared if verdicts else {}
    return Plan(
        merchant=case.wanted.name,
        state=_state(changes, findings),
        changes=changes,
        findings=findings,
        conditions=_conditions(case, verdicts),
        company_id=case.company.id if case.company else None,
        connection_id=case.connection.id if case.connection else None,
        adopts=bool(case.company) and case.memory.company_id is None,
        retires=bool(case.wanted.retired) and case.wanted.retired is not Deletion.RETAIN,
        configured=isinstance(case.observed.configuration, Configuration) and case.observed.configuration.configured,
        declared=declared,
        seen=_seen(case, changes),
        fingerprint=fingerprint(case, declared),
        data=_data(case),
    )


def _data(case: Case) -> DataAge | None:
    """How old the books are that were looked at; the data status tells it by type where it was asked for."""
    if case.connection is None or not isinstance(case.observed.configuration, Configuration):
        return None
    pulls = case.observed.pulls
    if pulls is None or isinstance(pulls, Unread):
        return DataAge(case.connection.last_sync)
    return DataAge(case.connection.last_sync, {name: pulls[name].last_success for name in DATA_TYPES if name in pulls})


def _down(case: Case) -> Iterable[Change]:
    """After the configuration is off: unlink, then delete, as far as the manifest or its last policy goes.

    Only where everything was read: whether the configuration is off must be known before it is out of reach.
    """
    retired, connection, company = case.wanted.retired, case.connection, case.company
    unlinks = case.wanted.link_state is LinkState.UNLINKED or retired in (Deletion.UNLINK, Deletion.DELETE)
    if unlinks and connection and connection.status == LINKED:
        field = FieldChange("connection.state", LINKED, "Unlinked", Direction.PENDING)
        yield Change(ChangeKind.UNLINK_CONNECTION, (ChangeClass.UNLINK,), (field,))
    if retired is Deletion.DELETE and company:
        field = FieldChange("company.name", company.name, None, Direction.PENDING)
        yield Change(ChangeKind.DELETE_COMPANY, (ChangeClass.DELETE,), (field,))


def _state(changes: tuple[Change, ...], findings: tuple[Finding, ...]) -> State:
    if changes:
        return State.CHANGE
    if any(each.code == "unknown" for each in findings):
        return State.UNKNOWN
    actors = {each.actor for each in findings}
    if Actor.US in actors:
        return State.BLOCKED
    return State.WAITING if actors & {Actor.MERCHANT, Actor.SERVICE} else State.IN_SYNC


def _conditions(case: Case, verdicts: list[Verdict]) -> tuple[Condition, ...]:
    """What each step said, what was not reached as unknown, and Ready, which is derived."""
    said = [condition for each in verdicts for condition in (each.condition, *each.more)]
    reached = {condition.type for condition in said}
    waits = next((each for each in said if each.status is not Truth.TRUE), None)
    why = f"waits for {waits.type}" if waits else "not asked"
    said += [Condition(kind, Truth.UNKNOWN, why) for kind in CONDITIONS if kind not in reached]
    return (*said, _ready(case, waits))


def _ready(case: Case, waits: Condition | None) -> Condition:
    """Derived: both connections Linked, configured and enabled, so that the service synchronises."""
    live = case.observed.configuration
    linked = (
        {each.source_type.lower() for each in case.company.connections if each.status == LINKED}
        if case.company
        else set()
    )
    if isinstance(live, Configuration) and live.configured and live.enabled and linked >= {"commerce", "accounting"}:
        return Condition("Ready", Truth.TRUE)
    if waits is None:
        return Condition("Ready", Truth.FALSE, "not switched on")
    return Condition("Ready", Truth.UNKNOWN if waits.status is Truth.UNKNOWN else Truth.FALSE, waits.type)


def fingerprint(case: Case, declared: dict[str, Value]) -> str:
    """What a saved plan rests on: if this moved, the plan holds for the merchant no longer."""
    company, live = case.company, case.observed.configuration
    seen = {
        "company": company.name if company else None,
        "connections": _connections(company),
        "live": _spelled(declared_values(case.wanted, live)) if isinstance(live, Configuration) else None,
        "wanted": _spelled(declared),
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _spelled(values: dict[str, Value]) -> dict[str, object]:
    """Selections by their ids alone: a new name in the books makes no plan stale."""
    return {path: value.id if isinstance(value, Option) else to_json(value) for path, value in sorted(values.items())}


def _connections(company: Company | None) -> list[list[str]]:
    return sorted([each.id, each.status] for each in company.connections) if company else []


def _seen(case: Case, changes: tuple[Change, ...]) -> dict[str, Value]:
    live = case.observed.configuration
    writes = any(change.kind is ChangeKind.SET_CONFIGURATION for change in changes)
    return declared_values(case.wanted, live) if writes and isinstance(live, Configuration) else {}


def declared_values(wanted: Wanted, live: Configuration) -> dict[str, Value]:
    """What stands live at each declared field, by the manifest's own path."""
    return {path: live.values.get(locate(live.values, path) or path) for path in sorted(wanted.fields)}
