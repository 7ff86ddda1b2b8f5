"""The remote side's whole state: tables of frozen rows, a clock, and who listens to what happens.

How the subjects of this package share one world
------------------------------------------------
*State* lives in named tables: `world.table("rules")` is a dict of key → row. A row is a **value**: put a
new one in its place, never change one that is in a table. That is what makes an exact earlier version
cheap (the `stale` fault) and saving simple. Rows of your tables must be JSON values (dicts, lists, strings,
numbers); `world.companies` holds `records.Company` (also frozen: `dataclasses.replace`). Module globals
hold no state: `reset` empties the tables and the agenda, and that must be all.

*Time* is `world.now()`, an aware UTC datetime; `clock.stamp(moment)` writes it as the service does. What
happens later is entered in `world.agenda.at(moment, action)`; `action()` takes no argument, looks at the
world anew and is run while `world.now()` is its moment, on the event loop, between two requests. Agenda
entries do not survive a restart: a subject that enters any exports `resume(world) -> None`, called after a
data file was read, which enters them again from its rows.

*Events*: `world.emit("connection.deleted", company_id, connection={...})` calls every subscriber with an
`Event`; `world.subscribers.append(hear)` in your `attach(world) -> None`, which `app.py` calls once.
Names are those of REFERENCE 6.4 plus a few of our own:

    company.created, .deleted      company: as the API shows it
    connection.created, .connected, .failed, .disconnected, .reconnected, .deleted
                                   company, connection: as the API shows them; oldStatus (None when
                                   created); severed: True when the merchant did it in the settings page;
                                   withCompany: True when it went because its company was deleted
    read.completed                 dataset: as pull history shows it, whatever its outcome;
                                   changed: whether the cache changed
    read.completed.initial         datasets: a connection's first pulls, once all are finished
    push.changed                   push: the operation as push history shows it, once it has ended
    {dataType}.write.successful, .unsuccessful   the same
    configuration.changed          checked: True after a POST or a form, False after a portal edit, which
                                   nobody validates; not told after a deletion or a switch-off
    client.rateLimit.reached, .reset   dailyQuota, quotaRemaining, expiryDate; the company id is ""

*HTTP*: every subject module `api_*.py` (or its own name) exports `routes: list[starlette.routing.Route]`,
one Route for each spelling, path parameters named as in REFERENCE 3.0. Handlers are `async def
name(request: Request) -> Response`; helpers are in `api.py`: `world_of(request)`, `await json_body(request)`,
`answer(value, status=200)`, `nothing(status=204)`, `listing(request, items, path, kind)`. Refusals are raised
as `errors.ApiError`. Read the body first, then do all looking and changing without an `await` between:
that is what makes a request atomic. `app.py` lists the modules; auth, limits, faults, counting happen there.

*Other subjects' rules* are called, not re-made: `companies.find(world, id)` (404 if none),
`connections.find(company, id)` (404), `connections.linked(company, "Accounting")`,
`configuration.document(company)` (the whole document, options included), `books.rows(company, platform_key,
data_type)` (the merchant's books now), `cache.held(company, connection, data_type)` (what was last pulled, as
`/data/...` shows it; None if never), `books.add(world, company_id, platform_key, data_type, fields)`,
`datasets.request(world, company_id, connection_id, data_type)` and `datasets.record(...)` (one that has just
finished), `configuration.switch_off(world, company_id)`, `platforms.PLATFORMS.get(key)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from controller.emulator.clock import NEVER, Agenda, Clock
from controller.emulator.records import Company

Row = TypeVar("Row")
CLIENT_ID = "3c1f0a52-6f0e-4b7c-9d55-0a1f7be2c901"
CLIENT_NAME = "Example Client"
DEFAULT_API_KEY = "emulator"


@dataclass(slots=True)
class Settings:
    """How this copy of the service behaves where REFERENCE leaves a choice; changed by a control only."""

    api_key: str = DEFAULT_API_KEY
    base_url: str = "http://127.0.0.1:8787"
    merge: bool = False
    """POST of a configuration merges instead of replacing (REFERENCE 4.6)."""
    strict: bool = False
    """Refuse what a wrong client sends and a lenient service lets pass (REFERENCE 1.4, 3.2 #7)."""
    push_visible_at_once: bool = False
    """A pushed account is in the cache without a pull, as until January 2024 (REFERENCE 3.11)."""
    refuse_duplicates: bool = False
    """A scheduled sync over a time that a manual one took is refused, not repeated (REFERENCE 7 #49)."""
    product_categories: bool = False
    """Uploaded product categories become rows of the sales mapping (REFERENCE 3.13 #42)."""
    sync_seconds: float = 5.0
    """How long a commerce sync takes to write what it has to write."""
    company_limit: int | None = None
    """402 beyond so many companies."""
    outdated_keys: tuple[str, ...] = ()
    """Keys that get 403."""
    maintenance: bool = False
    """503 for everything."""


class Table(dict[str, Row], Generic[Row]):
    """Rows by key, in order of entry; it counts changes, and knows which keys changed since the last save."""

    def __init__(self, rows: Mapping[str, Row] | None = None) -> None:
        super().__init__(rows or {})
        self.touched: dict[str, None] = {}
        self.changes = 0

    def __setitem__(self, key: str, row: Row) -> None:
        super().__setitem__(key, row)
        self.touched[key] = None
        self.changes += 1

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.touched[key] = None
        self.changes += 1

    def clear(self) -> None:
        self.touched.update(dict.fromkeys(self))
        super().clear()
        self.changes += 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a company (or, with an empty id, to the client)."""

    name: str
    company_id: str
    at: datetime
    details: Mapping[str, Any]


Subscriber = Callable[[Event], None]


@dataclass(slots=True)
class World:
    """Everything the service knows; see the module's docstring for how to live in it."""

    settings: Settings = field(default_factory=Settings)
    clock: Clock = field(default_factory=Clock)
    agenda: Agenda = field(default_factory=Agenda)
    companies: Table[Company] = field(default_factory=Table)
    tables: dict[str, Table[Any]] = field(default_factory=dict)
    subscribers: list[Subscriber] = field(default_factory=list)
    documents: dict[str, tuple[Company, bytes]] = field(default_factory=dict)
    """Configuration documents as last encoded, with the row that they show."""
    last_alive: datetime = NEVER
    """The emulated moment up to which a world read from a data file had lived: what came after is due."""
    _earlier: World | None = None
    _snapshot: World | None = None
    _started_with: Settings = field(init=False)
    _age: int = 0
    """How often the world was reset: nothing of an earlier age is ever seen again."""

    def __post_init__(self) -> None:
        self._started_with = replace(self.settings)

    def now(self) -> datetime:
        """The emulated moment, UTC."""
        return self.clock.now()

    def table(self, name: str) -> Table[Any]:
        """The table of that name, empty at first."""
        return self.tables.setdefault(name, Table())

    def emit(self, event_name: str, company_id: str, **details: Any) -> None:
        """Tell every subscriber, at once and in order."""
        event = Event(event_name, company_id, self.now(), details)
        for hear in self.subscribers:
            hear(event)

    def catch_up(self) -> None:
        """Do what has become due, each thing at its own moment."""
        now = self.now()
        while due := self.agenda.next_due(now):
            moment, action = due
            with self.clock.held_at(moment):
                action()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Inside, the world may be changed; what then did not change it, or was refused, was no write."""
        before, changes, age = self._copy(), self._changes(), self._age
        yield
        if self._changes() != changes and self._age == age:
            self._earlier = before

    def _changes(self) -> int:
        return self.companies.changes + sum(rows.changes for rows in self.tables.values())

    def _copy(self) -> World:
        """The world as it is now, for ever: rows are values, so only the tables are copied."""
        copy = World(
            settings=self.settings,
            companies=Table(self.companies),
            tables={name: Table(rows) for name, rows in self.tables.items()},
        )
        copy.clock.stop_at(self.now())
        return copy

    def before_last_write(self, no_older_than: float) -> World | None:
        """The world as it was before the last write, if that was within so many emulated seconds."""
        if self._earlier is None:
            return None
        age = self.now() - self._earlier.now()
        return self._earlier if age.total_seconds() <= no_older_than else None

    def take_snapshot(self) -> None:
        """Keep all of it for `restore`, until the next snapshot or reset."""
        snapshot = self._copy()
        snapshot.settings, snapshot.agenda = replace(self.settings), self.agenda.copy()
        snapshot.clock = Clock(self.clock.offset)
        self._snapshot = snapshot

    def restore(self) -> bool:
        """All of it as in the snapshot, with a clock that went on since; False where there is none."""
        snapshot = self._snapshot
        if snapshot is None:
            return False
        self.reset()
        for key, company in snapshot.companies.items():
            self.companies[key] = company
        for name, rows in snapshot.tables.items():
            for key, row in rows.items():
                self.table(name)[key] = row
        self.settings, self.agenda = replace(snapshot.settings), snapshot.agenda.copy()
        self.clock.advance(snapshot.clock.offset)
        self._snapshot = snapshot
        return True

    def reset(self) -> None:
        """An empty world on the real time, with the settings it was started with."""
        for rows in (self.companies, *self.tables.values()):
            rows.clear()
        self.settings = replace(self._started_with)
        self.agenda.clear()
        self.clock = Clock()
        self.documents.clear()
        self._earlier = self._snapshot = None
        self._age += 1
