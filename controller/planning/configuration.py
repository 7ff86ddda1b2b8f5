"""Is the mapping as declared? At most one POST of the whole document, checked whole before it is proposed.

compare declared fields ─▶ keep what policy says ─▶ first one complete? ─▶ rules ─▶ one change
                                                                             └─ broken: off is still off
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from controller.model.merchant import Deletion, Drift
from controller.model.observed import Configuration
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
from controller.model.schedule import next_change, utc_hour
from controller.model.values import ENABLED, LOCAL_TIME, START_DATE, SYNC_HOUR, Clock, Value, locate
from controller.planning.case import Case, Verdict, met, stop, unmet
from controller.planning.diff import compare, remembered_as
from controller.planning.reference_data import BOOKS, wrong_books
from controller.planning.references import dangling_findings, problem_findings
from controller.planning.resolve import Resolved, resolve
from controller.planning.rules import lacking, violations

MAPPED, SCHEDULED, SWITCHED = "Mapped", "Scheduled", "Switched"


def right_books(case: Case) -> Verdict:
    """In the wrong books nothing is mapped, but the switch can still be turned off."""
    finding = wrong_books(case)
    if finding is None:
        return Verdict(case, met(BOOKS))
    live = case.observed.configuration
    assert isinstance(live, Configuration)
    difference = _difference(case, live, resolve(case.wanted.fields, live, case.now))
    return stop(case, BOOKS, finding, changes=_only_off(difference, live) if live.configured else ())


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
    if case.goes_down:
        return _taken_down(case, live)
    resolved = resolve(case.wanted.fields, live, case.now)
    difference = _difference(case, live, resolved)
    kept = frozenset(each.field for each in difference.kept)
    findings = (*dangling_findings(case, live, resolved, kept), *problem_findings(case, live, resolved))
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
    if not live.configured:
        return replace(change, direction=Direction.PENDING)
    wish = case.wanted.fields.get(change.field)
    if change.field != LOCAL_TIME or not isinstance(wish, Clock) or change.direction is not Direction.PENDING:
        return change
    return replace(change, why=_offset_moved(case, wish))


def _offset_moved(case: Case, wish: Clock) -> str:
    """Why the same wall-clock time is another hour now; empty where the manifest's own time is another one.

    It is the same when it would have given the hour that we set, at the moment we last saw the merchant configured.
    """
    declared, seen = case.wanted.fields.get(START_DATE), case.memory.configured_at
    start = declared if isinstance(declared, datetime) else None
    if seen is None or utc_hour(wish, seen, start) != case.memory.applied.get(SYNC_HOUR):
        return ""
    return next_change(wish, case.now, start)


def _earlier(change: FieldChange) -> bool:
    live, wanted = change.live, change.wanted
    return change.field == START_DATE and isinstance(live, datetime) and isinstance(wanted, datetime) and wanted < live


def _keeps(case: Case, change: FieldChange) -> bool:
    return case.wanted.policy.drift is Drift.REPORT and change.direction is not Direction.PENDING


def _first(
    case: Case, live: Configuration, resolved: Resolved, difference: Difference, findings: tuple[Finding, ...]
) -> Verdict:
    """The first configuration: complete or not at all."""
    values = _overlaid(live, difference.send)
    incomplete = _incomplete(case, live, resolved, values)
    broken = () if incomplete else _broken(case, values, live)
    if incomplete or broken:
        return _conclude(case, live, resolved, (), (*findings, *incomplete, *broken))
    cls, pending = _complete(case, values)
    change = Change(ChangeKind.SET_CONFIGURATION, (cls,), difference.send)
    return _conclude(case, live, resolved, (change,), (*findings, pending))


def _incomplete(
    case: Case, live: Configuration, resolved: Resolved, values: Mapping[str, Value]
) -> tuple[Finding, ...]:
    """What a first configuration lacks; what is declared but has no answer is told by its own finding."""
    if not any(path.startswith(("mapping.", "schedule.")) for path in case.wanted.fields):
        cause = "nobody has configured the mapping, and no manifest declares one"
        remedy = f"merchantctl link {case.wanted.name} --sync-flow, or declare it in a manifest"
        return (case.found("not-configured", cause, remedy, Actor.MERCHANT),)
    unclear = {locate(live.values, each.field) for each in resolved.problems}
    lacks = [path for path in lacking(values, live) if path not in unclear]
    if lacks:
        cause = f"the first configuration lacks {', '.join(lacks)}"
        return (case.found("not-configured", cause, "declare what is lacking", Actor.US),)
    if resolved.problems:
        cause = f"no single answer for {', '.join(each.field for each in resolved.problems)}"
        return (case.found("not-configured", cause, "mend these references", Actor.US),)
    return ()


def _complete(case: Case, values: Mapping[str, Value]) -> tuple[ChangeClass, Finding]:
    """How dangerous a first configuration is: whether it would book again what was booked before."""
    start, seen = values.get(START_DATE), case.memory.configured_at
    if seen is None:
        return ChangeClass.CONFIGURE, _not_configured(case, "never configured", "merchantctl apply")
    cause = "its mapping went with the deleted connection"
    booked = max(seen, case.observed.last_success or seen)
    if not isinstance(start, datetime) or start >= booked:
        return ChangeClass.CONFIGURE, _not_configured(case, cause, "merchantctl apply")
    cause += f"; warning: startDate {start:%Y-%m-%d} would replay books up to {booked:%Y-%m-%d}"
    remedy = "move startDate to where the books end, or merchantctl apply --allow re-create"
    return ChangeClass.RE_CREATE, _not_configured(case, cause, remedy)


def _not_configured(case: Case, cause: str, remedy: str) -> Finding:
    return case.found("not-configured", cause, remedy, Actor.APPLY, direction=Direction.PENDING)


def _update(
    case: Case, live: Configuration, resolved: Resolved, difference: Difference, findings: tuple[Finding, ...]
) -> Verdict:
    values = _overlaid(live, difference.send)
    broken = _broken(case, values, live) if difference.send else ()
    told = {finding.field for finding in findings}
    differing = (*difference.send, *difference.kept, *difference.backdated)
    if resolved.problems or broken:
        changes = _only_off(difference, live)
    else:
        changes = (_one_post(difference.send),) if difference.send else ()
    goes = {field.field for change in changes for field in change.fields}
    differs = (_differs(case, each, difference, each.field in goes) for each in differing if each.field not in told)
    return _conclude(case, live, resolved, changes, (*findings, *differs, *broken))


def _overlaid(live: Configuration, changes: tuple[FieldChange, ...]) -> dict[str, Value]:
    return {**live.values, **{locate(live.values, each.field) or each.field: each.wanted for each in changes}}


def _broken(case: Case, values: Mapping[str, Value], live: Configuration) -> tuple[Finding, ...]:
    declared = {locate(live.values, path) for path in case.wanted.fields}
    return tuple(_refused(case, path, sentence, path in declared) for path, sentence in violations(values, live))


def _refused(case: Case, path: str, sentence: str, declared: bool) -> Finding:
    remedy = "mend the manifest" if declared else "declare it in a manifest, or have it mended in the Sync Flow"
    return case.found("mapping-invalid", f"the service would refuse: {sentence}", remedy, Actor.US, field=path)


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


def _differs(case: Case, change: FieldChange, difference: Difference, goes: bool) -> Finding:
    code, cause = _told(change, recorded=remembered_as(change.field) in case.memory.applied)
    first = "" if goes else "mend what blocks this merchant, then "
    actor, remedy = Actor.APPLY, f"{first}merchantctl apply"
    if change in difference.kept:
        actor, remedy = Actor.NOBODY, "policy drift: Report keeps live; change the manifest or the policy"
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


def _told(change: FieldChange, recorded: bool) -> tuple[str, str]:
    """`recorded`: we set the field before, so that it is known who moved."""
    drifted = change.direction is Direction.DRIFT
    cause = change.why or ("live differs, and we never set it" if drifted and not recorded else WHO[change.direction])
    if change.field == ENABLED and drifted and recorded:
        cause = "the merchant or the service switched it " + ("off" if change.wanted else "on")
    if change.field == ENABLED:
        return ("sync-disabled" if change.wanted else "sync-enabled"), cause
    return ("schedule-changed" if change.field.startswith("schedule.") else "mapping-changed"), cause


def _taken_down(case: Case, live: Configuration) -> Verdict:
    """Down: configuration off, then unlink, then delete. A document that would be refused is not posted.

    Where switching off is all that is asked, that is a finding; an unlinked merchant does not synchronise anyway.
    """
    if not (live.configured and live.enabled):
        return Verdict(case, met(SWITCHED, "off, as wanted"))
    off = FieldChange(ENABLED, True, False, Direction.PENDING)
    broken = _broken(case, _overlaid(live, (off,)), live)
    if not broken:
        return Verdict(case, unmet(SWITCHED, "to be taken down"), changes=(_one_post((off,)),))
    findings = broken if case.wanted.retired is Deletion.DISABLE else ()
    return Verdict(case, unmet(SWITCHED, "cannot be switched off"), findings=findings)


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
