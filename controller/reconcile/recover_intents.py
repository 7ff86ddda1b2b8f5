"""Creates and deletes whose answer was lost: look before anything is done again.

request ── 5 s ── complete look ── there ─────────────────────────────────▶ ours: bound, closed
                      └─ not there ── 60 s ── complete look ── there ──▶ ours
                                                  └─ not there ──▶ closed, free to be created anew
                                                  └─ incomplete ─▶ stays open; nothing is created

The first wait is for a read that is answered from a slightly older copy, the second for a gateway that gives up while
Codat goes on: a create may be done after its answer was lost. Both are counted from the request, over all runs,
by Codat's clock: ours may have been put right meanwhile.
A delete may be asked for twice, so the first look is enough for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from controller.model.errors import RemoteError
from controller.model.observed import Absent
from controller.model.plan import ChangeKind
from controller.reconcile.apply_new_accounts import ACCOUNT_INTENT, ask_for_accounts_pull
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.merchant_lease import try_leases
from controller.reconcile.observe import relist_companies
from controller.reconcile.snapshot import CompanyIndex, RunSnapshot, not_bound_to_others
from state import Intent
from state.errors import CompanyTaken

CLOCK_GAP = timedelta(seconds=5)
"""Codat's clock is known to the second, and an operation is stamped by another one of its machines."""


def unsettled_reason(intent: Intent) -> str:
    """Why a merchant is left alone."""
    what = "a deletion" if intent.is_deletion else f"a {intent.kind} create"
    return f"{what} was begun at {intent.begun_at:%H:%M:%S} UTC and its answer was lost; it may be done still"


async def settle_intents(intents: Iterable[Intent], snapshot: RunSnapshot) -> tuple[Intent, ...]:
    """One look for all of these. Those that are still open come back: not found, and too early to say so."""
    # Before the listing: what is created while it is read may be missing in it.
    intents, began = tuple(intents), snapshot.run.service_now()
    listed = await relist_companies(snapshot) if any(intent.kind == "company" for intent in intents) else None
    for intent in intents:
        async with try_leases([intent.merchant], snapshot.run) as is_ours:
            # Where it is another's, the create is under way there; where that has ended meanwhile, so has the intent;
            # and where it was renamed meanwhile, what was made belongs to the new name.
            open_ = [(each.id, each.merchant) for each in await snapshot.run.store.intents.load_open()]
            if is_ours and (intent.id, intent.merchant) in open_:
                await _settle(intent, listed, began, snapshot)
    ids = {intent.id for intent in intents}
    return tuple(intent for intent in await snapshot.run.store.intents.load_open() if intent.id in ids)


async def _settle(intent: Intent, listed: CompanyIndex | None, began: datetime, snapshot: RunSnapshot) -> None:
    """One look for what the intent made. Where it does not come through, or what it finds was bound to another merchant
    just now, the intent stays open, and keeps the merchant from being created again."""
    try:
        found = await _find_result(intent, listed, snapshot)
        await _close_if_decided(intent, found, began, snapshot.run)
    except (RemoteError, CompanyTaken):
        return
    except Exception as error:  # every run comes through here: one merchant's would be the end of all
        if ends_run(error):
            raise
        log_internal_error(intent.merchant, error)


async def _close_if_decided(intent: Intent, found: str | Absent | None, began: datetime, run: RunContext) -> None:
    """Closes the intent where this look decides it, and notes a first look that found nothing."""
    if isinstance(found, str):
        now = run.now()
        match intent.kind:
            case "company":
                await run.store.intents.settle_company(
                    intent.id, intent.merchant, company_id=found, company_name=intent.name, at=now
                )
            case "connection":
                await run.store.intents.settle_connection(intent.id, intent.merchant, connection_id=found, at=now)
            case _:
                await run.store.intents.close(intent.id, outcome="done", at=now)
    # A look before its time may have been answered from a copy of before the request.
    elif found is None or began < run.recovery_times.next_look_at(intent):
        return
    elif intent.missed_at is None and not intent.is_deletion:
        # A gateway may give up while Codat goes on: what is not there yet may still come. The late look decides.
        await run.store.intents.mark_missed(intent.id, began)
    else:
        await run.store.intents.close(intent.id, outcome="not done", at=run.now())


async def _find_result(intent: Intent, listed: CompanyIndex | None, snapshot: RunSnapshot) -> str | Absent | None:
    """The id of what the intent made or deleted; Absent where a complete look lacks it; None where that is not sure.

    Raises RemoteError.
    """
    if intent.kind == "company":
        assert listed is not None, "settle_intents lists the companies where an intent is to create one"
        named = not_bound_to_others(listed.named(intent.name), intent.merchant, snapshot.merchant_by_company_id)
        if len(named) == 1:
            return named[0].id
        # Two of that name are not ours to choose from: as with none, the intent ends, and the plan asks a person.
        return Absent() if listed.listing.complete else None
    assert intent.company_id is not None
    if intent.kind == ACCOUNT_INTENT:
        return await _find_account_and_ask_for_pull(intent, intent.company_id, snapshot)
    company = await snapshot.run.api.company(intent.company_id)
    if intent.kind == "delete":
        return intent.company_id if isinstance(company, Absent) else Absent()
    connections = () if isinstance(company, Absent) else company.connections
    if intent.kind == ChangeKind.DELETE_CONNECTION:
        return Absent() if any(connection.id == intent.name for connection in connections) else intent.name
    # Oldest first (remote-api, Lists): should one have been there before ours after all, ours is the last.
    made = [connection.id for connection in connections if connection.platform == intent.platform]
    return made[-1] if made else Absent()


async def _find_account_and_ask_for_pull(intent: Intent, company_id: str, snapshot: RunSnapshot) -> str | Absent | None:
    """By the operations since then, which no name tells apart: the merchant's other creates wait for this one."""
    pushes = await snapshot.run.api.account_pushes(company_id)
    since = [each for each in pushes if each.requested_at is None or each.requested_at >= intent.begun_at - CLOCK_GAP]
    if any(each.is_pending for each in since):
        return None
    # One without a status counts as done: taken for undone, its account would be created a second time.
    if not any(each.status in ("Success", "Unknown") for each in since):
        return Absent()
    # Until its pull is asked for the intent stays: an account that was never pulled is offered for no selection.
    return intent.name if await ask_for_accounts_pull(company_id, snapshot) else None
