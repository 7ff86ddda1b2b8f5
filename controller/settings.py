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

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller import setting_values as values
from controller.git_address import GitAddress
from controller.named_environments import (
    ENVIRONMENT_VARIABLE,
    InvalidSettings,
    NamedEnvironment,
    choose_environment,
    split_environments,
)
from controller.quick_dataclasses import dataclass
from controller.scheduled_reports import REPORTS_KEY, ScheduledReport, parse_reports
from controller.setting_secrets import (
    SECRET_VARIABLES,
    exposed_secret_files,
    read_api_key,
    read_nonempty_variable,
    read_secret,
)
from controller.setting_values import parse_duration
from controller.untrusted_text import mask_passwords

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

    @property
    def manifests_source(self) -> str:
        """Where the manifests come from, as a revision names it: the Git address, or the folder."""
        return str(self.git or self.manifests.resolve())


def load_settings(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> Settings:
    """The settings of a run in the folder `cwd`. `flags` by setting name; None = not given. Raises BadSettings."""
    written = _load_file(environ, cwd, flags)
    _refuse_renamed_variables(environ)
    _refuse_contradicting_variables(environ, flags, written)
    values = {row.name: _value_of(row, flags, environ, written) for row in _ROWS}
    if isinstance(values["manifests"], GitAddress):
        if values["cache"] is None:
            raise InvalidSettings("manifests from Git are cloned into the cache folder: set MERCHANTCTL_CACHE to one")
        values |= {"git": values["manifests"], "manifests": Path(str(values["manifests"]))}
    if values["portal_link"] is None:
        values["portal_link"] = CODAT_PORTAL_LINK if values["base_url"] == PRODUCTION_URL else ""
    secrets: dict[str, Any] = {name: read_secret(variable, environ, cwd) for name, variable in SECRET_VARIABLES.items()}
    _check_encrypted(values["base_url"], values["allow_http"])
    from_file = _source_and_text(_ROWS[0], flags, environ, written)[0].startswith(SETTINGS_FILE)
    settings = Settings(
        base_url_from_file=from_file,
        api_key=read_api_key(environ, cwd, written.environment),
        exposed=tuple(exposed_secret_files(environ, cwd, written.environment)),
        reports=written.reports,
        **secrets,
        **values,
    )
    return _apply_environment(settings, written.environment) if written.environment else settings


def _apply_environment(settings: Settings, environment: NamedEnvironment) -> Settings:
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
    variables = {"api_key": "CODAT_API_KEY", **SECRET_VARIABLES}
    secrets = {
        name: each for name, variable in variables.items() for each in (f"{variable}_FILE", variable) if each in environ
    }
    environment = written.environment
    if environment and (place := environment.api_key_variable or environment.api_key_file):
        secrets["api_key"] = place
    return {row.name: _source_and_text(row, flags, environ, written)[0] for row in _ROWS} | secrets


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


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    variable: str
    parse: Callable[[str], Any]
    default: str


_ROWS = (
    _Row("base_url", "CODAT_BASE_URL", values.parse_api_address, PRODUCTION_URL),
    _Row("allow_http", "MERCHANTCTL_ALLOW_HTTP", values.parse_yes_or_no, "no"),
    _Row("state", "MERCHANTCTL_STATE", values.parse_state_address, "sqlite:///var/merchantctl.db"),
    _Row("manifests", "MERCHANTCTL_MANIFESTS", values.parse_manifests_place, "manifests"),
    _Row("requests_per_minute", "MERCHANTCTL_REQUESTS_PER_MINUTE", values.whole_number_parser(0), "950"),
    _Row("parallelism", "MERCHANTCTL_PARALLELISM", values.whole_number_parser(1), "16"),
    _Row("create_settle", "MERCHANTCTL_CREATE_SETTLE", values.parse_seconds, "5"),
    _Row("create_settle_late", "MERCHANTCTL_CREATE_SETTLE_LATE", values.parse_seconds, "60"),
    _Row("lock_lease", "MERCHANTCTL_LOCK_LEASE", values.duration_parser(1), "45s"),
    _Row("keep", "MERCHANTCTL_KEEP", values.duration_parser(30 * values.DAY, 36_500), "400d"),
    _Row("cache", "MERCHANTCTL_CACHE", values.parse_cache_folder, "~/.cache/merchantctl"),
    _Row("resync", "MERCHANTCTL_RESYNC", values.duration_parser(1), "1h"),
    _Row("listen", "MERCHANTCTL_LISTEN", values.parse_listen_address, "127.0.0.1:8788"),
    _Row("listen_webhooks", "MERCHANTCTL_LISTEN_WEBHOOKS", values.parse_listen_address, "off"),
    _Row("listen_metrics", "MERCHANTCTL_LISTEN_METRICS", values.parse_listen_address, "off"),
    _Row("web_guard", "MERCHANTCTL_WEB_GUARD", values.parse_web_guard, ""),
    _Row("web_hosts", "MERCHANTCTL_WEB_HOSTS", values.parse_host_names, ""),
    _Row("portal_link", "MERCHANTCTL_PORTAL_LINK", values.parse_portal_link, ""),
    _Row("manifest_link", "MERCHANTCTL_MANIFEST_LINK", values.link_parser("{file}", "{line}", "{revision}"), ""),
    _Row("refresh_after", "MERCHANTCTL_REFRESH_AFTER", values.duration_parser(0), "24h"),
    _Row("git_poll_interval", "MERCHANTCTL_GIT_POLL_INTERVAL", values.duration_parser(1), "60s"),
    _Row("listing_poll_interval", "MERCHANTCTL_LISTING_POLL_INTERVAL", values.duration_parser(0), "60s"),
    _Row("sync_poll_interval", "MERCHANTCTL_SYNC_POLL_INTERVAL", values.duration_parser(0), "24h"),
)


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

    def source_and_text(self, key: str) -> tuple[str, str] | None:
        """Where it says something of a setting, and what."""
        if self.environment and key in self.environment.settings:
            return f"{SETTINGS_FILE}: [environments.{self.environment.name}] {key}", str(self.environment.settings[key])
        return (f"{SETTINGS_FILE}: {key}", self.common[key]) if key in self.common else None

    def default(self, row: _Row) -> str:
        return self.environment.default_state if self.environment and row.name == "state" else row.default


def _value_of(row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: _SettingsFile) -> Any:
    """The value of the strongest source that has one."""
    address, text = _source_and_text(row, flags, environ, written)
    try:
        return row.parse(text)
    except ValueError as error:
        raise InvalidSettings(f"{address}: {mask_passwords(repr(text))} {error}") from None


def _source_and_text(
    row: _Row, flags: Mapping[str, Any], environ: Mapping[str, str], written: _SettingsFile
) -> tuple[str, str]:
    """Where a setting comes from, and what stands there."""
    if flags.get(row.name) is not None:
        return "--" + row.name.replace("_", "-"), str(flags[row.name])
    if (text := read_nonempty_variable(row.variable, environ)) is not None:
        return row.variable, text
    return written.source_and_text(row.name) or (DEFAULT_SOURCE, written.default(row))


def _refuse_contradicting_variables(
    environ: Mapping[str, str], flags: Mapping[str, Any], written: _SettingsFile
) -> None:
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


def _load_file(environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> _SettingsFile:
    common, environments, reports = _read_toml(cwd / SETTINGS_FILE)
    wanted = flags.get("env")
    if wanted is None:
        wanted = read_nonempty_variable(ENVIRONMENT_VARIABLE, environ)
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
        _refuse_invalid_entry(SETTINGS_FILE, key, value)
    for name, environment in environments.items():
        for key, value in environment.settings.items():
            _refuse_invalid_entry(f"{SETTINGS_FILE}: [environments.{name}]", key, value)
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
            keys.append(read_api_key(environ, cwd, environment) or "")
    return (*filter(None, keys), *filter(None, (environ.get("CODAT_API_KEY", "").strip(),)))


def _refuse_renamed_variables(environ: Mapping[str, str]) -> None:
    for name in _RENAMED:
        if name in environ:
            raise InvalidSettings(f"{name} is called {_RENAMED[name]} now: set that, and unset {name}")


def _refuse_invalid_entry(address: str, key: str, value: object) -> None:
    known = [row.name for row in _ROWS if row.name != "allow_http"]
    if key in _RENAMED:
        raise InvalidSettings(f"{address}: {key}: is called {_RENAMED[key]} now")
    if key.startswith("api_key"):
        raise InvalidSettings(
            f"{address}: {key}: a key does not belong in a file; set CODAT_API_KEY or CODAT_API_KEY_FILE"
        )
    if key in SECRET_VARIABLES:
        variable = SECRET_VARIABLES[key]
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
