"""What `doctor` looks at, one after another: a fact each, and what to do where it is not well. Changes nothing.

settings ─▶ API key ─▶ API, its clock, its quota ─▶ state, its lock ─▶ manifests ─▶ versions
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from controller.app import reading
from controller.desired.fleet import load
from controller.model.errors import LimitReached, MerchantctlError, RateLimited, RemoteError, Unauthorized, UsageError
from controller.reporting.words import count, moment
from controller.settings import TOML, BadSettings, Settings, load_settings, sources
from state.errors import StateProblem
from state.standing import Standing, standing

SKEW = 120
"""Seconds that our clock may be off the service's."""
LIBRARIES = ("httpx", "aiohttp", "pydantic", "SQLAlchemy", "PyYAML", "click")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `step` says what to do; where all is well there may be a hint in it."""

    name: str
    ok: bool
    fact: str
    step: str = ""


async def examine(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> AsyncIterator[Check]:
    """Every check in its order, each as soon as it is known."""
    try:
        settings, said = load_settings(environ, cwd, flags), sources(environ, cwd, flags)
    except BadSettings as error:
        yield Check("settings", False, str(error), "mend it; nothing else can be looked at before")
        return
    for check in _settings(settings, said, cwd):
        yield check
    async for check in _remote(settings):
        yield check
    async for check in _state(settings):
        yield check
    yield _manifests(settings)
    yield _versions()


def _settings(settings: Settings, said: Mapping[str, str], cwd: Path) -> Iterator[Check]:
    """What a run rests on, and who said so. A state's address may hold a password: its own check shows it."""
    file = TOML if (cwd / TOML).exists() else f"no {TOML}"
    others = sorted({each for each in said.values() if each.isupper() and each != said.get("api_key")})
    yield Check("settings", True, f"{file}; from the environment: {', '.join(others) or 'none'}")
    yield Check("base URL", True, f"{settings.base_url} ({said['base_url']})")
    if settings.api_key:
        yield Check("API key", True, f"found in {said['api_key']}")
    else:
        yield Check("API key", False, "none is set", "set CODAT_API_KEY, or CODAT_API_KEY_FILE to a file that holds it")


async def _remote(settings: Settings) -> AsyncIterator[Check]:
    """One request, and what its answer says by the way."""
    if not settings.api_key:
        return
    try:
        async with reading(settings) as api:
            companies = await api.hello()
            yield Check("API", True, f"answers, and the key is good: {count(companies, 'company', 'companies')}")
            yield _clock(api.server_time, datetime.now(UTC))
            yield _quota(api.quota)
    except MerchantctlError as error:
        yield _trouble(error, settings.base_url)


def _trouble(error: MerchantctlError, base_url: str) -> Check:
    """Why the one request came to nothing."""
    match error:
        case Unauthorized():
            return Check("API", False, f"answers, but refuses the key: {error}", "set the key of this account")
        case LimitReached() | RateLimited():
            return Check("API", False, f"answers, but takes no more requests: {error}", "wait until then")
        case RemoteError(status=None):
            step = "check the address, the network and any firewall; proxy variables are not used"
            return Check("API", False, f"cannot be reached: {error}", step)
        case RemoteError():
            return Check(
                "API", False, f"something answers at {base_url}, but not as the API: {error}", "check the base URL"
            )
    return Check("API", False, str(error), "check the base URL")


def _clock(theirs: datetime | None, ours: datetime) -> Check:
    if theirs is None:
        return Check("clock", True, "the service does not say its time")
    off = round((ours - theirs).total_seconds())
    if abs(off) <= SKEW:
        return Check("clock", True, f"within {max(1, abs(off))} s of the service's")
    way = "ahead of" if off > 0 else "behind"
    return Check("clock", False, f"{abs(off):,} s {way} the service's", "set this machine's clock: schedules go by it")


def _quota(quota: Any) -> Check:
    if quota is None:
        return Check("quota", True, "the service does not say")
    of = f" of {quota.limit:,}" if quota.limit is not None else ""
    until = f", until {moment(quota.resets_at)}" if quota.resets_at else ""
    return Check("quota", quota.remaining > 0, f"{count(quota.remaining, 'request')} left{of}{until}", "")


async def _state(settings: Settings) -> AsyncIterator[Check]:
    try:
        found = await standing(settings.state)
    except StateProblem as error:
        yield Check("state", False, str(error))
        return
    yield _tables(found)
    if not found.writable:
        yield Check("state folder", False, "this user may not write there", "give it the right, or name another place")
    if found.lock is None:
        yield Check("lock", True, "free")
        return
    owner = found.lock.owner
    held = f"held by `{owner.command}` (pid {owner.pid} on {owner.host}) since {moment(found.lock.since)}"
    if owner.is_dead():
        yield Check("lock", True, f"{held}, which is dead: the next run takes it over")
    else:
        yield Check("lock", True, held, "no other run can write meanwhile")


def _tables(found: Standing) -> Check:
    if found.step is None:
        return Check("state", True, f"{found.place}: not there yet; the first run makes it")
    if found.step == found.newest:
        return Check("state", True, f"{found.place}, schema {found.step}")
    if found.step < found.newest:
        return Check("state", True, f"{found.place}, schema {found.step}: the next run brings it to {found.newest}")
    fact = f"{found.place} has schema {found.step}, and this version knows {found.newest}"
    return Check("state", False, fact, "use the newer merchantctl that wrote it")


def _manifests(settings: Settings) -> Check:
    try:
        fleet = load(settings.manifests)
    except UsageError as error:
        return Check("manifests", False, str(error))
    if fleet.complaints:
        fact = f"{count(len(fleet.complaints), 'complaint')}, the first: {fleet.complaints[0]}"
        return Check("manifests", False, fact, "merchantctl validate shows them all")
    return Check("manifests", True, f"{settings.manifests}: {count(len(fleet.merchants), 'merchant')}, all sound")


def _versions() -> Check:
    ours = f"merchantctl {version('merchantctl')}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return Check("versions", True, ", ".join([ours, *(f"{name} {version(name)}" for name in LIBRARIES)]))
