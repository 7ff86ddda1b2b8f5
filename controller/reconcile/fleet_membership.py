"""Who came and who went between the last load that was carried out and this one, and what is recorded of that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, field, replace
from hashlib import sha256

from controller.model.desired import DeletionPolicy, Fleet
from controller.model.plan import Finding
from controller.model.run_policy import TAKE_DOWN, RunPolicy
from controller.planning.merchant_renames import RenamePlan, rekey_by_new_names
from controller.planning.unclear_merchant_renames import (
    Declaration,
    PossibleRename,
    declarations_after_load,
    find_possible_renames,
    possible_heir_finding,
    removed_but_unclear_finding,
)
from controller.quick_dataclasses import dataclass
from state import DeclaredRow, MerchantRecord, Store


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """This load beside the last one that was carried out, under the names of this run.

    digest, recorded_digest  of this load, and of that one
    rows                     what is known of the declarations from this load on, as far as it was read
    new_rows, dropped        what is to be recorded of it
    possible_renames         who of the removed may be whom; without those that a person has released
    """

    digest: str = ""
    recorded_digest: str = ""
    rows: Mapping[str, Declaration] = field(default_factory=dict)
    new_rows: Mapping[str, Declaration] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    possible_renames: Mapping[str, PossibleRename] = field(default_factory=dict)


async def load_membership_change(
    fleet: Fleet, rows: Mapping[str, MerchantRecord], renames: RenamePlan, policy: RunPolicy, store: Store
) -> MembershipChange:
    """Of manifests that are not sound: nothing. `rows` are under the names of this run."""
    if not fleet.root_is_complete:
        return MembershipChange()
    digest = _digest_of_contents_and_files(fleet)
    recorded = await store.declarations.load_all_or_departed_if_same("" if renames.acting else digest)
    before = rekey_by_new_names({name: _declaration(row) for name, row in recorded.rows.items()}, renames)
    after, bound = before, {name for name, row in rows.items() if row.company_id and not row.retired_at}
    if renames.acting or recorded.digest != digest:
        after = declarations_after_load(before, fleet, bound, {name for name in bound if rows[name].configured_at})
    released = policy.released_merchants(TAKE_DOWN)
    after = {name: _mark_released_if_gone(each) if name in released else each for name, each in after.items()}
    possible = {name: each for name, each in find_possible_renames(after).items() if name in bound}
    return MembershipChange(
        digest,
        recorded.digest,
        after,
        {name: each for name, each in after.items() if before.get(name) != each},
        frozenset(before.keys() - after.keys()),
        possible,
    )


async def record_membership_change(change: MembershipChange, store: Store, *, after_renames: bool) -> None:
    """Once this load is carried out. Where another run has recorded another load meanwhile, that one stays.

    after_renames  this run has just moved names, which makes the recorded load unknown
    """
    if change.digest == change.recorded_digest and not (change.new_rows or change.dropped or after_renames):
        return
    rows = [DeclaredRow(name, **asdict(each)) for name, each in change.new_rows.items()]
    instead_of = "" if after_renames else change.recorded_digest
    await store.declarations.save_if_digest_is(rows, change.dropped, change.digest, expected_digest=instead_of)


def find_unclear_renames(
    rows: Mapping[str, MerchantRecord],
    possible_renames: Mapping[str, PossibleRename],
    contested: Collection[str],
) -> dict[str, Finding]:
    """Removed merchants that are not taken down, and newcomers for whom no company is created, until a person has said
    who is who. Under Retain nobody is taken down, and nothing is asked.

    contested  merchants that are left alone already
    """
    bound = {name for name, row in rows.items() if row.company_id and not row.retired_at}
    found = {}
    for removed, possible in possible_renames.items():
        if removed in contested or rows[removed].deletion == DeletionPolicy.RETAIN:
            continue
        found[removed] = removed_but_unclear_finding(possible, bound)
        heir = possible.heir
        if heir and heir not in contested and not _has_or_awaits_company(rows.get(heir)):
            found[heir] = possible_heir_finding(heir, removed)
    return found


def _has_or_awaits_company(row: MerchantRecord | None) -> bool:
    return row is not None and bool(row.company_id or row.intents)


def _digest_of_contents_and_files(fleet: Fleet) -> str:
    """Of all that is declared, and of where."""
    lines = sorted(f"{name}\n{file}" for name, file in fleet.files.items())
    return sha256("\n".join([fleet.digest, *lines]).encode(errors="surrogatepass")).hexdigest()


def _declaration(row: DeclaredRow) -> Declaration:
    return Declaration(
        row.file, row.digest, row.alone, row.first_file, row.first_digest, row.came, row.went, row.released
    )


def _mark_released_if_gone(each: Declaration) -> Declaration:
    return replace(each, released=True) if each.went is not None else each
