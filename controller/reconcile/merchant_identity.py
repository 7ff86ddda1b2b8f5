"""Who is who in one run: merchants that were renamed in Git, and companies that two names lay claim to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from controller.model.desired import Fleet
from controller.model.errors import LockedByOtherRun
from controller.model.field_values import COMPANY_NAME_PATH
from controller.model.name_matching import nfc
from controller.model.plan import Finding
from controller.model.rollout import ACTIVE_ROLLOUT_STATES
from controller.planning.merchant_renames import (
    RecordedNames,
    RemovedMerchant,
    RenamePlan,
    claimant_finding,
    company_bound_twice_finding,
    find_claimants,
    plan_renames,
    removed_but_claimed_finding,
    removed_but_rename_blocked_finding,
    rename_waits_for_rollout_finding,
)
from controller.reconcile.snapshot import CompanyIndex
from state import EventRow, MerchantRecord, Store
from state.errors import MerchantTaken, NameInRollout, UnknownMerchant


async def resolve_renames(fleet: Fleet, rows: Mapping[str, MerchantRecord], store: Store) -> RenamePlan:
    """What the renames of a load come to, whatever part of it the run is about. Nothing is moved yet."""
    spelled = _renames_of_unicode_form(fleet, rows)
    if not fleet.renames and not spelled:
        return RenamePlan()
    remembered = RecordedNames(
        known={name for name, row in rows.items() if row.company_id or row.intents},
        occupied={name for name, row in rows.items() if (row.company_id and not row.retired_at) or row.intents},
        done=await store.merchants.load_renames(),
        busy=await store.rollouts.load_names_by_merchant(ACTIVE_ROLLOUT_STATES),
    )
    renames = plan_renames({new: each.old_name for new, each in fleet.renames.items()} | spelled, remembered)
    return replace(renames, already={new: why for new, why in renames.already.items() if new not in spelled})


def _renames_of_unicode_form(fleet: Fleet, rows: Mapping[str, MerchantRecord]) -> dict[str, str]:
    """By a manifest's name the same name in another Unicode form: an earlier version kept it as the file had it."""
    others = {nfc(name): name for name in rows if nfc(name) != name}
    return {new: old for new, old in others.items() if new in fleet.known_names and new not in {*rows, *fleet.renames}}


async def apply_renames(fleet: Fleet, renames: RenamePlan, store: Store, at: datetime) -> dict[str, str]:
    """Everything that is remembered moves to its new name, in one commit; lines that are gone are forgotten.

    Returns by new name the old one of whom it moved: another pass of this process may have been first. Raises
    LockedByOtherRun where another run has moved what this one saw.
    """
    try:
        moved = await store.merchants.rename_many(renames.acting, at=at, blocking_states=ACTIVE_ROLLOUT_STATES)
    except (UnknownMerchant, MerchantTaken, NameInRollout) as problem:
        # Of a run that goes by other manifests, in which the line is not: it may also have forgotten its own rename.
        why = f"another run of merchantctl was first to rename merchants: {problem}"
        raise LockedByOtherRun(f"{why} Nothing was done. Run it again.") from None
    if fleet.root_is_complete:
        await store.merchants.forget_renames(kept={new: each.old_name for new, each in fleet.renames.items()})
    return moved


def rename_events(run: int, at: datetime, moved: Mapping[str, str]) -> tuple[EventRow, ...]:
    """One line of history for each."""
    return tuple(EventRow(at, run, new, "renamed", {"from": old}) for new, old in moved.items())


def find_contested_merchants(
    fleet: Fleet, rows: Mapping[str, MerchantRecord], renames: RenamePlan, company_index: CompanyIndex | None
) -> dict[str, Finding]:
    """Merchants that are left alone, and what is said of each. `rows` are under the names of this run."""
    contested = dict(_twice_bound_findings(rows))
    declared = {new: each.old_name for new, each in fleet.renames.items()}
    for new, rollout in renames.waiting.items():
        contested[new] = rename_waits_for_rollout_finding(new, declared[new], rollout)
    if not fleet.root_is_complete:
        return contested
    bound = {name: row.company_id for name, row in rows.items() if row.company_id and name in fleet.known_names}
    removed = list(_removed_merchants(fleet, rows, company_index))
    for old, new in find_claimants(removed, fleet.merchants.values(), bound, declared).items():
        says = (
            removed_but_rename_blocked_finding
            if declared.get(new) == old and new in bound
            else removed_but_claimed_finding
        )
        contested.setdefault(old, says(old, new))
        if new not in bound:
            contested.setdefault(new, claimant_finding(new, old))
    return contested


def _removed_merchants(
    fleet: Fleet, rows: Mapping[str, MerchantRecord], company_index: CompanyIndex | None
) -> Iterator[RemovedMerchant]:
    """With every name of the company that is known: as it is called now, as we called it, as we asked for it."""
    for name, row in rows.items():
        if row.company_id and not row.retired_at and name not in fleet.known_names:
            listed = company_index.by_id.get(row.company_id) if company_index else None
            names = (listed.name if listed else None, row.company_name, row.applied.get(COMPANY_NAME_PATH))
            yield RemovedMerchant(name, row.company_id, frozenset(str(each) for each in names if each))


def _twice_bound_findings(rows: Mapping[str, MerchantRecord]) -> Iterator[tuple[str, Finding]]:
    """From before a state refused it: see the migration."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name, row in rows.items():
        if row.contested and row.company_id:
            owners[row.company_id].append(name)
    for company_id, names in owners.items():
        for name in names if len(names) > 1 else ():
            yield name, company_bound_twice_finding(name, company_id, [each for each in names if each != name])
