"""Where the real things are put together: settings, manifests, state, the API client and the clock.

look             plan, drift, status: reads only, with a client that cannot write
plan_and_apply   plan everyone, judge once, ask, write
refresh          ask the service to pull reference data again
link             what to send to a merchant
sync, latest_sync, push   one merchant's manual sync, how the last one went, commerce data for it
look_up          every declared reference in its merchant's own books, nothing planned
import_fleet     the companies that exist, as manifests
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from controller.codat.client import open_client
from controller.codat.read_only import open_read_only
from controller.desired.fleet import load
from controller.model.commerce import uploads
from controller.model.errors import InvalidManifests, Locked, MerchantctlError, StateError, Transient, UsageError
from controller.model.lookup import FleetLookup
from controller.model.merchant import Fleet
from controller.model.observed import Company, Unread
from controller.model.report import FleetPlan, FleetReport
from controller.model.run import Leave, Scope
from controller.model.sync import Dataset, Prospect, Span, Sync, Unsent
from controller.planning.connection import choose
from controller.reconcile import syncing
from controller.reconcile.fleet import reconcile, think
from controller.reconcile.importing import Choice, Imported, Known, gather
from controller.reconcile.ledger import told
from controller.reconcile.lookup import look_up_all
from controller.reconcile.observe import observe
from controller.reconcile.record import memory_of
from controller.reconcile.refresh import refresh_all
from controller.reconcile.survey import Run, now, survey
from controller.reconcile.uploading import upload_all
from controller.reconcile.world import Stop, World
from controller.settings import Settings
from state import Owner, Store, open_state
from state.errors import StateLocked, StateUnusable

PACE = 950
"""Requests a minute that a plan's cost is reckoned with where the run itself is not paced."""

NOBODY = Fleet({}, frozenset(), (), whole=False, digest="")
"""The fleet of a folder without manifests."""

OnProgress = Callable[[int, int], None]


def silent(done: int, of: int) -> None:
    """The progress of a run that nobody watches."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an apply was told on the command line.

    agree         asked once, with the whole plan, before the first write
    saved         a saved plan's JSON, whose scope and fingerprints then hold
    lock_timeout  seconds to wait for another run
    """

    scope: Scope
    leave: Leave = field(default_factory=Leave)
    agree: Callable[[FleetPlan], bool] = lambda plan: False
    saved: Mapping[str, Any] | None = None
    parallelism: int | None = None
    lock_timeout: float = 0


async def look(
    settings: Settings, scope: Scope, *, strict: bool = True, data: bool = False, on_progress: OnProgress = silent
) -> FleetPlan:
    """Plans everyone in scope and judges the plans; writes nothing to the API.

    Not `strict`: what parses of broken manifests is reported on (`drift`), instead of InvalidManifests.
    """
    fleet = manifests(settings, scope, strict=strict)
    async with remembered(settings) as store, reading(settings) as api:
        run = run_of(settings, Order(scope), fleet, store, api, on_progress, data)
        return await told(await think(run, await survey(run), again=True), store)


async def look_up(settings: Settings, scope: Scope, on_progress: OnProgress = silent) -> FleetLookup:
    """Looks up every reference of everyone in scope; the manifests are sound. Notes nothing down."""
    fleet = manifests(settings, scope, strict=True)
    async with remembered(settings) as store, reading(settings) as api:
        return await look_up_all(run_of(settings, Order(scope), fleet, store, api, on_progress))


async def plan_and_apply(settings: Settings, order: Order, on_progress: OnProgress = silent) -> FleetReport | FleetPlan:
    """Plans everyone, judges once, asks once, writes. Refused or declined: the plan alone comes back."""
    order = replace(order, scope=scope_of(order.saved)) if order.saved else order
    fleet = manifests(settings, order.scope, strict=True)
    if order.saved and order.saved["manifests"] != fleet.digest:
        raise MerchantctlError("the manifests are not those that this plan was made from; make a new plan")
    async with remembered(settings) as store, held(store, order.lock_timeout), writing(settings) as api:
        run = run_of(settings, order, fleet, store, api, on_progress)
        with stopped_by_signals(lambda number: run.stop.because(f"stopped by {number.name}", signal=number)):
            return await reconcile(run, order.agree, order.saved)


async def refresh(
    settings: Settings, scope: Scope, *, wait: bool, on_progress: OnProgress = silent
) -> Mapping[str, str]:
    """Asks the service to pull the reference data of every Linked merchant in scope again."""
    fleet = manifests(settings, scope, strict=True)
    async with remembered(settings) as store, writing(settings) as api:
        return await refresh_all(run_of(settings, Order(scope), fleet, store, api, on_progress), api, wait=wait)


async def link(settings: Settings, name: str, *, sync_flow: bool, redirect_url: str | None) -> str:
    """The address to send to a merchant: the connection's link, or the Sync Flow with its 30-second password."""
    async with _company(settings, name, reading) as (api, company, world):
        wanted = world.wanted[name]
        if sync_flow or redirect_url:
            return str(await api.sync_flow_url(company.id, _declared(wanted.platform, name), redirect_url))
        books = [each for each in company.connections if each.source_type == "Accounting"]
        ours = [each for each in books if wanted.platform in (None, each.platform)]
        connection = choose(ours, world.memory(name).connection_id)
        if connection is None or not connection.link_url:
            raise MerchantctlError(f"{name} has no accounting connection with a link; see merchantctl status {name}")
        return connection.link_url


def _declared(platform: str | None, name: str) -> str:
    if platform is None:
        raise MerchantctlError(
            f"no layer of {name} declares connection.platform, which the Sync Flow is for; declare it"
        )
    return platform


