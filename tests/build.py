"""The usual merchant as values: in sync, with everything that a document of API notes 4.9 has, only fewer of each.

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
from controller.codat.from_wire import company_from, read_configuration
from controller.desired.loader import load_fleet
from controller.model.desired import DesiredMerchant
from controller.model.field_values import Values
from controller.model.observed import (
    REQUIRED_DATA_TYPES,
    Absent,
    Company,
    Configuration,
    DataTypeStatus,
    Observed,
    RecordedState,
    Unread,
)
from controller.model.plan import Plan
from controller.planning.diff import recorded_path
from controller.planning.plan import live_values_of_declared_fields, make_plan

SCENARIOS = Path(__file__).parent / "scenarios"
USUAL_NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
Json = dict[str, Any]


def merge_patch(document: Json, patch: Json) -> Json:
    """JSON Merge Patch (RFC 7396): null removes."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge_patch(result[key], value)
        else:
            result[key] = value
    return result


@cache
def _usual() -> Json:
    return json.loads((SCENARIOS / "usual.json").read_text())


def usual_json(part: str) -> Json:
    """The API's own JSON: `company` or `configuration`."""
    return deepcopy(_usual()[part])


def usual_document(patch: Json | None = None) -> Json:
    """The usual configuration document, with a merge patch."""
    return merge_patch(usual_json("configuration"), patch or {})


def usual_configuration(patch: Json | None = None, now: datetime = USUAL_NOW) -> Configuration:
    """The usual configuration in our spelling, with a merge patch on the document."""
    return read_configuration(json.dumps(usual_document(patch)).encode(), now)


def usual_company(patch: Json | None = None) -> Company:
    return company_from(wire.CompanyJson.model_validate(merge_patch(usual_json("company"), patch or {})))


def company_with_connection(status: str = "Linked", **more: Any) -> Company:
    """The usual company whose accounting connection is different."""
    commerce, accounting = usual_json("company")["dataConnections"]
    return usual_company({"dataConnections": [commerce, {**accounting, "status": status, **more}]})


@cache
def _declared() -> DesiredMerchant:
    return load_declared(SCENARIOS / "001-in-sync")


def load_declared(scenario: Path) -> DesiredMerchant:
    """The one merchant that a scenario's manifest declares, on the usual profile."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for source in (SCENARIOS / "usual.yaml", scenario / "manifest.yaml"):
            (root / source.name).write_bytes(source.read_bytes())
        fleet = load_fleet(root, today=USUAL_NOW.date())
    assert not fleet.diagnostics, "\n".join(str(each) for each in fleet.diagnostics)
    (only,) = fleet.merchants.values()
    return only


def desired_merchant(fields: Json | None = None, without: Iterable[str] = (), **changes: Any) -> DesiredMerchant:
    """The usual wish with more fields, without some of them, and otherwise changed."""
    usual = _declared()
    kept = {path: wish for path, wish in usual.fields.items() if path not in set(without)}
    return replace(usual, fields={**kept, **(fields or {})}, **changes)


def observed(live: Configuration | Unread | None = None, **changes: Any) -> Observed:
    """The usual company with this configuration (None: the usual one)."""
    return replace(Observed(usual_company(), configuration=live or usual_configuration()), **changes)


def data_statuses(**unlike: DataTypeStatus | None) -> dict[str, DataTypeStatus]:
    """All six data types pulled this morning, but for some; None leaves a type out."""
    usual = {name: DataTypeStatus(name, "Complete", USUAL_NOW) for name in REQUIRED_DATA_TYPES}
    return {name: pull for name, pull in {**usual, **unlike}.items() if pull}


def recorded_state(applied: Values | None = None, **changes: Any) -> RecordedState:
    """What we remember after the usual merchant was applied, with other last applied values."""
    values = {
        recorded_path(path): value
        for path, value in live_values_of_declared_fields(_declared(), usual_configuration()).items()
    }
    usual = RecordedState(
        "company-1", "accounting-1", {"company.name": "acme-coffee", **values, **(applied or {})}, USUAL_NOW
    )
    return replace(usual, **changes)


def make_usual_plan(
    wish: DesiredMerchant | None = None, seen: Observed | None = None, last: RecordedState | None = None
) -> Plan:
    """The plan of the usual merchant, but for what is given."""
    return make_plan(wish or desired_merchant(), seen or observed(), last or recorded_state(), USUAL_NOW)


def finding_codes(plan: Plan) -> list[str]:
    return [finding.code for finding in plan.findings]


def change_kinds(plan: Plan) -> list[str]:
    return [str(change.kind) for change in plan.changes]


def change_classes(plan: Plan) -> list[str]:
    return [str(cls) for change in plan.changes for cls in change.classes]


NOTHING_RECORDED = RecordedState()
COMPANY_ABSENT = Observed(Absent())
