"""What the API says of one merchant, read as sparingly as may be, and how sure that is.

a sweep        the listing, and one configuration per merchant whose two connections are Linked
one target     its company by id instead of the listing
only if needed data status, the rows of dangling selections, the last successful sync
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from controller.codat.convert import read_configuration
from controller.model.errors import NotReady, RemoteError, Unauthorized
from controller.model.merchant import Drift, Wanted
from controller.model.observed import (
    LINKED,
    Absent,
    Company,
    Configuration,
    Memory,
    Observed,
    Record,
    Unread,
)
from controller.model.values import ref_kind
from controller.planning.references import dangling
from controller.reconcile.ports import Reading
from controller.reconcile.world import World, free


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The first look: the company, and the configuration as it came. `document` is None where none is compared."""

    company: Company | Absent | Unread
    namesakes: tuple[Company, ...] = ()
    document: bytes | Unread | None = None
    holder: str | None = None


async def observe(merchant: str, world: World) -> Observed:
    """One merchant, as it stands."""
    return await inspect(merchant, await glance(merchant, world), world)


async def glance(merchant: str, world: World) -> Glimpse:
    """What every look costs: the company where the listing lacks it, and at most one configuration."""
    found, namesakes = await _company(merchant, world)
    if isinstance(found, Absent):
        return Glimpse(found, namesakes, holder=_holder(merchant, world))
    if not isinstance(found, Company) or not both_linked(found):
        return Glimpse(found, namesakes)
    return Glimpse(found, namesakes, await _document(world.api, found.id))


async def inspect(merchant: str, glimpse: Glimpse, world: World) -> Observed:
    """The glimpse read closely, with the further reads that it calls for."""
    seen = Observed(glimpse.company, glimpse.namesakes, glimpse.holder)
    if not isinstance(glimpse.company, Company) or glimpse.document is None:
        return seen
    return await _inside(seen, glimpse, glimpse.company.id, world.memory(merchant), world)


def both_linked(company: Company) -> bool:
    """Whether a configuration can be read and would be compared: a Linked connection of each kind."""
    linked = {each.source_type.lower() for each in company.connections if each.status == LINKED}
    return {"commerce", "accounting"} <= linked


async def _company(merchant: str, world: World) -> tuple[Company | Absent | Unread, tuple[Company, ...]]:
    memory = world.memory(merchant)
    found = await _bound(memory.company_id, memory, world) if memory.company_id else _unbound(merchant, world)
    name = world.wanted[merchant].company_name
    others = free(world.inventory.by_name.get(name, ()), merchant, world.claimed) if world.inventory else ()
    known = found.id if isinstance(found, Company) else None
    return found, tuple(each for each in others if each.id != known)


async def _bound(company_id: str, memory: Memory, world: World) -> Company | Absent | Unread:
    """By the listing where that has all we bound; what it lacks is asked for by id: a listing alone proves nothing."""
    listed = world.inventory.by_id.get(company_id) if world.inventory else None
    if listed and memory.connection_id in (None, *(each.id for each in listed.connections)):
        return listed
    return await _read(world.api.company(company_id))


def _unbound(merchant: str, world: World) -> Company | Absent | Unread:
    assert world.inventory is not None, "a merchant without a company id needs the listing"
    if not world.inventory.listing.complete:
        return Unread(world.inventory.listing.why)
    named = free(world.inventory.by_name.get(world.wanted[merchant].company_name, ()), merchant, world.claimed)
    return named[0] if named else Absent()


def _holder(merchant: str, world: World) -> str | None:
    """Whose company bears the wanted name, unless that one is about to be renamed itself."""
    name = world.wanted[merchant].company_name
    named = world.inventory.by_name.get(name, ()) if world.inventory else ()
    owners = (owner for each in named if (owner := world.claimed.get(each.id, merchant)) != merchant)
    return next((owner for owner in owners if not _gives_up(name, world.wanted.get(owner))), None)


def _gives_up(name: str, owner: Wanted | None) -> bool:
    if owner is None or owner.retired:
        return False
    return owner.company_name != name and owner.policy.drift is Drift.CORRECT


async def _inside(seen: Observed, glimpse: Glimpse, company_id: str, memory: Memory, world: World) -> Observed:
    live = _configuration(glimpse.document, world.now())
    seen = replace(seen, configuration=live)
    if isinstance(live, Unread):
        return replace(seen, pulls=None if live.failed else await _read(world.api.data_status(company_id)))
    if world.data or not live.configured or not live.offers_options:
        seen = replace(seen, pulls=await _read(world.api.data_status(company_id)))
    if memory.configured_at and not live.configured:
        last = await _read(world.api.last_successful_sync(company_id))
        seen = replace(seen, last_success=world.now() if isinstance(last, Unread) else last)
    return replace(seen, records=await _records(world.api, company_id, live))


async def _document(api: Reading, company_id: str) -> bytes | Unread:
    try:
        return await api.configuration(company_id)
    except NotReady as error:
        return Unread(str(error), failed=False)
    except Unauthorized:
        raise
    except RemoteError as error:
        return Unread(str(error))


def _configuration(document: bytes | Unread | None, now: datetime) -> Configuration | Unread:
    """A document of a shape that we do not know is one that we could not read."""
    if not isinstance(document, bytes):
        return document or Unread("not needed", failed=False)
    try:
        return read_configuration(document, now)
    except RemoteError as error:
        return Unread(str(error))


async def _records(
    api: Reading, company_id: str, live: Configuration
) -> Mapping[tuple[str, str], Record | Absent | Unread]:
    """One read per selection that its own options lack: it tells archived from deleted."""
    gone = {(kind, option.id) for path, option in dangling(live).items() if (kind := ref_kind(path))}
    return {(str(kind), id_): await _read(api.record(company_id, kind, id_)) for kind, id_ in sorted(gone)}


T = TypeVar("T")


async def _read(answer: Awaitable[T]) -> T | Unread:
    """An answer, or why there is none; a refused key ends the run."""
    try:
        return await answer
    except Unauthorized:
        raise
    except RemoteError as error:
        return Unread(str(error))
