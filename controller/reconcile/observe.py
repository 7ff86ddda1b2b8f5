"""What the API says of one merchant, read as sparingly as may be, and how sure that is.

A company is Absent only where Codat says so of its id *and* a complete listing lacks it: a gateway's 404, or a
404 while the listing failed too, proves nothing.

a long pass    the listing, and one configuration per merchant whose two connections are Linked
one target     its company by id instead of the listing
only if needed data status, where the document alone does not tell that the books were pulled, or Codat refused to
               be written to; the rows of dangling selections; the last successful sync
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from controller.codat.client import Reader
from controller.codat.from_wire import read_configuration
from controller.model.desired import DesiredMerchant, DriftPolicy
from controller.model.errors import DataNotReady, RemoteError
from controller.model.field_values import ref_kind, resolve_live_path
from controller.model.observed import (
    LINKED,
    Absent,
    BooksRecord,
    Company,
    Configuration,
    Observed,
    RecordedState,
    SimilarName,
    Unread,
)
from controller.planning.new_accounts import unresolved_new_accounts
from controller.planning.reference_data import needs_data_status
from controller.planning.reference_findings import find_dangling_selections
from controller.quick_dataclasses import dataclass
from controller.reconcile.books_for_new_accounts import read_books_for_new_accounts
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.snapshot import CompanyIndex, RunSnapshot, not_bound_to_others


@dataclass(frozen=True, slots=True)
class BasicObservation:
    """The first look: the company, and the configuration as it came.

    document  None where none is compared
    read_at   when its answer was there, by the environment's monotonic clock
    """

    company: Company | Absent | Unread
    same_name_companies: tuple[Company, ...] = ()
    document: bytes | Unread | None = None
    name_holder: str | None = None
    similar_names: tuple[SimilarName, ...] = ()
    read_at: float = 0.0


async def observe(merchant: str, snapshot: RunSnapshot) -> Observed:
    """One merchant, as it stands."""
    return await observe_details(merchant, await observe_basic(merchant, snapshot), snapshot)


async def observe_basic(merchant: str, snapshot: RunSnapshot) -> BasicObservation:
    """What every look costs: the company where the listing lacks it, and at most one configuration."""
    found, namesakes = await _company_and_namesakes(merchant, snapshot)
    if isinstance(found, Absent):
        alike = snapshot.similar_names.similar_to(merchant, snapshot.desired[merchant].company_name)
        return BasicObservation(found, namesakes, name_holder=_name_holder(merchant, snapshot), similar_names=alike)
    if not isinstance(found, Company) or not has_both_links(found):
        return BasicObservation(found, namesakes)
    document = await _read_document(snapshot.run.api, found.id)
    return BasicObservation(found, namesakes, document, read_at=snapshot.run.environment.monotonic())


async def observe_details(merchant: str, basic: BasicObservation, snapshot: RunSnapshot) -> Observed:
    """The basic observation read closely, with the further reads that it calls for."""
    listed = snapshot.company_index is not None and snapshot.company_index.listing.complete
    observed = Observed(
        basic.company,
        basic.same_name_companies,
        basic.name_holder,
        listing_is_complete=listed,
        similar_names=basic.similar_names,
    )
    if not isinstance(basic.company, Company) or basic.document is None:
        return observed
    return await _observe_configuration(observed, basic, basic.company.id, merchant, snapshot)


def has_both_links(company: Company) -> bool:
    """Whether a configuration can be read and would be compared: a Linked connection of each kind."""
    linked = {each.source_type.lower() for each in company.connections if each.status == LINKED}
    return {"commerce", "accounting"} <= linked


async def _company_and_namesakes(
    merchant: str, snapshot: RunSnapshot
) -> tuple[Company | Absent | Unread, tuple[Company, ...]]:
    recorded = snapshot.recorded_state(merchant)
    found = (
        await _find_bound_company(recorded.company_id, recorded, snapshot)
        if recorded.company_id
        else _find_unbound_company(merchant, snapshot)
    )
    name = snapshot.desired[merchant].company_name
    others = (
        not_bound_to_others(snapshot.company_index.named(name), merchant, snapshot.merchant_by_company_id)
        if snapshot.company_index
        else ()
    )
    known = found.id if isinstance(found, Company) else None
    return found, tuple(each for each in others if each.id != known)


async def _find_bound_company(
    company_id: str, recorded: RecordedState, snapshot: RunSnapshot
) -> Company | Absent | Unread:
    """By the listing where that has all we bound; what it lacks is read by id: a listing alone proves nothing."""
    listed = snapshot.company_index.by_id.get(company_id) if snapshot.company_index else None
    # A list may lag behind what we created: without the connection that we bound it is not believed about it.
    if listed and recorded.connection_id in (None, *(each.id for each in listed.connections)):
        return _unread_if_partly_unreadable(listed)
    by_id = snapshot.company_index.unlisted.get(company_id) if snapshot.company_index else None
    found = await _answer_or_unread(snapshot.run.api.company(company_id)) if by_id is None else by_id
    if isinstance(found, Company):
        snapshot.run.on_company_read(found)
    return await absent_if_unlisted(company_id, snapshot) if isinstance(found, Absent) else found


def _unread_if_partly_unreadable(company: Company) -> Company | Unread:
    return (
        Unread(f"the list of companies cannot be read there: {company.unreadable_parts}")
        if company.unreadable_parts
        else company
    )


async def absent_if_unlisted(company_id: str, snapshot: RunSnapshot) -> Absent | Unread:
    """What it means that Codat says of this id that it is not there. One listing serves all who ask."""
    company_index = snapshot.company_index or await snapshot.company_index_for_absence(
        lambda: relist_companies(snapshot)
    )
    listing = company_index.listing
    if not listing.complete:
        return Unread(
            f"Codat says that company {company_id} is not there, but not all are listed: {listing.incomplete_reason}"
        )
    if any(each.id == company_id for each in listing.companies):
        return Unread(f"Codat says that company {company_id} is not there, and lists it")
    return Absent()


MAX_EXTRA_COMPANY_READS = 3
"""So many bound companies that a run is not about are read by id, too, where the list lacks them: one that is there
proves as much, and where many are gone for good it does not cost a request for each."""


async def relist_companies(snapshot: RunSnapshot, made: Iterable[str] = ()) -> CompanyIndex:
    """All companies as they are listed by now, held against those that are known to be there, `made` just now or bound.

    What a run concludes from a list that it did not begin with rests on this: what to create, what was not created.
    """
    about = {snapshot.recorded_state(name).company_id for name in snapshot.desired} | {*made}
    listing = await snapshot.run.api.companies()
    return await cross_check_listing(
        CompanyIndex.from_listing(listing), about, snapshot.merchant_by_company_id, snapshot.run.api
    )


async def cross_check_listing(
    company_index: CompanyIndex, about: Iterable[str | None], bound: Collection[str], api: Reader
) -> CompanyIndex:
    """The index, once those companies that it lacks and that we know were read by id.

    One that is there proves that the listing is not complete, whatever it says of itself. For those that a run is
    `about` it costs nothing more, since each would be read anyway; of the others that are `bound`, so many.
    """
    # There is nothing left to disprove; and one that failed lacks everybody, each of whom would cost a request.
    if not company_index.listing.complete:
        return company_index
    unlisted_bound = {each for each in about if each} - company_index.by_id.keys()
    others = sorted({*bound} - unlisted_bound - company_index.by_id.keys())[:MAX_EXTRA_COMPANY_READS]
    if not (unlisted_bound or others):
        return company_index
    ids = sorted({*unlisted_bound, *others})
    answers_by_id = await _read_at_once(ids, api)
    found = [company_id for company_id, answer in answers_by_id.items() if isinstance(answer, Company)]
    if not found:
        return replace(company_index, unlisted=answers_by_id)
    why = f"company {found[0]} is there, and the list of companies lacks it"
    listing = replace(company_index.listing, complete=False, incomplete_reason=why)
    return replace(company_index, listing=listing, unlisted=answers_by_id)


async def _read_at_once(company_ids: Iterable[str], api: Reader) -> dict[str, Company | Absent | Unread]:
    """By id what Codat says of each. What ends the run ends the reads that are left, too: there may be thousands."""
    try:
        async with asyncio.TaskGroup() as reads:
            tasks = {each: reads.create_task(_company_or_unread(each, api)) for each in company_ids}
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return {company_id: task.result() for company_id, task in tasks.items()}


async def _company_or_unread(company_id: str, api: Reader) -> Company | Absent | Unread:
    """No merchant has its turn here: a fault of ours about one company would be the end of all."""
    try:
        return await _answer_or_unread(api.company(company_id))
    except Exception as error:
        if ends_run(error):
            raise
        return Unread(log_internal_error(f"company {company_id}", error))


def _find_unbound_company(merchant: str, snapshot: RunSnapshot) -> Company | Absent | Unread:
    assert snapshot.company_index is not None, "a merchant without a company id needs the listing"
    if not snapshot.company_index.listing.complete:
        return Unread(snapshot.company_index.listing.incomplete_reason)
    named = not_bound_to_others(
        snapshot.company_index.named(snapshot.desired[merchant].company_name), merchant, snapshot.merchant_by_company_id
    )
    return _unread_if_partly_unreadable(named[0]) if named else Absent()


def _name_holder(merchant: str, snapshot: RunSnapshot) -> str | None:
    """Whose company bears the wanted name, unless that one is about to be renamed itself."""
    name = snapshot.desired[merchant].company_name
    named = snapshot.company_index.named(name) if snapshot.company_index else ()
    owners = (owner for each in named if (owner := snapshot.merchant_by_company_id.get(each.id, merchant)) != merchant)
    return next((owner for owner in owners if not _will_be_renamed(name, snapshot.desired.get(owner))), None)


def _will_be_renamed(name: str, owner: DesiredMerchant | None) -> bool:
    if owner is None or owner.removal:
        return False
    return owner.company_name != name and owner.policy.drift is DriftPolicy.CORRECT


def unread_field_reason(live: Configuration, wanted: DesiredMerchant) -> str:
    """The first part of a document that matters here and is in a form that we do not know; nothing where none does.

    It matters where the manifest declares the field, and where a selection may or may not be among its options.
    """
    declared = (
        {resolve_live_path(live.values, path) or path for path in wanted.fields} if live.unreadable_fields else set()
    )
    gone = find_dangling_selections(live) if live.unreadable_fields else {}
    return next((why for path, why in live.unreadable_fields.items() if path in declared or path in gone), "")


def reparse_at(now: datetime, observed: Observed) -> Observed:
    """What was observed, as of another instant: where live keeps a time zone, its hour is another by another clock."""
    live = observed.configuration
    return (
        replace(observed, configuration=read_configuration(live.document, now))
        if isinstance(live, Configuration)
        else observed
    )


async def _observe_configuration(
    observed: Observed, basic: BasicObservation, company_id: str, merchant: str, snapshot: RunSnapshot
) -> Observed:
    live = _parse_document(basic.document, snapshot.run.service_now())
    if isinstance(live, Configuration) and (unread := unread_field_reason(live, snapshot.desired[merchant])):
        live = Unread(f"a configuration document cannot be read: {unread}")
    observed = replace(observed, configuration=live)
    if isinstance(live, Unread):
        return replace(
            observed,
            data_status=None if live.failed else await _answer_or_unread(snapshot.run.api.data_status(company_id)),
        )
    # Who failed before it was ever configured may have been refused because of data that the document does not show.
    failed_at_first = merchant in snapshot.quarantined and not live.configured
    if snapshot.always_reads_data_status(merchant) or needs_data_status(live) or failed_at_first:
        observed = replace(observed, data_status=await _answer_or_unread(snapshot.run.api.data_status(company_id)))
    if snapshot.recorded_state(merchant).last_configured_at and not live.configured:
        last = await _answer_or_unread(snapshot.run.api.synchronised_until(company_id))
        observed = replace(
            # Unread, it may have been a moment ago: a start date is then judged so that nothing is booked twice.
            observed,
            last_successful_sync=snapshot.run.service_now() if isinstance(last, Unread) else last,
        )
    observed = replace(observed, records=await _read_dangling_records(snapshot.run.api, company_id, live))
    return await _observe_books_for_new_accounts(observed, live, merchant, snapshot)


async def _observe_books_for_new_accounts(
    observed: Observed, live: Configuration, merchant: str, snapshot: RunSnapshot
) -> Observed:
    """Where a reference that may have an account created finds nothing: what has to be known before that."""
    wanted, run = snapshot.desired[merchant], snapshot.run
    lacking, company = unresolved_new_accounts(wanted.fields, live), observed.company
    if not lacking or not isinstance(company, Company):
        return observed
    linked = [each for each in company.connections if each.status == LINKED and each.platform == wanted.platform]
    if len(linked) != 1:
        return observed
    reading = read_books_for_new_accounts(run.api, company.id, linked[0].id, lacking, run.service_now())
    status = observed.data_status or await _answer_or_unread(run.api.data_status(company.id))
    return replace(observed, books_for_new_accounts=await _answer_or_unread(reading), data_status=status)


async def _read_document(api: Reader, company_id: str) -> bytes | Unread:
    try:
        return await api.configuration(company_id)
    except DataNotReady as error:
        return Unread(str(error), failed=False)
    except RemoteError as error:
        return Unread(str(error))


def _parse_document(document: bytes | Unread | None, now: datetime) -> Configuration | Unread:
    """A document of a shape that we do not know is one that we could not read."""
    if not isinstance(document, bytes):
        return document or Unread("not needed", failed=False)
    try:
        return read_configuration(document, now)
    except RemoteError as error:
        return Unread(str(error))


async def _read_dangling_records(
    api: Reader, company_id: str, live: Configuration
) -> Mapping[tuple[str, str], BooksRecord | Absent | Unread]:
    """One read per selection that its own options lack: it tells archived from deleted."""
    gone = {(kind, option.id) for path, option in find_dangling_selections(live).items() if (kind := ref_kind(path))}
    return {
        (str(kind), id_): await _answer_or_unread(api.books_record(company_id, kind, id_)) for kind, id_ in sorted(gone)
    }


T = TypeVar("T")


async def _answer_or_unread(answer: Awaitable[T]) -> T | Unread:
    """An answer, or why there is none."""
    try:
        return await answer
    except RemoteError as error:
        return Unread(str(error))
