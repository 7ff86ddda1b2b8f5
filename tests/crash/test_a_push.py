"""A push, killed or disturbed at every point and pushed again: every record is there, and none was taken twice."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from controller.model.syncs_and_uploads import UploadFailure
from controller.push.operations import PushRequest, push
from state import open_state
from state.tables import upload_leases
from tests.crash.disturbance import REQUEST_FAULTS, Disturbance, Killed, disturbed
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.intercept import Forward, intercepted
from tests.processes import PythonProcess

SOLD = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT10:00:00Z}"
UPLOADS = "POST /data/companies/{companyId}/sync/{dataType}"
AFTER_COMMIT = "killed after the commit"
DOES_NOT_ARRIVE = ("dropped", "500 not done")
LOST_ANSWERS = ("answer lost", "garbled", "500 done")


def order(number: int) -> dict[str, Any]:
    return {"id": f"o{number}", "createdDate": SOLD, "totalAmount": 12.5}


def prepare(place: Place) -> str:
    """A merchant whose order 1 Codat has; to be pushed: it is deleted, and 2 and 3 are new. The company's id."""
    place.merchant("m-00000", profile=None, connection={"platform": "xero"})
    (merchant,) = place.emulator.seed(1, "configured")
    pushed(place, order(1))
    (place.folder / "sales.json").write_text(json.dumps({"orders": [{"id": "o1"}, order(2), order(3)]}))
    return merchant["companyId"]


def pushed(place: Place, *orders: dict[str, Any]) -> bool:
    """Whether all of it was sent; without orders: of sales.json."""
    source = place.folder / "sales.json"
    if orders:
        source.write_text(json.dumps({"orders": orders}))
    report = asyncio.run(push(place.settings, "m-00000", PushRequest(str(source)), environment=place.environment))
    return not any(isinstance(each, UploadFailure) for each in report.uploads)


def bury(place: Place) -> None:
    """What the death of the process would show: whoever holds a lease has ended."""

    async def end_holders() -> None:
        async with open_state(place.settings.state) as store, store._database.writing() as transaction:
            await transaction.execute(update(upload_leases).values(pid=2**22 + 1))

    asyncio.run(end_holders())


def taken(place: Place, company_id: str) -> int:
    """How many uploads Codat took."""
    history = place.emulator.api.get(f"/meta/companies/{company_id}/pull/history/").json()["results"]
    return Counter(each["dataType"] for each in history)["commerce-orders"]


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator) -> Place:
    return Place(tmp_path, emulator)


@pytest.fixture
def place_over_tcp(tmp_path: Path, emulator_server: Emulator) -> Place:
    """For other processes."""
    emulator_server.control("POST", "/reset")
    return Place(tmp_path, emulator_server)


@pytest.mark.parametrize("fault", ["killed before the request", "killed after the request", AFTER_COMMIT])
def test_a_push_that_was_killed_anywhere_is_made_good_by_the_next(place: Place, fault: str) -> None:
    company_id = prepare(place)
    place.emulator.advance("PT1M")  # what was pushed is processed: else a slow run reads its status once less
    place.emulator.control("POST", "/snapshot")
    database = place.database.read_bytes()
    with disturbed(place, trace := Disturbance()):
        assert pushed(place)
    points = trace.commits if fault == AFTER_COMMIT else trace.requests
    for at, point in enumerate(points):
        if fault != AFTER_COMMIT and not point.startswith("POST"):
            continue
        restore(place, database)
        with pytest.raises(Killed), disturbed(place, Disturbance(fault, at)):
            pushed(place)
        bury(place)
        assert pushed(place), point
        assert taken(place, company_id) == 3, f"one before, one deletion, one with two orders: {fault} {at} {point}"


