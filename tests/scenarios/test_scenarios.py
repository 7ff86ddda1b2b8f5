"""Each folder is one situation: manifest.yaml, live.json and last.json in, plan.json and report.txt out.

    manifest.yaml  one merchant on the profile of usual.yaml
    live.json      what the API says, where it is not as in usual.json (README.md has the words)
    last.json      what we remember, where it is not the usual memory; without it we never saw the merchant
    plan.json      the merchant's entry in `plan -o json`, without the fingerprint
    report.txt     what `plan` prints

SCENARIOS=write writes plan.json and report.txt anew; read every line of the difference before it is committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from controller.codat import wire
from controller.codat.convert import company_from, pull_from, record_from
from controller.model.observed import (
    DATA_TYPES,
    Absent,
    Company,
    Configuration,
    LastSync,
    Memory,
    Observed,
    Pull,
    Record,
    Unread,
)
from controller.model.plan import Plan
from controller.model.report import Cost, FleetPlan
from controller.model.values import from_json
from controller.planning.plan import make_plan
from controller.reconcile.observe import both_linked
from controller.reporting.as_json import plan_json
from controller.reporting.text import plan_text
from tests import build

FOLDERS = sorted(path.parent for path in build.SCENARIOS.glob("*/manifest.yaml"))
Json = dict[str, Any]

REFERENCE_CODES = (
    f"{kind}-{fate}"
    for kind in ("account", "tax-rate", "customer", "supplier")
    for fate in ("deleted", "archived", "recreated", "unresolved", "ambiguous")
)
OTHER_CODES = """
    company-missing company-renamed company-duplicate company-unmanaged company-wrong-books
    connection-missing connection-deleted connection-pending connection-unlinked connection-deauthorized
    connection-wrong-platform connection-duplicate connection-error
    commerce-connection-missing commerce-connection-unlinked
    data-not-pulled data-pull-failed data-stale last-sync-failed sync-overdue
    mapping-changed mapping-invalid schedule-changed sync-disabled sync-enabled not-configured
    unknown
"""
CODES = {*REFERENCE_CODES, *OTHER_CODES.split()}
"""Every finding code that a plan can hold."""


def read(folder: Path, name: str) -> Json:
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else {}


def planned(folder: Path) -> Plan:
    live = read(folder, "live.json")
    now = datetime.fromisoformat(live.get("now", build.NOW.isoformat()))
    return make_plan(build.declared(folder), observed(live, now), remembered(folder), now)


def observed(live: Json, now: datetime) -> Observed:
    company = seen_company(live)
    others = tuple(Company(each, build.company().name) for each in live.get("namesakes", ()))
    if not isinstance(company, Company) or not both_linked(company):
        return Observed(company, others, live.get("holder"))
    last = live.get("lastSuccess")
    return Observed(
        company,
        namesakes=others,
        configuration=seen_configuration(live.get("configuration", {}), now),
        records={tuple(key.split()): seen_record(row) for key, row in live.get("records", {}).items()},
        pulls=seen_pulls(live["data"]) if "data" in live else None,
        last_success=datetime.fromisoformat(last) if last else None,
    )


def seen_company(live: Json) -> Company | Absent | Unread:
    match live.get("company", {}):
        case "absent":
            return Absent()
        case {"unread": why}:
            return Unread(why)
        case patch:
            connections = [*seen_connections(live), *live.get("more connections", ())]
            company = build.merged(build.usual("company"), {**patch, "dataConnections": connections})
            return company_from(wire.Company.model_validate(company))


def seen_connections(live: Json) -> Iterator[Json]:
    for side, usual in zip(("commerce", "accounting"), build.usual("company")["dataConnections"], strict=True):
        patch = live.get(side, {})
        if patch is not None:
            yield build.merged(usual, patch)


def seen_configuration(patch: Json, now: datetime) -> Configuration | Unread:
    match patch:
        case {"unread": why}:
            return Unread(why)
        case {"not ready": why}:
            return Unread(why, failed=False)
        case _:
            return build.configuration(patch, now)


def seen_record(row: Json | str) -> Record | Absent | Unread:
    match row:
        case "absent":
            return Absent()
        case {"unread": why}:
            return Unread(why)
        case _:
            return record_from(wire.Record.model_validate(row))


def seen_pulls(patch: Json) -> dict[str, Pull]:
    row = {"currentStatus": "Complete", "lastSuccessfulSync": "2026-11-22T02:00:00Z"}
    rows = build.merged(dict.fromkeys(DATA_TYPES, row), patch)
    return {name: pull_from(name, wire.Pull.model_validate(each)) for name, each in rows.items()}


def remembered(folder: Path) -> Memory:
    if not (folder / "last.json").exists():
        return Memory()
    last = read(folder, "last.json")
    applied = {path: from_json(path, value) for path, value in last.get("applied", {}).items()}
    seen = datetime.fromisoformat(last.get("configuredAt", build.NOW.isoformat()))
    return build.memory(
        applied,
        company_id=last.get("companyId", "company-1"),
        connection_id=last.get("connectionId", "accounting-1"),
        configured_at=seen if last.get("configured", True) else None,
        sync=remembered_sync(last["sync"]) if "sync" in last else None,
    )


def remembered_sync(row: Json) -> LastSync:
    ran_at, since, read_at = (
        datetime.fromisoformat(row[key]) if row.get(key) else None for key in ("ranAt", "since", "readAt")
    )
    return LastSync(row.get("code"), row.get("message", ""), ran_at, since or ran_at, read_at or build.NOW)


def entry(plan: Plan) -> Json:
    (merchant,) = plan_json(fleet_of(plan))["merchants"]
    return {key: value for key, value in merchant.items() if key not in ("fingerprint", "data")}


def fleet_of(plan: Plan) -> FleetPlan:
    return FleetPlan((plan,), "", True, (), None, Cost(reads=2, writes=len(plan.changes), minutes=0.0), build.NOW)


def expect(path: Path, text: str) -> None:
    if os.environ.get("SCENARIOS") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_plan_is_as_the_folder_says(folder):
    plan = planned(folder)
    expect(folder / "plan.json", json.dumps(entry(plan), indent=2, ensure_ascii=False) + "\n")
    expect(folder / "report.txt", plan_text(fleet_of(plan)) + "\n")


def test_every_finding_code_has_a_scenario():
    shown = {finding["code"] for folder in FOLDERS for finding in read(folder, "plan.json")["findings"]}
    assert shown == CODES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_finding_says_why_and_what_to_do(folder):
    for finding in read(folder, "plan.json")["findings"]:
        assert finding["cause"]
        assert finding["remedy"]
