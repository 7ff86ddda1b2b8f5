"""The account's own settings that exist, as manifests: what none declares yet, read once, nothing written.

text, rows, profile, data types ─▶ a SyncFlow        rules, webhook consumers ─▶ an AlertRules
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.codat.client import Reader
from controller.desired.generate import slug, unique_name
from controller.desired.loader import load_fleet
from controller.desired.schema import ALERTS_KIND, FLOW_KIND
from controller.desired.schema_problems import find_schema_problems
from controller.desired.yaml_writer import NewManifest
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.account_settings import (
    DATA_TYPES_ROOT,
    LOCALES,
    PROFILE_PART,
    REQUIRED_ROWS,
    TEXT_ROOT,
    VISIBLE_ACCOUNTS_PATH,
    LiveSettings,
    part_of_setting,
)
from controller.model.desired import DesiredSettings
from controller.model.errors import InvalidManifests, NotFound, RemoteError
from controller.model.field_values import SettingValue
from controller.model.hooks import Hook, HookKind, LiveHook
from controller.operations.bootstrap import ignore_message, open_reader, open_store
from controller.operations.shared_budget import shared_budget
from controller.quick_dataclasses import dataclass
from controller.reconcile.account_identity import company_id_by_merchant, verify_account
from controller.reconcile.account_settings import read_live_settings
from controller.settings import Settings

FLOW_NAME, ALERTS_NAME = "sync-flow", "alert-rules"
IMPORTED_PARTS = (
    *(f"{TEXT_ROOT}.{locale}" for locale in LOCALES),
    VISIBLE_ACCOUNTS_PATH,
    PROFILE_PART,
    DATA_TYPES_ROOT,
)


@dataclass(frozen=True, slots=True)
class AccountImport:
    """What an import of the account found.

    manifests  of what no manifest declares yet; none where all is declared, or nothing is there
    unread     by part why it could not be read
    left_out   live values that no manifest can say, and why
    """

    manifests: tuple[NewManifest, ...]
    unread: Mapping[str, str]
    left_out: tuple[str, ...] = ()


async def prepare_account_import(
    settings: Settings, out: Path | None, *, environment: Environment = REAL_ENVIRONMENT
) -> AccountImport:
    """What the account has, as manifests to be written to `out`; None = nowhere, beside no others.

    Raises InvalidManifests where those that are there cannot be read, WrongAccount where the state belongs to another
    account: its manifests would be given these settings.
    """
    declared = _load_declared_settings(settings, out) if out else DesiredSettings()
    async with (
        open_store(settings, ignore_message) as store,
        open_reader(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        bound = company_id_by_merchant(await store.records.load())
        await verify_account(api, await store.account.load(), bound, api.companies, environment.clock())
        live = await read_live_settings(IMPORTED_PARTS, await api.client_id(), api)
        hooks, unread_hooks = await _read_hooks(api)
    flow, flow_left_out = _undeclared_flow_spec(live, declared)
    alerts, hooks_left_out = _undeclared_alerts_spec(hooks, declared)
    manifests = [
        *([NewManifest(FLOW_KIND, FLOW_NAME, flow)] if flow else []),
        *([NewManifest(ALERTS_KIND, ALERTS_NAME, alerts, _SECRET_COMMENT)] if alerts else []),
    ]
    return AccountImport(tuple(manifests), {**live.unread, **unread_hooks}, (*flow_left_out, *hooks_left_out))


_SECRET_COMMENT = (
    "Name under `secret` of each consumer where its signing secret is: {env: VARIABLE} or {file: PATH}.",
)


def _load_declared_settings(settings: Settings, out: Path) -> DesiredSettings:
    root = settings.manifests if out.resolve().is_relative_to(settings.manifests.resolve()) else out
    if not root.exists():
        return DesiredSettings()
    fleet = load_fleet(root, selector=settings.selector)
    if fleet.diagnostics:
        raise InvalidManifests(fleet.diagnostics)
    return fleet.account_settings


async def _read_hooks(api: Reader) -> tuple[list[LiveHook], dict[str, str]]:
    """An account without legacy rules has none; that is nothing unread."""
    found: list[LiveHook] = []
    unread: dict[str, str] = {}
    for kind in HookKind:
        try:
            found += await api.hooks(kind)
        except NotFound:
            continue
        except RemoteError as error:
            unread[kind.section] = str(error)
    return found, unread


# Specs --------------------------------------------------------------------------------------------------


def _undeclared_flow_spec(live: LiveSettings, declared: DesiredSettings) -> tuple[dict[str, Any], list[str]]:
    """Everything that a manifest can say and none says yet; what it cannot say is named."""
    spec: dict[str, Any] = {}
    for path, value in _values_to_declare(live, declared):
        *parents, key = path.split(".")
        node = spec
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = list(value) if isinstance(value, tuple) else value
    left_out = []
    for problem in list(find_schema_problems(FLOW_KIND, NewManifest(FLOW_KIND, FLOW_NAME, spec).as_dict)):
        keys = [str(key) for key in problem.path[1:] if isinstance(key, str)]
        if _remove_at_path(spec, keys):
            left_out.append(f"{'.'.join(keys)}: {problem.what}")
    return spec, left_out


def _values_to_declare(live: LiveSettings, declared: DesiredSettings) -> Iterator[tuple[str, SettingValue]]:
    """The path and value of each live setting that a manifest can say and that none says yet."""
    for path, value in sorted(live.values.items()):
        if path in declared.values or path in live.locked or not isinstance(value, bool | int | str | tuple):
            continue
        if path == VISIBLE_ACCOUNTS_PATH and isinstance(value, tuple):
            yield path, tuple(row for row in value if row not in REQUIRED_ROWS)
        elif part_of_setting(path) != PROFILE_PART or value:  # of the profile an empty value is none
            yield path, value


def _remove_at_path(spec: dict[str, Any], path_keys: Collection[str]) -> bool:
    """Takes a value out of the spec, with the mappings that are empty then; whether it was there."""
    *parents, key = path_keys
    trail: list[tuple[dict[str, Any], str]] = []
    node: Any = spec
    for parent in parents:
        if not isinstance(node.get(parent), dict):
            return False
        trail.append((node, parent))
        node = node[parent]
    if key not in node:
        return False
    del node[key]
    for above, name in reversed(trail):
        if not above[name]:
            del above[name]
    return True


def _undeclared_alerts_spec(hooks: Iterable[LiveHook], declared: DesiredSettings) -> tuple[dict[str, Any], list[str]]:
    """Those that no manifest declares, that deliver, and that are for every company."""
    known = {each.hook for each in declared.hooks.values()}
    names = {each.path for each in declared.hooks.values()}
    spec: dict[str, Any] = {}
    left_out = []
    for live in hooks:
        section = live.hook.kind.section
        if live.hook in known:
            continue
        known.add(live.hook)
        body = _hook_spec(live.hook)
        why = "it is disabled" if live.disabled else "it is for one company alone" if live.company_id else ""
        why = why or next((each.what for each in _hook_problems(section, body)), "")
        if why:
            left_out.append(f"{section[:-1]} {live.id}: {why}")
            continue
        path = unique_name(f"{section}.{slug(next(iter(sorted(live.hook.events))))[:50]}", names)
        names.add(path)
        spec.setdefault(section, {})[path.removeprefix(f"{section}.")] = body
    return spec, left_out


def _hook_problems(section: str, body: Mapping[str, Any]) -> Iterator[Any]:
    return find_schema_problems(ALERTS_KIND, NewManifest(ALERTS_KIND, ALERTS_NAME, {section: {"a": body}}).as_dict)


def _hook_spec(hook: Hook) -> dict[str, Any]:
    if hook.kind is HookKind.RULE:
        (rule_type,) = hook.events
        emails = {"emails": sorted(hook.emails)} if hook.emails else {}
        return {"type": rule_type} | ({"webhook": hook.url} if hook.url else {}) | emails
    tags = {"companyTags": sorted(hook.tags)} if hook.tags else {}
    return {"url": hook.url, "eventTypes": sorted(hook.events), **tags}
