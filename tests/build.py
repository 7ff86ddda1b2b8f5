"""The usual merchant as values: in sync, with everything that a document of REFERENCE 4.9 has, only fewer of each.

Tests say what is unusual. `scenarios/usual.json` holds what is live, `scenarios/usual.yaml` what is declared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controller.codat import wire
from controller.codat.convert import company_from, read_configuration
from controller.desired.fleet import load
from controller.model.merchant import Wanted
from controller.model.observed import DATA_TYPES, Absent, Company, Configuration, Memory, Observed, Pull, Unread
from controller.model.plan import Plan
from controller.model.values import Values
from controller.planning.diff import remembered_as
from controller.planning.plan import declared_values, make_plan

SCENARIOS = Path(__file__).parent / "scenarios"
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
Json = dict[str, Any]


def merged(document: Json, patch: Json) -> Json:
    """JSON Merge Patch (RFC 7396): null removes."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


@cache
def _usual() -> Json:
    return json.loads((SCENARIOS / "usual.json").read_text())


def usual(part: str) -> Json:
    """The API's own JSON: `company` or `configuration`."""
    return deepcopy(_usual()[part])


def document(patch: Json | None = None) -> Json:
    """The usual configuration document, with a merge patch."""
    return merged(usual("configuration"), patch or {})


def configuration(patch: Json | None = None, now: datetime = NOW) -> Configuration:
    """The usual configuration in our spelling, with a merge patch on the document."""
    return read_configuration(json.dumps(document(patch)).encode(), now)


def company(patch: Json | None = None) -> Company:
    return company_from(wire.Company.model_validate(merged(usual("company"), patch or {})))


def connected(status: str = "Linked", **more: Any) -> Company:
    """The usual company whose accounting connection is different."""
    commerce, accounting = usual("company")["dataConnections"]
    return company({"dataConnections": [commerce, {**accounting, "status": status, **more}]})


@cache
def _declared() -> Wanted:
    return declared(SCENARIOS / "001-in-sync")


def declared(scenario: Path) -> Wanted:
    """The one merchant that a scenario's manifest declares, on the usual profile."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for source in (SCENARIOS / "usual.yaml", scenario / "manifest.yaml"):
            (root / source.name).write_bytes(source.read_bytes())
        fleet = load(root)
    assert not fleet.complaints, "\n".join(str(each) for each in fleet.complaints)
    (only,) = fleet.merchants.values()
    return only


def wanted(fields: Json | None = None, without: Iterable[str] = (), **changes: Any) -> Wanted:
    """The usual wish with more fields, without some of them, and otherwise changed."""
    usual = _declared()
    kept = {path: wish for path, wish in usual.fields.items() if path not in set(without)}
    return replace(usual, fields={**kept, **(fields or {})}, **changes)


def observed(live: Configuration | Unread | None = None, **changes: Any) -> Observed:
    """The usual company with this configuration (None: the usual one)."""
    return replace(Observed(company(), configuration=live or configuration()), **changes)


def pulled(**unlike: Pull | None) -> dict[str, Pull]:
    """All six data types pulled this morning, but for some; None leaves a type out."""
    usual = {name: Pull(name, "Complete", NOW) for name in DATA_TYPES}
    return {name: pull for name, pull in {**usual, **unlike}.items() if pull}


def memory(applied: Values | None = None, **changes: Any) -> Memory:
    """What we remember after the usual merchant was applied, with other last applied values."""
    values = {remembered_as(path): value for path, value in declared_values(_declared(), configuration()).items()}
    usual = Memory("company-1", "accounting-1", {"company.name": "acme-coffee", **values, **(applied or {})}, NOW)
    return replace(usual, **changes)


def plan(wish: Wanted | None = None, seen: Observed | None = None, last: Memory | None = None) -> Plan:
    """The plan of the usual merchant, but for what is given."""
    return make_plan(wish or wanted(), seen or observed(), last or memory(), NOW)


def codes(plan: Plan) -> list[str]:
    return [finding.code for finding in plan.findings]


def kinds(plan: Plan) -> list[str]:
    return [str(change.kind) for change in plan.changes]


def classes(plan: Plan) -> list[str]:
    return [str(cls) for change in plan.changes for cls in change.classes]


NOTHING = Memory()
NOWHERE = Observed(Absent())
