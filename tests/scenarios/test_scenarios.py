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
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from controller.codat import wire
from controller.codat.from_wire import company_from, data_type_status_from, record_from
from controller.model.field_values import value_from_json
from controller.model.observed import (
    REQUIRED_DATA_TYPES,
    Absent,
    BooksForNewAccounts,
    BooksRecord,
    Company,
    Configuration,
    DataTypeStatus,
    LastSync,
    Observed,
    RecordedState,
    SimilarName,
    Unread,
)
from controller.model.plan import Finding, Plan
from controller.model.report import FleetPlan, RequestEstimate
from controller.model.run_policy import RunPolicy
from controller.model.syncs_and_uploads import OpenManualSync
from controller.planning.clock_skew import hold_if_skew_matters
from controller.planning.during_manual_sync import (
    desired_during_manual_sync,
    hold_during_manual_sync,
    recorded_during_manual_sync,
)
from controller.planning.holds import hold_if_closed
from controller.planning.limits import FleetSize, limit_plans
from controller.planning.merchant_renames import (
    claimant_finding,
    company_bound_twice_finding,
    finding_only_plan,
    removed_but_claimed_finding,
    rename_waits_for_rollout_finding,
    with_rename_or_finding,
)
from controller.planning.plan import make_plan
from controller.planning.unclear_merchant_renames import (
    Evidence,
    PossibleRename,
    possible_heir_finding,
    removed_but_unclear_finding,
)
from controller.reconcile.observe import has_both_links
from controller.reporting.as_json import plan_json
from controller.reporting.text import plan_text
from tests import build
from tests.narrowing import present

FOLDERS = sorted(path.parent for path in build.SCENARIOS.glob("*/manifest.yaml"))
Json = dict[str, Any]

REFERENCE_CODES = (
    f"{kind}-{fate}"
    for kind in ("account", "tax-rate", "customer", "supplier")
    for fate in ("deleted", "archived", "recreated", "remapped", "unresolved", "ambiguous")
)
OTHER_CODES = """
    company-missing company-renamed company-duplicate company-similar company-unmanaged company-wrong-books
    connection-missing connection-deleted connection-pending connection-unlinked connection-deauthorized
    connection-wrong-platform connection-duplicate connection-error replaced-already
    commerce-connection-missing commerce-connection-unlinked
    data-not-pulled data-pull-failed data-stale last-sync-failed sync-overdue
    re-create-held create-record-held clock-skew suspended ignored manual-sync
    mapping-changed mapping-invalid schedule-changed sync-disabled sync-enabled not-configured
    merchant-renamed renamed-already rename-unclear
    unknown
"""
CODES = {*REFERENCE_CODES, *OTHER_CODES.split()}
"""Every finding code that a plan can hold."""


def read(folder: Path, name: str) -> Json:
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else {}


def planned(folder: Path) -> Plan:
    live = read(folder, "live.json")
    now = datetime.fromisoformat(live.get("now", build.USUAL_NOW.isoformat()))
    wanted, before = build.load_declared(folder), remembered(folder)
    if "left alone" in live:
        return finding_only_plan(wanted, left_alone(wanted.name, **live["left alone"]), now)
    manual = open_sync(folder)
    if manual:
        wanted, before = desired_during_manual_sync(wanted, manual), recorded_during_manual_sync(before, manual)
    plan = hold_during_manual_sync(make_plan(wanted, observed(live, now), before, now), manual)
    if "serviceNow" in live:
        theirs = datetime.fromisoformat(live["serviceNow"])
        by_service = make_plan(wanted, observed(live, theirs), remembered(folder), theirs)
        plan = hold_if_skew_matters(by_service, plan, theirs, now)
    plan = _without_addresses(hold_if_closed(plan, wanted, now))
    if plan.is_closed:
        return plan
    (judged,) = limit_plans(
        (plan,), FleetSize(bound_count=1, without_manifest=None, declared_count=1), RunPolicy()
    ).plans
    return with_rename_or_finding(judged, live.get("renamed from"), live.get("line without work"))


def _without_addresses(plan: Plan) -> Plan:
    """Its manifest is in a folder that has another name each time."""
    return replace(plan, findings=tuple(replace(each, manifest=None) for each in plan.findings))


def left_alone(name: str, why: str, of: str, more: str = "") -> Finding:
    """Who is not looked at before a person has said who is who."""
    match why:
        case "claims":
            return claimant_finding(name, of)
        case "is claimed":
            return removed_but_claimed_finding(name, of)
        case "may be another":
            return removed_but_unclear_finding(PossibleRename(name, {of: Evidence.CONTENT}), bound=[name, of])
        case "may be a removed one":
            return possible_heir_finding(name, of)
        case "rollout":
            return rename_waits_for_rollout_finding(name, of, more)
        case "two for one":
            return company_bound_twice_finding(name, more, [of])
    raise AssertionError(why)


def observed(live: Json, now: datetime) -> Observed:
    company = seen_company(live)
    others = tuple(Company(each, build.usual_company().name) for each in live.get("namesakes", ()))
    if not isinstance(company, Company) or not has_both_links(company):
        alike = tuple(SimilarName(**each) for each in live.get("alike", ()))
        return Observed(company, others, live.get("holder"), similar_names=alike)
    last = live.get("lastSuccess")
    return Observed(
        company,
        same_name_companies=others,
        configuration=seen_configuration(live.get("configuration", {}), now),
        records={tuple(key.split()): seen_record(row) for key, row in live.get("records", {}).items()},
        data_status=seen_pulls(live["data"]) if "data" in live else None,
        last_successful_sync=datetime.fromisoformat(last) if last else None,
        books_for_new_accounts=seen_books(live["books"]) if "books" in live else None,
    )


