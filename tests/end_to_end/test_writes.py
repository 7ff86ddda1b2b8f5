"""What leaves as a write: on a read of just now, under a lock that is proven, and looked at afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from threading import Thread

import httpx
import pytest

from controller.model.exit_codes import exit_code
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, Skipped
from controller.reporting.text import apply_text
from state import open_state
from tests.end_to_end.interfere import AfterResponse, at_request, interfere, is_call
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    GET_COMPANY,
    GET_CONFIGURATION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    UK_PROFILE,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)

RENAME = "PUT /companies/{companyId}"
UNLINK = "PATCH /meta/companies/{companyId}/connections/{connectionId}"
DELETE = "DELETE /companies/{companyId}"
PORTAL = {"enabled": False}
EVERYTHING = ("delete", "re-create", "unlink", "disable", "shrink")


# -- On a read of just now


def test_an_undeclared_edit_during_a_wait_for_the_rate_limit_is_kept(place: Place) -> None:
    """The POST was answered 429; while everyone waited somebody chose another tax mapping in the portal."""
    place.provision("ann")
    place.edit_in_portal("ann", PORTAL)
    place.emulator.fault(SAVE_CONFIGURATION, "status", code=429, retryAfter="0")
    interfere(
        place, after=on_answer(SAVE_CONFIGURATION, lambda: place.edit_in_portal("ann", {"note": "the merchant's own"}))
    )
    with place.count_requests() as counts:
        report = place.apply()
    assert place.document("ann")["note"] == "the merchant's own"
    assert exit_code("apply", report) == 0
    assert counts[SAVE_CONFIGURATION] == 2
    assert counts[GET_CONFIGURATION] == 4, "plan, before each POST, read back"


def on_answer(call: str, happens: Callable[[], object], *, time: int = 1) -> AfterResponse:
    seen: list[str] = []

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if is_call(request, call):
            seen.append(call)
            if len(seen) == time:
                happens()
        return response

    return after


def test_what_the_service_drops_although_it_was_sent_back_is_named(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {**PORTAL, "note": "the merchant's own"})
    interfere(place, after=on_answer(SAVE_CONFIGURATION, lambda: place.edit_in_portal("ann", {"note": None})))
    report = place.apply()
    (finding,) = outcome_of(report, "ann", Applied).findings
    assert finding.field == "note"
    assert "is gone" in apply_text(report)


def test_what_somebody_changes_just_after_our_write_is_named(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {**PORTAL, "note": "old"})
    interfere(place, after=on_answer(SAVE_CONFIGURATION, lambda: place.edit_in_portal("ann", {"note": "new"})))
    report = place.apply()
    assert "note, which no manifest declares, was changed by somebody" in apply_text(report)
    assert place.document("ann")["note"] == "new"


def test_of_an_ordinary_write_nothing_is_said(place: Place) -> None:
    """A first configuration among them: what Codat computes itself is no edit."""
    place.profile()
    place.merchant("ann")
    place.apply()
    place.consent_everyone()
    report = place.apply()
    assert outcome_of(report, "ann", Applied).findings == ()


def test_a_document_without_a_section_that_was_there_is_not_sent_back(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", PORTAL)
    before = place.document("ann")
    interfere(place, after=cut(time=2))
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {}
    assert place.document("ann") == before
    assert "configuration.payments, which was there before: unknown" in outcome_of(report, "ann", Failed).reason


def cut(time: int) -> AfterResponse:
    """That reading of the configuration comes without payments."""
    seen: list[str] = []

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if not is_call(request, GET_CONFIGURATION):
            return response
        seen.append("")
        if len(seen) != time:
            return response
        document = json.loads(response.content)
        del document["configuration"]["payments"]
        return httpx.Response(200, json=document, request=request)

    return after


def test_a_document_that_comes_without_a_section_that_we_set_makes_its_merchant_unknown(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", PORTAL)
    interfere(place, after=cut(time=1))
    plan = place.plan()
    assert states_by_merchant(plan) == {"ann": "unknown"}
    assert changes_by_merchant(plan) == {}
    assert exit_code("plan", plan) == 5


def test_a_start_in_a_zone_that_is_not_known_does_not_move_with_the_hour(place: Place) -> None:
    place.provision("ann")
    undated = {key: value for key, value in UK_PROFILE["schedule"].items() if key != "startDate"}
    place.profile(schedule=undated)
    local = {"startDate": "2026-12-05T00:00:00", "timeZone": "America/Nowhere", "syncHourUtc": 7}
    place.edit_in_portal("ann", {"schedule": local})
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {}
    assert place.document("ann")["schedule"].items() >= local.items()
    finding = findings_by_code(report.plan, "ann")["mapping-invalid"]
    assert "2026-12-05T00:00:00 America/Nowhere is in a time zone that is not known here" in finding.cause
    assert "write schedule.startDate" in finding.remedy
    place.profile(schedule={**undated, "startDate": "2026-12-06"})
    place.apply()
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}


def test_a_rename_says_which_of_the_companys_own_fields_did_not_come_through(place: Place) -> None:
    place.provision("ann")
    company = place.company("ann")["id"]
    place.emulator.api.put(f"/companies/{company}", json={"name": "ann", "description": "by hand"}).raise_for_status()
    place.merchant("ann", company={"name": "ann and sons"})

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if not is_call(request, RENAME):
            return response
        return httpx.Response(200, json=json.loads(response.content) | {"description": None}, request=request)

    interfere(place, after=after)
    (finding,) = outcome_of(place.apply(), "ann", Applied).findings
    assert "the company's description" in finding.cause


# -- Under a lock that is proven


async def unlock(place: Place) -> None:
    """`merchantctl state unlock`, in the middle of the run."""
    async with open_state(place.settings.state) as store:
        await store.lock.force_release()


def unlock_elsewhere(place: Place) -> bool:
    """The same where nothing can be awaited."""
    thread = Thread(target=lambda: asyncio.run(unlock(place)))
    thread.start()
    thread.join()
    return True


def in_need_of(place: Place, call: str) -> None:
    """A merchant whose next write is that one."""
    if call == CREATE_COMPANY:
        place.profile()
        place.merchant("ann")
        return
    if call == CREATE_CONNECTION:
        in_need_of(place, CREATE_COMPANY)
        place.emulator.api.post("/meta/companies/sync", json={"name": "ann"}).raise_for_status()
        return
    place.provision("ann")
    if call == SAVE_CONFIGURATION:
        place.edit_in_portal("ann", PORTAL)
    elif call == RENAME:
        place.merchant("ann", company={"name": "ann and sons"})
    else:
        place.edit_in_portal("ann", PORTAL)
        down = {"platform": "xero", "state": "Unlinked"}
        place.merchant("ann", enabled=False, connection=down, policy={"deletion": "Delete"})
    if call == DELETE:
        place.apply(allow=EVERYTHING)
        place.remove_manifests("ann")


@pytest.mark.parametrize("call", [SAVE_CONFIGURATION, RENAME, UNLINK, DELETE, CREATE_COMPANY, CREATE_CONNECTION])
def test_whoever_lost_the_lock_writes_nothing_more_of_any_kind(place: Place, call: str) -> None:
    in_need_of(place, call)
    with place.count_requests() as counts:
        report = place.apply(allow=EVERYTHING, agree=lambda plan: unlock_elsewhere(place))
    assert count_writes_by_call(counts) == {}
    assert "the lock on the state is lost" in str(report.stop_reason)
    assert exit_code("apply", report) == 3
    with place.count_requests() as later:
        place.apply(allow=EVERYTHING)
    assert call in count_writes_by_call(later), "this was the write that was held back"


def test_a_lock_lost_between_the_last_read_and_the_write_holds_the_write_back(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", PORTAL)
    interfere(place, before=at_request(GET_CONFIGURATION, lambda: unlock(place), time=2))
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {}


def test_a_write_that_was_answered_429_is_not_sent_again_once_the_lock_is_lost(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", PORTAL)
    place.emulator.fault(SAVE_CONFIGURATION, "status", code=429, retryAfter="0")
    interfere(place, before=at_request(SAVE_CONFIGURATION, lambda: unlock(place)))
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert place.document("ann")["enabled"] is False
    assert "the lock on the state is lost" in str(report.stop_reason)


def test_those_in_the_middle_of_their_changes_are_told_as_failed_and_the_rest_as_not_begun(place: Place) -> None:
    place.profile()
    for name in ("ann", "bob"):
        place.merchant(name)
    interfere(place, before=at_request(GET_COMPANY, lambda: unlock(place)))
    report = place.apply(parallelism=1)
    assert report.outcomes["ann"] == Failed("the lock on the state is lost", retryable=True, writes=1)
    assert "not begun" in outcome_of(report, "bob", Skipped).reason


# -- Looked at afterwards


def kept_otherwise(place: Place) -> AfterResponse:
    """Codat keeps a frequency of its own, whatever it is sent."""

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if is_call(request, SAVE_CONFIGURATION):
            place.edit_in_portal("ann", {"schedule": {"selectedFrequency": "Monthly"}})
        return response

    return after


def test_a_value_that_the_service_keeps_otherwise_twice_is_told_once_and_not_written_a_third_time(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"schedule": {"selectedFrequency": "Monthly"}})
    interfere(place, after=kept_otherwise(place))
    first, second = place.apply(), place.apply()
    with place.count_requests() as counts:
        third = place.apply()
    stands = "after the write schedule.frequency stands as Monthly instead of Daily"
    assert stands in outcome_of(first, "ann", Failed).reason
    assert outcome_of(first, "ann", Failed).retryable
    assert outcome_of(second, "ann", Failed).reason == (
        f"Codat normalises this, so write in the manifest what it keeps: {stands}"
    )
    assert not outcome_of(second, "ann", Failed).retryable
    assert count_writes_by_call(counts) == {}
    assert "Codat normalises this" in outcome_of(third, "ann", Skipped).reason


@pytest.mark.parametrize(
    "names", [("Sales  UK", "Refunds  UK"), ("Sales " * 30, "Refunds " * 30)], ids=["gaps", "long"]
)
def test_a_value_that_is_kept_otherwise_twice_is_known_again_however_it_is_called(
    place: Place, names: tuple[str, str]
) -> None:
    """What is remembered of the first time is one line of a limited length."""
    place.provision("ann")
    sales = place.document("ann")["configuration"]["sales"]["accounts"]
    ids = [sales[row]["selectedAccountId"] for row in ("sales", "refund")]
    for account_id, name in zip(ids, names, strict=True):
        path = f"/companies/{place.company('ann')['id']}/accounts/{account_id}"
        place.emulator.control("PATCH", path, {"name": name.strip()})
    another = {"configuration": {"sales": {"accounts": {"sales": {"selectedAccountId": ids[1]}}}}}
    place.edit_in_portal("ann", another)

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if is_call(request, SAVE_CONFIGURATION):
            place.edit_in_portal("ann", another)
        return response

    interfere(place, after=after)
    assert outcome_of(place.apply(), "ann", Failed).retryable
    assert outcome_of(place.apply(), "ann", Failed).reason.startswith("Codat normalises this")


def test_a_run_that_nobody_asked_for_backs_off_from_a_value_that_does_not_stay(place: Place) -> None:
    """What is not kept is a failure of that merchant: it is not written at each look, and eats nobody's limits."""
    place.provision("ann")
    place.edit_in_portal("ann", {"schedule": {"selectedFrequency": "Monthly"}})
    interfere(place, after=kept_otherwise(place))
    place.apply(unattended=True)
    with place.count_requests() as counts:
        report = place.apply(unattended=True)
    assert count_writes_by_call(counts) == {}
    assert "left alone until" in outcome_of(report, "ann", Skipped).reason


