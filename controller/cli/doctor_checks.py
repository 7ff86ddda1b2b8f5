"""The checks of `doctor`, in order: each yields a fact, and what to do where something is wrong. Changes nothing.

settings ─▶ API key ─▶ API, its clock, its quota ─▶ state, its lock ─▶ manifests ─▶ webhooks ─▶ versions
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

from controller.codat.client import Client
from controller.codat.quota_headers import Quota
from controller.desired.git_source import GitUnavailable
from controller.desired.loader import empty_root_diagnostic, load_fleet
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import (
    ApiKeyRefused,
    MerchantctlError,
    RateLimited,
    RemoteError,
    RemoteLimitReached,
    UsageError,
)
from controller.model.zones import TZDATA_VERSION
from controller.operations.bootstrap import open_reader
from controller.operations.git_manifests import check_out_newest_commit
from controller.planning.clock_skew import SET_CLOCK_REMEDY, TOLERATED_SKEW
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import format_count, format_time
from controller.setting_secrets import exposure_text
from controller.setting_values import DAY
from controller.settings import SETTINGS_FILE, InvalidSettings, Settings, load_settings, setting_sources
from state import LockKind, LockRow
from state.errors import MAX_HEARTBEAT_SILENCE_S, StateProblem
from state.inspection import StateInspection, inspect_state

REPORTED_LIBRARIES = ("httpx", "aiohttp", "pydantic-core", "SQLAlchemy", "PyYAML", "click")


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """The result of one check.

    step   what to do; a hint where `ok`
    warns  it works, and should be changed all the same
    """

    name: str
    ok: bool
    fact: str
    step: str = ""
    warns: bool = False


POOLED_STATE = DoctorCheck(
    "pooler",
    False,
    "a pooler by transactions stands before the state: locks do not hold there, and no process can wake another",
    "name PostgreSQL itself in MERCHANTCTL_STATE, or set pool_mode = session for this database",
)


async def run_checks(
    environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any], *, environment: Environment = REAL_ENVIRONMENT
) -> AsyncGenerator[DoctorCheck, None]:
    """Run all checks in their order; yields each as soon as it is known."""
    from controller.cli.doctor_webhooks import check_webhooks  # which yields checks as they are defined here

    try:
        settings, sources = load_settings(environ, cwd, flags), setting_sources(environ, cwd, flags)
    except InvalidSettings as error:
        yield DoctorCheck("settings", False, str(error), "mend it; nothing else can be looked at before")
        return
    for check in _check_settings(settings, sources, cwd):
        yield check
    for file in settings.exposed:
        yield DoctorCheck("secrets", True, exposure_text(file), f"chmod 600 {quote(str(file))}", warns=True)
    for checks in (_check_api(settings, environment), _check_state(settings)):
        async with aclosing(checks):
            async for each in checks:
                yield each
    yield _check_manifests(settings)
    async with aclosing(check_webhooks(settings, environment, environ, cwd)) as checks:
        async for each in checks:
            yield each
    yield _check_versions()


def _check_settings(settings: Settings, sources: Mapping[str, str], cwd: Path) -> Iterator[DoctorCheck]:
    """The settings and where they come from. The state's URL may hold a password, so only its own check shows it."""
    file = SETTINGS_FILE if (cwd / SETTINGS_FILE).exists() else f"no {SETTINGS_FILE}"
    variables = sorted({source for source in sources.values() if source.isupper() and source != sources.get("api_key")})
    yield DoctorCheck("settings", True, f"{file}; from the environment: {', '.join(variables) or 'none'}")
    if settings.environment_name:
        manifests = f"manifests at {settings.manifests}" + (f", -l {settings.selector}" if settings.selector else "")
        yield DoctorCheck("environment", True, f"{settings.environment_name}; {manifests}")
    yield DoctorCheck("base URL", True, f"{settings.base_url} ({sources['base_url']})")
    if settings.api_key:
        yield DoctorCheck("API key", True, f"found in {sources['api_key']}")
    else:
        yield DoctorCheck("API key", False, "none is set", f"set {settings.api_key_places}")