def seen_company(live: Json) -> Company | Absent | Unread:
    match live.get("company", {}):
        case "absent":
            return Absent()
        case {"unread": why}:
            return Unread(why)
        case patch:
            connections = [*seen_connections(live), *live.get("more connections", ())]
            company = build.merge_patch(build.usual_json("company"), {**patch, "dataConnections": connections})
            return company_from(wire.CompanyJson.model_validate(company))


def seen_connections(live: Json) -> Iterator[Json]:
    for side, usual in zip(("commerce", "accounting"), build.usual_json("company")["dataConnections"], strict=True):
        patch = live.get(side, {})
        if patch is not None:
            yield build.merge_patch(usual, patch)


def seen_configuration(patch: Json, now: datetime) -> Configuration | Unread:
    match patch:
        case {"unread": why}:
            return Unread(why)
        case {"not ready": why}:
            return Unread(why, failed=False)
        case _:
            return build.usual_configuration(patch, now)


def seen_record(row: Json | str) -> BooksRecord | Absent | Unread:
    match row:
        case "absent":
            return Absent()
        case {"unread": why}:
            return Unread(why)
        case _:
            return record_from(wire.RecordJson.model_validate(row))


def seen_books(row: Json) -> BooksForNewAccounts | Unread:
    """As they are for the one reference of these scenarios that may have an account created."""
    if "unread" in row:
        return Unread(row["unread"])
    same = [record_from(wire.RecordJson.model_validate(each)) for each in row.get("same", ())]
    of_card = {"mapping.payments.accounts.card": tuple(same)}
    return BooksForNewAccounts(tuple(row["types"]), of_card, row.get("unfinished", ""))


def seen_pulls(patch: Json) -> dict[str, DataTypeStatus]:
    row = {"currentStatus": "Complete", "lastSuccessfulSync": "2026-11-22T02:00:00Z"}
    rows = build.merge_patch(dict.fromkeys(REQUIRED_DATA_TYPES, row), patch)
    return {
        name: data_type_status_from(name, wire.DataTypeStatusJson.model_validate(each)) for name, each in rows.items()
    }


def remembered(folder: Path) -> RecordedState:
    if not (folder / "last.json").exists():
        return RecordedState()
    last = read(folder, "last.json")
    applied = {path: value_from_json(path, value) for path, value in last.get("applied", {}).items()}
    seen = datetime.fromisoformat(last.get("configuredAt", build.USUAL_NOW.isoformat()))
    return build.recorded_state(
        applied,
        company_id=last.get("companyId", "company-1"),
        connection_id=last.get("connectionId", "accounting-1"),
        last_configured_at=seen if last.get("configured", True) else None,
        last_sync=remembered_sync(last["sync"]) if "sync" in last else None,
    )


def open_sync(folder: Path) -> OpenManualSync | None:
    """The manual sync that is open."""
    row = read(folder, "last.json").get("manualSync")
    return row and OpenManualSync(
        1, datetime.fromisoformat(row["begunAt"]), row["wasEnabled"], row["ended"], row["owner"]
    )


def remembered_sync(row: Json) -> LastSync:
    ran_at, since, read_at = (
        datetime.fromisoformat(row[key]) if row.get(key) else None for key in ("ranAt", "since", "readAt")
    )
    first_read_at = present(since or ran_at)
    return LastSync(row.get("code"), row.get("message", ""), ran_at, first_read_at, read_at or build.USUAL_NOW)


def entry(plan: Plan) -> Json:
    (merchant,) = plan_json(fleet_of(plan))["merchants"]
    shown = {key: value for key, value in merchant.items() if key not in ("fingerprint", "data")}
    return shown | {"findings": [_without_ledger(each) for each in merchant["findings"]]}


def _without_ledger(finding: Json) -> Json:
    """No run made it: nothing is remembered of it, and its manifest is in no root."""
    return {key: value for key, value in finding.items() if key not in ("occurrences", "manifest")}


def fleet_of(plan: Plan) -> FleetPlan:
    return FleetPlan(
        (plan,), "", True, (), None, RequestEstimate(reads=2, writes=len(plan.changes), minutes=0.0), build.USUAL_NOW
    )


def expect(path: Path, text: str) -> None:
    if os.environ.get("SCENARIOS") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_plan_is_as_the_folder_says(folder: Path) -> None:
    plan = planned(folder)
    expect(folder / "plan.json", json.dumps(entry(plan), indent=2, ensure_ascii=False) + "\n")
    expect(folder / "report.txt", plan_text(fleet_of(plan)) + "\n")


def test_every_finding_code_has_a_scenario() -> None:
    shown = {finding["code"] for folder in FOLDERS for finding in read(folder, "plan.json")["findings"]}
    assert shown == CODES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_finding_says_why_and_what_to_do(folder: Path) -> None:
    for finding in read(folder, "plan.json")["findings"]:
        assert finding["cause"]
        assert finding["remedy"]
