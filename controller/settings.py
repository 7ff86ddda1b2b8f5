"""What this run was told about its surroundings: flag > environment > `merchantctl.toml` > default.

setting              flag                    environment                      default
api_key              (none, on purpose)      CODAT_API_KEY[_FILE]             none
base_url             --base-url              CODAT_BASE_URL                   the production API
state                --state                 MERCHANTCTL_STATE                sqlite:///var/merchantctl.db
manifests            --manifests             MERCHANTCTL_MANIFESTS            manifests
requests_per_minute  --requests-per-minute   MERCHANTCTL_REQUESTS_PER_MINUTE  950; 0 = unpaced
parallelism          (of `apply`)            MERCHANTCTL_PARALLELISM          16
create_settle        (none)                  MERCHANTCTL_CREATE_SETTLE        5 seconds
cache                (none)                  MERCHANTCTL_CACHE                ~/.cache/merchantctl; off = none

of `run`
resync               --resync                MERCHANTCTL_RESYNC               1h
listen               --listen                MERCHANTCTL_LISTEN               127.0.0.1:8788; off = no web
refresh_after        (none)                  MERCHANTCTL_REFRESH_AFTER        24h; 0 = never
sync_rota            (none)                  MERCHANTCTL_SYNC_ROTA            24h; 0 = never
notify_url           (none, on purpose)      MERCHANTCTL_NOTIFY_URL[_FILE]    none
webhook_secret, webhook_authorization        MERCHANTCTL_WEBHOOK_SECRET[_FILE], MERCHANTCTL_WEBHOOK_AUTHORIZATION[_FILE]
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOML = "merchantctl.toml"
PRODUCTION = "https://api.codat.io"
DEFAULT = "default"


class BadSettings(ValueError):
    """A setting does not make sense: where it stands, what is wrong, what would be right."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`requests_per_minute` 0 = unpaced; times are in seconds, 0 = never. No secret is in a repr.

    cache                  folder for what spares parsing manifests again; None = nothing is kept
    listen                 host and port of the web; None = no web
    webhook_secret         signing secrets of the newer webhooks, separated by spaces or commas
    webhook_authorization  the legacy webhooks' Authorization header, one a line
    notify_url             where news is posted to: whoever knows it may post there, so it is a secret
    """

    api_key: str | None = field(repr=False)
    base_url: str
    state: str
    manifests: Path
    requests_per_minute: int
    parallelism: int = 16
    create_settle: float = 5.0
    cache: Path | None = None
    resync: float = 3600.0
    listen: tuple[str, int] | None = None
    refresh_after: float = 86_400.0
    sync_rota: float = 86_400.0
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_authorization: str | None = field(default=None, repr=False)
    notify_url: str | None = field(default=None, repr=False)


def load_settings(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> Settings:
    """The settings of a run in the folder `cwd`. `flags` by setting name; None = not given. Raises BadSettings."""
    written = _read_toml(cwd / TOML)
    values = {row.name: _first(row, flags, environ, written) for row in _ROWS}
    secrets: dict[str, Any] = {name: _secret(variable, environ, cwd) for name, variable in _SECRETS.items()}
    return Settings(api_key=_api_key(environ, cwd), **secrets, **values)


def sources(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> dict[str, str]:
    """By setting where it comes from: a flag, a variable, the toml's key, DEFAULT. A secret only where it is set."""
    written = _read_toml(cwd / TOML)
    variables = {"api_key": "CODAT_API_KEY", **_SECRETS}
    secrets = {
        name: each
        for name, variable in variables.items()
        for each in (f"{variable}_FILE", variable)
        if environ.get(each)
    }
    return {row.name: _said(row, flags, environ, written)[0] for row in _ROWS} | secrets


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("is not the address of an API, like https://api.codat.io")
    return text.rstrip("/")