async def _check_api(settings: Settings, environment: Environment) -> AsyncGenerator[DoctorCheck, None]:
    """Two requests; clock and quota are read from the headers of their answers."""
    if not settings.api_key:
        return
    try:
        async with open_reader(settings, environment) as api:
            companies = await api.count_companies()
            yield DoctorCheck(
                "API", True, f"answers, and the key is good: {format_count(companies, 'company', 'companies')}"
            )
            yield await _check_account(api, settings)
            yield _check_clock(api.server_time, environment.clock())
            yield _check_quota(api.quota)
    except MerchantctlError as error:
        yield _explain_api_error(error, settings.base_url)


async def _check_account(api: Client, settings: Settings) -> DoctorCheck:
    """Compare the account of the API key with the one that the state is bound to."""
    try:
        recorded = (await inspect_state(settings.state)).account
    except StateProblem:
        recorded = None
    client_id = await api.client_id()
    fact = f"{client_id or 'Codat does not tell which'}, at {settings.base_url}"
    if recorded is None:
        return DoctorCheck("account", True, f"{fact}; the state is bound to none yet")
    same_account = client_id is None or recorded.client_id in (None, client_id)
    if same_account and recorded.base_url == settings.base_url:
        return DoctorCheck("account", True, f"{fact}, as the state says")
    recorded_account = f"{recorded.client_id or 'an account'} at {recorded.base_url}"
    step = "name another state with --state; the same account at a new address: merchantctl state rebind"
    return DoctorCheck("account", False, f"{fact}; the state belongs to {recorded_account}", step)


def _explain_api_error(error: MerchantctlError, base_url: str) -> DoctorCheck:
    """The check for a failed request: what was wrong with it."""
    match error:
        case ApiKeyRefused():
            return DoctorCheck("API", False, f"answers, but refuses the key: {error}", "set the key of this account")
        case RemoteLimitReached() | RateLimited():
            return DoctorCheck("API", False, f"answers, but takes no more requests: {error}", "wait until then")
        case RemoteError(status=None):
            step = "check the address, the network and any firewall; proxy variables are not used"
            return DoctorCheck("API", False, f"cannot be reached: {error}", step)
        case RemoteError():
            return DoctorCheck(
                "API", False, f"something answers at {base_url}, but not as the API: {error}", "check the base URL"
            )
        case UsageError():
            return DoctorCheck("API", False, str(error))
    return DoctorCheck("API", False, str(error), "check the base URL")


def _check_clock(server_time: datetime | None, own_time: datetime) -> DoctorCheck:
    if server_time is None:
        return DoctorCheck("clock", True, "Codat does not say its time")
    skew_s = round((own_time - server_time).total_seconds())
    if abs(skew_s) <= TOLERATED_SKEW.total_seconds():
        return DoctorCheck("clock", True, f"within {max(1, abs(skew_s))} s of Codat's")
    direction = "ahead of" if skew_s > 0 else "behind"
    return DoctorCheck("clock", False, f"{abs(skew_s):,} s {direction} Codat's", SET_CLOCK_REMEDY)


def _check_quota(quota: Quota | None) -> DoctorCheck:
    if quota is None:
        return DoctorCheck("quota", True, "Codat does not say")
    limit = f" of {quota.limit:,}" if quota.limit is not None else ""
    until = f", until {format_time(quota.resets_at)}" if quota.resets_at else ""
    return DoctorCheck(
        "quota", quota.remaining > 0, f"{format_count(quota.remaining, 'request')} left{limit}{until}", ""
    )


async def _check_state(settings: Settings) -> AsyncGenerator[DoctorCheck, None]:
    try:
        inspection = await inspect_state(settings.state)
    except StateProblem as error:
        yield DoctorCheck("state", False, str(error))
        return
    yield _check_schema(inspection)
    if not inspection.keeps_sessions:
        yield POOLED_STATE
    if not inspection.writable:
        yield DoctorCheck(
            "state folder", False, "this user may not write there", "give it the right, or name another place"
        )
    if inspection.sizes:
        yield _check_state_size(inspection, settings)
    if not inspection.locks:
        yield DoctorCheck("lock", True, "free")
    for kind, (holder, silent_for_s) in inspection.locks.items():
        yield check_held_lock(kind, holder, silent_for_s, settings)


