"""What this run was told about its surroundings: flag > environment > `merchantctl.toml` > default.

setting              flag                    environment                      default
api_key              (none, on purpose)      CODAT_API_KEY[_FILE]             none
base_url             --base-url              CODAT_BASE_URL                   the production API
allow_http           --allow-http            MERCHANTCTL_ALLOW_HTTP           no; http only to loopback
state                --state                 MERCHANTCTL_STATE                sqlite:///var/merchantctl.db
manifests            --manifests             MERCHANTCTL_MANIFESTS            manifests; or git+https://…@branch//folder
requests_per_minute  --requests-per-minute   MERCHANTCTL_REQUESTS_PER_MINUTE  950; 0 = unpaced
parallelism          (of `apply`)            MERCHANTCTL_PARALLELISM          16
create_settle        (none)                  MERCHANTCTL_CREATE_SETTLE        5 seconds
create_settle_late   (none)                  MERCHANTCTL_CREATE_SETTLE_LATE   60 seconds
lock_lease           (none)                  MERCHANTCTL_LOCK_LEASE           45 seconds
keep                 (none)                  MERCHANTCTL_KEEP                 400d
cache                (none)                  MERCHANTCTL_CACHE                ~/.cache/merchantctl; off = none

An environment of `merchantctl.toml` (`controller.named_environments`) counts before the rest of that file:

environment          --env                   MERCHANTCTL_ENV                  the only one; none of two or more

of `run`
resync               --resync                MERCHANTCTL_RESYNC               1h
listen               --listen                MERCHANTCTL_LISTEN               127.0.0.1:8788; off = no web
refresh_after        (none)                  MERCHANTCTL_REFRESH_AFTER        24h; 0 = never
git_poll_interval    (none)                  MERCHANTCTL_GIT_POLL_INTERVAL    60s
listing_poll_interval (none)                 MERCHANTCTL_LISTING_POLL_INTERVAL 60s; 0 = never
sync_poll_interval   (none)                  MERCHANTCTL_SYNC_POLL_INTERVAL   24h; 0 = never
notify_url           (none, on purpose)      MERCHANTCTL_NOTIFY_URL[_FILE]    none
smtp_url             (none, on purpose)      MERCHANTCTL_SMTP_URL[_FILE]      none; of mailed reports
git_webhook_secret   (none, on purpose)      MERCHANTCTL_GIT_WEBHOOK_SECRET[_FILE] none
listen_webhooks      (none)                  MERCHANTCTL_LISTEN_WEBHOOKS      off = on `listen`
listen_metrics       (none)                  MERCHANTCTL_LISTEN_METRICS       off = on `listen`
web_guard            --web-guard             MERCHANTCTL_WEB_GUARD            none; header:NAME or network
web_hosts            (none)                  MERCHANTCTL_WEB_HOSTS            none; names, separated by commas
portal_link          (none)                  MERCHANTCTL_PORTAL_LINK          Codat's, of Codat's API; off = none
manifest_link        (none)                  MERCHANTCTL_MANIFEST_LINK        none; an address with {file} and {line}
web_token            (none, on purpose)      MERCHANTCTL_WEB_TOKEN[_FILE]     none
webhook_secret, webhook_authorization        MERCHANTCTL_WEBHOOK_SECRET[_FILE], MERCHANTCTL_WEBHOOK_AUTHORIZATION[_FILE]
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller.git_address import GIT_PREFIX, GitAddress, parse_git_address
from controller.named_environments import (
    ENVIRONMENT_VARIABLE,
    InvalidSettings,
    NamedEnvironment,
    choose_environment,
    split_environments,
)
from controller.quick_dataclasses import dataclass
from controller.scheduled_reports import REPORTS_KEY, ScheduledReport, parse_reports
from controller.untrusted_text import is_web_address, mask_passwords

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "InvalidSettings",
    "Settings",
    "environment_names",
    "known_api_keys",
    "load_settings",
    "parse_duration",
    "setting_sources",
]

SETTINGS_FILE = "merchantctl.toml"
PRODUCTION_URL = "https://api.codat.io"
CODAT_PORTAL_LINK = "https://app.codat.io/companies/{company}/summary"
"""As the newer webhooks name it (API notes 6.4). For Codat's own API: another one's portal is anybody's guess."""
DEFAULT_SOURCE = "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """`requests_per_minute` 0 = unpaced; times are in seconds, 0 = never. No secret is in a repr.

    git                    where the manifests come from a Git repository; `manifests` is then the folder of a
                           commit, once it was checked out, and `commit` says of which one
    allow_http             plain http also beyond loopback: somebody said that the way is encrypted otherwise
    lock_lease             without a sign of life for so long a run loses its lock on a state in PostgreSQL
    keep                   how long the state remembers what is over: history, closed findings, ended creates
    cache                  folder for what spares parsing manifests again; None = nothing is kept
    listen                 host and port of the web; None = no web
    listen_webhooks        a port for webhooks alone; None = they are on `listen`; likewise listen_metrics
    web_guard              what asks who is there beyond loopback: `header:NAME` that a proxy sets, or `network`
    web_hosts              names under which the pages may be asked for
    portal_link            address of a merchant in the portal, with {company}; "" = pages link to none
    manifest_link          address of a line of a manifest, with {file} and {line}; "" = pages link to none
    web_token              what a request for a page has to show
    git_webhook_secret     what the host of the manifests' repository proves a push with
    webhook_secret         signing secrets of the newer webhooks, separated by spaces or commas
    webhook_authorization  the legacy webhooks' Authorization header, one a line
    exposed                files of secrets that others on this machine can read
    base_url_from_file     nobody but merchantctl.toml says so: a file that comes with the manifests
    notify_url             where news is posted to: whoever knows it may post there, so it is a secret
    environment_name       of merchantctl.toml; None = it has none
    selector               labels of the merchants of this environment; None = all that the manifests declare
    limits                 by class of changes, what this environment sets otherwise: (number, per cent)
    confirms_by_name       whoever is asked has to type the environment's name
    reports                what `run` reports by itself, and where to
    smtp_url               the server that takes mail, with user and password: smtp://user:password@host:587, or smtps
    api_key_places         where the key may come from, for messages
    """

    api_key: str | None = field(repr=False)
    base_url: str
    state: str
    manifests: Path
    requests_per_minute: int
    git: GitAddress | None = None
    commit: str | None = None
    allow_http: bool = False
    parallelism: int = 16
    create_settle: float = 5.0
    create_settle_late: float = 60.0
    lock_lease: float = 45.0
    keep: float = 400 * 86_400.0
    cache: Path | None = None
    resync: float = 3600.0
    listen: tuple[str, int] | None = None
    refresh_after: float = 86_400.0
    sync_poll_interval: float = 86_400.0
    listing_poll_interval: float = 60.0
    git_poll_interval: float = 60.0
    listen_webhooks: tuple[str, int] | None = None
    listen_metrics: tuple[str, int] | None = None
    web_guard: str | None = None
    web_hosts: tuple[str, ...] = ()
    portal_link: str = ""
    manifest_link: str = ""
    web_token: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    git_webhook_secret: str | None = field(default=None, repr=False)
    webhook_authorization: str | None = field(default=None, repr=False)
    notify_url: str | None = field(default=None, repr=False)
    base_url_from_file: bool = False
    exposed: tuple[Path, ...] = ()
    environment_name: str | None = None
    selector: str | None = None
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    confirms_by_name: bool = False
    reports: tuple[ScheduledReport, ...] = ()
    smtp_url: str | None = field(default=None, repr=False)
    api_key_places: str = "CODAT_API_KEY, or CODAT_API_KEY_FILE to a file that holds it"


def load_settings(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> Settings:
    """The settings of a run in the folder `cwd`. `flags` by setting name; None = not given. Raises BadSettings."""
    written = _load_file(environ, cwd, flags)
    _refuse_renamed(environ)
    _refuse_contradicting(environ, flags, written)
    values = {row.name: _first(row, flags, environ, written) for row in _ROWS}
    if isinstance(values["manifests"], GitAddress):
        if values["cache"] is None:
            raise InvalidSettings("manifests from Git are cloned into the cache folder: set MERCHANTCTL_CACHE to one")
        values |= {"git": values["manifests"], "manifests": Path(str(values["manifests"]))}
    if values["portal_link"] is None:
        values["portal_link"] = CODAT_PORTAL_LINK if values["base_url"] == PRODUCTION_URL else ""
    secrets: dict[str, Any] = {name: _secret(variable, environ, cwd) for name, variable in _SECRETS.items()}
    _check_encrypted(values["base_url"], values["allow_http"])
    from_file = _said(_ROWS[0], flags, environ, written)[0].startswith(SETTINGS_FILE)
    settings = Settings(
        base_url_from_file=from_file,
        api_key=_api_key(environ, cwd, written.environment),
        exposed=tuple(_exposed(environ, cwd, written.environment)),
        reports=written.reports,
        **secrets,
        **values,
    )
    return _in_environment(settings, written.environment) if written.environment else settings


def _in_environment(settings: Settings, environment: NamedEnvironment) -> Settings:
    places = environment.api_key_variable or environment.api_key_file
    return replace(
        settings,
        environment_name=environment.name,
        selector=environment.selector,
        limits=environment.limits,
        confirms_by_name=environment.confirms_by_name,
        api_key_places=places or settings.api_key_places,
    )


def setting_sources(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> dict[str, str]:
    """By setting where it comes from: a flag, a variable, the toml's key, DEFAULT. A secret only where it is set."""
    written = _load_file(environ, cwd, flags)
    variables = {"api_key": "CODAT_API_KEY", **_SECRETS}
    secrets = {
        name: each for name, variable in variables.items() for each in (f"{variable}_FILE", variable) if each in environ
    }
    environment = written.environment
    if environment and (place := environment.api_key_variable or environment.api_key_file):
        secrets["api_key"] = place
    return {row.name: _said(row, flags, environ, written)[0] for row in _ROWS} | secrets


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("is not the address of an API, like https://api.codat.io")
    return text.rstrip("/")


