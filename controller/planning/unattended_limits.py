"""How much `run` may write by itself, class by class, in any 24 hours. Pure.

written + planned ≤ the floor               written at once
more, in a pass over some merchants         parked: planned, shown, not written; a full pass follows at once
whoever was parked over the limit           stays so in a pass over some, also below the floor
whom a new revision changed                 nothing is written before all of them are judged
more, in a full pass, or one over all that a new revision of the manifests changed
    written + planned + unread ≤ the limit  all of them are written
    else                                    all of them stay parked, with one finding and the command to release them

The floors and limits are those of `limits`, and one more: switching on merchants that somebody switched off. A merchant
is parked as a whole. Who is parked is not stored: every pass finds it anew from the plans and from what was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from controller.model.field_values import ENABLED_PATH
from controller.model.holds import HeldBy, Hold
from controller.model.plan import Actor, Change, ChangeClass, Direction, Finding, Plan, PlanStatus
from controller.planning.holds import hold_changes
from controller.planning.limits import LIMITS, FleetSize, LimitedPlans, count_changes, effective_limit

LIMIT_WINDOW = timedelta(hours=24)
"""The time over which automatic writes are added up: many small passes must not add up to an accident."""

LIMITED_CLASSES = (*LIMITS, ChangeClass.ENABLE)
"""An apply has no limit for `enable`, since a person sees the number. `run` does not switch on thousands by itself that
were switched off at once: somebody may have decided that."""

HELD_CODE_BY_CLASS = {cls: f"{cls.value}-held" for cls in LIMITED_CLASSES}
"""The code of the finding that a class is held: for a merchant, and for the fleet where it is over its limit."""

CLASS_BY_HELD_CODE = {code: cls for cls, code in HELD_CODE_BY_CLASS.items()}

UNJUDGED_REASON = "the manifests changed, and all whom that changed are judged together before anything is written"

CLASS_WORDS = {
    ChangeClass.UNLINK: "to be unlinked",
    ChangeClass.DISABLE: "to be switched off",
    ChangeClass.REMAP: "to be mapped otherwise",
    ChangeClass.RESCHEDULE: "to be scheduled otherwise",
    ChangeClass.ENABLE: "to be switched on again that somebody switched off",
}


def add_enable_limit(limits: Mapping[ChangeClass, tuple[int, int]]) -> dict[ChangeClass, tuple[int, int]]:
    """By class (number, per cent of the bound merchants); the number is the floor, the larger of the two the limit.

    limits  those of an apply, in this environment
    """
    return {**limits, ChangeClass.ENABLE: limits[ChangeClass.REMAP]}


def limited_classes(change: Change) -> Iterator[ChangeClass]:
    """The classes of a change that a run has limits for; ENABLE only where somebody at Codat had switched off."""
    switches_back = any(
        field.field == ENABLED_PATH and field.direction is not Direction.PENDING for field in change.fields
    )
    for change_class in change.classes:
        if change_class in LIMITS or (change_class is ChangeClass.ENABLE and switches_back):
            yield change_class


def park_over_limit(
    limited: LimitedPlans,
    fleet: FleetSize,
    written: Mapping[ChangeClass, int],
    *,
    everyone: bool,
    unjudged: Collection[str] = (),
    parked: Sequence[Finding] = (),
) -> LimitedPlans:
    """The plans with what is too much for a run parked, and a finding for each class that is over its limit.

    written   changes of the last 24 hours that no person confirmed, by class
    everyone  these are the plans of the whole fleet, or of all that a revision changed, so that a class can be compared
              with its limit
    unjudged  merchants whom a new revision changed that is yet to be judged as a whole
    parked    findings of the last judgement, about whom it parked
    """
    if everyone:
        plans, findings = _park_classes_over_limit(limited.plans, fleet, written)
    else:
        released = (_hold_until_judged(plan, unjudged, parked) for plan in limited.plans)
        plans, findings = tuple(_park_over_floors(released, written, add_enable_limit(fleet.limits))), ()
    return replace(limited, plans=plans, counts=count_changes(plans), findings=(*limited.findings, *findings))


def parked_by_judgement(plan: Plan) -> tuple[Finding, ...]:
    """Why a judgement over all has parked this merchant, by class; none where it has not."""
    if not plan.held_changes:
        return ()
    return tuple(each for each in plan.findings if each.code in CLASS_BY_HELD_CODE and each.actor is Actor.OPERATOR)


def waits_for_full_pass(plan: Plan, exceeded_codes: Iterable[str]) -> bool:
    """Whether a full pass may release this merchant.

    `exceeded_codes`: of the fleet's findings; a class that is known to be over its limit stays parked anyway.
    """
    held_codes = {
        finding.code
        for finding in plan.findings
        if finding.code in HELD_CODE_BY_CLASS.values() and finding.actor is Actor.NOBODY
    }
    return not held_codes <= frozenset(exceeded_codes)


def _count_limited_changes(plans: Iterable[Plan]) -> Counter[ChangeClass]:
    return Counter(
        change_class for plan in plans for change in plan.changes for change_class in limited_classes(change)
    )


def _hold_until_judged(plan: Plan, unjudged: Collection[str], parked: Sequence[Finding]) -> Plan:
    """A look at some releases nobody whom a judgement has parked, and nothing of a revision before its judgement."""
    findings = tuple(each for each in parked if each.merchant == plan.merchant)
    plan = _park_if_exceeded(plan, [CLASS_BY_HELD_CODE[each.code] for each in findings], findings)
    if plan.changes and plan.merchant in unjudged:
        return hold_changes(plan, PlanStatus.WAITING, Hold(HeldBy.REVISION, UNJUDGED_REASON))
    return plan


def _park_over_floors(
    plans: Iterable[Plan], written: Mapping[ChangeClass, int], limits: Mapping[ChangeClass, tuple[int, int]]
) -> Iterator[Plan]:
    """The plans one after another, parked once one of their classes has no room left below its floor."""
    room = {change_class: floor - written.get(change_class, 0) for change_class, (floor, _) in limits.items()}
    for plan in plans:
        needed = _count_limited_changes((plan,))
        # There may be less than no room: a full pass writes up to the limit, and that counts here, too.
        full = [cls for cls in limits if needed[cls] and needed[cls] > room[cls]]
        if full:
            findings = [
                _parked_until_full_pass_finding(plan.merchant, change_class, limits[change_class][0])
                for change_class in full
            ]
            hold = Hold(HeldBy.LIMIT, findings[0].cause)
            yield hold_changes(plan, PlanStatus.WAITING, hold, *findings, actor=Actor.NOBODY)
            continue
        room = {change_class: free - needed[change_class] for change_class, free in room.items()}
        yield plan


def _park_classes_over_limit(
    plans: tuple[Plan, ...], fleet: FleetSize, written: Mapping[ChangeClass, int]
) -> tuple[tuple[Plan, ...], tuple[Finding, ...]]:
    planned = _count_limited_changes(plans)
    # A merchant that could not be read may need the same change as the others: count it as if it did.
    unread = sum(plan.has_unread for plan in plans)
    exceeded = []
    for change_class, limit in add_enable_limit(fleet.limits).items():
        floor, total = limit[0], planned[change_class] + written.get(change_class, 0)
        # The floor is written whoever could not be read: one of them among few changes keeps nobody waiting.
        if planned[change_class] and total > floor and total + unread > effective_limit(limit, fleet.bound_count):
            exceeded.append(change_class)
    findings = tuple(
        _exceeded_finding(change_class, plans, fleet, written.get(change_class, 0), unread, exceeded)
        for change_class in exceeded
    )
    return tuple(_park_if_exceeded(plan, exceeded, findings) for plan in plans), findings


def _park_if_exceeded(plan: Plan, exceeded: Sequence[ChangeClass], fleet_findings: Sequence[Finding]) -> Plan:
    needed, cause = _count_limited_changes((plan,)), "more of this class than a run may write unasked"
    findings = [
        Finding(fleet_finding.code, plan.merchant, cause, fleet_finding.remedy, Actor.OPERATOR)
        for change_class, fleet_finding in zip(exceeded, fleet_findings, strict=True)
        if needed[change_class]
    ]
    if not findings:
        return plan
    return hold_changes(plan, PlanStatus.BLOCKED, Hold(HeldBy.LIMIT, cause), *findings)


def _parked_until_full_pass_finding(merchant: str, change_class: ChangeClass, floor: int) -> Finding:
    word = change_class.value
    cause = f"a run writes {floor:,} of the class {word} in 24 hours unasked, and more once everyone was looked at"
    remedy = "none: the next look at everyone judges it"
    return Finding(HELD_CODE_BY_CLASS[change_class], merchant, cause, remedy, Actor.NOBODY)


def _exceeded_finding(
    change_class: ChangeClass,
    plans: tuple[Plan, ...],
    fleet: FleetSize,
    written: int,
    unread: int,
    exceeded: list[ChangeClass],
) -> Finding:
    merchants = tuple(plan.merchant for plan in plans if _count_limited_changes((plan,))[change_class])
    number = f"{len(merchants):,} merchant{'' if len(merchants) == 1 else 's'}"
    more = f"; {written:,} written in the last 24 hours" if written else ""
    more += f"; {unread:,} could not be read" if unread else ""
    limit = effective_limit(add_enable_limit(fleet.limits)[change_class], fleet.bound_count)
    cause = (
        f"{number} {CLASS_WORDS[change_class]}{more}; "
        f"the limit of a run is {limit:,} of {fleet.bound_count:,} in 24 hours."
    )
    # An apply has no limit for ENABLE, so it needs no flag.
    flags = (f"--allow {other.value}" for other in exceeded if other is not ChangeClass.ENABLE)
    return Finding(
        HELD_CODE_BY_CLASS[change_class],
        "",
        cause,
        " ".join(("merchantctl apply", *flags)),
        Actor.OPERATOR,
        direction=Direction.DRIFT,
        affected_merchants=merchants,
    )
