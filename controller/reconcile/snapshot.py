"""Everything one run knows: the wishes, the memories, the listing, the API, the store and the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import field
from typing import Any

from controller.model.desired import DesiredMerchant
from controller.model.observed import (
    Absent,
    CompaniesByName,
    Company,
    Listing,
    RecordedState,
    Unread,
    companies_named,
    group_companies_by_name,
)
from controller.model.plan import Finding
from controller.model.syncs_and_uploads import OpenManualSync
from controller.planning.holds import RolloutHold
from controller.planning.merchant_renames import RenamePlan
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.reconcile.fleet_membership import MembershipChange
from controller.reconcile.listing_for_creates import RunCreates
from controller.reconcile.recent_documents import RecentDocuments
from controller.reconcile.similar_names import SimilarNames
from state import Intent, MerchantRecord, Quarantine, RemoteAccount


@dataclass(frozen=True, slots=True)
class CompanyIndex:
    """The listing, indexed. `None` instead of one means: not listed, every company is asked for by its id.

    unlisted  what Codat says by id of those that we bound and the listing lacks
    """

    listing: Listing
    by_id: Mapping[str, Company]
    by_name: CompaniesByName
    unlisted: Mapping[str, Company | Absent | Unread] = field(default_factory=dict)

    @classmethod
    def from_listing(cls, listing: Listing) -> CompanyIndex:
        return cls(listing, {each.id: each for each in listing.companies}, group_companies_by_name(listing.companies))

    def named(self, name: str) -> tuple[Company, ...]:
        return companies_named(name, self.by_name)


MAX_CONCURRENT_DOCUMENT_WRITES = 2
"""While one merchant's document is thought about the others' wait for this process: the more of them, the longer is the
time in which an edit in the portal is lost. Two use up the default rate while a request takes 200 ms."""


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """What one run knows about its merchants: desired, recorded, listed. What it was given is its `run`.

    Seen once, at the start:
    records                 what `recorded` was read from, to see later whether another run has written since
    merchant_by_company_id  every binding that is not a tombstone, of whomever
    similar_names           who has a name that readers take for another one
    quarantined             merchants that failed for good, until something about them moves
    in_sync_keys            under which key each merchant was last found in sync
    pull_failed_merchants   those with an open finding of a failed pull: only another read can say that it is over
    open_manual_syncs              merchants that somebody synchronises by hand: `desired` and `recorded` are as of that
    holds, released_holds   merchants that are left to a rollout; those that it holds no more
    account_to_record       what is to be recorded of the account once this run writes; None where it is recorded
    renames                 what `metadata.renamedFrom` comes to; everything else here is under the new names already
    contested               merchants left alone until a person has said who is who, with the finding that asks
    declared                who came and went since the last load of the manifests that was carried out
    reads_at_start          reads that the client had sent before this look

    Known later:
    pending_intents         by merchant, a create with a lost answer that is not settled: it is left alone until it is
    syncs_unread            why somebody's latest sync could not be read
    run_id                  its number in the history, once it writes

    Filled while the run works:
    new_in_sync_keys        what `in_sync_keys` is to be from now on
    planned_sections        sections of the documents that are to be written, as they were when planned
    recent_documents        those documents themselves, as long as they are fresh
    creates                 the listing that creates rely on, and what was created
    document_write_slots    see MAX_CONCURRENT_DOCUMENT_WRITES
    absence_index           the one listing that confirms absences, where the run began without one
    """

    run: RunContext
    desired: Mapping[str, DesiredMerchant]
    recorded: Mapping[str, RecordedState]
    records: Mapping[str, MerchantRecord]
    company_index: CompanyIndex | None
    merchant_by_company_id: Mapping[str, str]
    quarantined: Mapping[str, Quarantine]
    similar_names: SimilarNames = field(default_factory=lambda: SimilarNames({}, {}, {}))
    in_sync_keys: Mapping[str, str] = field(default_factory=dict)
    pull_failed_merchants: frozenset[str] = frozenset()
    open_manual_syncs: Mapping[str, OpenManualSync] = field(default_factory=dict)
    holds: Mapping[str, RolloutHold] = field(default_factory=dict)
    released_holds: tuple[str, ...] = ()
    account_to_record: RemoteAccount | None = None
    renames: RenamePlan = field(default_factory=RenamePlan)
    contested: Mapping[str, Finding] = field(default_factory=dict)
    declared: MembershipChange = field(default_factory=MembershipChange)
    reads_at_start: int = 0

    pending_intents: Mapping[str, Intent] = field(default_factory=dict)
    syncs_unread: Mapping[str, str] = field(default_factory=dict)
    run_id: int = 0

    new_in_sync_keys: dict[str, str] = field(default_factory=dict)
    planned_sections: dict[str, frozenset[str]] = field(default_factory=dict)
    recent_documents: RecentDocuments = field(default_factory=RecentDocuments)
    creates: RunCreates = field(default_factory=RunCreates)
    document_write_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_DOCUMENT_WRITES)
    )
    absence_index: list[asyncio.Future[CompanyIndex]] = field(default_factory=list)

    async def company_index_for_absence(self, read: Callable[[], Coroutine[Any, Any, CompanyIndex]]) -> CompanyIndex:
        """One listing for a run that had none, however many of its companies are said not to be there."""
        if not self.absence_index:
            self.absence_index.append(asyncio.ensure_future(read()))
        # Others wait for it, too, when the turn of whoever asked first is cancelled.
        return await asyncio.shield(self.absence_index[0])

    @property
    def absence_index_if_read(self) -> CompanyIndex | None:
        """That listing, where it was read."""
        return next((each.result() for each in self.absence_index if each.done() and not each.exception()), None)

    def always_reads_data_status(self, merchant: str) -> bool:
        """Whether the data status is read though nothing calls for it."""
        return self.run.read_data_status or merchant in self.pull_failed_merchants

    def recorded_state(self, merchant: str) -> RecordedState:
        return self.recorded.get(merchant, RecordedState())


def index_merchants_by_company_id(recorded: Mapping[str, RecordedState]) -> dict[str, str]:
    """Company id → merchant, of every binding that is not a tombstone."""
    return {memory.company_id: name for name, memory in recorded.items() if memory.company_id and not memory.removed_at}


def not_bound_to_others(companies: Iterable[Company], merchant: str, claimed: Mapping[str, str]) -> tuple[Company, ...]:
    """The companies that belong to no other merchant."""
    return tuple(company for company in companies if claimed.get(company.id, merchant) == merchant)
