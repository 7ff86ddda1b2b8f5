"""Puts the real things together, for every verb: settings, manifests, state, API client, lock and signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import field, replace
from datetime import datetime
from getpass import getuser
from shlex import quote
from typing import Any

from controller import signals
from controller.codat.client import Client, open_client
from controller.codat.read_only import open_read_only_client
from controller.desired.loader import empty_root_diagnostic, load_fleet
from controller.desired.selector import require_any_match
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import Fleet
from controller.model.errors import InvalidManifests, LockedByOtherRun, StateError, UsageError
from controller.model.plan import ChangeClass
from controller.model.report import FleetPlan
from controller.model.run_policy import Author, Records, RunPolicy, Scope
from controller.quick_dataclasses import dataclass
from controller.reconcile.account_identity import refuse_unknown_address_from_file
from controller.reconcile.context import IntentRecoveryTimes, RunContext, StopSignal
from controller.settings import Settings
from controller.untrusted_text import mask_passwords
from state import LockWait, ProcessIdentity, RemoteAccount, StateLock, Store, open_state
from state.errors import StateLocked, StateProblem, StateUnusable, UploadUnderWay
from state.inspection import inspect_state

ASSUMED_REQUESTS_PER_MINUTE = 950
"""Requests a minute that a plan's cost is estimated with where the run itself is not paced."""

LAST_STATE_WAIT_S = 3.0
"""Seconds from a signal on that a write to the state still waits for a writer in another process: a supervisor that has
said TERM kills after ten."""

EMPTY_FLEET = Fleet({}, frozenset(), (), is_complete=False, digest="")
"""The fleet of a folder without manifests."""

OnProgress = Callable[[int, int, int], None]
"""Called with how many merchants are done, of how many, and how many of them failed."""

OpenClient = Callable[[Settings, Environment], AbstractAsyncContextManager[Client]]
"""`open_reader` or `open_writer`."""


def no_progress(done: int, of: int, failed: int) -> None:
    """The `OnProgress` of a run that nobody watches."""


def ignore_message(sentence: str) -> None:
    """The `on_message` of a caller that shows none."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run was told on the command line.

    confirm       called once, with the whole plan, before the first write; False ends the run
    saved_plan    a saved plan's JSON, whose scope and fingerprints then hold
    lock_timeout  seconds to wait for another run
    on_message    called with a sentence about what is being waited for
    verb          who it is in the history: `apply`, `run`, `plan`, `drift`
    records       what of the ledger it writes; None: as far as its manifests are those in force
    puts_in_force its manifests are those in force from then on, for the controllers of this state
    """

    scope: Scope
    policy: RunPolicy = field(default_factory=RunPolicy)
    confirm: Callable[[FleetPlan], bool] = lambda plan: False
    saved_plan: Mapping[str, Any] | None = None
    parallelism: int | None = None
    lock_timeout: float = 0
    on_message: Callable[[str], None] = ignore_message
    verb: str = "apply"
    records: Records | None = None
    puts_in_force: bool = False


# Manifests ----------------------------------------------------------------------------------------------


def load_manifests(settings: Settings, scope: Scope, *, strict: bool, cached: bool = True) -> Fleet:
    """The fleet as declared.

    cached  False: what is to be written is read from the manifests themselves, not from what an earlier run parsed

    Raises InvalidManifests with every diagnostic at once, where `strict`; UsageError where a PATH or a selector
    means nobody. An empty root is another matter: see `refuse_empty_root_and_state`.
    """
    cache = settings.cache if cached else None
    fleet = load_fleet(settings.manifests, scope.path, cache, selector=settings.selector)
    fleet = replace(fleet, commit=settings.commit)
    if fleet.diagnostics:
        if strict:
            raise InvalidManifests(fleet.diagnostics)
        return fleet
    if not fleet.merchants and not fleet.is_complete:
        account = f"; the account's own settings: --target '{ACCOUNT_NAME}'" if fleet.has_account_documents else ""
        raise UsageError(f"no merchant's manifest is at or below {scope.path}{account}. Nothing was done.")
    if scope.selector is not None:
        labels = [merchant.labels for merchant in fleet.merchants.values()]
        require_any_match(scope.selector, labels, f"-l {quote(scope.selector)}")
    return fleet


async def refuse_empty_root_and_state(settings: Settings, fleet: Fleet, store: Store) -> None:
    """Raises InvalidManifests for a root without a manifest while the state knows nobody: that is a mistake.

    Where the state knows merchants, so many have gone from the manifests that a limit (`shrink`) says so.
    """
    if not (fleet.is_complete and fleet.is_empty):
        return
    if not any(row.company_id for row in (await store.records.load()).values()):
        raise InvalidManifests((empty_root_diagnostic(settings.manifests),))


# A run --------------------------------------------------------------------------------------------------


def build_run(
    settings: Settings,
    request: RunRequest,
    fleet: Fleet,
    store: Store,
    api: Client,
    on_progress: OnProgress,
    environment: Environment,
) -> RunContext:
    """The context of one run; by default it writes as much of the ledger as its manifests are those in force."""
    records = request.records
    if records is None:
        records = Records.NONE
        if fleet.root_is_complete:
            # A part of the root says what it put right; who has left, or come back, only a look at everyone can tell.
            records = Records.ALL if request.scope.is_everyone and fleet.is_complete else Records.MENDED
    return RunContext(
        fleet=fleet,
        scope=request.scope,
        policy=request.policy,
        store=store,
        lock=store.lock,
        api=api,
        stop=StopSignal(),
        parallelism=request.parallelism or settings.parallelism,
        recovery_times=IntentRecoveryTimes(settings.create_settle, settings.create_settle_late),
        waits_for_lost_creates=not request.policy.automatic,
        requests_per_minute=settings.requests_per_minute or ASSUMED_REQUESTS_PER_MINUTE,
        on_progress=on_progress,
        on_message=request.on_message,
        environment=environment,
        base_url=mask_passwords(settings.base_url),
        environment_name=settings.environment_name,
        limits={ChangeClass(word): limit for word, limit in settings.limits.items()},
        records=records,
        author=current_author(request.verb),
    )