def test_whoever_moves_before_each_write_is_left_alone_for_a_while_by_a_run_that_nobody_asked_for(place: Place) -> None:
    place.provision("ann", "bob")
    hours = iter(range(1, 24))

    def agree(plan: FleetPlan) -> bool:
        place.edit_in_portal("ann", {"schedule": {"syncHourUtc": next(hours)}})
        return True

    place.edit_in_portal("ann", {"enabled": False})
    for _ in range(3):
        moved = place.apply(agree=agree, unattended=True)
        assert "schedule.time" in outcome_of(moved, "ann", ChangedSincePlan).what
    assert "left alone until" in outcome_of(place.apply(agree=agree, unattended=True), "ann", Skipped).reason
    assert place.document("ann")["enabled"] is False


def test_a_write_that_was_accepted_binds_though_what_was_sent_did_not_stay(place: Place) -> None:
    place.profile()
    (seeded,) = place.emulator.seed(1, "configured", prefix="m-")
    place.merchant(seeded["name"], schedule={"frequency": "Daily"})
    company = place.company(seeded["name"])["id"]
    frequency = {"schedule": {"selectedFrequency": "Monthly"}}
    place.edit_in_portal(seeded["name"], frequency)
    interfere(place, after=on_answer(SAVE_CONFIGURATION, lambda: place.edit_in_portal(seeded["name"], frequency)))
    assert "instead of Daily" in outcome_of(place.apply(), seeded["name"], Failed).reason
    with place.count_requests() as counts:
        plan = place.plan(seeded["name"])
    assert plan.plans[0].company_id == company
    assert not plan.plans[0].adopts
    assert LIST_COMPANIES not in counts
