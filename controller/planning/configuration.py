"""Is the mapping as declared? At most one POST of the whole document, checked whole before it is proposed.

compare declared fields ─▶ keep what policy says ─▶ first one complete? ─▶ rules ─▶ one change
                                                                             └─ broken: off is still off
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.model.merchant import Drift, LinkState
from controller.model.observed import DATA_TYPES, Configuration, Pull, Unread
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Condition,
    Direction,
    FieldChange,
    Finding,
)
from controller.model.values import ENABLED, LOCAL_TIME, START_DATE, Clock, Value, locate
from controller.planning.case import Case, Verdict, met, stop, unknown, unmet
from controller.planning.diff import compare
from controller.planning.references import dangling, dangling_findings, problem_findings
from controller.planning.resolve import Resolved, resolve
from controller.planning.rules import lacking, violations

DATA, MAPPED, SCHEDULED, SWITCHED = "DataReady", "Mapped", "Scheduled", "Switched"
STALE = timedelta(days=30)
ERRORS = ("Error", "PrerequisiteNotMet")


def right_books(case: Case) -> Verdict:
    """The guard that the merchant linked the books that were meant."""
    live, books = case.observed.configuration, case.wanted.books
    if isinstance(live, Unread) or not books or not live.books or live.books == books or case.wanted.retired:
        return Verdict(case, met("RightBooks"))
    finding = case.found(
        "company-wrong-books",
        f"the linked books are {live.books!r}, not {books!r}",
        "have the merchant link the right books, or mend company.books",
        Actor.US,
        field="company.books",
        live=live.books,
        wanted=books,
    )
    return stop(case, "RightBooks", finding)


def data_ready(case: Case) -> Verdict:
    """Configured with options, or all six data types pulled."""
    live, pulls = case.observed.configuration, case.observed.pulls
    if isinstance(live, Unread) and live.failed:
        return unknown(case, DATA, "configuration", live.reason)
    if isinstance(pulls, Unread):
        return unknown(case, DATA, "data status", pulls.reason)
    ready = isinstance(live, Configuration) and live.configured and live.offers_options
    unready = _not_pulled(case, pulls or {}) if pulls is not None or not ready else ()
    if not ready and unready:
        return stop(case, DATA, *unready)
    if isinstance(live, Unread):
        return unknown(case, DATA, "configuration", live.reason)
    return Verdict(case, met(DATA), findings=(*unready, *_stale(case)))


def _not_pulled(case: Case, pulls: Mapping[str, Pull]) -> tuple[Finding, ...]:
    remedy = "merchantctl refresh, then wait a minute"
    missing = [name for name in DATA_TYPES if not (name in pulls and pulls[name].last_success)]
    failed = {name: pulls[name] for name in DATA_TYPES if name in pulls and _failed(pulls[name])}
    waiting = [name for name in missing if name not in failed]
    findings = [
        case.found(
            "data-pull-failed", f"the last pull of {name} ended as {pull.status}", remedy, Actor.SERVICE, field=name
        )
        for name, pull in failed.items()
    ]
    if waiting:
        cause = f"not pulled yet: {', '.join(waiting)}"
        findings.append(case.found("data-not-pulled", cause, remedy, Actor.SERVICE))
    return tuple(findings)


def _failed(pull: Pull) -> bool:
    return bool(pull.status) and str(pull.status).endswith(ERRORS)


def _stale(case: Case) -> tuple[Finding, ...]:
    last = case.connection.last_sync if case.connection else None
    if last is None or case.now - last <= STALE:
        return ()
    cause = f"the reference data is {(case.now - last).days} days old; what was deleted since is still offered"
    return (case.found("data-stale", cause, "merchantctl refresh", Actor.NOBODY),)


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, what is kept though it differs, and what would be sent."""

    send: tuple[FieldChange, ...]
    kept: tuple[FieldChange, ...]
    backdated: tuple[FieldChange, ...]


def configured(case: Case) -> Verdict:
    """Mapped, Scheduled and Switched at once: they are one document and one POST."""
    live = case.observed.configuration
    assert isinstance(live, Configuration)
    if case.wanted.retired or case.wanted.link_state is LinkState.UNLINKED:
        return _taken_down(case, live)
    resolved = resolve(case.wanted.fields, live, case.now)
    difference = _difference(case, live, resolved)
    findings = (*dangling_findings(case, live, resolved), *problem_findings(case, live, resolved))
    if not live.configured:
        return _first(case, live, resolved, difference, findings)
    return _update(case, live, resolved, difference, findings)


