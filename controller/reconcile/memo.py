"""In sync before, and nothing moved since: in sync still, at the price of a hash instead of a parse.

same live bytes, company and connections · same manifest · same last applied and last sync · same UTC hours ·
same age of data → same verdict
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from importlib.metadata import version

from controller.model.merchant import Wanted
from controller.model.observed import Company, Memory
from controller.model.plan import Condition, DataAge, Plan, State, Truth
from controller.model.schedule import utc_hour
from controller.model.values import LOCAL_TIME, START_DATE, Clock, to_json
from controller.planning.plan import CONDITIONS
from controller.planning.reference_data import STALE
from controller.reconcile.observe import Glimpse
from controller.reconcile.record import Applied
from controller.reconcile.world import World

VERSION = version("merchantctl")
"""Another version may judge otherwise."""
ALL_MET = (*(Condition(kind, Truth.TRUE) for kind in CONDITIONS), Condition("Ready", Truth.TRUE))


def recognised(merchant: str, glimpse: Glimpse, world: World) -> Plan | None:
    """The plan of a merchant that is as it was when it was last found in sync; None where that is not known."""
    known, key = world.verdicts.get(merchant, ""), key_of(merchant, glimpse, world)
    if key is None or not known.startswith(key) or not isinstance(glimpse.company, Company):
        return None
    memory = world.memory(merchant)
    return Plan(
        merchant,
        State.IN_SYNC,
        conditions=ALL_MET,
        company_id=memory.company_id,
        connection_id=memory.connection_id,
        configured=True,
        fingerprint=known.removeprefix(key).strip(),
        data=_data(glimpse.company),
    )


def _data(company: Company) -> DataAge:
    """Of the one accounting connection: with two there would have been a finding, and no verdict."""
    return DataAge(next((each.last_sync for each in company.connections if each.source_type == "Accounting"), None))


def verdict_of(plan: Plan, glimpse: Glimpse, world: World) -> str | None:
    """What to remember of a plan that found nothing at all to say: its key and its fingerprint."""
    key = key_of(plan.merchant, glimpse, world)
    quiet = plan.state is State.IN_SYNC and not plan.findings and not plan.adopts
    ready = bool(plan.conditions) and all(each.status is Truth.TRUE for each in plan.conditions)
    return f"{key} {plan.fingerprint}" if key and quiet and ready else None


def key_of(merchant: str, glimpse: Glimpse, world: World) -> str | None:
    """Everything that a verdict rests on; None where a part of it was not read, or more is asked than it covers."""
    company = glimpse.company
    wanted, memory = world.wanted[merchant], world.memory(merchant)
    if not isinstance(company, Company) or not isinstance(glimpse.document, bytes) or memory.connection_id is None:
        return None
    if glimpse.namesakes or world.data:
        return None
    hours = _hour(wanted, world.now()), _live_hour(glimpse.document, world.now())
    standing = _standing(company, memory, world.now())
    facts = (VERSION, wanted.digest, hours, standing, _applied(memory), _last_sync(memory))
    return hashlib.sha256(repr(facts).encode() + glimpse.document).hexdigest()


def _hour(wanted: Wanted, now: datetime) -> int | None:
    clock, start = wanted.fields.get(LOCAL_TIME), wanted.fields.get(START_DATE)
    if not isinstance(clock, Clock):
        return None
    return utc_hour(clock, now, start if isinstance(start, datetime) else None)


def _live_hour(document: bytes, now: datetime) -> str:
    """Where live may have a time zone of its own, its hour moves without a byte: such a verdict is good for an hour."""
    zoned = document.count(b'"timeZone"') > document.count(b'"timeZone":null')
    return f"{now:%Y-%m-%dT%H}" if zoned else ""


def _standing(company: Company, memory: Memory, now: datetime) -> tuple[object, ...]:
    connections = tuple((each.id, each.platform, each.source_type, each.status) for each in company.connections)
    stale = any(each.last_sync and now - each.last_sync > STALE for each in company.connections)
    return company.id, company.name, connections, memory.company_id, memory.connection_id, stale


def _last_sync(memory: Memory) -> tuple[object, ...]:
    """Another day without a sync may be one too many."""
    sync = memory.sync
    return (sync.code, sync.message, sync.days_without) if sync else ()


def _applied(memory: Memory) -> str:
    """As state keeps it, where it comes from there."""
    if isinstance(memory.applied, Applied):
        return memory.applied.text
    return repr(sorted((path, repr(to_json(value))) for path, value in memory.applied.items()))
