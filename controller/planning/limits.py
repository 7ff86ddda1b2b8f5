"""The limits, checked over all plans at once before the first write.

held, merchant by merchant   re-create, delete, create-record      the others go on
   of the first two more than max(3, 1 %) held or missing in one run: mass-loss     nobody is created or taken down
refused, the whole run       unlink   max(1, 2 %)                  remap, reschedule   max(50, 25 %)
                             disable  max(1, 5 %)                  shrink              max(1, 10 %)
parked, in `run`             the same classes, over 24 hours: see `unattended_limits`

Percentages are of the bound merchants. Creates, first configurations, enables and renames have no limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from shlex import quote

from controller.model.errors import UsageError
from controller.model.holds import HeldBy, Hold
from controller.model.plan import Actor, ChangeClass, ChangeKind, Direction, Finding, Plan, PlanStatus
from controller.model.report import LimitExceeded, Refusal
from controller.model.run_policy import RELEASABLE_BY_COUNT, RunPolicy
from controller.planning.holds import allow_command, hold_changes
from controller.quick_dataclasses import dataclass

LIMITS = {
    ChangeClass.UNLINK: (1, 2),
    ChangeClass.DISABLE: (1, 5),
    ChangeClass.REMAP: (50, 25),
    ChangeClass.RESCHEDULE: (50, 25),
}
"""At least so many, and so many per cent of the bound merchants."""
SHRINK_LIMIT = (1, 10)

LOSS_CLASSES = RELEASABLE_BY_COUNT
"""What is planned where something is lost, or to be: many at once are a mass loss."""

HELD_CLASSES = (*LOSS_CLASSES, ChangeClass.CREATE_RECORD)
"""Held for the merchant concerned until a person releases it: any number of these is unusual."""

MASS_LOSS_LIMIT = (3, 1)
MASS_LOSS_CODE = "mass-loss"
LOSS_CODES = frozenset({"company-missing", "connection-deleted"})
"""Findings that a bound company or connection is gone."""

CLASSES_HELD_BY_MASS_LOSS = frozenset(
    {
        ChangeClass.CREATE,
        ChangeClass.CONFIGURE,
        ChangeClass.RE_CREATE,
        ChangeClass.CREATE_RECORD,
        ChangeClass.UNLINK,
        ChangeClass.DELETE,
    }
)
"""What is not written while a mass loss is unexplained: in another account, or with Codat half down, it does harm."""

_HELD_CODES, _NEW_RECORD_HELD_CODE = ("re-create-held", "delete-held"), "create-record-held"

_ALL_MEANT = "where it is all meant: "
"""Begins the remedy that releases everything at once; `without_release_all_command` removes it."""


@dataclass(frozen=True, slots=True)
class FleetSize:
    """The fleet around the plans.

    bound_count       merchants that the state has a company of, tombstones aside
    without_manifest  those of them whose manifest is gone; None when this run may not tell
    declared_count    merchants in the manifests
    gone              bound merchants whose company a complete listing lacks, whatever the run's scope
    gone_declared     those of them that have a manifest
    limits            by class (number, per cent): those of the table, or what the environment sets otherwise
    """

    bound_count: int
    without_manifest: tuple[str, ...] | None
    declared_count: int
    gone: int = 0
    gone_declared: int = 0
    limits: Mapping[ChangeClass, tuple[int, int]] = field(default_factory=lambda: LIMITS)


@dataclass(frozen=True, slots=True)
class LimitedPlans:
    """What the limits make of a run's plans.

    plans     the same merchants; those that are held have no changes any more
    counts    changes that are left, by class
    refusal   why the run writes nothing at all; None where it goes on
    findings  about the fleet as a whole
    """

    plans: tuple[Plan, ...]
    counts: Mapping[ChangeClass, int]
    refusal: Refusal | None = None
    findings: tuple[Finding, ...] = ()


def limit_plans(plans: Iterable[Plan], fleet: FleetSize, policy: RunPolicy) -> LimitedPlans:
    """Holds the merchants with changes of HELD_CLASSES, then checks the number of what is left against the limits.

    UsageError where `--allow` releases a number of merchants, or one without naming it, and another number is held.
    """
    plans = tuple(plans)
    released = {change_class: _released_merchants(change_class, plans, policy) for change_class in HELD_CLASSES}
    plans = tuple(_hold_unless_released(plan, released) for plan in plans)
    lost = tuple(plan for plan in plans if _is_held_or_lost(plan, released[ChangeClass.RE_CREATE]))
    findings: tuple[Finding, ...] = ()
    # A look at a part of the fleet has a listing of all: what that lacks counts, whoever the look is about. Where a
    # person runs it, those that are missing may have been released by name.
    lost_count = max(len(lost), fleet.gone_declared if policy.automatic else 0)
    if lost_count > effective_limit(MASS_LOSS_LIMIT, fleet.bound_count):
        findings = (_mass_loss_finding(lost, lost_count, fleet),)
        lost_names = frozenset(plan.merchant for plan in lost)
        plans = tuple(_hold_for_mass_loss(plan, lost_names) for plan in plans)
    elif _is_every_company_gone(plans, fleet):
        plans = tuple(_without_re_create_remedy(plan) for plan in plans)
    counts = count_changes(plans)
    # A run that nobody asked for is not refused: nobody would see it. It parks what is too much (`unattended_limits`).
    exceeded = () if policy.automatic else _exceeded_limits(plans, counts, fleet, policy)
    exceeded = (*exceeded, *_exceeded_shrink_limit(fleet, policy))
    total = sum(len(plan.changes) for plan in plans)
    if policy.max_changes is not None and total > policy.max_changes:
        flag = f"--max-changes {total}"
        exceeded = (*exceeded, LimitExceeded("all changes", total, policy.max_changes, flag))
    return LimitedPlans(plans, counts, Refusal(exceeded) if exceeded else None, findings)


def count_changes(plans: Iterable[Plan]) -> dict[ChangeClass, int]:
    """Changes by class; one POST counts in each of its classes."""
    counts = Counter(change_class for plan in plans for change in plan.changes for change_class in change.classes)
    return {change_class: counts[change_class] for change_class in ChangeClass if counts[change_class]}


def effective_limit(limit: tuple[int, int], bound_count: int) -> int:
    """The larger of a number and a percentage of the bound merchants, rounded down. `limit`: (number, per cent)."""
    at_least, percent = limit
    return max(at_least, bound_count * percent // 100)


# -- Merchant by merchant


def _released_merchants(change_class: ChangeClass, plans: tuple[Plan, ...], policy: RunPolicy) -> frozenset[str]:
    """The merchants that `--allow` releases from this class: by name, by their number, or the only one.

    UsageError where the number is not the number that is held, so that nobody releases more than they have seen.
    """
    named, numbers = policy.released_merchants(change_class), policy.released_counts(change_class)
    others = [plan for plan in plans if plan.merchant not in named]
    held = [plan.merchant for plan in others if _has_change_in_classes(plan, (change_class,))]
    missing = [
        plan.merchant
        for plan in others
        if change_class is ChangeClass.RE_CREATE and _has_lost_company_or_connection(plan)
    ]
    # Those that are missing, and that `drift: Report` leaves so, are not held; but the number is meant of them, too.
    if numbers == {len(held) or len(missing)}:
        return named.union(held, missing)
    if not held or not (numbers or policy.lifts_limit(change_class)):
        return named
    if not numbers and len(held) == 1:
        return named.union(held)
    given = ", ".join(f"{number:,}" for number in sorted(numbers)) or "one merchant"
    are = "is" if len(held) == 1 else "are"
    word = change_class.value
    by_count = f"; or say how many: --allow {word}:{len(held)}" if change_class in RELEASABLE_BY_COUNT else ""
    raise UsageError(
        f"--allow {word} was said of {given}, and {len(held):,} {are} held: {_abbreviate_names(held)}. "
        f"Name whom you mean: {allow_command(change_class, held[0])}{by_count}. Nothing was done."
    )


def _hold_unless_released(plan: Plan, released: Mapping[ChangeClass, Collection[str]]) -> Plan:
    classes = [
        change_class
        for change_class in HELD_CLASSES
        if _has_change_in_classes(plan, (change_class,)) and plan.merchant not in released.get(change_class, ())
    ]
    if not classes:
        return plan
    findings = [_held_finding(plan, change_class) for change_class in classes]
    return hold_changes(plan, PlanStatus.BLOCKED, Hold(HeldBy.LIMIT, findings[0].cause), *findings)


def _held_finding(plan: Plan, change_class: ChangeClass) -> Finding:
    command = allow_command(change_class, plan.merchant)
    if change_class is ChangeClass.DELETE:
        cause = "its manifest is gone, and its policy is to delete the company, which cannot be undone"
        return Finding("delete-held", plan.merchant, cause, command, Actor.OPERATOR)
    # The finding that calls for the change tells every step, not only the release.
    remedy = next((finding.remedy for finding in plan.findings if command in finding.remedy), command)
    if change_class is ChangeClass.CREATE_RECORD:
        cause = "what is created in a merchant's books stays there: nobody deletes it again"
        return Finding(_NEW_RECORD_HELD_CODE, plan.merchant, cause, remedy, Actor.OPERATOR)
    cause = "what it had at Codat is gone; made anew it needs new consent, or books again what was booked before"
    if any(change.kind is ChangeKind.DELETE_CONNECTION for change in plan.changes):
        cause = "the connection that was replaced is to be deleted, with its mapping, which cannot be undone"
    return Finding("re-create-held", plan.merchant, cause, remedy, Actor.OPERATOR)


def _has_change_in_classes(plan: Plan, classes: Collection[ChangeClass]) -> bool:
    return any(change_class in classes for change in plan.changes for change_class in change.classes)


# -- All at once


def _is_every_company_gone(plans: tuple[Plan, ...], fleet: FleetSize) -> bool:
    """Whether every company of a fleet is gone that is too small for a mass loss: it may be the wrong account.

    Not for a fleet of one, since a single company may well have been deleted in the portal. It is held anyway.
    """
    lost_count = max(fleet.gone, sum(_has_lost_company(plan) for plan in plans))
    return fleet.bound_count > 1 and lost_count >= fleet.bound_count


def _has_lost_company(plan: Plan) -> bool:
    return any(finding.code == "company-missing" for finding in plan.findings)


def _without_re_create_remedy(plan: Plan) -> Plan:
    """The plan whose remedy does not re-create the company: first a person has to say that all are really gone."""
    if not _has_lost_company(plan):
        return plan
    remedy = (
        "no bound company is left; is this the right account? merchantctl doctor\n"
        f"if they were really deleted: merchantctl state rm {quote(plan.merchant)} && merchantctl apply"
    )
    findings = (
        replace(finding, remedy=remedy) if finding.code in ("company-missing", "re-create-held") else finding
        for finding in plan.findings
    )
    return replace(plan, findings=tuple(findings))


def _is_held_or_lost(plan: Plan, released: Collection[str]) -> bool:
    """Held, or missing without being held, as `drift: Report` leaves it."""
    return bool(_held_loss_classes(plan)) or (plan.merchant not in released and _has_lost_company_or_connection(plan))


def _has_lost_company_or_connection(plan: Plan) -> bool:
    return any(finding.code in LOSS_CODES for finding in plan.findings)


def _held_loss_classes(plan: Plan) -> frozenset[ChangeClass]:
    """Of LOSS_CLASSES, those for which this merchant is held; none where it waits for a rollout."""
    if plan.status is not PlanStatus.BLOCKED:
        return frozenset()
    classes = (change_class for change in plan.held_changes for change_class in change.classes)
    return frozenset(change_class for change_class in classes if change_class in LOSS_CLASSES)


def _mass_loss_finding(lost: tuple[Plan, ...], lost_count: int, fleet: FleetSize) -> Finding:
    names = tuple(plan.merchant for plan in lost)
    who = f": {_abbreviate_names(names)}" if names else ""
    cause = (
        f"{lost_count:,} of {fleet.bound_count:,} bound merchants are missing, or wait to be deleted, in one look"
        f"{who}. Is it the right account? Is Codat complete? Nobody is created or taken down."
    )
    remedy = "look at Codat, and at what answers for it: merchantctl doctor"
    flags = []
    for change_class in LOSS_CLASSES:
        number = sum(change_class in _held_loss_classes(plan) for plan in lost)
        if number == 0 and change_class is ChangeClass.RE_CREATE:
            number = sum(_has_lost_company_or_connection(plan) for plan in lost)
        if number:
            flags.append(f"--allow {change_class.value}:{number}")
    # Where every single company is gone it is most likely the wrong account: no command should re-create them all.
    everyone = sum(_has_lost_company(plan) for plan in lost) >= fleet.bound_count
    if flags and not everyone:
        remedy += f"\n{_ALL_MEANT}merchantctl apply {' '.join(flags)}"
    return Finding(
        MASS_LOSS_CODE, "", cause, remedy, Actor.OPERATOR, direction=Direction.DRIFT, affected_merchants=names
    )


def without_release_all_command(finding: Finding) -> Finding:
    """The finding without the command that releases everything: for reports of runs that write nothing."""
    return replace(finding, remedy=finding.remedy.partition(f"\n{_ALL_MEANT}")[0])


def _hold_for_mass_loss(plan: Plan, lost: Collection[str]) -> Plan:
    """The plan during a mass loss: the loss is not believed, and nobody else is created or taken down either."""
    hold = Hold(HeldBy.MASS_LOSS, "too many merchants are missing, or wait to be deleted, in one look")
    if plan.merchant not in lost:
        plan = (
            hold_changes(plan, PlanStatus.BLOCKED, hold)
            if _has_change_in_classes(plan, CLASSES_HELD_BY_MASS_LOSS)
            else plan
        )
        # No command releases it now.
        return replace(plan, findings=tuple(each for each in plan.findings if each.code != _NEW_RECORD_HELD_CODE))
    plan = hold_changes(plan, PlanStatus.BLOCKED, hold) if plan.changes else plan
    # The fleet's finding says it once for all of them.
    findings = tuple(finding for finding in plan.findings if finding.code not in (*LOSS_CODES, *_HELD_CODES))
    return replace(plan, status=PlanStatus.BLOCKED, findings=findings)


def _abbreviate_names(names: Collection[str], max_shown: int = 5) -> str:
    """`ann, bob and 1,203 more`"""
    shown = ", ".join(list(names)[:max_shown])
    return shown if len(names) <= max_shown else f"{shown} and {len(names) - max_shown:,} more"


# -- The whole run


def _exceeded_limits(
    plans: tuple[Plan, ...], counts: Mapping[ChangeClass, int], fleet: FleetSize, policy: RunPolicy
) -> Iterable[LimitExceeded]:
    for change_class, limit in fleet.limits.items():
        allowed, number = effective_limit(limit, fleet.bound_count), counts.get(change_class, 0)
        if number > allowed and not policy.lifts_limit(change_class):
            merchants = tuple(plan.merchant for plan in plans if _has_change_in_classes(plan, (change_class,)))
            flag = f"--allow {change_class.value}"
            yield LimitExceeded(change_class.value, number, allowed, flag, merchants)


def _exceeded_shrink_limit(fleet: FleetSize, policy: RunPolicy) -> Iterable[LimitExceeded]:
    """The limit on merchants whose manifests went: an empty root is a mistake, until a person says that it is not."""
    if not fleet.without_manifest or "shrink" in policy.allowed:
        return
    # The limit allows one, which in a fleet of one would be everybody.
    allowed = 0 if fleet.declared_count == 0 else effective_limit(SHRINK_LIMIT, fleet.bound_count)
    if len(fleet.without_manifest) > allowed:
        yield LimitExceeded("shrink", len(fleet.without_manifest), allowed, "--allow shrink", fleet.without_manifest)