def _check_encrypted(base_url: str, allow_http: bool) -> None:
    """Every request bears the key: on the way to another machine it is encrypted, unless somebody insists."""
    parts = urlsplit(base_url)
    if parts.scheme == "https" or allow_http or _is_loopback(parts.hostname or ""):
        return
    raise InvalidSettings(
        f"{base_url} is not https: the API key would travel readable for everyone on the way. Use https; or, where "
        "something else encrypts the way, --allow-http or MERCHANTCTL_ALLOW_HTTP=yes"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _yes(text: str) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in answers:
        raise ValueError("is neither yes nor no")
    return answers[text.lower()]


def _state_url(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("is neither sqlite:///relative.db, sqlite:////absolute.db nor postgresql://…")
    return text


def _manifests(text: str) -> Path | GitAddress:
    if not text:
        raise ValueError("names no folder")
    return parse_git_address(text) if text.startswith(GIT_PREFIX) else Path(text)


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


def _span(lowest: float, longest_days: int = 365) -> Callable[[str], float]:
    """A time as `90`, `90s`, `15m`, `1h`, `7d`, in seconds."""

    def parse(text: str) -> float:
        number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", number, re.ASCII):
            raise ValueError("is no time like 90s, 15m, 1h or 7d")
        seconds = float(number) * _UNITS[unit]
        if not lowest <= seconds <= longest_days * DAY:
            least = f"{lowest / DAY:g} days" if lowest >= DAY else f"{lowest:g} seconds"
            raise ValueError(f"is not between {least} and {longest_days:,} days")
        return seconds

    return parse


def parse_duration(text: str) -> float:
    """A time as `90`, `90s`, `15m`, `1h`, `7d`, in seconds. ValueError says what is wrong with it."""
    return _span(0)(text)


def _address(text: str) -> tuple[str, int] | None:
    if text in ("", "off"):
        return None
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("is neither host:port, like 127.0.0.1:8788, nor off")
    return host.strip("[]"), int(port)


def _guard(text: str) -> str | None:
    """`header:NAME`, or `network`; None where nothing guards the port."""
    name = text.removeprefix("header:")
    if text in ("", "none", "network"):
        return text if text == "network" else None
    if name == text or not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise ValueError("is neither header:NAME, like header:X-Forwarded-User, nor network")
    return text


def _portal_link(text: str) -> str | None:
    """None: whatever the API's is."""
    return None if text == "" else _link("{company}")(text)


def _link(*places: str) -> Callable[[str], str]:
    """An address of the web in which these places are filled, the first of them always; `off` or nothing = none."""

    def parse(text: str) -> str:
        if text in ("", "off"):
            return ""
        rest = text
        for place in places:
            rest = rest.replace(place, "")
        if not is_web_address(rest) or places[0] not in text or "{" in rest:
            raise ValueError(f"is neither off nor an address with {', '.join(places)}")
        return text

    return parse


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", name):
            raise ValueError(f"holds {name!r}, which is no host name; list names without port, separated by commas")
    return names


DAY = 86_400.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    variable: str
    parse: Callable[[str], Any]
    default: str


_ROWS = (
    _Row("base_url", "CODAT_BASE_URL", _url, PRODUCTION_URL),
    _Row("allow_http", "MERCHANTCTL_ALLOW_HTTP", _yes, "no"),
    _Row("state", "MERCHANTCTL_STATE", _state_url, "sqlite:///var/merchantctl.db"),
    _Row("manifests", "MERCHANTCTL_MANIFESTS", _manifests, "manifests"),
    _Row("requests_per_minute", "MERCHANTCTL_REQUESTS_PER_MINUTE", _whole(0), "950"),
    _Row("parallelism", "MERCHANTCTL_PARALLELISM", _whole(1), "16"),
    _Row("create_settle", "MERCHANTCTL_CREATE_SETTLE", _seconds, "5"),
    _Row("create_settle_late", "MERCHANTCTL_CREATE_SETTLE_LATE", _seconds, "60"),
    _Row("lock_lease", "MERCHANTCTL_LOCK_LEASE", _span(1), "45s"),
    _Row("keep", "MERCHANTCTL_KEEP", _span(30 * DAY, 36_500), "400d"),
    _Row("cache", "MERCHANTCTL_CACHE", _cache, "~/.cache/merchantctl"),
    _Row("resync", "MERCHANTCTL_RESYNC", _span(1), "1h"),
    _Row("listen", "MERCHANTCTL_LISTEN", _address, "127.0.0.1:8788"),
    _Row("listen_webhooks", "MERCHANTCTL_LISTEN_WEBHOOKS", _address, "off"),
    _Row("listen_metrics", "MERCHANTCTL_LISTEN_METRICS", _address, "off"),
    _Row("web_guard", "MERCHANTCTL_WEB_GUARD", _guard, ""),
    _Row("web_hosts", "MERCHANTCTL_WEB_HOSTS", _hosts, ""),
    _Row("portal_link", "MERCHANTCTL_PORTAL_LINK", _portal_link, ""),
    _Row("manifest_link", "MERCHANTCTL_MANIFEST_LINK", _link("{file}", "{line}", "{revision}"), ""),
    _Row("refresh_after", "MERCHANTCTL_REFRESH_AFTER", _span(0), "24h"),
    _Row("git_poll_interval", "MERCHANTCTL_GIT_POLL_INTERVAL", _span(1), "60s"),
    _Row("listing_poll_interval", "MERCHANTCTL_LISTING_POLL_INTERVAL", _span(0), "60s"),
    _Row("sync_poll_interval", "MERCHANTCTL_SYNC_POLL_INTERVAL", _span(0), "24h"),
)

_SECRETS = {
    "web_token": "MERCHANTCTL_WEB_TOKEN",
    "webhook_secret": "MERCHANTCTL_WEBHOOK_SECRET",
    "webhook_authorization": "MERCHANTCTL_WEBHOOK_AUTHORIZATION",
    "notify_url": "MERCHANTCTL_NOTIFY_URL",
    "smtp_url": "MERCHANTCTL_SMTP_URL",
    "git_webhook_secret": "MERCHANTCTL_GIT_WEBHOOK_SECRET",
}
"""Each by its variable, or by a file that the variable with `_FILE` names; never by a flag or in the toml."""


_RENAMED = {
    "MERCHANTCTL_SYNC_ROTA": "MERCHANTCTL_SYNC_POLL_INTERVAL",
    "sync_rota": "sync_poll_interval",
}
"""Variables and keys of earlier versions, each with its name now. They are refused, never silently ignored."""


@dataclass(frozen=True, slots=True)
class _SettingsFile:
    """What merchantctl.toml says: for all environments, and in the one that is meant."""

    common: Mapping[str, str]
    environment: NamedEnvironment | None = None
    reports: tuple[ScheduledReport, ...] = ()

    def find(self, key: str) -> tuple[str, str] | None:
        """Where it says something of a setting, and what."""
        if self.environment and key in self.environment.settings:
            return f"{SETTINGS_FILE}: [environments.{self.environment.name}] {key}", str(self.environment.settings[key])
        return (f"{SETTINGS_FILE}: {key}", self.common[key]) if key in self.common else None

    def default(self, row: _Row) -> str:
        return self.environment.default_state if self.environment and row.name == "state" else row.default


def _first(row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: _SettingsFile) -> Any:
    """The value of the strongest source that has one."""
    address, text = _said(row, flags, environ, written)
    try:
        return row.parse(text)
    except ValueError as error:
        raise InvalidSettings(f"{address}: {mask_passwords(repr(text))} {error}") from None


def _said(row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: _SettingsFile) -> tuple[str, str]:
    """Where a setting comes from, and what stands there."""
    if flags.get(row.name) is not None:
        return "--" + row.name.replace("_", "-"), str(flags[row.name])
    if (text := _variable(row.variable, environ)) is not None:
        return row.variable, text
    return written.find(row.name) or (DEFAULT_SOURCE, written.default(row))


def _refuse_contradicting(environ: Mapping[str, str], flags: Mapping[str, Any], written: _SettingsFile) -> None:
    """A variable left over from elsewhere must not bring the key of one environment to the API or state of another."""
    for row in _ROWS if written.environment else ():
        said = written.environment.settings.get(row.name) if written.environment else None
        if row.name not in _PLACES or said is None or flags.get(row.name) is not None:
            continue
        if row.variable in environ and environ[row.variable] != str(said):
            name = written.environment.name if written.environment else ""
            raise InvalidSettings(
                f"{row.variable} is set, and environment {name} has another {row.name} in {SETTINGS_FILE}: "
                f"unset {row.variable}, or say it with --{row.name.replace('_', '-')}"
            )


_PLACES = ("base_url", "state", "manifests")
"""Settings that make an environment what it is."""


def _variable(name: str, environ: Mapping[str, str]) -> str | None:
    """What a variable holds; None where it is not set.

    Set and empty is a mistake: a CI that does not know a secret passes on nothing, and the default of a setting (the
    production address, a state on a throw-away runner) is not what was meant.
    """
    text = environ.get(name)
    if text is not None and not text.strip():
        raise InvalidSettings(f"{name} is set and empty: give it a value, or unset it")
    return text


def _load_file(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> _SettingsFile:
    common, environments, reports = _read_toml(cwd / SETTINGS_FILE)
    wanted = flags.get("env")
    if wanted is None:
        wanted = _variable(ENVIRONMENT_VARIABLE, environ)
    texts = {key: str(value) for key, value in common.items()}
    chosen = choose_environment(SETTINGS_FILE, environments, wanted)
    return _SettingsFile(texts, chosen, parse_reports(SETTINGS_FILE, reports, environ))


def _read_toml(path: Path) -> tuple[Mapping[str, object], Mapping[str, NamedEnvironment], object]:
    """The settings for all environments, the environments by name, and the reports as they stand there."""
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}, {}, []
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"{SETTINGS_FILE}: cannot be read: {error}") from None
    reports = table.pop(REPORTS_KEY, [])
    common, environments = split_environments(SETTINGS_FILE, table)
    for key, value in common.items():
        _refuse_strange(SETTINGS_FILE, key, value)
    for name, environment in environments.items():
        for key, value in environment.settings.items():
            _refuse_strange(f"{SETTINGS_FILE}: [environments.{name}]", key, value)
    return common, environments, reports


def environment_names(cwd: Path) -> list[str]:
    """The environments that merchantctl.toml names."""
    return sorted(_read_toml(cwd / SETTINGS_FILE)[1])


def known_api_keys(environ: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
    """Every key that can be found, of whichever environment, so that no message shows one. Raises nothing."""
    keys = []
    try:
        environments: tuple[NamedEnvironment | None, ...] = (None, *_read_toml(cwd / SETTINGS_FILE)[1].values())
    except InvalidSettings:
        environments = (None,)
    for environment in environments:
        with suppress(InvalidSettings, OSError):
            keys.append(_api_key(environ, cwd, environment) or "")
    return (*filter(None, keys), *filter(None, (environ.get("CODAT_API_KEY", "").strip(),)))


def _refuse_renamed(environ: Mapping[str, str]) -> None:
    for name in _RENAMED:
        if name in environ:
            raise InvalidSettings(f"{name} is called {_RENAMED[name]} now: set that, and unset {name}")


def _refuse_strange(address: str, key: str, value: object) -> None:
    known = [row.name for row in _ROWS if row.name != "allow_http"]
    if key in _RENAMED:
        raise InvalidSettings(f"{address}: {key}: is called {_RENAMED[key]} now")
    if key.startswith("api_key"):
        raise InvalidSettings(
            f"{address}: {key}: a key does not belong in a file; set CODAT_API_KEY or CODAT_API_KEY_FILE"
        )
    if key in _SECRETS:
        variable = _SECRETS[key]
        raise InvalidSettings(
            f"{address}: {key}: a secret does not belong in a file; set {variable} or {variable}_FILE"
        )
    if key == "cache":
        raise InvalidSettings(
            f"{address}: {key}: a repository may not say where manifests are kept; set MERCHANTCTL_CACHE"
        )
    if key not in known:
        from difflib import get_close_matches

        similar = get_close_matches(key, known, n=1)
        hint = f". Did you mean {similar[0]!r}?" if similar else f"; known are {', '.join(known)}"
        raise InvalidSettings(f"{address}: {key}: unknown setting{hint}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidSettings(f"{address}: {key}: {value!r} is neither text nor a number")


def _api_key(environ: Mapping[str, str], cwd: Path, environment: NamedEnvironment | None) -> str | None:
    if environment and environment.api_key_file:
        key_file = environment.api_key_file
        return _one_word(_read_secret_file(key_file, key_file, cwd), key_file)
    if environment and environment.api_key_variable:
        # Its own variable alone: the key that lies about in CODAT_API_KEY may be that of another environment.
        text = _variable(environment.api_key_variable, environ)
        return _one_word(text.removeprefix("\ufeff").strip(), environment.api_key_variable) if text else None
    key = _secret("CODAT_API_KEY", environ, cwd)
    source = "CODAT_API_KEY" if "CODAT_API_KEY" in environ else "CODAT_API_KEY_FILE"
    return _one_word(key, source) if key else None


def _secret(variable: str, environ: Mapping[str, str], cwd: Path) -> str | None:
    """A secret, without the line end and the byte order mark that editors leave. No message ever shows it."""
    secret, file = _variable(variable, environ), _variable(f"{variable}_FILE", environ)
    if secret:
        return secret.removeprefix("\ufeff").strip()
    return _read_secret_file(f"{variable}_FILE: {file}", file, cwd) if file else None


MAX_SECRET_FILE_BYTES = 64 * 1024


def read_named_secret(kind: str, name: str, environ: Mapping[str, str], cwd: Path) -> str | None:
    """A secret whose place a manifest names: `env` or `file`. None where it is not there, or cannot be read: that is
    told where its absence shows, since any manifest may name any place."""
    if kind == "env":
        return environ.get(name, "").removeprefix("\ufeff").strip() or None
    file = cwd / name
    try:
        if not file.is_file() or file.stat().st_size > MAX_SECRET_FILE_BYTES:
            return None
        return _read_secret_file(name, name, cwd)
    except (InvalidSettings, OSError, ValueError):
        return None


def _read_secret_file(address: str, file: str, cwd: Path) -> str:
    try:
        secret = (cwd / file).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise InvalidSettings(f"{address} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSettings(f"{address} is not text") from None
    if not secret:
        raise InvalidSettings(f"{address} is empty")
    return secret


def _exposed(environ: Mapping[str, str], cwd: Path, environment: NamedEnvironment | None) -> Iterator[Path]:
    files = [
        environ[f"{variable}_FILE"]
        for variable in ("CODAT_API_KEY", *_SECRETS.values())
        if variable not in environ and f"{variable}_FILE" in environ
    ]
    named = (*files, environment.api_key_file if environment else None)
    yield from (cwd / each for each in named if each and is_exposed(cwd / each))


def is_exposed(file: Path) -> bool:
    """Whether a file with a secret can be read by others on this machine, and its owner, who runs this, can shut it.

    As ssh and kubectl see it: somebody else's file is theirs to guard, and what an orchestrator mounts (read-only, or
    swapped in behind `..data` as Kubernetes does) has the mode that it was given, for whoever is in this container.
    """
    try:
        kind, real = file.stat(), file.resolve()
        mounted = os.statvfs(real).f_flag & os.ST_RDONLY or any(each.startswith("..") for each in real.parts)
    except OSError:
        return False
    return bool(kind.st_mode & 0o066) and kind.st_uid == os.geteuid() and not mounted


def exposed_words(file: Path) -> str:
    return f"{file} can be read by others than its owner"


def _one_word(key: str, address: str) -> str:
    if key.startswith("Basic ") or _is_base64_form(key):
        raise InvalidSettings(
            f"{address}: this is the Base64 form of a key, as the Authorization header bears it; set the key itself"
        )
    if not key.isprintable() or " " in key:
        raise InvalidSettings(f"{address}: the key holds a space, a line end or a control character; it is one word")
    return key


def _is_base64_form(key: str) -> bool:
    """Whether this decodes to a word of sixteen signs or more: no key made at random does."""
    import binascii
    from base64 import b64decode

    try:
        word = b64decode(key, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    return len(word) >= 16 and word.isprintable() and " " not in word
