"""The documents about the platform's own account, joined: each setting is declared once. Pure.

    SyncFlow …, SyncFlow … ─▶ DesiredSettings

Several documents may share the work, as one for each locale; no setting stands in two of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from controller.desired.manifest import ParsedManifest
from controller.desired.schema import FLOW_KIND
from controller.model.desired import DesiredSettings, Diagnostic, DriftPolicy, Origin
from controller.model.values import value_to_json

_DRIFT_POLICY_PATH = "policy.drift"


def compile_settings(documents: Iterable[ParsedManifest]) -> tuple[DesiredSettings, list[Diagnostic]]:
    """What all documents of kind SyncFlow declare, and a diagnostic for each setting that two of them declare."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    report_only: set[str] = set()
    diagnostics: list[Diagnostic] = []
    for document in (each for each in documents if each.kind == FLOW_KIND):
        declared = {path: value for path, value in document.values.items() if path != _DRIFT_POLICY_PATH}
        if document.values.get(_DRIFT_POLICY_PATH) == DriftPolicy.REPORT:
            report_only |= declared.keys()
        for path, value in declared.items():
            origin = document.origin(path)
            if path in origins:
                what = f"{path} is declared at {origins[path]} already: the account has it once"
                diagnostics.append(Diagnostic(origin.file, origin.line, origin.column, what, "keep one of them"))
            else:
                origins[path] = origin
                values |= {path: value} if document.is_valid else {}
    lines = [(path, value_to_json(value), path in report_only) for path, value in sorted(values.items())]
    digest = sha256(repr(lines).encode(errors="surrogatepass")).hexdigest() if lines else ""
    return DesiredSettings(values, frozenset(report_only), origins, digest), diagnostics
