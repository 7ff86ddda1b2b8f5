"""What is remembered of a company's syncs, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.emulator.clock import instant
from controller.emulator.world import World

SYNCS = "syncs"

IN_PROGRESS, PUSHED, NOTHING_TO_PUSH = 1000, 2000, 2040
BAD_MAPPING, SEVERED, DUPLICATE, NO_DATA = 4000, 4040, 5080, 5120

Sync = Mapping[str, Any]
"""One sync as it is kept: JSON values; `service.summary` shows it."""


def syncs(world: World, company_id: str) -> Sequence[Sync]:
    """A company's syncs, oldest first."""
    found: Sequence[Sync] = world.table(SYNCS).get(company_id, [])
    return found


def synced_until(world: World, company_id: str) -> datetime | None:
    """The latest end of a range that was synchronised with success."""
    ends = [instant(each["finish"]) for each in syncs(world, company_id) if is_success(each["code"])]
    return max(ends, default=None)


def is_success(code: int) -> bool:
    """2xxx."""
    return code // 1000 == 2


def overlaps(world: World, company_id: str, start: datetime, finish: datetime) -> bool:
    """Whether a range touches one that was synchronised, or that is being so."""
    return any(
        instant(each["start"]) < finish and start < instant(each["finish"])
        for each in syncs(world, company_id)
        if is_success(each["code"]) or each["code"] == IN_PROGRESS
    )


def synced_at(world: World, company_id: str) -> datetime | None:
    """When the last successful sync began: what came in later, it has not seen."""
    moments = [instant(each["began"]) for each in syncs(world, company_id) if is_success(each["code"])]
    return max(moments, default=None)


def booked_before(world: World, company_id: str, records: Sequence[str]) -> int:
    """How many of these records an earlier sync has written already."""
    if not records:
        return 0
    known = {key for each in syncs(world, company_id) if each["pushed"] for key in each["records"]}
    return sum(key in known for key in records)
