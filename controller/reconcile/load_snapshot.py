"""The snapshot of a run: what is desired, recorded and listed, read as sparingly as may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial

from controller.desired.selector import matches_selector
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import DeletionPolicy, DesiredMerchant, Fleet, LinkState
from controller.model.errors import UsageError
from controller.model.field_values import COMPANY_NAME_PATH, ENABLED_PATH
from controller.model.name_matching import match_names_by_glob
from controller.model.observed import Listing, RecordedState
from controller.model.report import RetainedMerchant
from controller.model.run_policy import Scope
from controller.planning.during_manual_sync import desired_during_manual_sync, recorded_during_manual_sync
from controller.planning.merchant_renames import rekey_by_new_names
from controller.reconcile.account_identity import company_id_by_merchant, verify_account
from controller.reconcile.context import RunContext
from controller.reconcile.fleet_membership import find_unclear_renames, load_membership_change
from controller.reconcile.merchant_identity import find_contested_merchants, resolve_renames
from controller.reconcile.observe import cross_check_listing
from controller.reconcile.open_manual_syncs import end_abandoned_syncs_if_over, load_open_manual_syncs
from controller.reconcile.persist import recorded_state_of
from controller.reconcile.recover_intents import settle_intents
from controller.reconcile.rollout_holds import load_active_and_released_holds
from controller.reconcile.similar_names import SimilarNames
from controller.reconcile.snapshot import CompanyIndex, RunSnapshot, index_merchants_by_company_id
from controller.untrusted_text import unknown_merchant_text
from state import Intent

LISTING_PAGE_SIZE = 5000


class _CachedListing:
    """The listing, read when it is first asked for."""

    def __init__(self, read: Callable[[], Awaitable[Listing]]) -> None:
        self._read = read
        self._listing: Listing | None = None

    @property
    def is_loaded(self) -> bool:
        return self._listing is not None

    async def __call__(self) -> Listing:
        self._listing = self._listing or await self._read()
        return self._listing


async def load_snapshot(run: RunContext) -> RunSnapshot:
    """What is desired, recorded and listed. One bound merchant asked for by name is read by id; else one listing."""
    reads = run.api.reads
    rows = await run.store.records.load(select_applied=partial(_merchants_to_load_values_of, run.fleet, run.scope))
    listing = _CachedListing(run.api.companies)
    account = await verify_account(
        run.api,
        await run.store.account.load(),
        company_id_by_merchant(rows),
        listing,
        run.now(),
    )
    renames = await resolve_renames(run.fleet, rows, run.store)
    rows = rekey_by_new_names(rows, renames)
    desired = select_merchants(run.fleet, run.scope, rows)
    # Of the others it is enough who is bound to what: a look at one of ten thousand is not to read it all.
    read_of = None if run.scope.is_everyone else {*desired, *(renames.acting.get(name, name) for name in desired)}
    syncs = rekey_by_new_names(await run.store.last_syncs.load(merchants=read_of), renames)
    recorded = {name: recorded_state_of(row, syncs.get(name)) for name, row in rows.items()}
    without_manifest = merchants_without_manifest(run.fleet, run.scope, recorded) or ()
    company_index = await _list_companies_if_needed((*desired, *without_manifest), recorded, listing, run)
    declared = await load_membership_change(run.fleet, rows, renames, run.policy, run.store)
    contested = find_contested_merchants(run.fleet, rows, renames, company_index)
    contested |= find_unclear_renames(rows, declared.possible_renames, contested)
    open_syncs = await load_open_manual_syncs(run.store, renames)
    # Whoever is to be desired has to be so first: the manual syncs give those among them another wish.
    desired |= _removed_merchants(without_manifest, recorded, contested)
    desired |= _merchants_left_switched_off(
        without_manifest, recorded, open_syncs.keys() - desired.keys(), company_index
    )
    desired |= {
        name: desired_during_manual_sync(desired[name], each) for name, each in open_syncs.items() if name in desired
    }
    # Of nobody else: what was last applied to them is not read.
    recorded |= {
        name: recorded_during_manual_sync(recorded[name], each)
        for name, each in open_syncs.items()
        if name in recorded and name in desired
    }
    merchant_by_company_id = index_merchants_by_company_id(recorded)
    holds, released = await load_active_and_released_holds(run.store, desired, run.policy, renames)
    return RunSnapshot(
        run=run,
        desired=desired,
        recorded=recorded,
        records=rows,
        company_index=company_index,
        merchant_by_company_id=merchant_by_company_id,
        similar_names=SimilarNames(
            run.fleet.merchants, company_index.by_id if company_index else {}, merchant_by_company_id
        ),
        quarantined=rekey_by_new_names(await run.store.quarantine.load(), renames),
        in_sync_keys=rekey_by_new_names(await run.store.in_sync_cache.load_keys(merchants=read_of), renames),
        pull_failed_merchants=frozenset(
            renames.current_name(name)
            for name in await run.store.findings.load_merchants_with_open_finding("data-pull-failed")
        ),
        open_manual_syncs=open_syncs,
        holds=holds,
        released_holds=released,
        reads_at_start=reads,
        account_to_record=account,
        renames=renames,
        contested={name: finding for name, finding in contested.items() if name in desired},
        declared=declared,
    )


def _merchants_to_load_values_of(fleet: Fleet, scope: Scope, recorded_names: Collection[str]) -> Collection[str] | None:
    """Whose last applied values a look needs; None = everyone's. Of the others it is enough who is bound to what: a
    look at one of ten thousand is not to read it all."""
    if scope.is_everyone:
        return None
    selected = select_merchants(fleet, scope, recorded_names)
    # Under their old names the state has those who are renamed in this run; and whoever has no manifest any more may be
    # one of them under another name.
    old_names = (each.old_name for new, each in fleet.renames.items() if new in selected)
    return {*selected, *old_names, *(name for name in recorded_names if name not in fleet.known_names)}


async def recover_then_snapshot(run: RunContext) -> RunSnapshot:
    """The snapshot, after one look for every create with a lost answer; what that does not settle is pending. Manual
    syncs that were left open are ended first, where they are over."""
    snapshot = await load_snapshot(run)
    if snapshot.open_manual_syncs:
        await end_abandoned_syncs_if_over(snapshot)
        snapshot = await load_snapshot(run)
    open_intents = await load_open_intents(snapshot)
    if not open_intents:
        return snapshot
    pending = await settle_intents(open_intents, snapshot)
    snapshot = await load_snapshot(run)
    # What was settled is bound by now; the intents that are left still bear the names of before the renames.
    named = [replace(each, merchant=snapshot.renames.current_name(each.merchant)) for each in pending]
    by_merchant = {intent.merchant: intent for intent in named}
    return replace(snapshot, pending_intents=_intents_of_namesakes(named, snapshot) | by_merchant)


def _intents_of_namesakes(pending: Iterable[Intent], snapshot: RunSnapshot) -> dict[str, Intent]:
    """By merchant without a company, another's create of one of that name. Where the other is the same merchant, which
    was renamed in Git since these manifests were read, its company would be taken for one that is nobody's."""
    creates = {intent.name: intent for intent in pending if intent.kind == "company"}
    unbound = (name for name in snapshot.desired if snapshot.recorded_state(name).company_id is None)
    wanted = {name: snapshot.desired[name].company_name for name in unbound}
    return {name: creates[company] for name, company in wanted.items() if company in creates}


