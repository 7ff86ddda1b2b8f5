"""Creating a company or a connection, each with its intent on disk before the request leaves.

look: still not there? → intent → request → settled in one commit
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from controller.codat.client import Client
from controller.codat.transport import NotWritten
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.errors import ApiUnusable, OutcomeUnknown, RemoteError
from controller.model.observed import PENDING_AUTH, Absent, Company, Listing
from controller.model.plan import Change, Plan
from controller.planning.connection import consent_finding
from controller.reconcile.fence import stop_for_lost_lock
from controller.reconcile.listing_for_creates import ListingForCreates
from controller.reconcile.merchant_progress import MerchantProgress
from controller.reconcile.observe import relist_companies
from controller.reconcile.snapshot import RunSnapshot, not_bound_to_others
from state import Intent, SeenCompanies
from state.errors import CompanyBeingCreated, CompanyTaken, LockEnded, StateLocked

MAX_STALE_LISTINGS = 5
"""So many listings in a row may grow old before the create that they were made for could leave."""


async def create_company(
    plan: Plan, _change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    """Creates it where a complete listing, begun after the plans and still fresh, has none of that name."""
    name = snapshot.desired[plan.merchant].company_name

    async def relist() -> Listing:
        return (await relist_companies(snapshot)).listing

    for _ in range(MAX_STALE_LISTINGS):
        listing = await snapshot.creates.take_listing_for_create(relist, snapshot.run.now)
        if listing.incomplete_reason:
            why = f"the companies could not be listed completely, so none is created: {listing.incomplete_reason}"
            raise progress.halted_as_failed(why, retryable=True)
        same_name = not_bound_to_others(listing.named(name), plan.merchant, snapshot.merchant_by_company_id)
        if same_name:
            ids = ", ".join(company.id for company in same_name)
            why = f"a company of the name {name!r} is there by now ({ids})"
            raise progress.halted_as_changed(why)
        company = await snapshot.run.api.read_then_write(
            partial(_create_if_listing_is_fresh, plan=plan, listing=listing, progress=progress, snapshot=snapshot)
        )
        if company:
            snapshot.creates.companies[plan.merchant] = company.id
            return progress.after_write(company_id=company.id)
    why = f"company {name!r} was not created: each listing had grown old before there was room in the budget to do it"
    raise progress.halted_as_failed(why, retryable=True)


async def _create_if_listing_is_fresh(
    api: Client, plan: Plan, listing: ListingForCreates, progress: MerchantProgress, snapshot: RunSnapshot
) -> Company | None:
    """None where the listing has grown old meanwhile, in the queue of the rate limiter or after a 429."""
    run = snapshot.run
    if not listing.is_fresh(run.now()):
        return None
    name = snapshot.desired[plan.merchant].company_name
    # The clocks of two machines differ a little.
    seen = SeenCompanies(listing.began - MAX_CLOCK_DIFFERENCE, listing.ids)
    try:
        async with intent_on_disk(plan, snapshot, "company", name=name, seen=seen) as intent:
            company = await progress.count_write(api.create_company(name, intent.key))
    except CompanyBeingCreated as problem:
        raise progress.halted_as_changed(str(problem)) from None
    # Outside of the intent's block: it is made. Should this fail, the intent stays open, and the next run finds it.
    try:
        await run.store.intents.settle_company(
            intent.id, plan.merchant, company_id=company.id, company_name=company.name, at=run.now()
        )
    except CompanyTaken as problem:  # made, and another process has found it for its merchant: nothing is open
        await run.store.intents.close(intent.id, outcome="done", at=run.now())
        raise progress.halted_as_failed(str(problem), retryable=True) from None
    return company


async def create_connection(
    plan: Plan, _change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    """Creates it where its company, read just before, has no accounting connection; to replace one, none such."""
    wanted, company_id = snapshot.desired[plan.merchant], progress.require_company_id()
    platform = wanted.platform
    assert platform is not None, "planning proposes no connection without a platform"

    async def read_then_create(api: Client) -> MerchantProgress:
        _halt_if_connected(await api.company(company_id), wanted.policy.replace_connection, progress)
        async with intent_on_disk(plan, snapshot, "connection", company_id=company_id, platform=platform) as intent:
            connection = await progress.count_write(api.create_connection(company_id, platform, intent.key))
        await snapshot.run.store.intents.settle_connection(
            intent.id, plan.merchant, connection_id=connection.id, at=snapshot.run.now()
        )
        findings = (consent_finding(plan.merchant, connection),) if connection.status == PENDING_AUTH else ()
        return progress.after_write(connection_id=connection.id, findings=findings)

    created = await snapshot.run.api.read_then_write(read_then_create)
    snapshot.creates.connections[plan.merchant] = (company_id, str(created.connection_id))
    return created


def _halt_if_connected(company: Company | Absent, replaced_by: str | None, progress: MerchantProgress) -> None:
    """`replaced_by`: only a connection of this platform is in the way; None: any one is."""
    if isinstance(company, Absent):
        why = "the company is not there any more, or not yet"
        raise progress.halted_as_failed(why, retryable=True)
    accounting = [
        each
        for each in company.connections
        if each.source_type.lower() == "accounting" and replaced_by in (None, each.platform)
    ]
    if accounting:
        ids = ", ".join(f"{each.id}, {each.platform}, {each.status}" for each in accounting)
        why = f"company {company.id} has an accounting connection by now ({ids})"
        raise progress.halted_as_changed(why)


@asynccontextmanager
async def intent_on_disk(
    plan: Plan,
    snapshot: RunSnapshot,
    kind: str,
    *,
    name: str = "",
    company_id: str | None = None,
    platform: str | None = None,
    seen: SeenCompanies | None = None,
) -> AsyncIterator[Intent]:
    """An intent on disk, and the lock proven with it, around the request that it announces.

    Refused or never sent: it is closed, and the next try has one of its own. Answer lost: it stays open, and
    `recover_intents` looks for what became of it. `seen`: as `Intents.begin` has it.
    """
    run = snapshot.run
    try:
        intent = await run.store.intents.begin(
            plan.merchant,
            kind,
            name=name,
            company_id=company_id,
            platform=platform,
            at=run.service_now(),
            seen=seen,
        )
    except (StateLocked, LockEnded) as error:
        raise stop_for_lost_lock(error, snapshot.run) from None
    try:
        yield intent
    # Before RemoteError, whose kind it is: what may have been done must not be closed as not done.
    except OutcomeUnknown:
        raise
    except (RemoteError, ApiUnusable, NotWritten):
        await run.store.intents.close(intent.id, outcome="not done", at=run.now())
        raise
