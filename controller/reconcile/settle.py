"""Creates and deletes whose answer was lost: look before anything is done again.

open intent ── complete look ── there ────────────────▶ ours: bound, closed
                    └─ not there ── wait once ── complete second look ── there ──▶ ours
                                                      └─ not there ──▶ closed, free to be created anew
                                                      └─ incomplete ─▶ stays open; nothing is created
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from controller.model.errors import RemoteError
from controller.model.observed import Absent, Company, Listing
from controller.reconcile.world import World, free
from state import Intent


async def settle(world: World, wait: float) -> frozenset[str]:
    """Settles every open intent; merchants whose intent could not be settled come back and are left alone.

    There is no second look to wait for where the service's quota is used up.
    """
    first = await _look(await world.store.open_intents(), world, last=False)
    if not first or world.api.resume_at:
        return frozenset(intent.merchant for intent in first)
    await asyncio.sleep(wait)
    return frozenset(intent.merchant for intent in await _look(first, world, last=True))


async def _look(intents: Iterable[Intent], world: World, *, last: bool) -> tuple[Intent, ...]:
    """One look for all of them; those not found come back, or are closed when this was the second complete look."""
    intents = tuple(intents)
    listing = await world.api.companies() if any(each.kind == "company" for each in intents) else None
    open_ = [intent for intent in intents if not await _settled(intent, listing, world, last)]
    return tuple(open_)


async def _settled(intent: Intent, listing: Listing | None, world: World, last: bool) -> bool:
    try:
        found = await _trace(intent, listing, world)
    except RemoteError:
        return False
    if isinstance(found, str):
        await _ours(intent, found, world)
        return True
    if found is None or not last:
        return False
    await world.store.close_intent(intent.id, outcome="not done", at=world.now())
    return True


async def _trace(intent: Intent, listing: Listing | None, world: World) -> str | Absent | None:
    """The id of what the intent made; Absent when a complete look did not find it; None when not sure."""
    if intent.kind == "company":
        assert listing is not None
        return _company_made(intent, listing, world)
    assert intent.company_id is not None
    company = await world.api.company(intent.company_id)
    if intent.kind == "delete":
        return intent.company_id if isinstance(company, Absent) else Absent()
    return _connection_made(intent, company)


def _company_made(intent: Intent, listing: Listing, world: World) -> str | Absent | None:
    named = free((each for each in listing.companies if each.name == intent.name), intent.merchant, world.claimed)
    if len(named) == 1:
        return named[0].id
    return Absent() if listing.complete else None


def _connection_made(intent: Intent, company: Company | Absent) -> str | Absent:
    connections = () if isinstance(company, Absent) else company.connections
    made = [each.id for each in connections if each.platform == intent.platform]
    return made[-1] if made else Absent()


async def _ours(intent: Intent, found: str, world: World) -> None:
    if intent.kind == "company":
        await world.store.settle_company(
            intent.id, intent.merchant, company_id=found, company_name=intent.name, at=world.now()
        )
    elif intent.kind == "connection":
        await world.store.settle_connection(intent.id, intent.merchant, connection_id=found, at=world.now())
    else:
        await world.store.close_intent(intent.id, outcome="done", at=world.now())
