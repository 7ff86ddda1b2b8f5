"""Renames in the manifests, and removed merchants whose company another manifest claims. Pure.

plan_renames  every `metadata.renamedFrom` of a load at once: what moves, what has nothing to do, what has to wait
find_claimants   removed merchants whose company a present manifest would have: they must not be taken down
held_plan     the plan of a merchant that is left alone until a person has said who is who
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from shlex import quote
from typing import TypeVar

from controller.model.desired import DesiredMerchant
from controller.model.name_matching import similarity_key
from controller.model.observed import Observed, RecordedState, Unread
from controller.model.plan import Actor, Finding, Plan
from controller.model.yaml_snippets import quote_yaml_if_needed
from controller.planning.company import COMPANY_READY
from controller.planning.context import PlanningContext, stop_result
from controller.planning.plan import conclude_plan
from controller.quick_dataclasses import dataclass

_V = TypeVar("_V")

RENAMED_CODE = "merchant-renamed"
ALREADY_RENAMED_CODE = "renamed-already"


@dataclass(frozen=True, slots=True)
class RecordedNames:
    """What the state has of merchants' names, as far as renames need it.

    known     names with a company, taken down or not, or with a create that is not settled
    occupied  those of them that keep their name: they were not taken down
    done      by new name the old one, of renames that were carried out and whose line is still in the manifest
    busy      by name, the rollout under way that has it
    """

    known: Collection[str] = frozenset()
    occupied: Collection[str] = frozenset()
    done: Mapping[str, str] = field(default_factory=dict)
    busy: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenamePlan:
    """What the renames of a load come to; each by the new name.

    acting   the old name: all of these move at once, as one permutation
    already  why the line has nothing to do
    waiting  the rollout that has one of the names
    """

    acting: Mapping[str, str] = field(default_factory=dict)
    already: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)

    def current_name(self, name: str) -> str:
        """The name, from this run on, of what the state has under `name`."""
        return next((new for new, old in self.acting.items() if old == name), name)


def plan_renames(declared: Mapping[str, str], recorded: RecordedNames) -> RenamePlan:
    """Which of the declared renames (new name → old name) act in this run.

    One that was carried out acts once more where a run that went by the manifests before it has bound a company to the
    old name since, and the new one has none.
    """
    acting = {
        new: old
        for new, old in declared.items()
        if old in recorded.known and (recorded.done.get(new) != old or new not in recorded.occupied)
    }
    # A target must be free, or become free by another rename that acts. Blocking one may block the next of a chain.
    leaving = Counter(acting.values())
    blocked = [new for new in acting if new in recorded.occupied and not leaving[new]]
    while blocked:
        old = acting.pop(blocked.pop())
        leaving[old] -= 1
        if not leaving[old] and old in acting and old in recorded.occupied:
            blocked.append(old)
    waiting = _renames_waiting_for_rollouts(acting, recorded.busy)
    already = {new: _why_nothing_moves(new, old, recorded) for new, old in declared.items() if new not in acting}
    return RenamePlan({new: old for new, old in acting.items() if new not in waiting}, already, waiting)


def _renames_waiting_for_rollouts(acting: Mapping[str, str], busy: Mapping[str, str]) -> dict[str, str]:
    """By new name, the rollout that holds the rename: one that has a name, or a name of the same chain."""
    waiting = {new: busy[name] for new, old in acting.items() for name in (new, old) if name in busy}
    # Part of a permutation would leave two merchants with one name, so one held name holds the whole chain.
    linked: dict[str, list[str]] = defaultdict(list)
    for new, old in acting.items():
        linked[new].append(new)
        linked[old].append(new)
    held = list(waiting)
    while held:
        other = held.pop()
        more = {new: waiting[other] for name in (other, acting[other]) for new in linked[name] if new not in waiting}
        waiting |= more
        held += more
    return waiting


def _why_nothing_moves(new: str, old: str, recorded: RecordedNames) -> str:
    if recorded.done.get(new) == old:
        return f"{new} was renamed from {old}; the line has done its work"
    if old not in recorded.known:
        return f"nothing is remembered of {old}: it was renamed before, or this state never knew it"
    return f"{new} has a company of its own, so nothing moves to it from {old}"


def rekey_by_new_names(by_name: Mapping[str, _V], renames: RenamePlan) -> dict[str, _V]:
    """Recorded values by merchant, under the names of this run; what the target of a rename had is dropped."""
    if not renames.acting:
        return dict(by_name)
    new_names = {old: new for new, old in renames.acting.items()}
    return {
        new_names.get(name, name): row
        for name, row in by_name.items()
        if name in new_names or name not in renames.acting
    }


# Removed, and wanted by another manifest ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemovedMerchant:
    """A bound merchant without a manifest. `names`: all that its company has been seen under."""

    name: str
    company_id: str
    names: frozenset[str]


def find_claimants(
    removed: Iterable[RemovedMerchant],
    present: Iterable[DesiredMerchant],
    bound: Mapping[str, str],
    declared: Mapping[str, str],
) -> dict[str, str]:
    """By removed merchant, the present one that claims its company: by `renamedFrom`, by binding, or by name.

    bound     by present merchant, the id of its company
    declared  by new name the old one, of every `renamedFrom`
    """
    # Names are compared as a person reads them, not letter by letter: a live merchant is about to be taken down.
    unbound = {
        similarity_key(merchant.company_name): merchant.name for merchant in present if merchant.name not in bound
    }
    owners = {company_id: name for name, company_id in bound.items()}
    new_names = {old: new for new, old in declared.items()}
    claims = {}
    for merchant in removed:
        by_name = (unbound[key] for key in map(similarity_key, sorted(merchant.names)) if key in unbound)
        claimant = new_names.get(merchant.name) or owners.get(merchant.company_id) or next(by_name, None)
        if claimant is not None:
            claims[merchant.name] = claimant
    return claims


# Findings -----------------------------------------------------------------------------------------------


def removed_but_claimed_finding(old: str, new: str) -> Finding:
    """For the removed merchant."""
    cause = f"the manifest of {old} is gone, and {new} claims its company: it is not taken down"
    return Finding(RENAMED_CODE, old, cause, _claim_remedy(old, new), Actor.OPERATOR)


def claimant_finding(new: str, old: str) -> Finding:
    """For the present merchant."""
    cause = f"its company belongs to {old}, whose manifest is gone: was {old} renamed to {new}?"
    return Finding(RENAMED_CODE, new, cause, _claim_remedy(old, new), Actor.OPERATOR)


def removed_but_rename_blocked_finding(old: str, new: str) -> Finding:
    """For the removed merchant, where the other manifest's `renamedFrom` has a company in its way."""
    cause = f"the manifest of {old} is gone, and {new}, which has a company of its own, is renamed from it"
    remedy = (
        f"if {new} is to go on with the company of {old}: merchantctl state rm {quote(new)}\n"
        f"if {old} is to go: delete metadata.renamedFrom from the manifest of {new}"
    )
    return Finding(RENAMED_CODE, old, cause, remedy, Actor.OPERATOR)


