"""What this run was told about its surroundings: flag > environment > `merchantctl.toml` > default.

setting              flag                    environment                      default
api_key              (none, on purpose)      CODAT_API_KEY[_FILE]             none
base_url             --base-url              CODAT_BASE_URL                   the production API
state                --state                 MERCHANTCTL_STATE                sqlite:///var/merchantctl.db
manifests            --manifests             MERCHANTCTL_MANIFESTS            manifests
requests_per_minute  --requests-per-minute   MERCHANTCTL_REQUESTS_PER_MINUTE  950; 0 = unpaced
parallelism          (of `apply`)            MERCHANTCTL_PARALLELISM          16
create_settle        (none)                  MERCHANTCTL_CREATE_SETTLE        5 seconds
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOML = "merchantctl.toml"
PRODUCTION = "https://api.codat.io"


class BadSettings(ValueError):
    """A setting does not make sense: where it stands, what is wrong, what would be right."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`requests_per_minute` 0 = unpaced; `create_settle` is in seconds. The key is in no repr."""

    api_key: str | None = field(repr=False)
    base_url: str
    state: str
    manifests: Path
    requests_per_minute: int
    parallelism: int = 16
    create_settle: float = 5.0


def load_settings(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> Settings:
    """The settings of a run in the folder `cwd`. `flags` by setting name; None = not given. Raises BadSettings."""
    written = _read_toml(cwd / TOML)
    values = {row.name: _first(row, flags, environ, written) for row in _ROWS}
    return Settings(api_key=_api_key(environ, cwd), **values)


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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ValueError("is not a number of seconds between 0 and 3600")
    return seconds


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
)


def _first(row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: Mapping[str, str]) -> Any:
    """The value of the strongest source that has one; an empty variable counts as not set."""
    if flags.get(row.name) is not None:
        address, text = "--" + row.name.replace("_", "-"), str(flags[row.name])
    elif environ.get(row.variable):
        address, text = row.variable, environ[row.variable]
    else:
        address, text = f"{TOML}: {row.name}", written.get(row.name, row.default)
    try:
        return row.parse(text)
    except ValueError as error:
        raise BadSettings(f"{address}: {text!r} {error}") from None


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
    if key not in known:
        raise BadSettings(f"{TOML}: {key}: unknown setting; known are {', '.join(known)}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadSettings(f"{TOML}: {key}: {value!r} is neither text nor a number")


def _api_key(environ: Mapping[str, str], cwd: Path) -> str | None:
    """The key, without the line end that editors leave. No message ever shows it."""
    if key := environ.get("CODAT_API_KEY", "").strip():
        return _printable(key, "CODAT_API_KEY")
    file = environ.get("CODAT_API_KEY_FILE", "")
    if not file:
        return None
    try:
        key = (cwd / file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSettings(f"CODAT_API_KEY_FILE: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"CODAT_API_KEY_FILE: {file} is not text") from None
    if not key:
        raise BadSettings(f"CODAT_API_KEY_FILE: {file} is empty")
    return _printable(key, "CODAT_API_KEY_FILE")


def _printable(key: str, address: str) -> str:
    if not key.isprintable() or " " in key:
        raise BadSettings(f"{address}: the key holds a space, a line end or a control character; it is one word")
    return key
