"""A manual sync, killed at every point: the next look switches the merchant on again, and starts no second sync."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from controller.environment import Environment
from controller.model.errors import MerchantctlError
from controller.model.report import Applied, FleetReport
from controller.model.run_policy import RunPolicy, Scope
from controller.model.syncs_and_uploads import SyncRange
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest, ignore_message
from controller.operations.sync import SyncRequest, confirm_and_sync
from state import open_state
from state.tables import manual_syncs
from tests.crash.disturbance import Disturbance, Killed, disturbed
from tests.emulator import Emulator, Merchant
from tests.end_to_end.interfere import at_request, interfere
from tests.end_to_end.place import (
    SAVE_CONFIGURATION,
    Place,
    changes_by_merchant,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)
from tests.intercept import Forward, intercepted
from tests.processes import PythonProcess

LATEST = "POST /companies/{companyId}/sync/commerce/latest"
SOLD = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT10:00:00Z}"
SALES: dict[str, dict[str, Any]] = {
    "orders": {"totalAmount": 12.5},
    "payments": {"amount": 12.5, "type": "Card", "status": "Paid"},
    "transactions": {"type": "Payment", "totalAmount": 12.5, "transactionSourceRef": {"id": "1", "type": "Order"}},
}
DECLARED_ON = {"enabled": True, "policy": {"drift": "Report"}}
DECLARED_OFF = {"enabled": False}
UNDECLARED: dict[str, Any] = {}


def prepare(place: Place, spec: dict[str, Any]) -> Merchant:
    """A merchant with sales, that is on and recorded so; the manifest says it, says otherwise, or nothing."""
    place.merchant("m-00000", profile=None, connection={"platform": "xero"}, **(spec | {"enabled": True}))
    (merchant,) = place.emulator.seed(1, "configured")
    for key, record in SALES.items():
        path = f"/data/companies/{merchant['companyId']}/sync/commerce-{key}"
        assert place.emulator.api.post(path, json={key: [{"id": "1", "createdDate": SOLD} | record]}).is_success
    place.apply()
    place.merchant("m-00000", profile=None, connection={"platform": "xero"}, **spec)
    return merchant


def request(**more: Any) -> SyncRequest:
    return SyncRequest(SyncRange(), lambda preview: True, 0, more.get("on_message", ignore_message))


def synchronise(place: Place) -> None:
    asyncio.run(confirm_and_sync(place.settings, "m-00000", request(), environment=place.environment))


def begun(place: Place, merchant: Merchant) -> int:
    """How many syncs Codat began."""
    answer = place.emulator.api.get(f"/companies/{merchant['companyId']}/sync/commerce/syncs/list/status")
    return len(answer.json()) if answer.status_code == 200 else 0


def bury(place: Place) -> None:
    """What the death of the process would show."""

    async def end_owners() -> None:
        async with open_state(place.settings.state) as store, store._database.writing() as transaction:
            await transaction.execute(update(manual_syncs).values(pid=2**22 + 1))

    asyncio.run(end_owners())


async def open_manual_syncs(place: Place) -> int:
    async with open_state(place.settings.state) as store:
        return len(await store.manual_syncs.load_open())


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator) -> Place:
    place = Place(tmp_path, emulator)
    place.skip_waits()
    return place


def test_a_sync_that_waited_for_its_turn_may_begin_until_a_minute_after_it_was_sent(place: Place) -> None:
    """Counted from before the wait, that minute was over: it counted as not begun, and the merchant was switched on."""
    merchant = prepare(place, DECLARED_ON)
    place.set_create_settle(5, late=60)
    patient, busy = place.environment, [httpx.Response(429, headers={"Retry-After": "0"})]

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if (request.method, request.url.path) != ("POST", f"/companies/{merchant['companyId']}/sync/commerce/latest"):
            return await onward(request)
        if not busy:
            raise Killed
        await patient.sleep(80)
        return busy.pop()

    place.environment = intercepted(patient, middle)
    with pytest.raises(Killed):
        synchronise(place)
    bury(place)
    place.environment = patient
    place.apply()
    assert place.document("m-00000")["enabled"] is False
    place.wait(61)
    place.apply()
    assert place.document("m-00000")["enabled"] is True


@pytest.mark.parametrize(
    ("fault", "spec"),
    [
        ("killed before the request", DECLARED_ON),
        ("killed after the request", UNDECLARED),
        ("killed after the commit", DECLARED_ON),
    ],
)
def test_a_sync_that_was_killed_anywhere_is_closed_by_the_next_apply(
    place: Place, fault: str, spec: dict[str, Any]
) -> None:
    merchant = prepare(place, spec)
    place.emulator.control("POST", "/snapshot")
    database = place.database.read_bytes()
    with disturbed(place, trace := Disturbance()):
        synchronise(place)
    of_commits = fault == "killed after the commit"
    points = trace.commits if of_commits else trace.requests
    for at, point in enumerate(points):
        if not of_commits and not point.startswith("POST"):
            continue
        restore(place, database)
        with pytest.raises(Killed), disturbed(place, Disturbance(fault, at)):
            synchronise(place)
        bury(place)
        reached = begun(place, merchant)
        place.apply()
        assert place.emulator.configuration(merchant)["enabled"] is True, f"{at} {point}"
        assert begun(place, merchant) == reached <= 1, f"{at} {point}"
        assert asyncio.run(open_manual_syncs(place)) == 0, f"{at} {point}"
        if not (reached or of_commits):
            synchronise(place)
            assert begun(place, merchant) == 1, "nothing was requested, so it can be asked for again"


def restore(place: Place, database: bytes) -> None:
    place.emulator.control("POST", "/restore")
    for beside in place.database.parent.glob(f"{place.database.name}-*"):
        beside.unlink()
    place.database.write_bytes(database)


def test_who_is_declared_off_is_not_switched_on_after_a_kill(place: Place) -> None:
    merchant = prepare(place, DECLARED_OFF)
    with pytest.raises(Killed), disturbed(place, Disturbance("killed after the request", sync_request(place))):
        synchronise(place)
    bury(place)
    place.apply()
    assert (place.emulator.configuration(merchant)["enabled"], begun(place, merchant)) == (False, 1)


def test_a_fault_of_ours_about_a_sync_that_was_left_open_ends_nobody_elses_run(place: Place) -> None:
    prepare(place, UNDECLARED)
    with pytest.raises(Killed), disturbed(place, Disturbance("killed after the request", sync_request(place))):
        synchronise(place)
    bury(place)
    place.merchant("another", profile=None, connection={"platform": "xero"})

    async def nobody_foresaw(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path.endswith("/sync/commerce/status"):
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    undisturbed, place.environment = place.environment, intercepted(place.environment, nobody_foresaw)
    assert outcome_of(place.apply(unattended=True), "another", Applied).writes == 2
    place.environment = undisturbed
    place.emulator.advance("PT1M")
    place.apply()
    assert asyncio.run(open_manual_syncs(place)) == 0


def test_whose_manifest_goes_meanwhile_is_on_again_before_it_is_left_alone(place: Place) -> None:
    """Under Retain all stays as it is, and that it is off was us."""
    merchant = prepare(place, UNDECLARED)
    with pytest.raises(Killed), disturbed(place, Disturbance("killed after the request", sync_request(place))):
        synchronise(place)
    bury(place)
    leave_out(place)
    assert "manual-sync" in findings_by_code(place.plan(), "m-00000")
    place.emulator.advance("PT1M")
    place.apply()
    assert (place.emulator.configuration(merchant)["enabled"], begun(place, merchant)) == (True, 1)
    assert asyncio.run(open_manual_syncs(place)) == 0
    assert "m-00000" not in states_by_merchant(place.plan()), "and from now on nobody looks at it"


def leave_out(place: Place) -> None:
    """The merchant's manifest goes; another stays, since without any the root would be a mistake."""
    place.merchant("another", profile=None, connection={"platform": "xero"}, suspend={"reason": "not yet"})
    place.remove_manifests("m-00000")


