"""One more look after the last create: whoever created at the same moment has not seen ours, nor we theirs.

made a company      ─▶ one listing         ┐ a second one of that name, a second connection of that kind:
made a connection   ─▶ its company, by id  ┘ failed, with the ids of both
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.model.errors import TransientError
from controller.model.observed import Absent, Company, Connection
from controller.model.report import Applied, ChangedSincePlan, Failed, Outcome
from controller.reconcile.load_snapshot import LISTING_PAGE_SIZE
from controller.reconcile.observe import relist_companies
from controller.reconcile.snapshot import CompanyIndex, RunSnapshot, not_bound_to_others


async def fail_concurrent_creates(snapshot: RunSnapshot, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """The outcomes of the merchants that turn out to have two of what we made just now: they have failed.

    A patient run waits as long as a read may lag behind. Raises RemoteError where the look does not come through.
    """
    run = snapshot.run
    made = snapshot.creates
    if not made.companies and not made.connections:
        return {}
    if run.waits_for_lost_creates:
        run.on_message("looking once more whether somebody else created the same at the same time")
        await run.stop.wait_unless_stopped(run.sleep(run.recovery_times.first_look_s))
    seen = await _reread_created_companies(snapshot)
    duplicates = {
        name: words for name, companies in seen.items() if (words := _duplicate_words(name, companies, snapshot))
    }
    return {name: _failed_as_duplicate(words, outcomes.get(name)) for name, words in duplicates.items()}


async def _reread_created_companies(snapshot: RunSnapshot) -> dict[str, tuple[Company, ...]]:
    """By merchant its own company, where that is seen, and those that bear its name. Raises RemoteError."""
    made = snapshot.creates
    ours = {name: company_id for name, (company_id, _) in made.connections.items()} | made.companies
    # A second connection is seen in the company itself. Beyond so many companies a listing of all costs fewer requests.
    if not made.companies and len(ours) <= 1 + len(snapshot.merchant_by_company_id) // LISTING_PAGE_SIZE:
        found = {name: await snapshot.run.api.company(company_id) for name, company_id in ours.items()}
        return {name: (company,) for name, company in found.items() if not isinstance(company, Absent)}
    seen = await relist_companies(snapshot, made=ours.values())
    if not seen.listing.complete:
        raise TransientError(seen.listing.incomplete_reason)
    return {name: _own_and_same_named(name, company_id, seen, snapshot) for name, company_id in ours.items()}


def _own_and_same_named(
    merchant: str, company_id: str, seen: CompanyIndex, snapshot: RunSnapshot
) -> tuple[Company, ...]:
    own = seen.by_id.get(company_id)
    named = not_bound_to_others(
        seen.named(snapshot.desired[merchant].company_name), merchant, snapshot.merchant_by_company_id
    )
    return (*((own,) if own else ()), *(each for each in named if each.id != company_id))


def _duplicate_words(merchant: str, companies: tuple[Company, ...], snapshot: RunSnapshot) -> str:
    """What there are two of since this run made one, with the ids of both; empty where there is one of each."""
    made = snapshot.creates
    others = [each.id for each in companies if each.id != made.companies.get(merchant)]
    if merchant in made.companies and others:
        name, ours = snapshot.desired[merchant].company_name, made.companies[merchant]
        return f"two companies of the name {name!r}: {ours} was made here, {', '.join(others)} by somebody else"
    company_id, connection_id = made.connections.get(merchant, ("", ""))
    own = next((each for each in companies if each.id == company_id), None)
    # Where a connection was replaced, the old one of another platform is there on purpose (decision 43).
    replaced_by = snapshot.desired[merchant].policy.replace_connection
    spare = [
        each.id
        for each in (own.connections if own and connection_id else ())
        if _is_duplicate(each, connection_id) and replaced_by in (None, each.platform)
    ]
    if not spare:
        return ""
    whose = f"{connection_id} was made here, {', '.join(spare)} by somebody else"
    return f"two accounting connections of company {company_id}: {whose}"


def _is_duplicate(connection: Connection, ours: str) -> bool:
    """Ours was made where there was no accounting connection at all."""
    return connection.source_type.lower() == "accounting" and connection.id != ours


def _failed_as_duplicate(words: str, before: Outcome | None) -> Failed:
    writes = before.writes if isinstance(before, Applied | Failed | ChangedSincePlan) else 0
    remedy = "at the same time; delete the one that nobody uses at Codat; then merchantctl plan"
    # Retryable: nothing in the manifest is wrong. Once a person has deleted one of the two, all is in order.
    return Failed(f"{words} {remedy}", retryable=True, writes=writes)
