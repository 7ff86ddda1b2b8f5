"""The whole state of Codat's side: tables of frozen rows, a clock, a scheduler, and subscribers to events.

How the subjects of this package share one world
------------------------------------------------
*State* lives in named tables: `world.table("rules")` is a dict of key → row. A row is a **value**: put a
new one in its place, never change one that is in a table. That is what makes an exact earlier version
cheap (the `stale` fault) and saving simple. Rows of your tables must be JSON values (dicts, lists, strings,
numbers); `world.companies` holds `company_records.CompanyRecord` (also frozen: `dataclasses.replace`). Module globals
hold no state: `reset` empties the tables and the scheduler, and that must be all.

*Time* is `world.now()`, an aware UTC datetime; `clock.format_timestamp(moment)` writes it as Codat does. What
happens later is scheduled with `world.scheduler.call_at(moment, action)`; `action()` takes no argument, looks at the
world again and runs while `world.now()` is its moment, on the event loop, between two requests. Scheduled
actions do not survive a restart: a subject that schedules any exports `resume(world) -> None`, called after a
data file was read, which schedules them again from its rows.

*Events*: `world.emit("connection.deleted", company_id, connection={...})` calls every subscriber with an
`ServiceEvent`; `world.subscribers.append(on_event)` in your `subscribe(world) -> None`, which `app.py` calls once.
Names are those of API notes 6.4 plus a few of our own:

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
                                   nobody validates; absent after a deletion or a switch-off
    client.rateLimit.reached, .reset   dailyQuota, quotaRemaining, expiryDate; the company id is ""

*HTTP*: every subject module `api_*.py` (or its own name) exports `routes: list[starlette.routing.Route]`,
one Route for each spelling, path parameters named as in API notes 3.0. Handlers are `async def
name(request: Request) -> Response`; helpers are in `http/handler_helpers.py`: `world_of(request)`,
`await json_body(request)`, `json_response(value, status=200)`, `empty_response(status=204)`,
`paged_response(request, items, path, kind)`. Refusals are raised as `errors.ApiError`. Read the body first, then do all
looking and changing without an `await` between: that is what makes a request atomic. `http/app.py` lists the modules;
auth, limits, faults, counting happen there.

*Other subjects' rules* are called, not repeated: `companies.find(world, id)` (404 if none),
`connections.find(company, id)` (404), `connections.first_linked(company, "Accounting")`,
`configuration_document.to_json(company)` (the whole configuration, options included),
`books.rows(company, platform_key, data_type)` (the merchant's books now),
`cached_books.cached_rows_json(company, connection, data_type)` (what was last pulled, as `/data/...` shows it; None if
never), `books.add_row(world, company_id, platform_key, data_type, fields)`,
`pulls.queue_pull_or_refuse(world, company_id, connection_id, data_type)` and `pulls.record_finished_pull(...)` (one
that has just finished), `configuration.disable_sync(world, company_id)`, `PLATFORMS.get(key)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

from controller.emulator.service.clock import LONG_AGO, Clock, Scheduler
from controller.emulator.service.company_records import CompanyRecord

TableRow = TypeVar("TableRow")
CLIENT_NAME = "Example Client"
DEFAULT_API_KEY = "emulator"


@dataclass(slots=True)
class EmulatorSettings:
    """How this copy of Codat behaves where the API notes leave a choice; changed by a control only."""

    api_key: str = DEFAULT_API_KEY
    base_url: str = "http://127.0.0.1:8787"
    account: str | None = None
    """Whose copy this is, the client's id (API notes 3.16); None: the data file's, else a new one."""
    merge: bool = False
    """POST of a configuration merges instead of replacing (API notes 4.6)."""
    strict: bool = False
    """Refuse what a wrong client sends and a lenient service lets pass (API notes 1.4, 3.2 #7)."""
    push_visible_at_once: bool = False
    """A pushed account is in the cache without a pull, as until January 2024 (API notes 3.11)."""
    refuse_duplicates: bool = False
    """A scheduled sync over a time that a manual one took is refused, not repeated (API notes 7 #49)."""
    product_categories: bool = False
    """Uploaded product categories become rows of the sales mapping (API notes 3.13 #42)."""
    sync_seconds: float = 5.0
    """How long a commerce sync takes to write what it has to write."""
    company_limit: int | None = None
    """402 beyond so many companies."""
    outdated_keys: tuple[str, ...] = ()
    """Keys that get 403."""
    maintenance: bool = False
    """503 for everything."""
    account_hidden: bool = False
    """403 for `GET /profile/syncSettings`, which tells the client's id: not every key may ask."""
    idempotency_keys: bool = True
    """Honour `Idempotency-Key`, as Codat came to do later; off, it is ignored (API notes 1.9)."""
    tidy_names: bool = False
    """White space of company names is trimmed and collapsed (API notes 3.1 leaves that open)."""
    sort_lists: bool = False
    """Lists of a configuration are kept in an order of Codat's own."""
    lower_words: bool = False
    """Words of a configuration are kept in lower case, whatever case they came in."""


class Table(dict[str, TableRow], Generic[TableRow]):
    """Rows by key, in order of insertion; counts changes, and tracks the keys changed since the last save."""

    def __init__(self, rows: Mapping[str, TableRow] | None = None) -> None:
        super().__init__(rows or {})
        self.changed_keys: dict[str, None] = {}
        self.change_count = 0

    def __setitem__(self, key: str, row: TableRow) -> None:
        super().__setitem__(key, row)
        self.changed_keys[key] = None
        self.change_count += 1

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.changed_keys[key] = None
        self.change_count += 1

    def clear(self) -> None:
        self.changed_keys.update(dict.fromkeys(self))
        super().clear()
        self.change_count += 1


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """Something happened to a company (or, with an empty id, to the client)."""

    name: str
    company_id: str
    at: datetime
    details: Mapping[str, Any]
    account: str = ""
    """The client's id."""


Subscriber = Callable[[ServiceEvent], None]


@dataclass(slots=True)
class World:
    """Everything that Codat's side knows; see the module's docstring for how to use it."""

    settings: EmulatorSettings = field(default_factory=EmulatorSettings)
    clock: Clock = field(default_factory=Clock)
    scheduler: Scheduler = field(default_factory=Scheduler)
    companies: Table[CompanyRecord] = field(default_factory=Table)
    tables: dict[str, Table[Any]] = field(default_factory=dict)
    subscribers: list[Subscriber] = field(default_factory=list)
    encoded_documents: dict[str, tuple[CompanyRecord, bytes]] = field(default_factory=dict)
    """Configuration documents as last encoded, with the row that they show."""
    account: str = ""
    """The client's id: the one thing that no reset changes."""
    alive_until: datetime = LONG_AGO
    """The emulated moment up to which a world read from a data file had lived: what came after is due."""
    _before_last_write: World | None = None
    _snapshots: dict[str, World] = field(default_factory=dict)
    _initial_settings: EmulatorSettings = field(init=False)
    _generation: int = 0
    """How often the world was reset: a write that began before a reset keeps no earlier world."""

    def __post_init__(self) -> None:
        self._initial_settings = replace(self.settings)
        self.account = self.account or self.settings.account or str(uuid4())

    def now(self) -> datetime:
        """The emulated moment, UTC."""
        return self.clock.now()

    def table(self, name: str) -> Table[Any]:
        """The table of that name, empty at first."""
        return self.tables.setdefault(name, Table())

    def emit(self, event_name: str, company_id: str, **details: Any) -> None:
        """Call every subscriber, immediately and in order."""
        event = ServiceEvent(event_name, company_id, self.now(), details, self.account)
        for subscriber in self.subscribers:
            subscriber(event)

    def run_due(self) -> None:
        """Run all due actions, each with the clock stopped at its due time."""
        now = self.now()
        while due := self.scheduler.pop_due(now):
            moment, action = due
            with self.clock.frozen_at(moment):
                action()

    @contextmanager
    def keeping_previous_world(self) -> Iterator[None]:
        """Keep the world before the block for `world_before_last_write`, if the block changes it and succeeds."""
        before, changes_before, generation = self._copy(), self._change_count(), self._generation
        yield
        if self._change_count() != changes_before and self._generation == generation:
            self._before_last_write = before

    def _change_count(self) -> int:
        return self.companies.change_count + sum(rows.change_count for rows in self.tables.values())

    def _copy(self) -> World:
        """An immutable copy of the current world: rows are values, so only the tables are copied."""
        copy = World(
            settings=self.settings,
            account=self.account,
            companies=Table(self.companies),
            tables={name: Table(rows) for name, rows in self.tables.items()},
        )
        copy.clock.freeze_at(self.now())
        return copy

    def world_before_last_write(self, max_age_s: float) -> World | None:
        """The world as it was before the last write, if that was within so many emulated seconds."""
        if self._before_last_write is None:
            return None
        age = self.now() - self._before_last_write.now()
        return self._before_last_write if age.total_seconds() <= max_age_s else None

    def take_snapshot(self, name: str = "") -> None:
        """Keep all of it for `restore`, until the next of that name; the one without a name until a reset."""
        snapshot = self._copy()
        snapshot.settings, snapshot.scheduler = replace(self.settings), self.scheduler.copy()
        snapshot.clock = Clock(self.clock.offset)
        self._snapshots[name] = snapshot

    def restore(self, name: str = "") -> bool:
        """All of it as in the snapshot, with a clock that went on since; False where there is none of that name."""
        snapshot = self._snapshots.get(name)
        if snapshot is None:
            return False
        unnamed = self._snapshots.get("")
        self.reset()
        if unnamed:
            self._snapshots[""] = unnamed
        for key, company in snapshot.companies.items():
            self.companies[key] = company
        for table_name, rows in snapshot.tables.items():
            for key, row in rows.items():
                self.table(table_name)[key] = row
        self.settings, self.scheduler = replace(snapshot.settings), snapshot.scheduler.copy()
        self.clock.advance(snapshot.clock.offset)
        return True

    def reset(self) -> None:
        """An empty world on the real time, with the settings it was started with."""
        for rows in (self.companies, *self.tables.values()):
            rows.clear()
        self.settings = replace(self._initial_settings)
        self.scheduler.clear()
        self.clock = Clock()
        self.encoded_documents.clear()
        self._before_last_write = None
        self._snapshots.pop("", None)
        self._generation += 1