def current_author(verb: str) -> Author:
    """This process's user on this host, with this verb."""
    return Author(verb, _user_name(), socket.gethostname())


def _user_name() -> str:
    """The user's name; the number in a container that has no user of that number."""
    try:
        return getuser()
    except (OSError, KeyError):
        return str(os.getuid())


# State and lock -----------------------------------------------------------------------------------------


@asynccontextmanager
async def open_store(settings: Settings, on_read_only: Callable[[str], None] | None = None) -> AsyncIterator[Store]:
    """The state, while this lasts. Raises StateError or LockedByOtherRun instead of the store's own errors.

    on_read_only  for those that only look: the state need not be writable; where it is not, this is called with why
    """
    try:
        async with open_state(settings.state, on_read_only=on_read_only, lease_s=settings.lock_lease) as store:
            yield store
    except StateUnusable as error:
        raise StateError(str(error)) from error
    except (StateLocked, UploadUnderWay) as error:
        raise LockedByOtherRun(str(error)) from error


def current_process() -> ProcessIdentity:
    """Who this process is, for whoever waits for it."""
    return ProcessIdentity.current(mask_passwords(" ".join(sys.argv[:2])))


@asynccontextmanager
async def hold_state_lock(
    lock: StateLock, timeout_s: float, on_wait: Callable[[LockWait], None] | None = None
) -> AsyncIterator[datetime | None]:
    """A lock on the state, while this lasts: one writing command at a time, or one pass of a controller.

    on_wait  called for each try in vain; None: the log says it

    Yields when an earlier run lost the lock without giving it back; None where none did.
    """
    owner = current_process()
    lost_at = await lock.acquire(owner, timeout_s=timeout_s, on_wait=on_wait)
    try:
        yield lost_at
    finally:
        # What the run did, or what ended it, is to be told, not what became of the lock: its row stays, and tells
        # whoever takes it next.
        with suppress(StateProblem):
            await lock.release(owner)


@contextmanager
def stop_on_signals(stop: Callable[[signal.Signals], None], store: Store) -> Iterator[None]:
    """The first Ctrl-C or TERM calls `stop`, after which nothing new is begun; the second breaks the run off.

    After either nobody waits for long who would write to the state while another process stands in a write to it.

    Raises SystemExit with 128 + the signal's number where it was broken off.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[int] = []

    def on_signal(number: int) -> None:
        if received and task:
            task.cancel()
        received.append(number)
        store.end_waits_within(LAST_STATE_WAIT_S)
        stop(signal.Signals(number))

    handlers_before = {number: signal.getsignal(number) for number in signals.STOP_SIGNALS}
    for number in signals.STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    except asyncio.CancelledError:
        if len(received) > 1:
            raise SystemExit(128 + received[1]) from None
        raise
    finally:
        # Between the loop's handler and the one before it a signal would fall to Python's default: it waits.
        with signals.signals_blocked():
            for number, handler in handlers_before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
            if received:
                signals.exit_on_signal()


# The API ------------------------------------------------------------------------------------------------


def open_reader(settings: Settings, environment: Environment = REAL_ENVIRONMENT) -> AbstractAsyncContextManager[Client]:
    """A client that cannot write: its writing methods raise, and its network takes nothing but GET."""
    return _open_api(open_read_only_client, settings, require_api_key(settings), environment)


def open_writer(settings: Settings, environment: Environment = REAL_ENVIRONMENT) -> AbstractAsyncContextManager[Client]:
    """A client that may write."""
    return _open_api(open_client, settings, require_api_key(settings), environment)


@asynccontextmanager
async def _open_api(
    opening: Callable[..., AbstractAsyncContextManager[Client]],
    settings: Settings,
    api_key: str,
    environment: Environment,
) -> AsyncIterator[Client]:
    """Every command gets its client here, so that none sends the key to an address that only a file names."""
    if settings.base_url_from_file:
        refuse_unknown_address_from_file(settings.base_url, api_key, await _load_recorded_account(settings))
    async with opening(settings.base_url, api_key, **_client_options(settings, environment)) as api:
        yield api


async def _load_recorded_account(settings: Settings) -> RemoteAccount | None:
    """None also where the state cannot be read: it vouches for no address then."""
    try:
        return (await inspect_state(settings.state)).account
    except StateProblem:
        return None


def require_api_key(settings: Settings) -> str:
    """Raises UsageError where there is none."""
    if settings.api_key:
        return settings.api_key
    where = f"environment {settings.environment_name}: " if settings.environment_name else ""
    raise UsageError(f"{where}no API key: set {settings.api_key_places}")


def _client_options(settings: Settings, environment: Environment) -> dict[str, Any]:
    return {
        "requests_per_minute": settings.requests_per_minute,
        "network": environment.network,
        "sleep": environment.sleep,
        "clock": environment.clock,
    }