def _difference(case: Case, live: Configuration, resolved: Resolved) -> Difference:
    changes = tuple(_explained(case, each, live) for each in compare(resolved.values, live.values, case.memory.applied))
    backdated = tuple(each for each in changes if live.configured and _earlier(each))
    rest = [each for each in changes if each not in backdated]
    kept = tuple(each for each in rest if _keeps(case, each) and live.configured)
    return Difference(tuple(each for each in rest if each not in kept), kept, backdated)


def _explained(case: Case, change: FieldChange, live: Configuration) -> FieldChange:
    """A first configuration is always pending; an hour that moved with its zone's offset says so."""
    moved = change.direction if live.configured else Direction.PENDING
    wish = case.wanted.fields.get(change.field)
    why = change.why
    if change.field == LOCAL_TIME and isinstance(wish, Clock) and moved is Direction.PENDING and live.configured:
        why = f"{wish.time} in {wish.zone} is {change.wanted}:00 UTC from the next run on"
    return FieldChange(change.field, change.live, change.wanted, moved, why)


def _earlier(change: FieldChange) -> bool:
    live, wanted = change.live, change.wanted
    return change.field == START_DATE and isinstance(live, datetime) and isinstance(wanted, datetime) and wanted < live


def _keeps(case: Case, change: FieldChange) -> bool:
    return case.wanted.policy.drift is Drift.REPORT and change.direction is not Direction.PENDING


def _first(
    case: Case, live: Configuration, resolved: Resolved, difference: Difference, findings: tuple[Finding, ...]
) -> Verdict:
    """The first configuration: complete or not at all."""
    if not any(path.startswith(("mapping.", "schedule.")) for path in case.wanted.fields):
        cause, remedy = (
            "nobody has configured the mapping, and no manifest declares one",
            "the Sync Flow, or a manifest",
        )
        return _conclude(case, live, resolved, (), (case.found("not-configured", cause, remedy, Actor.MERCHANT),))
    values = _overlaid(live, difference.send)
    lacks = lacking(values, live)
    if resolved.problems or lacks:
        cause = f"the first configuration lacks {', '.join(lacks)}" if lacks else "a reference has no single answer"
        blocked = case.found("not-configured", cause, "declare them, or mend the references", Actor.US)
        return _conclude(case, live, resolved, (), (*findings, blocked))
    broken = _broken(case, values, live)
    if broken:
        return _conclude(case, live, resolved, (), (*findings, *broken))
    cls, warning = _first_class(case, values)
    cause = "never configured" if case.memory.configured_at is None else "its mapping went with the deleted connection"
    pending = case.found(
        "not-configured", cause + warning, "merchantctl apply", Actor.APPLY, direction=Direction.PENDING
    )
    change = Change(ChangeKind.SET_CONFIGURATION, (cls,), difference.send)
    return _conclude(case, live, resolved, (change,), (*findings, pending))


def _first_class(case: Case, values: Mapping[str, Value]) -> tuple[ChangeClass, str]:
    """Whether a first configuration would book again what was booked before."""
    start, seen = values.get(START_DATE), case.memory.configured_at
    booked = max((each for each in (seen, case.observed.last_success) if each), default=None)
    if seen is None or booked is None or not isinstance(start, datetime) or start >= booked:
        return ChangeClass.CONFIGURE, ""
    return ChangeClass.RE_CREATE, f"; warning: startDate {start:%Y-%m-%d} would replay books up to {booked:%Y-%m-%d}"


def _update(
    case: Case, live: Configuration, resolved: Resolved, difference: Difference, findings: tuple[Finding, ...]
) -> Verdict:
    values = _overlaid(live, difference.send)
    broken = _broken(case, values, live) if difference.send else ()
    told = {finding.field for finding in findings}
    differing = (*difference.send, *difference.kept, *difference.backdated)
    findings += tuple(_differs(case, each, difference) for each in differing if each.field not in told)
    if resolved.problems or broken:
        return _conclude(case, live, resolved, _only_off(difference, live), (*findings, *broken))
    changes = (_one_post(difference.send),) if difference.send else ()
    return _conclude(case, live, resolved, changes, findings)