async def load_open_intents(snapshot: RunSnapshot) -> tuple[Intent, ...]:
    """The open intents of whom a run is about; of everybody, where it is about everyone."""
    run = snapshot.run
    open_intents = await run.store.intents.load_open()
    return tuple(
        each
        for each in open_intents
        if run.scope.is_everyone or snapshot.renames.current_name(each.merchant) in snapshot.desired
    )


async def _list_companies_if_needed(
    names: Collection[str], recorded: Mapping[str, RecordedState], listing: _CachedListing, run: RunContext
) -> CompanyIndex | None:
    """The listing, held against what is bound; None where these merchants need none and it was not read anyway."""
    if not _needs_listing(run.scope, set(names), recorded) and not listing.is_loaded:
        return None
    about = [recorded[name].company_id for name in names if name in recorded]
    return await cross_check_listing(
        CompanyIndex.from_listing(await listing()), about, index_merchants_by_company_id(recorded), run.api
    )


def _needs_listing(scope: Scope, desired: Collection[str], recorded: Mapping[str, RecordedState]) -> bool:
    """A whole fleet is told of namesakes and strangers too, and an unbound merchant can only be found by name.

    For bound merchants alone, beyond a page's worth a listing is the cheaper read.
    """
    unbound = any(name not in recorded or recorded[name].company_id is None for name in desired)
    bound = sum(1 for record in recorded.values() if record.company_id)
    return bool(desired) and (scope.is_everyone or unbound or len(desired) > 1 + bound // LISTING_PAGE_SIZE)


def _removed_merchants(
    without_manifest: Iterable[str], recorded: Mapping[str, RecordedState], contested: Collection[str]
) -> dict[str, DesiredMerchant]:
    """Under Retain nobody is taken down, and only those are spoken of that somebody else claims."""
    spoken_of = (
        name
        for name in without_manifest
        if recorded[name].deletion_policy != DeletionPolicy.RETAIN or name in contested
    )
    return {name: _removed_merchant(name, recorded[name]) for name in spoken_of}


def _merchants_left_switched_off(
    without_manifest: Collection[str],
    recorded: Mapping[str, RecordedState],
    with_open_sync: Collection[str],
    company_index: CompanyIndex | None,
) -> dict[str, DesiredMerchant]:
    """Under Retain all stays as it is; but whom a manual sync that is open still has switched off, we switch on again
    before that. Nothing else is desired of it, and of one whose company is gone nothing at all."""
    listed = company_index.by_id if company_index else {}
    left = (name for name in without_manifest if name in with_open_sync and recorded[name].company_id in listed)
    return {
        name: DesiredMerchant(name, str(recorded[name].last_applied.get(COMPANY_NAME_PATH) or name)) for name in left
    }


def _removed_merchant(name: str, record: RecordedState) -> DesiredMerchant:
    """The wish for a merchant whose manifest is gone, by the policy that the last apply stored."""
    called = str(record.last_applied.get(COMPANY_NAME_PATH) or name)
    unlinked = record.deletion_policy in (DeletionPolicy.UNLINK, DeletionPolicy.DELETE)
    state = LinkState.UNLINKED if unlinked else LinkState.LINKED
    return DesiredMerchant(
        name, called, None, state, fields={ENABLED_PATH: False}, removal=DeletionPolicy(record.deletion_policy)
    )


def merchants_without_manifest(
    fleet: Fleet, scope: Scope, recorded: Mapping[str, RecordedState]
) -> tuple[str, ...] | None:
    """Bound merchants whose manifest is gone; None where the run saw too little of the manifests to say so."""
    if not fleet.is_complete or not scope.is_everyone:
        return None
    bound = (name for name, record in recorded.items() if record.company_id and not record.removed_at)
    return tuple(sorted(name for name in bound if name not in fleet.known_names))


def retained_merchants(snapshot: RunSnapshot) -> tuple[RetainedMerchant, ...]:
    """Bound merchants whose manifest is gone and whose policy keeps all as it is; not those whose company is gone."""
    run = snapshot.run
    without_manifest = merchants_without_manifest(run.fleet, run.scope, snapshot.recorded) or ()
    listed = (
        snapshot.company_index.by_id if snapshot.company_index and snapshot.company_index.listing.complete else None
    )
    found = []
    for name in without_manifest:
        record = snapshot.recorded[name]
        if record.deletion_policy != DeletionPolicy.RETAIN or record.company_id is None:
            continue
        if listed is not None and record.company_id not in listed:
            continue
        called = listed[record.company_id].name if listed else str(record.last_applied.get(COMPANY_NAME_PATH) or name)
        possible = snapshot.declared.possible_renames.get(name)
        newcomers = tuple(possible.newcomers) if possible else ()
        found.append(RetainedMerchant(name, record.company_id, called, record.retained_since, newcomers))
    return tuple(found)


def select_merchants(fleet: Fleet, scope: Scope, recorded_names: Collection[str] = ()) -> dict[str, DesiredMerchant]:
    """The merchants in scope. A target that matches nobody is a mistype, and said so."""
    targeted = _targeted_names(fleet, scope, recorded_names)
    found = {name: desired for name, desired in fleet.merchants.items() if _is_in_scope(name, desired, scope, targeted)}
    if not found and scope.targets and scope.selector is not None:
        raise UsageError(f"no merchant is both a --target and matched by -l {scope.selector}. Nothing was done.")
    return found


def _targeted_names(fleet: Fleet, scope: Scope, recorded_names: Collection[str]) -> frozenset[str] | None:
    """The names that were asked for; None = whoever. A name whose manifest is elsewhere or gone is still no glob."""
    if scope.name is None and not scope.targets:
        return None
    names = fleet.known_names.union(fleet.merchants, recorded_names)
    asked = {each: match_names_by_glob(each, names) for each in scope.targets if each != ACCOUNT_NAME}
    if scope.name is not None and scope.name != ACCOUNT_NAME:
        asked[scope.name] = frozenset({scope.name})
    for target, found in asked.items():
        if not any(name in fleet.merchants for name in found):
            raise UsageError(unknown_merchant_text(target, fleet.merchants))
    # For `--target '(account)'` alone that is the empty set: no merchant, where None would be all of them.
    return frozenset().union(*asked.values())


def _is_in_scope(name: str, desired: DesiredMerchant, scope: Scope, targeted: frozenset[str] | None) -> bool:
    if scope.names is not None and name not in scope.names:
        return False
    named = targeted is None or name in targeted
    return named and (scope.selector is None or matches_selector(scope.selector, desired.labels))