def test_while_a_sync_runs_nobody_is_taken_down(place: Place) -> None:
    prepare(place, {"policy": {"deletion": "Unlink"}})
    place.apply()

    async def look() -> None:
        leave_out(place)
        order = RunRequest(Scope(), RunPolicy(automatic=True), lambda plan: True, verb="run")
        report = await plan_and_apply(place.settings, order, environment=place.environment)
        assert isinstance(report, FleetReport)
        assert states_by_merchant(report.plan)["m-00000"] == "waiting"

    interfere(place, at_request(LATEST, look))
    synchronise(place)
    assert changes_by_merchant(place.plan())["m-00000"] == ["set-configuration", "unlink-connection"]


def test_who_is_switched_off_for_a_sync_is_not_forgotten_unawares(place: Place) -> None:
    prepare(place, UNDECLARED)
    with pytest.raises(Killed), disturbed(place, Disturbance("killed after the request", sync_request(place))):
        synchronise(place)
    bury(place)
    refused = place.run_in_process("state", "rm", "m-00000")
    assert refused.returncode == 1
    assert "a manual sync of 'm-00000' is open" in refused.stderr
    assert "merchantctl state rm m-00000 --force" in refused.stderr
    assert place.run_in_process("state", "rm", "m-00000", "--force").returncode == 0