async def sync(
    settings: Settings, name: str, span: Span, agree: Callable[[Prospect], bool], *, wait: bool
) -> Sync | None:
    """A manual sync, begun once `agree` has seen what it would cover; None when it said no."""
    async with _company(settings, name, writing) as (api, company, _):
        if not agree(await syncing.prospect(name, company, span, api, now())):
            return None
        begun = await syncing.begin(name, company.id, span, api)
        return await syncing.ended(company.id, begun, api) if wait else begun


async def latest_sync(settings: Settings, name: str, *, wait: bool) -> Sync | None:
    """The latest sync of a merchant, once it has ended where wished; None when there was none."""
    async with _company(settings, name, reading) as (api, company, _):
        latest: Sync | None = await api.latest_sync(company.id)
        return await syncing.ended(company.id, latest, api) if latest and wait else latest


async def push(
    settings: Settings, name: str, document: Mapping[str, Any], *, wait: bool
) -> tuple[Dataset | Unsent, ...]:
    """Sends a sound document's commerce data (see `model.commerce`), and tells how each upload stands."""
    async with _company(settings, name, writing) as (api, company, _):
        return await upload_all(name, company, uploads(document), api, wait=wait)


@asynccontextmanager
async def _company(
    settings: Settings, name: str, client: Callable[[Settings], Any]
) -> AsyncIterator[tuple[Any, Company, World]]:
    """One declared merchant's company, and a client to speak of it. UsageError for a name that no manifest has."""
    fleet = manifests(settings, Scope(), strict=True)
    async with remembered(settings) as store, client(settings) as api:
        world = await survey(run_of(settings, Order(Scope(targets=(name,))), fleet, store, api, silent))
        if name not in world.wanted:
            raise UsageError(f"no merchant is called {name!r}; merchantctl status lists them")
        yield api, await _company_of(name, world), world


async def import_fleet(
    settings: Settings, choice: Choice, out: Path | None, on_progress: OnProgress = silent
) -> Imported:
    """The companies that exist, as manifests to be written to `out`; None = nowhere, beside no others.

    What manifests there declare already is passed over. InvalidManifests where they cannot be read.
    """
    fleet = _neighbours(settings, out) if out else NOBODY
    async with remembered(settings) as store, reading(settings) as api:
        memories = {name: memory_of(row) for name, row in (await store.recall()).items()}
        return await gather(api, choice, Known(fleet, memories), now, settings.parallelism, on_progress)


def _neighbours(settings: Settings, out: Path) -> Fleet:
    """The manifests that new ones at `out` will stand beside: those of the root that it is in, else its own."""
    inside = out.resolve().is_relative_to(settings.manifests.resolve())
    root = settings.manifests if inside else out
    fleet = load(root) if root.exists() else NOBODY
    if fleet.complaints:
        raise InvalidManifests(fleet.complaints)
    return fleet


async def _company_of(name: str, world: World) -> Company:
    company = (await observe(name, world)).company
    if isinstance(company, Unread):
        raise Transient(f"the company of {name} could not be read: {company.reason}")
    if not isinstance(company, Company):
        raise MerchantctlError(f"{name} has no company yet; merchantctl apply creates it")
    return company


def manifests(settings: Settings, scope: Scope, *, strict: bool) -> Fleet:
    """The fleet as declared. Raises InvalidManifests with every complaint at once."""
    fleet = load(settings.manifests, scope.path, settings.cache)
    if fleet.complaints and strict:
        raise InvalidManifests(fleet.complaints)
    return fleet


def scope_of(saved: Mapping[str, Any]) -> Scope:
    """The scope that a saved plan was made for."""
    scope = saved.get("scope") or {}
    path = Path(scope["path"]) if scope.get("path") else None
    return Scope(path, tuple(scope.get("targets") or ()), scope.get("selector"))


def run_of(
    settings: Settings, order: Order, fleet: Fleet, store: Store, api: Any, tell: OnProgress, data: bool = False
) -> Run:
    return Run(
        fleet=fleet,
        scope=order.scope,
        leave=order.leave,
        store=store,
        api=api,
        stop=Stop(),
        width=order.parallelism or settings.parallelism,
        settle=settings.create_settle,
        pace=settings.requests_per_minute or PACE,
        tell=tell,
        data=data,
    )


@asynccontextmanager
async def remembered(settings: Settings) -> AsyncIterator[Store]:
    """The state, its complaints in our own words."""
    try:
        async with open_state(settings.state) as store:
            yield store
    except StateUnusable as error:
        raise StateError(str(error)) from error
    except StateLocked as error:
        raise Locked(str(error)) from error


@asynccontextmanager
async def held(store: Store, patience: float) -> AsyncIterator[None]:
    """The lock: one writing run at a time on one state. `patience` is in seconds."""
    owner = Owner.this_process(" ".join(sys.argv[:2]))
    await store.acquire_lock(owner, timeout=patience)
    try:
        yield
    finally:
        await store.release_lock(owner)


@contextmanager
def stopped_by_signals(begin_nothing_new: Callable[[signal.Signals], None]) -> Iterator[None]:
    """The first Ctrl-C or TERM begins nothing new; the second ends the run at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    came: list[int] = []

    def asked(number: int) -> None:
        if came and task:
            task.cancel()
        came.append(number)
        begin_nothing_new(signal.Signals(number))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _key(settings: Settings) -> str:
    if settings.api_key:
        return settings.api_key
    raise UsageError("no API key: set CODAT_API_KEY, or CODAT_API_KEY_FILE to a file that holds it")


def reading(settings: Settings) -> Any:
    """A client that cannot write."""
    return open_read_only(settings.base_url, _key(settings), requests_per_minute=settings.requests_per_minute)


def writing(settings: Settings) -> Any:
    """A client that may write."""
    return open_client(settings.base_url, _key(settings), requests_per_minute=settings.requests_per_minute)
