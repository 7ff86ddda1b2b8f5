"""Everything one run knows: the wishes, the memories, the inventory, the API, the store and the time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.model.merchant import Wanted
from controller.model.observed import Company, Listing, Memory
from controller.model.report import FleetReport
from controller.planning.holds import Hold
from controller.reconcile.ports import Api
from state import Quarantine, Store


@dataclass(frozen=True, slots=True)
class Inventory:
    """The listing, indexed. `None` instead of one means: not listed, every company is asked for by its id."""

    listing: Listing
    by_id: Mapping[str, Company]
    by_name: Mapping[str, tuple[Company, ...]]

    @classmethod
    def of(cls, listing: Listing) -> Inventory:
        names: dict[str, list[Company]] = defaultdict(list)
        for company in listing.companies:
            names[company.name].append(company)
        return cls(listing, {each.id: each for each in listing.companies}, {k: tuple(v) for k, v in names.items()})


@dataclass(slots=True)
class Stop:
    """Why nothing new is begun any more; it changes while a run runs.

    remedy  what to do before the rest can be done
    failed  merchants that failed since the last success, in their order
    """

    why: str | None = None
    remedy: str = ""
    resume_at: datetime | None = None
    signal: int | None = None
    failed: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def because(
        self, why: str, *, remedy: str = "", resume_at: datetime | None = None, signal: int | None = None
    ) -> None:
        """The first reason stays."""
        if self.why is None:
            self.why, self.remedy, self.resume_at, self.signal = why, remedy, resume_at, signal
            self.asked.set()

    def told_in(self, report: FleetReport) -> FleetReport:
        """The report, with why it ends where it ends."""
        return replace(report, stopped=self.why, remedy=self.remedy, resume_at=self.resume_at, signal=self.signal)


@dataclass(frozen=True, slots=True)
class World:
    """One run's view. `stopping` is set by a signal, a spent quota or a pause: nothing new is begun after it.

    claimed    company ids that state binds to some merchant
    verdicts   under which key each merchant was last found in sync; `judged` gathers this run's
    unsettled  merchants with a create whose outcome could not be seen: left alone
    holds      merchants that are left to a rollout; `freed` are those that it holds no more
    unattended nobody asked for this run: see `Leave`
    reads_before   reads that the client had sent before this look
    run        its number in the history, once it writes
    """

    api: Api
    store: Store
    wanted: Mapping[str, Wanted]
    memories: Mapping[str, Memory]
    inventory: Inventory | None
    claimed: Mapping[str, str]
    now: Callable[[], datetime]
    quarantined: Mapping[str, Quarantine]
    stopping: Stop
    verdicts: Mapping[str, str] = field(default_factory=dict)
    judged: dict[str, str] = field(default_factory=dict)
    data: bool = False
    unsettled: frozenset[str] = frozenset()
    holds: Mapping[str, Hold] = field(default_factory=dict)
    freed: tuple[str, ...] = ()
    unattended: bool = False
    reads_before: int = 0
    run: int = 0

    def memory(self, merchant: str) -> Memory:
        return self.memories.get(merchant, Memory())


def claims(memories: Mapping[str, Memory]) -> dict[str, str]:
    """Company id → merchant, of every binding that is not a tombstone."""
    return {memory.company_id: name for name, memory in memories.items() if memory.company_id and not memory.retired_at}


def free(companies: Iterable[Company], merchant: str, claimed: Mapping[str, str]) -> tuple[Company, ...]:
    """The companies that belong to no other merchant."""
    return tuple(company for company in companies if claimed.get(company.id, merchant) == merchant)
