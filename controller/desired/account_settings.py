"""The documents about the platform's own account, joined: everything is declared once. Pure.

    SyncFlow …, AlertRules … ─▶ DesiredSettings

Several documents may share the work, as one for each locale; nothing stands in two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from controller.desired.parsed_manifest import ParsedManifest
from controller.desired.schema import ALERTS_KIND, FLOW_KIND
from controller.model.desired import DesiredSettings, Diagnostic, DriftPolicy, Origin
from controller.model.field_values import value_to_json
from controller.model.hooks import DeclaredHook, Hook, HookKind, SecretRef

_DRIFT_POLICY_PATH = "policy.drift"


def compile_settings(documents: Iterable[ParsedManifest]) -> tuple[DesiredSettings, list[Diagnostic]]:
    """What all documents declare, and a diagnostic for each thing that stands in two of them."""
    documents = list(documents)
    settings, diagnostics = _join_flows(each for each in documents if each.kind == FLOW_KIND)
    hooks, origins, problems = _join_hooks(each for each in documents if each.kind == ALERTS_KIND)
    lines = [
        *((path, value_to_json(value), path in settings.report_only) for path, value in settings.values.items()),
        *((path, str(each.hook), str(each.secret)) for path, each in hooks.items()),
    ]
    digest = sha256(repr(sorted(lines, key=repr)).encode(errors="surrogatepass")).hexdigest() if lines else ""
    origins |= settings.origins
    return replace(settings, hooks=hooks, origins=origins, digest=digest), [*diagnostics, *problems]


def _join_flows(documents: Iterable[ParsedManifest]) -> tuple[DesiredSettings, list[Diagnostic]]:
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    report_only: set[str] = set()
    diagnostics: list[Diagnostic] = []
    for document in documents:
        declared = {path: value for path, value in document.values.items() if path != _DRIFT_POLICY_PATH}
        if document.values.get(_DRIFT_POLICY_PATH) == DriftPolicy.REPORT:
            report_only |= declared.keys()
        for path, value in declared.items():
            origin = document.origin(path)
            if path in origins:
                diagnostics.append(_declared_twice_diagnostic(path, origins[path], origin))
            else:
                origins[path] = origin
                values |= {path: value} if document.is_valid else {}
    return DesiredSettings(values, frozenset(report_only), origins), diagnostics


def _join_hooks(
    documents: Iterable[ParsedManifest],
) -> tuple[dict[str, DeclaredHook], dict[str, Origin], list[Diagnostic]]:
    hooks: dict[str, DeclaredHook] = {}
    origins: dict[str, Origin] = {}
    diagnostics: list[Diagnostic] = []
    for document in documents:
        for path, keys in _values_by_hook(document.values).items():
            origin = document.origin(next(each for each in document.positions if each.startswith(f"{path}.")))
            if path in origins:
                diagnostics.append(_declared_twice_diagnostic(path, origins[path], origin))
                continue
            origins[path] = origin
            if not document.is_valid:
                continue
            declared = _to_declared_hook(path, keys)
            equal = next((each for each in hooks.values() if each.hook == declared.hook), None)
            if equal:
                what = f"{path} is the same as {equal.path} at {origins[equal.path]}"
                diagnostics.append(_duplicate_diagnostic(origin, what))
            hooks[path] = declared
    return hooks, origins, diagnostics


def _values_by_hook(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By `rules.NAME` and `consumers.NAME` what stands below."""
    found: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        section, name, key = path.split(".", 2)
        found.setdefault(f"{section}.{name}", {})[key] = value
    return found


def _to_declared_hook(path: str, keys: Mapping[str, Any]) -> DeclaredHook:
    section, _, name = path.partition(".")
    if section == HookKind.RULE.section:
        events, url = frozenset({keys["type"]}), keys.get("webhook", "")
        return DeclaredHook(name, Hook(HookKind.RULE, events, url, emails=frozenset(keys.get("emails", ()))))
    tags = frozenset(keys.get("companyTags", ()))
    secrets: Iterator[SecretRef] = (
        SecretRef(kind, keys[f"secret.{kind}"]) for kind in ("env", "file") if f"secret.{kind}" in keys
    )
    hook = Hook(HookKind.CONSUMER, frozenset(keys["eventTypes"]), keys["url"], tags=tags)
    return DeclaredHook(name, hook, next(secrets, None))


def _declared_twice_diagnostic(path: str, first: Origin, second: Origin) -> Diagnostic:
    return _duplicate_diagnostic(second, f"{path} is declared at {first} already: the account has it once")


def _duplicate_diagnostic(origin: Origin, what: str) -> Diagnostic:
    return Diagnostic(origin.file, origin.line, origin.column, what, "keep one of them")