def _check_state_size(inspection: StateInspection, settings: Settings) -> DoctorCheck:
    tables = [
        f"{size.name} {size.rows:,}" + (f" since {size.oldest:%Y-%m-%d}" if size.oldest else "")
        for size in inspection.sizes
    ]
    retention = f"what is over is kept for {settings.keep / DAY:g} days (MERCHANTCTL_KEEP)"
    return DoctorCheck("size", True, f"{inspection.bytes / 1e6:,.1f} MB; rows: {', '.join(tables)}; {retention}")


_WAITS = {
    LockKind.COMMANDS: "no other command can write now; a controller can",
    LockKind.CONTROLLERS: "no other controller can write now; a command can",
}


def check_held_lock(kind: LockKind, holder: LockRow, silent_for_s: float | None, settings: Settings) -> DoctorCheck:
    """The check of a lock that is held. `silent_for_s`: seconds since its holder's last heartbeat; None: it is dead."""
    owner = holder.owner
    fact = f"held by `{owner.command}` (pid {owner.pid} on {owner.host}) since {format_time(holder.since)}"
    if silent_for_s is None:
        return DoctorCheck("lock", True, f"{fact}, which is dead: the next run takes it over")
    if silent_for_s <= MAX_HEARTBEAT_SILENCE_S:
        return DoctorCheck("lock", True, f"{fact}; its last sign of life is {silent_for_s:.0f} s old", _WAITS[kind])
    silent_fact = f"{fact}, which has given no sign of life for {silent_for_s:.0f} s: it is stopped, or hangs"
    remedy = f"end it: kill -9 {owner.pid} on {owner.host}; where that cannot be done: merchantctl state unlock --force"
    if settings.state.startswith("sqlite:"):
        return DoctorCheck("lock", False, silent_fact, remedy)
    return DoctorCheck(
        "lock",
        False,
        silent_fact,
        f"the next run takes it over {settings.lock_lease:.0f} s after the last; or {remedy}",
    )


def _check_schema(inspection: StateInspection) -> DoctorCheck:
    place, current, newest = inspection.place, inspection.schema_step, inspection.newest_schema_step
    if current is None:
        return DoctorCheck("state", True, f"{place}: not there yet; the first run makes it")
    if current == newest:
        return DoctorCheck("state", True, f"{place}, schema {current}")
    if current < newest:
        return DoctorCheck("state", True, f"{place}, schema {current}: the next run brings it to {newest}")
    fact = f"{place} has schema {current}, and this version knows {newest}"
    return DoctorCheck("state", False, fact, "use the newer merchantctl that wrote it")


def _check_manifests(settings: Settings) -> DoctorCheck:
    try:
        settings = check_out_newest_commit(settings, lambda sentence: None)
        fleet = load_fleet(settings.manifests, selector=settings.selector)
    except (UsageError, GitUnavailable) as error:
        return DoctorCheck("manifests", False, str(error))
    if fleet.is_empty:
        diagnostic = empty_root_diagnostic(settings.manifests)
        return DoctorCheck("manifests", False, f"{diagnostic.file}: {diagnostic.what}", diagnostic.remedy)
    if fleet.diagnostics:
        fact = f"{format_count(len(fleet.diagnostics), 'complaint')}, the first: {fleet.diagnostics[0]}"
        return DoctorCheck("manifests", False, fact, "merchantctl validate shows them all")
    return DoctorCheck(
        "manifests",
        True,
        f"{settings.git or settings.manifests}: {format_count(len(fleet.merchants), 'merchant')}, all sound",
    )


def _check_versions() -> DoctorCheck:
    program = (
        f"merchantctl {version('merchantctl')}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    libraries = (f"{name} {version(name)}" for name in REPORTED_LIBRARIES)
    return DoctorCheck("versions", True, ", ".join([program, *libraries, f"time zones {TZDATA_VERSION}"]))
