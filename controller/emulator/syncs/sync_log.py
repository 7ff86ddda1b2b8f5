"""The log of a company's syncs, and questions about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from controller.emulator.service.clock import parse_timestamp
from controller.emulator.service.world import World

SYNCS_TABLE = "syncs"

IN_PROGRESS, PUSHED, NOTHING_TO_PUSH = 1000, 2000, 2040
INVALID_MAPPING, SEVERED, DUPLICATE, NO_DATA_UPLOADED = 4000, 4040, 5080, 5120


class SyncEntry(TypedDict):
    """One sync as it is stored; `endpoints.summary_json` shows it.

    kind        `scheduled`, `latest` or `historic`
    entries     what it writes into the books
    records     keys of the uploaded records behind the entries
    duplicates  how many of them an earlier sync has booked
    """

    id: str
    kind: str
    start: str
    finish: str
    began: str
    code: int
    status: str
    message: str | None
    raw: str | None
    pushed: bool
    entries: list[Mapping[str, Any]]
    records: list[str]
    duplicates: int


def syncs_of(world: World, company_id: str) -> Sequence[SyncEntry]:
    """A company's syncs, oldest first."""
    rows: Sequence[SyncEntry] = world.table(SYNCS_TABLE).get(company_id, [])
    return rows


def synced_until(world: World, company_id: str) -> datetime | None:
    """The latest end of a range that was synchronised with success."""
    ends = [parse_timestamp(sync["finish"]) for sync in syncs_of(world, company_id) if is_success(sync["code"])]
    return max(ends, default=None)


def is_success(code: int) -> bool:
    """Whether a code is 2xxx."""
    return code // 1000 == 2


def overlaps_earlier_sync(world: World, company_id: str, start: datetime, finish: datetime) -> bool:
    """Whether a range touches one that was synchronised, or that is being so."""
    return any(
        parse_timestamp(sync["start"]) < finish and start < parse_timestamp(sync["finish"])
        for sync in syncs_of(world, company_id)
        if is_success(sync["code"]) or sync["code"] == IN_PROGRESS
    )


def last_success_began_at(world: World, company_id: str) -> datetime | None:
    """When the last successful sync began: it has not seen records uploaded later."""
    begins = [parse_timestamp(sync["began"]) for sync in syncs_of(world, company_id) if is_success(sync["code"])]
    return max(begins, default=None)


def count_booked_before(world: World, company_id: str, records: Sequence[str]) -> int:
    """How many of these records an earlier sync has written already."""
    if not records:
        return 0
    booked = {key for sync in syncs_of(world, company_id) if sync["pushed"] for key in sync["records"]}
    return sum(key in booked for key in records)
