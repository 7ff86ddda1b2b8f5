"""One merchant's trouble is its own: a refusal, an unreadable answer, a fault of ours; and what is everybody's."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from controller.model.errors import ApiKeyRefused, ApiNotAnswering
from controller.model.exit_codes import exit_code
from controller.model.observed import Unread
from controller.model.reference_check import CheckedReferences
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, FleetReport, Skipped
from controller.model.run_policy import Scope
from controller.operations.import_ import ImportOptions, prepare_import
from controller.operations.refresh import refresh
from controller.operations.validate_online import check_references
from controller.reconcile import finding_history, fleet
from controller.reconcile.condition_ages import record_conditions
from controller.reconcile.failure_policy import log_internal_error_as_plan
from controller.reconcile.fleet import PlanNotShown
from controller.reconcile.persist import persist_configured
from controller.reporting.text import apply_text, plan_summary, plan_text
from controller.reporting.text_drift_and_status import status_text
from state import open_state
from tests.emulator import Emulator
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)
from tests.end_to_end.test_renames import ask
from tests.intercept import Forward, intercepted


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    """Without a socket: what is said is the subject, not how it travels."""
    return Place(tmp_path, emulator_in_process)


def answering(place: Place, asked: str, answer: Callable[[], httpx.Response], times: int = 10_000) -> list[str]:
    """From now on requests that are `asked` (METHOD and path, or its end) get this answer; which they were."""
    seen: list[str] = []

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        line = f"{request.method} {request.url.path}"
        if (line == asked or (line.startswith(asked.rstrip("*")) and asked.endswith("*"))) and len(seen) < times:
            seen.append(line)
            return answer()
        return await onward(request)

    place.environment = intercepted(place.environment, middle)
    return seen


def configuration_of(place: Place, name: str) -> str:
    return f"/config/companies/{place.company(name)['id']}/sync/commerce"


def drifted(place: Place, *names: str) -> None:
    for name in names:
        place.edit_in_portal(name, {"enabled": False})


# -- 401 and 403


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_one_merchant_is_that_merchants_trouble(place: Place, status: int) -> None:
    place.provision("ann", "bob", "cem")
    drifted(place, "ann", "bob", "cem")
    answering(place, f"GET {configuration_of(place, 'bob')}", lambda: httpx.Response(status, json={"error": "No."}))
    report = place.apply()
    assert exit_code("apply", report) == 5
    assert {name: place.document(name)["enabled"] for name in ("ann", "bob", "cem")} == {
        "ann": True,
        "bob": False,
        "cem": True,
    }
    assert f"{status} No." in findings_by_code(report.plan, "bob")["unknown"].cause


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_where_no_merchant_is_asked_about_ends_the_run(place: Place, status: int) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann", "bob")
    answering(place, "*", lambda: httpx.Response(status, json={"error": "No."}))
    with pytest.raises(ApiKeyRefused, match="check the API key") as caught:
        place.apply()
    assert caught.value.exit_code == 5


def test_a_key_that_is_refused_amid_the_writes_ends_them_and_says_so(place: Place) -> None:
    place.provision("ann", "bob", "cem")
    drifted(place, "ann", "bob", "cem")
    refused = False

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        nonlocal refused
        refused = refused or request.method == "POST"
        return httpx.Response(401, json={"error": "No."}) if refused else await onward(request)

    place.environment = intercepted(place.environment, middle)
    report = place.apply(parallelism=1)
    assert exit_code("apply", report) == 5
    assert "Codat refuses the API key" in str(report.stop_reason)
    assert "Ended early: " in apply_text(report)
    assert not any(place.document(name)["enabled"] for name in ("ann", "bob", "cem"))


# -- Refusals of a write


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 413, 422, 500])
def test_a_refusal_that_is_not_the_merchants_fault_is_tried_again_by_the_next_apply(place: Place, status: int) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann", "bob")
    words = {"error": "Blocked."}  # a gateway's
    answering(place, f"POST {configuration_of(place, 'ann')}", lambda: httpx.Response(status, json=words), times=1)
    assert exit_code("apply", place.apply()) == 3
    assert states_by_merchant(place.plan())["ann"] == "change"
    assert exit_code("apply", place.apply()) == 0
    assert place.document("ann")["enabled"] is True


def refused_for_good(place: Place) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann")
    body = {"statusCode": 400, "error": "No period.", "validation": {"errors": [{"message": "No period."}]}}
    answering(place, f"POST {configuration_of(place, 'ann')}", lambda: httpx.Response(400, json=body), times=1)
    assert exit_code("apply", place.apply()) == 3


def test_a_plan_tells_whom_apply_would_leave_alone_and_why_and_how_to_try_it(place: Place) -> None:
    refused_for_good(place)
    plan = place.plan()
    assert plan_summary(plan).startswith("1 blocked, 1 in sync. 0 writes")
    (finding,) = [each for each in findings_by_code(plan, "ann").values() if each.code == "quarantined"]
    assert "refused before and nothing moved since" in finding.cause
    assert "No period." in finding.cause
    assert "merchantctl apply --target ann" in finding.remedy
    assert finding.cause in plan_text(plan)
    assert "refused before and nothing moved since" in status_text(plan)
    assert exit_code("plan", plan, detailed=True) == 2


def test_whoever_was_refused_for_good_is_skipped_by_name_and_stays_so(place: Place) -> None:
    refused_for_good(place)
    with place.count_requests() as counts:
        for _ in range(2):
            report = place.apply()
            assert "refused before and nothing moved since" in outcome_of(report, "ann", Skipped).reason
            assert exit_code("apply", report) == 3
    assert count_writes_by_call(counts) == {}


@pytest.mark.parametrize("how", [{"retry": True}, {"target": "ann"}], ids=str)
def test_a_person_who_names_or_retries_a_merchant_lifts_its_quarantine(place: Place, how: dict[str, Any]) -> None:
    refused_for_good(place)
    report = place.apply(*[how["target"]] if "target" in how else [], retry="retry" in how)
    assert exit_code("apply", report) == 0
    assert place.document("ann")["enabled"] is True
    assert states_by_merchant(place.plan()) == {"ann": "in-sync", "bob": "in-sync"}


def test_whoever_failed_for_now_is_told_of_by_plan_and_status_and_tried_by_apply(place: Place) -> None:
    place.provision("ann")
    drifted(place, "ann")
    answering(place, f"POST {configuration_of(place, 'ann')}", lambda: httpx.Response(500), times=1)
    place.apply()
    plan = place.plan()
    assert states_by_merchant(plan) == {"ann": "change"}
    assert findings_by_code(plan, "ann")["quarantined"].remedy.endswith("to try it at once: merchantctl apply")


# -- A service that keeps another value


def test_a_merchant_whose_writes_never_stand_is_left_alone_for_a_while(place: Place) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann", "bob")
    path = configuration_of(place, "ann")

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if (request.method, request.url.path) == ("POST", path):
            body = json.dumps(json.loads(await request.aread()) | {"enabled": False}).encode()
            headers = {key: value for key, value in request.headers.items() if key != "content-length"}
            request = httpx.Request("POST", request.url, headers=headers, content=body)
        return await onward(request)

    place.environment = intercepted(place.environment, middle)
    assert type(place.apply(unattended=True).outcomes["ann"]) is Failed
    with place.count_requests() as counts:
        for _ in range(3):
            report = place.apply(unattended=True)
    assert count_writes_by_call(counts) == {}
    assert "left alone until" in outcome_of(report, "ann", Skipped).reason


# -- A service that does not answer


def test_a_service_in_maintenance_is_asked_a_bounded_number_of_times(place: Place) -> None:
    names = [f"m-{number:02}" for number in range(60)]
    place.provision(*names)
    drifted(place, *names)
    place.skip_waits()
    seen = answering(place, "GET /config/*", lambda: httpx.Response(503, json={"error": "Maintenance."}))
    with (
        place.count_requests() as counts,
        pytest.raises(ApiNotAnswering, match="20 reads in a row were not answered") as caught,
    ):
        place.apply()
    assert caught.value.exit_code == 5
    assert "503 Maintenance." in str(caught.value)
    assert len(seen) < 100
    assert count_writes_by_call(counts) == {}


def test_twenty_neighbours_that_cannot_be_read_are_not_taken_for_a_silent_service(place: Place) -> None:
    """A franchise whose books are out of order for ever keeps nobody else from being looked at."""
    franchise, others = [f"a-{number:02}" for number in range(22)], [f"b-{number:02}" for number in range(44)]
    place.provision(*franchise, *others)
    drifted(place, "b-43")
    place.skip_waits()
    ids = {each["id"] for each in place.companies() if each["name"] in franchise}

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        ill = request.url.path.startswith("/config/") and request.url.path.split("/")[3] in ids
        return httpx.Response(500) if ill else await onward(request)

    place.environment = intercepted(place.environment, middle)
    report = place.apply(parallelism=1)
    assert place.document("b-43")["enabled"] is True
    assert [name for name, state in states_by_merchant(report.plan).items() if state == "unknown"] == franchise


# -- What cannot be stored or shown


@pytest.mark.parametrize("text", ["\ud800 broken", "nul \0 inside"], ids=["surrogate", "nul"])
def test_an_error_text_that_no_column_takes_ends_one_merchants_turn(place: Place, text: str) -> None:
    place.provision("ann", "bob", "cem")
    drifted(place, "ann", "bob", "cem")
    body = json.dumps({"error": text}).encode()
    answering(place, f"POST {configuration_of(place, 'ann')}", lambda: httpx.Response(422, content=body))
    report = place.apply(parallelism=1)
    assert isinstance(report, FleetReport)
    assert exit_code("apply", report) == 3
    assert (place.document("bob")["enabled"], place.document("cem")["enabled"]) == (True, True)
    apply_text(report).encode()
    with place.count_requests() as counts:
        place.apply(unattended=True)
    assert count_writes_by_call(counts).get(SAVE_CONFIGURATION, 0) == 0


def test_a_listing_that_fails_between_two_creates_is_the_trouble_of_one(place: Place) -> None:
    """The others read it anew: kept for all that follow, it would stop the writes after ten of them."""
    place.profile()
    for name in ("ann", "bob", "cem"):
        place.merchant(name)
    looks: list[str] = []

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        is_look = request.url.path == "/meta/companies"
        looks.extend([request.url.path] if is_look else [])
        return httpx.Response(418) if is_look and len(looks) == 2 else await onward(request)

    place.environment = intercepted(place.environment, middle)
    report = place.apply(parallelism=1)
    assert [type(report.outcomes[name]) for name in ("ann", "bob", "cem")] == [Failed, Applied, Applied]


# -- Faults of ours


@pytest.mark.parametrize(("method", "time"), [("GET", 1), ("GET", 2), ("POST", 1), ("GET", 3)], ids=str)
def test_a_fault_of_ours_about_one_merchant_ends_its_turn_and_nothing_else(
    place: Place, method: str, time: int
) -> None:
    """Whatever is not foreseen, while it is looked at, read again, written to or read back."""
    place.provision("ann", "bob", "cem")
    drifted(place, "ann", "bob", "cem")
    path, come = configuration_of(place, "ann"), []

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if (request.method, request.url.path) == (method, path):
            come.append(path)
            if len(come) == time:
                raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    undisturbed = place.environment
    place.environment = intercepted(undisturbed, middle)
    report = place.apply(parallelism=1)
    assert len(come) >= time
    assert exit_code("apply", report) != 0
    assert "a fault of merchantctl itself: ZeroDivisionError" in plan_text(report.plan) + apply_text(report)
    assert [place.document(name)["enabled"] for name in ("bob", "cem")] == [True, True]
    place.environment = undisturbed
    if (method, time) != ("GET", 1):
        drifted(place, "ann")
        assert "left alone until" in outcome_of(place.apply(unattended=True), "ann", Skipped).reason
    assert exit_code("apply", place.apply()) == 0


def test_merchants_with_whom_a_fault_of_ours_comes_up_count_once_each_against_the_writes(place: Place) -> None:
    """Ten of them pause the writes; counted when it came up and when the turn was over, five did."""
    failing = [f"m-{number}" for number in range(5)]
    place.provision(*failing, "zoe")
    drifted(place, *failing, "zoe")
    paths = {configuration_of(place, name) for name in failing}

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.method == "POST" and request.url.path in paths:
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    place.environment = intercepted(place.environment, middle)
    report = place.apply(parallelism=1)
    assert [type(report.outcomes[name]) for name in (*failing, "zoe")] == [*[Failed] * 5, Applied]
    assert report.stop_reason is None


def test_a_fault_of_ours_about_a_create_whose_answer_was_lost_ends_nobody_elses_run(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    place.emulator.fault(CREATE_CONNECTION, "lose-answer")
    place.apply(unattended=True)
    ann = place.company("ann")["id"]

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path == f"/companies/{ann}":
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    undisturbed, place.environment = place.environment, intercepted(place.environment, middle)
    place.merchant("bob")
    assert outcome_of(place.apply(unattended=True), "bob", Applied).writes == 2
    place.environment = undisturbed
    place.apply()
    assert place.accounting_connection("ann")["id"], "and there is but one"


@pytest.mark.parametrize("is_lost", [False, True], ids=["the look for twins", "the looks for a lost answer"])
def test_a_fault_of_ours_after_the_last_create_loses_no_report(place: Place, is_lost: bool) -> None:
    place.skip_waits()
    place.profile()
    place.merchant("ann")
    place.merchant("bob")
    if is_lost:
        place.emulator.fault(CREATE_COMPANY, "lose-answer")
    creates: list[str] = []

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        creates.extend([request.url.path] if request.method == "POST" else [])
        if request.url.path == "/meta/companies" and len(creates) == (3 if is_lost else 4):
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    place.environment = intercepted(place.environment, middle)
    report = place.apply(parallelism=1)
    assert [type(report.outcomes[name]) for name in ("ann", "bob")] == [Failed if is_lost else Applied, Applied]
    assert "a fault of merchantctl itself: ZeroDivisionError: nobody foresaw this" in apply_text(report)
    assert exit_code("apply", report) == 5


@pytest.mark.parametrize(
    ("module", "step"),
    [(fleet, persist_configured), (finding_history, record_conditions)],
    ids=["the run", "the ledger"],
)
def test_a_fault_of_ours_while_a_run_is_recorded_loses_no_report(
    place: Place, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: Callable[..., object]
) -> None:
    place.profile()
    place.merchant("ann")

    async def broken(*arguments: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(module, step.__name__, broken)
    report = place.apply()
    assert outcome_of(report, "ann", Applied).writes == 2
    assert "what this run saw and did is not all recorded: a fault of merchantctl itself" in apply_text(report)
    assert exit_code("apply", report) == 5


def test_a_last_look_that_nobody_can_make_sense_of_ends_no_look_at_everyone(place: Place) -> None:
    """As another version may have written it: what is recorded early is recorded at the end all the same."""
    place.provision("ann", "bob")
    place.apply(unattended=True)
    with sqlite3.connect(place.database) as state:
        odd = '{"$type":"Plan","merchant":"ann","status":{"$type":"PlanStatus","value":"in-sync"},"findings":["odd"]}'
        state.execute("UPDATE seen SET plan = ? WHERE merchant = 'ann'", [odd])
    drifted(place, "bob")
    report = place.apply(unattended=True)
    assert isinstance(report, FleetReport)
    assert states_by_merchant(report.plan) == {"ann": "in-sync", "bob": "change"}
    assert outcome_of(report, "bob", Applied).writes == 1


def test_a_company_that_another_merchant_has_by_now_is_not_written_to(place: Place) -> None:
    """Two processes at two revisions of the manifests, of which the newer calls ann by another name."""
    place.provision("ann", "bob")
    ask(place, "state", "rm", "ann")
    drifted(place, "ann", "bob")

    def agree_late(_: object) -> bool:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, bind_to_another(place, place.company("ann")["id"])).result()
        return True

    report = place.apply(agree=agree_late)
    assert outcome_of(report, "ann", ChangedSincePlan).writes == 0
    assert outcome_of(report, "bob", Applied).writes == 1
    assert place.document("ann")["enabled"] is False


@pytest.mark.parametrize("is_lost", [False, True], ids=["answered", "answer lost"])
def test_a_company_that_goes_to_another_merchant_at_this_moment_is_trouble_of_one(place: Place, is_lost: bool) -> None:
    place.skip_waits()
    place.provision("bob")
    drifted(place, "bob")
    place.merchant("ann")
    if is_lost:
        place.emulator.fault(CREATE_COMPANY, "lose-answer")

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        try:
            return await onward(request)
        finally:
            if f"{request.method} {request.url.path}" == CREATE_COMPANY:
                await bind_to_another(place, place.company("ann")["id"])

    place.environment = intercepted(place.environment, middle)
    report = place.apply(parallelism=1)
    assert outcome_of(report, "bob", Applied).writes == 1
    if is_lost:
        assert "its answer was lost" in outcome_of(report, "ann", Skipped).reason
    else:
        assert "bound to 'ann-of-leeds'" in outcome_of(report, "ann", Failed).reason
    assert "fault of merchantctl" not in apply_text(report)


async def bind_to_another(place: Place, company_id: str) -> None:
    async with open_state(place.settings.state) as store:
        await store.bindings.bind_company("ann-of-leeds", company_id=company_id, company_name="ann")


def test_a_fault_of_ours_about_a_company_that_the_list_lacks_ends_nobody_elses_run(place: Place) -> None:
    place.provision("ann", "bob")
    drifted(place, "bob")
    ann = place.company("ann")["id"]
    place.emulator.api.delete(f"/companies/{ann}").raise_for_status()

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path == f"/companies/{ann}":
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    place.environment = intercepted(place.environment, middle)
    report = place.apply()
    assert outcome_of(report, "bob", Applied).writes == 1
    assert "nobody foresaw this" in findings_by_code(report.plan, "ann")["unknown"].cause


# -- What cannot be shown to whoever agrees


def test_whoever_cannot_be_shown_is_not_written_to_and_the_others_are(place: Place) -> None:
    place.provision("ann", "bob")
    drifted(place, "ann", "bob")
    asked: list[list[str]] = []

    def agree(plan: FleetPlan) -> bool:
        asked.append([each.merchant for each in plan.plans if each.changes])
        if len(asked) == 1:
            raise PlanNotShown({"ann": log_internal_error_as_plan("ann", ZeroDivisionError("no words for it"))})
        return True

    report = place.apply(agree=agree)
    assert asked == [["ann", "bob"], ["bob"]]
    assert (place.document("ann")["enabled"], place.document("bob")["enabled"]) == (False, True)
    assert exit_code("apply", report) != 0


def test_a_fault_of_ours_about_one_company_ends_no_import_lookup_or_refresh(place: Place) -> None:
    place.provision("ann", "bob")
    ann = place.company("ann")["id"]

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if f"/companies/{ann}" in request.url.path:
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    place.environment = intercepted(place.environment, middle)
    says = "a fault of merchantctl itself: ZeroDivisionError: nobody foresaw this"
    imported = asyncio.run(prepare_import(place.settings, ImportOptions(), None, environment=place.environment))
    assert [(each.company.name, each.reason, each.unread) for each in imported.skipped] == [("ann", says, True)]
    assert "bob" in {each.name for each in imported.manifests}
    looked_up = asyncio.run(check_references(place.settings, Scope(), environment=place.environment)).checks
    assert (looked_up["ann"], type(looked_up["bob"])) == (Unread(says), CheckedReferences)
    asked = asyncio.run(refresh(place.settings, Scope(), wait=False, environment=place.environment))
    assert asked == {"ann": says, "bob": "asked"}


# -- A service of version 2


def as_version_2(document: dict[str, Any]) -> dict[str, Any]:
    """The same document as the contract of version 2 has it."""
    schedule = dict(document["schedule"])
    schedule["syncHour"] = schedule.pop("syncHourUtc")
    rest = {key: value for key, value in document.items() if key != "enabled"}
    return {**rest, "enable": document["enabled"], "schedule": schedule}


@pytest.mark.parametrize("wanted_on", [True, False])
def test_a_document_of_version_2_is_refused_and_never_read_as_switched_off(place: Place, wanted_on: bool) -> None:
    place.provision("ann", "bob")
    place.merchant("ann", enabled=wanted_on)
    document = as_version_2(place.document("ann"))
    answering(place, f"GET {configuration_of(place, 'ann')}", lambda: httpx.Response(200, json=document))
    found = findings_by_code(place.plan(), "ann")
    assert list(found) == ["unknown"]
    assert "version 2 of Sync for Commerce" in found["unknown"].cause
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert (done.returncode, count_writes_by_call(counts)) == (5, {})
    assert states_by_merchant(place.plan()) == {"ann": "unknown", "bob": "in-sync"}


@pytest.mark.parametrize("command", [("sync", "ann", "--yes"), ("options", "ann")])
def test_no_verb_about_one_merchant_takes_it_for_another_document(place: Place, command: tuple[str, ...]) -> None:
    place.provision("ann")
    document = as_version_2(place.document("ann"))
    answering(place, f"GET {configuration_of(place, 'ann')}", lambda: httpx.Response(200, json=document))
    done = place.run_in_process(*command)
    assert done.returncode != 0
    assert "version 2 of Sync for Commerce" in done.stderr