@pytest.mark.parametrize("fault", ["killed after the request", AFTER_COMMIT])
def test_after_a_connection_was_deleted_all_is_pushed_once_more_and_only_once(place: Place, fault: str) -> None:
    company_id = prepare(place)
    (merchant,) = place.companies()
    books = next(each["id"] for each in merchant["dataConnections"] if each["sourceType"] == "Accounting")
    document = place.document("m-00000")
    assert place.emulator.api.delete(f"/companies/{company_id}/connections/{books}").is_success
    anew = place.emulator.api.post(f"/meta/companies/{company_id}/connections", json="gbol").json()
    place.emulator.control("POST", f"/companies/{company_id}/connections/{anew['id']}/authorize")
    place.emulator.advance("PT1M")
    assert place.emulator.save({"companyId": company_id}, document).is_success
    place.emulator.control("POST", "/snapshot")
    database = place.database.read_bytes()
    before = taken(place, company_id)
    with disturbed(place, trace := Disturbance()):
        assert pushed(place, order(1), order(2))
    points = trace.commits if fault == AFTER_COMMIT else trace.requests
    for at, point in enumerate(points):
        if fault != AFTER_COMMIT and not point.startswith("POST"):
            continue
        restore(place, database)
        with pytest.raises(Killed), disturbed(place, Disturbance(fault, at)):
            pushed(place, order(1), order(2))
        bury(place)
        assert pushed(place, order(1), order(2)), point
        assert taken(place, company_id) - before == 1, f"{fault} {at} {point}"


def restore(place: Place, database: bytes) -> None:
    place.emulator.control("POST", "/restore")
    for beside in place.database.parent.glob(f"{place.database.name}-*"):
        beside.unlink()
    place.database.write_bytes(database)


@pytest.mark.parametrize("fault", [*DOES_NOT_ARRIVE, *LOST_ANSWERS])
def test_an_upload_whose_answer_is_in_doubt_arrives_once(place: Place, fault: str) -> None:
    company_id = prepare(place)
    for _ in range(2):
        place.emulator.fault(UPLOADS, **{"times": 1, **REQUEST_FAULTS[fault]})
        pushed(place, order(1), order(2))
        assert pushed(place, order(1), order(2))
    assert taken(place, company_id) == 2


def test_an_upload_that_had_to_wait_for_its_turn_and_whose_answer_is_lost_arrives_once(place: Place) -> None:
    """Looked for as long as any: counted from before the wait, that time was over when it left."""
    company_id = prepare(place)
    place.set_create_settle(5, late=60)
    place.skip_waits()
    patient, busy = place.environment, [httpx.Response(429, headers={"Retry-After": "0"})]

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.method == "POST" and busy:
            await patient.sleep(80)
            return busy.pop()
        return await onward(request)

    place.environment = intercepted(patient, middle)
    place.emulator.fault(UPLOADS, "complete-late", seconds=40, code=504)
    assert pushed(place, order(1), order(2))
    assert not busy
    place.wait(61)
    assert taken(place, company_id) == 2


def test_of_two_processes_that_push_the_same_file_one_sends_it(place_over_tcp: Place) -> None:
    place = place_over_tcp
    company_id = prepare(place)
    place.emulator.fault(UPLOADS, "delay", times=2, ms=150)
    command = [sys.executable, "-m", "controller", "push", "m-00000", "sales.json", "-o", "json"]
    both = [PythonProcess(command, cwd=place.folder, env=place.variables(), stdout=-1, stderr=-1) for _ in range(2)]
    answers = [each.communicate(timeout=300) for each in both]
    assert [each.returncode for each in both] == [0, 0], answers
    records = [json.loads(out)["records"]["commerce-orders"] for out, _ in answers]
    assert sorted((each["new"], each["unchanged"]) for each in records) == [(0, 3), (2, 0)]
    assert taken(place, company_id) == 3


def test_after_kill_9_in_the_middle_of_a_request_the_next_push_goes_on_at_once(place_over_tcp: Place) -> None:
    place = place_over_tcp
    company_id = prepare(place)
    place.emulator.fault(UPLOADS, "delay", skip=1, ms=20_000)
    command = [sys.executable, "-m", "controller", "push", "m-00000", "sales.json"]
    with PythonProcess(command, cwd=place.folder, env=place.variables(), stdout=-1, stderr=-1) as process:
        while taken(place, company_id) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    assert pushed(place)
    assert taken(place, company_id) == 3