def _overlaid(live: Configuration, changes: tuple[FieldChange, ...]) -> dict[str, Value]:
    return {**live.values, **{locate(live.values, each.field) or each.field: each.wanted for each in changes}}


def _broken(case: Case, values: Mapping[str, Value], live: Configuration) -> tuple[Finding, ...]:
    return tuple(
        case.found("mapping-invalid", f"the service would refuse: {sentence}", "mend it", Actor.US, field=path)
        for path, sentence in violations(values, live)
    )


def _only_off(difference: Difference, live: Configuration) -> tuple[Change, ...]:
    """Switching off never waits for a bad reference, where live as it is would be accepted."""
    off = tuple(each for each in difference.send if each.field == ENABLED and each.wanted is False)
    return (_one_post(off),) if off and not violations(_overlaid(live, off), live) else ()


def _one_post(fields: tuple[FieldChange, ...]) -> Change:
    classes = {cls for each in fields if (cls := _class_of(each))}
    in_order = tuple(cls for cls in ChangeClass if cls in classes)
    return Change(ChangeKind.SET_CONFIGURATION, in_order, fields)


def _class_of(change: FieldChange) -> ChangeClass | None:
    if change.field == ENABLED:
        return ChangeClass.ENABLE if change.wanted else ChangeClass.DISABLE
    if change.field.startswith("schedule."):
        return None if change.why else ChangeClass.RESCHEDULE
    return ChangeClass.REMAP


def _differs(case: Case, change: FieldChange, difference: Difference) -> Finding:
    code, cause = _told(change)
    actor, remedy = Actor.APPLY, "merchantctl apply"
    if change in difference.kept:
        actor, remedy = Actor.US, "policy drift: Report keeps live; change the manifest or the policy"
    if change in difference.backdated:
        actor, remedy = Actor.US, "change the manifest: a start date cannot move earlier"
        cause = "startDate is earlier than live's"
    return case.found(
        code,
        cause,
        remedy,
        actor,
        field=change.field,
        live=change.live,
        wanted=change.wanted,
        direction=change.direction,
    )


WHO = {
    Direction.PENDING: "the manifest moved",
    Direction.DRIFT: "live moved",
    Direction.CONFLICT: "the manifest and live both moved",
}


def _told(change: FieldChange) -> tuple[str, str]:
    cause = change.why or WHO[change.direction]
    if change.field == ENABLED and change.direction is Direction.DRIFT:
        cause = "the merchant or the service switched it " + ("off" if change.wanted else "on")
    if change.field == ENABLED:
        return ("sync-disabled" if change.wanted else "sync-enabled"), cause
    return ("schedule-changed" if change.field.startswith("schedule.") else "mapping-changed"), cause


def _taken_down(case: Case, live: Configuration) -> Verdict:
    """Down: configuration off, then unlink, then delete. A document that would be refused is not posted."""
    off = FieldChange(ENABLED, live.enabled, False, Direction.PENDING)
    send = (off,) if live.configured and live.enabled and not violations(_overlaid(live, (off,)), live) else ()
    changes = (_one_post(send),) if send else ()
    return Verdict(case, unmet(SWITCHED, "to be taken down"), changes=changes)


def _conclude(
    case: Case, live: Configuration, resolved: Resolved, changes: tuple[Change, ...], findings: tuple[Finding, ...]
) -> Verdict:
    first, *more = _conditions(resolved, live, findings)
    whole = not resolved.problems
    declared = dict(resolved.values) if whole else {}
    return Verdict(case, first, findings=findings, changes=changes, more=tuple(more), declared=declared)


def _conditions(resolved: Resolved, live: Configuration, findings: tuple[Finding, ...]) -> list[Condition]:
    """One condition per part of the document: false with the code of the first finding about it."""
    parts = {MAPPED: "mapping.", SCHEDULED: "schedule.", SWITCHED: ENABLED}
    whole = next((finding.code for finding in findings if finding.code == "not-configured"), None)
    conditions = []
    for kind, prefix in parts.items():
        about = (each.code for each in findings if (each.field or "").startswith(prefix))
        reason = whole or next(about, None)
        conditions.append(unmet(kind, reason) if reason else met(kind))
    return conditions


def needs_records(live: Configuration) -> dict[str, str]:
    """Which selections have to be looked up in `/data`: place → id."""
    return {path: option.id for path, option in dangling(live).items()}