def sync_request(place: Place) -> int:
    """The number of the request that begins the sync, in a run that is undone."""
    place.emulator.control("POST", "/snapshot")
    database = place.database.read_bytes()
    with disturbed(place, trace := Disturbance()):
        synchronise(place)
    restore(place, database)
    return next(at for at, each in enumerate(trace.requests) if each.startswith("POST") and each.endswith("/latest"))


def test_while_a_sync_runs_nobody_switches_on_or_writes_and_a_look_says_why(place: Place) -> None:
    """As a `run` beside it does: its look comes in the middle."""
    merchant = prepare(place, {"enabled": True})
    seen: list[FleetReport] = []

    async def look(environment: Environment = place.environment) -> None:
        order = RunRequest(Scope(), RunPolicy(automatic=True), lambda plan: True, verb="run")
        report = await plan_and_apply(place.settings, order, environment=environment)
        assert isinstance(report, FleetReport)
        seen.append(report)
        with pytest.raises(MerchantctlError, match="is synchronising m-00000"):
            await confirm_and_sync(place.settings, "m-00000", request(), environment=environment)

    interfere(place, at_request(LATEST, look))
    with place.count_requests() as counts:
        synchronise(place)
    assert counts[SAVE_CONFIGURATION] == 2
    (report,) = seen
    assert states_by_merchant(report.plan) == {"m-00000": "waiting"}
    finding = findings_by_code(report.plan, "m-00000")["manual-sync"]
    assert "scheduled syncs are off until it is over" in finding.cause
    assert place.emulator.configuration(merchant)["enabled"] is True
    assert states_by_merchant(place.plan()) == {"m-00000": "in-sync"}


def test_of_two_that_were_agreed_to_at_once_one_begins(place: Place) -> None:
    merchant = prepare(place, {"enabled": True})

    async def both() -> list[object]:
        order = replace(request(), lock_timeout=300)
        two = (confirm_and_sync(place.settings, "m-00000", order, environment=place.environment) for _ in range(2))
        return await asyncio.gather(*two, return_exceptions=True)

    ends = asyncio.run(both())
    assert sorted(isinstance(each, MerchantctlError) for each in ends) == [False, True], ends
    assert begun(place, merchant) == 1
    assert place.emulator.configuration(merchant)["enabled"] is True


def test_a_plan_shows_a_sync_that_was_left_open_and_how_to_close_it(place: Place) -> None:
    prepare(place, {"enabled": True})
    with pytest.raises(Killed), disturbed(place, Disturbance("killed after the request", sync_request(place))):
        synchronise(place)
    bury(place)
    finding = findings_by_code(place.plan(), "m-00000")["manual-sync"]
    assert "its process has ended" in finding.cause
    assert finding.remedy.startswith("to have them on again: merchantctl apply --target m-00000;")
    assert place.run_in_process("status", "m-00000").stdout.count("manual-sync") == 1
    place.emulator.advance("PT1M")
    synchronise(place)  # whoever synchronises by hand next closes it, too
    assert states_by_merchant(place.plan()) == {"m-00000": "in-sync"}


def test_who_is_on_again_is_not_called_off_where_the_state_takes_no_more(place: Place) -> None:
    """The row stays open, and whoever looks next closes it."""
    merchant = prepare(place, {"enabled": True})
    with sqlite3.connect(place.database) as database:
        failing = "BEGIN SELECT RAISE(ABORT, 'the state takes no more'); END"
        database.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.what = 'manual sync' {failing}")
    said: list[str] = []
    order = request(on_message=said.append)
    asyncio.run(confirm_and_sync(place.settings, "m-00000", order, environment=place.environment))
    assert place.emulator.configuration(merchant)["enabled"] is True
    assert "m-00000 is switched on again" in said
    assert not [each for each in said if "still switched off" in each]
    assert said[-1].startswith("m-00000 is as it was, and its manual sync is open still: ")
    bury(place)
    place.apply()
    assert asyncio.run(open_manual_syncs(place)) == 0


def test_after_kill_9_an_apply_switches_on_again_at_once(tmp_path: Path, emulator_server: Emulator) -> None:
    emulator_server.control("POST", "/reset")
    place = Place(tmp_path, emulator_server)
    merchant = prepare(place, {"enabled": True})
    place.emulator.fault(LATEST, "delay", ms=20_000)
    command = [sys.executable, "-m", "controller", "sync", "m-00000", "--yes"]
    with PythonProcess(command, cwd=place.folder, env=place.variables(), stdout=-1, stderr=-1) as process:
        while not begun(place, merchant):
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    assert place.emulator.configuration(merchant)["enabled"] is False
    place.emulator.advance("PT1M")
    place.apply()
    assert (place.emulator.configuration(merchant)["enabled"], begun(place, merchant)) == (True, 1)