def _claim_remedy(old: str, new: str) -> str:
    line = f"metadata.renamedFrom: {quote_yaml_if_needed(old)}"
    return (
        f"in the manifest of {new} write {line}; or merchantctl state mv {quote(old)} {quote(new)}\n"
        f"if they are two merchants: give {new} another company.name"
    )


def rename_waits_for_rollout_finding(new: str, old: str, rollout: str) -> Finding:
    cause = f"{new} is renamed from {old}, and rollout {rollout} is under way with one of these names"
    remedy = (
        f"merchantctl rollout resume {quote(rollout)}; or merchantctl rollout abort {quote(rollout)}; "
        "the rename is done by the apply after that"
    )
    return Finding(RENAMED_CODE, new, cause, remedy, Actor.OPERATOR)


def with_rename_or_finding(plan: Plan, old: str | None, why: str | None) -> Plan:
    """The plan with its rename from `old`, or with a finding why its `metadata.renamedFrom` has nothing to do."""
    if why:
        remedy = f"delete metadata.renamedFrom from the manifest of {plan.merchant}"
        finding = Finding(ALREADY_RENAMED_CODE, plan.merchant, why, remedy, Actor.NOBODY)
        plan = replace(plan, findings=(*plan.findings, finding))
    return replace(plan, renamed_from=old) if old else plan


def company_bound_twice_finding(merchant: str, company_id: str, others: Collection[str]) -> Finding:
    """For a merchant of an old state that binds one company twice."""
    names = ", ".join(sorted(others))
    cause = f"the state binds company {company_id} to {merchant} and to {names}: nobody can tell whose it is"
    forget = "; or ".join(f"merchantctl state rm {quote(name)}" for name in sorted(others))
    remedy = f"where the company is {merchant}'s: {forget}\nelse: merchantctl state rm {quote(merchant)}"
    return Finding("company-duplicate", merchant, cause, remedy, Actor.OPERATOR)


def finding_only_plan(desired: DesiredMerchant, finding: Finding, now: datetime) -> Plan:
    """The plan of a merchant that is neither read nor written, whatever its policy says; only with this finding."""
    context = PlanningContext(desired, Observed(Unread("not looked at", failed=False)), RecordedState(), now)
    return replace(conclude_plan(context, [stop_result(context, COMPANY_READY, finding)]), is_removal=False)