def _state_url(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("is neither sqlite:///relative.db, sqlite:////absolute.db nor postgresql://…")
    return text


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("names no folder")
    return Path(text)


def _whole(lowest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < lowest:
            raise ValueError(f"is not a whole number from {lowest} upward")
        return int(text)

    return parse


def _cache(text: str) -> Path | None:
    """None for `off`, and for a home that nobody has."""
    folder = os.path.expanduser(text)
    return None if text == "off" or folder.startswith("~") else Path(folder)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ValueError("is not a number of seconds between 0 and 3600")
    return seconds


def _span(lowest: float) -> Callable[[str], float]:
    """A time as `90`, `90s`, `15m`, `1h`, `7d`, in seconds."""

    def parse(text: str) -> float:
        number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", number, re.ASCII):
            raise ValueError("is no time like 90s, 15m, 1h or 7d")
        seconds = float(number) * _UNITS[unit]
        if not lowest <= seconds <= _LONGEST:
            raise ValueError(f"is not between {lowest:g} seconds and 365 days")
        return seconds

    return parse


def duration(text: str) -> float:
    """A time as `90`, `90s`, `15m`, `1h`, `7d`, in seconds. ValueError says what is wrong with it."""
    return _span(0)(text)


def _address(text: str) -> tuple[str, int] | None:
    if text in ("", "off"):
        return None
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("is neither host:port, like 127.0.0.1:8788, nor off")
    return host.strip("[]"), int(port)


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST = 365 * _UNITS["d"]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    variable: str
    parse: Callable[[str], Any]
    default: str


_ROWS = (
    _Row("base_url", "CODAT_BASE_URL", _url, PRODUCTION),
    _Row("state", "MERCHANTCTL_STATE", _state_url, "sqlite:///var/merchantctl.db"),
    _Row("manifests", "MERCHANTCTL_MANIFESTS", _folder, "manifests"),
    _Row("requests_per_minute", "MERCHANTCTL_REQUESTS_PER_MINUTE", _whole(0), "950"),
    _Row("parallelism", "MERCHANTCTL_PARALLELISM", _whole(1), "16"),
    _Row("create_settle", "MERCHANTCTL_CREATE_SETTLE", _seconds, "5"),
    _Row("cache", "MERCHANTCTL_CACHE", _cache, "~/.cache/merchantctl"),
    _Row("resync", "MERCHANTCTL_RESYNC", _span(1), "1h"),
    _Row("listen", "MERCHANTCTL_LISTEN", _address, "127.0.0.1:8788"),
    _Row("refresh_after", "MERCHANTCTL_REFRESH_AFTER", _span(0), "24h"),
    _Row("sync_rota", "MERCHANTCTL_SYNC_ROTA", _span(0), "24h"),
)

_SECRETS = {
    "webhook_secret": "MERCHANTCTL_WEBHOOK_SECRET",
    "webhook_authorization": "MERCHANTCTL_WEBHOOK_AUTHORIZATION",
    "notify_url": "MERCHANTCTL_NOTIFY_URL",
}
"""Each by its variable, or by a file that the variable with `_FILE` names; never by a flag or in the toml."""


def _first(row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: Mapping[str, str]) -> Any:
    """The value of the strongest source that has one."""
    address, text = _said(row, flags, environ, written)
    try:
        return row.parse(text)
    except ValueError as error:
        raise BadSettings(f"{address}: {text!r} {error}") from None


def _said(
    row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: Mapping[str, str]
) -> tuple[str, str]:
    """Where a setting comes from, and what stands there; an empty variable counts as not set."""
    if flags.get(row.name) is not None:
        return "--" + row.name.replace("_", "-"), str(flags[row.name])
    if environ.get(row.variable):
        return row.variable, environ[row.variable]
    if row.name in written:
        return f"{TOML}: {row.name}", written[row.name]
    return DEFAULT, row.default


def _read_toml(path: Path) -> dict[str, str]:
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadSettings(f"{TOML}: cannot be read: {error}") from None
    for key, value in table.items():
        _refuse_strange(key, value)
    return {key: str(value) for key, value in table.items()}


def _refuse_strange(key: str, value: object) -> None:
    known = [row.name for row in _ROWS]
    if key.startswith("api_key"):
        raise BadSettings(f"{TOML}: {key}: a key does not belong in a file; set CODAT_API_KEY or CODAT_API_KEY_FILE")
    if key in _SECRETS:
        variable = _SECRETS[key]
        raise BadSettings(f"{TOML}: {key}: a secret does not belong in a file; set {variable} or {variable}_FILE")
    if key not in known:
        raise BadSettings(f"{TOML}: {key}: unknown setting; known are {', '.join(known)}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadSettings(f"{TOML}: {key}: {value!r} is neither text nor a number")


def _api_key(environ: Mapping[str, str], cwd: Path) -> str | None:
    key = _secret("CODAT_API_KEY", environ, cwd)
    source = "CODAT_API_KEY" if environ.get("CODAT_API_KEY", "").strip() else "CODAT_API_KEY_FILE"
    return _printable(key, source) if key else None


def _secret(variable: str, environ: Mapping[str, str], cwd: Path) -> str | None:
    """A secret, without the line end that editors leave. No message ever shows it."""
    if secret := environ.get(variable, "").strip():
        return secret
    file = environ.get(f"{variable}_FILE", "")
    if not file:
        return None
    try:
        secret = (cwd / file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSettings(f"{variable}_FILE: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{variable}_FILE: {file} is not text") from None
    if not secret:
        raise BadSettings(f"{variable}_FILE: {file} is empty")
    return secret


def _printable(key: str, address: str) -> str:
    if not key.isprintable() or " " in key:
        raise BadSettings(f"{address}: the key holds a space, a line end or a control character; it is one word")
    return key
