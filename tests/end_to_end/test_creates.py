"""Creates while somebody else creates, answers that are lost, and creates that are done after their answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from controller.model.exit_codes import exit_code
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, FleetReport, Skipped, Unchanged
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest
from tests.emulator import Emulator
from tests.end_to_end.interfere import AfterResponse, at_request, interfere, is_call
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    GET_COMPANY,
    LIST_COMPANIES,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    outcome_of,
    states_by_merchant,
)
from tests.narrowing import expect

TWENTY = tuple(f"m-{number:02}" for number in range(20))


@pytest.fixture
def other(tmp_path: Path, emulator: Emulator) -> Place:
    """Another laptop: its own manifests and state, the same account."""
    (tmp_path / "other").mkdir()
    return Place(tmp_path / "other", emulator)


def declared(place: Place, *names: str) -> None:
    place.profile()
    for name in names:
        place.merchant(name)


async def applied(place: Place, agree: Callable[[FleetPlan], bool] = lambda plan: True) -> FleetReport:
    order = RunRequest(Scope(), RunPolicy(), agree, parallelism=4)
    report = await plan_and_apply(place.settings, order, environment=place.environment)
    assert isinstance(report, FleetReport)
    return report


def company_made_by_hand(place: Place, name: str) -> str:
    return str(place.emulator.api.post("/meta/companies/sync", json={"name": name}).json()["id"])


def connection_made_by_hand(place: Place, company_id: str) -> str:
    made = place.emulator.api.post(f"/meta/companies/{company_id}/connections", json="gbol")
    return str(made.json()["id"])


def names(place: Place) -> list[str]:
    return [each["name"] for each in place.companies()]


# -- Somebody else creates, too


def test_a_company_that_somebody_creates_while_apply_asks_is_not_created_again(place: Place) -> None:
    declared(place, "ann", "bob")

    def agree(plan: FleetPlan) -> bool:
        company_made_by_hand(place, "ann")
        return True

    report = place.apply(agree=agree)
    assert names(place) == ["ann", "bob"]
    assert "'ann' is there by now" in outcome_of(report, "ann", ChangedSincePlan).what
    assert exit_code("apply", report) == 3
    place.apply()
    assert states_by_merchant(place.plan()) == {"ann": "waiting", "bob": "waiting"}
    assert names(place) == ["ann", "bob"]


def test_a_connection_that_somebody_makes_while_apply_asks_gets_none_beside_it(place: Place) -> None:
    declared(place, "ann")
    company = company_made_by_hand(place, "ann")
    report = place.apply(agree=lambda plan: bool(connection_made_by_hand(place, company)))
    assert place.accounting_connection("ann")["id"] in outcome_of(report, "ann", ChangedSincePlan).what
    assert exit_code("apply", report) == 3


def test_a_connection_that_somebody_makes_between_our_two_creates_gets_none_beside_it(place: Place) -> None:
    declared(place, "ann")
    interfere(place, after=once(CREATE_COMPANY, lambda: connection_made_by_hand(place, place.company("ann")["id"])))
    report = place.apply()
    assert place.accounting_connection("ann")
    assert "accounting connection by now" in outcome_of(report, "ann", ChangedSincePlan).what


def once(call: str, happens: Callable[[], object]) -> AfterResponse:
    """After the first such request was answered."""
    come: list[object] = []

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if is_call(request, call) and not come:
            come.append(happens())
        return response

    return after


def test_two_states_that_plan_at_once_and_create_one_after_the_other_make_no_twin(place: Place, other: Place) -> None:
    declared(place, *TWENTY)
    declared(other, *TWENTY)

    async def both() -> tuple[FleetReport, FleetReport]:
        asked, made = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(_second(other, asked, made))
        await asked.wait()
        first = await applied(place)
        made.set()
        return first, await task

    first, second = asyncio.run(both())
    assert names(place) == list(TWENTY)
    assert exit_code("apply", first) == 0
    assert all("is there by now" in expect(ChangedSincePlan, each).what for each in second.outcomes.values())
    assert exit_code("apply", second) == 3


async def _second(place: Place, asked: asyncio.Event, made: asyncio.Event) -> FleetReport:
    """A run whose listing before its creates begins once the other one has created."""

    async def hold(request: httpx.Request) -> None:
        if is_call(request, LIST_COMPANIES):
            looks.append(request)
            if len(looks) == 2:
                asked.set()
                await made.wait()

    looks: list[httpx.Request] = []
    interfere(place, before=hold)
    return await applied(place)


def test_two_states_that_create_at_once_each_name_every_twin_with_both_ids(place: Place, other: Place) -> None:
    declared(place, *TWENTY)
    declared(other, *TWENTY)

    async def both() -> tuple[FleetReport, FleetReport]:
        listed, waited = asyncio.Barrier(2), asyncio.Barrier(2)
        for each in (place, other):
            in_step(each, listed, waited)
        return await asyncio.gather(applied(place), applied(other))

    assert changes_by_merchant(place.plan()).keys() == changes_by_merchant(other.plan()).keys() == set(TWENTY)
    reports = asyncio.run(both())
    assert len(names(place)) == 40
    twins = {name: {each["id"] for each in place.companies() if each["name"] == name} for name in TWENTY}
    for report in reports:
        assert exit_code("apply", report) == 3
        for name, ids in twins.items():
            assert len(ids) == 2
            assert all(each in outcome_of(report, name, Failed).reason for each in ids)


def in_step(place: Place, listed: asyncio.Barrier, waited: asyncio.Barrier) -> None:
    """Neither creates anything before both have listed, and the wait before the last look ends for both together."""
    both_listed: list[asyncio.Task[int]] = []

    async def before(request: httpx.Request) -> None:
        if is_call(request, CREATE_COMPANY):
            if not both_listed:
                both_listed.append(asyncio.create_task(listed.wait()))
            await asyncio.shield(both_listed[0])

    async def sleep(seconds: float) -> None:
        await waited.wait()

    interfere(place, before=before)
    place.environment = replace(place.environment, sleep=sleep)


def test_a_second_connection_made_at_the_same_moment_is_named_with_both_ids(place: Place) -> None:
    declared(place, "ann")
    company = company_made_by_hand(place, "ann")
    interfere(place, before=at_request(CREATE_CONNECTION, lambda: connection_made_by_hand(place, company)))
    report = place.apply()
    ids = [each["id"] for each in place.company("ann")["dataConnections"] if each["sourceType"] == "Accounting"]
    assert len(ids) == 2
    assert all(each in outcome_of(report, "ann", Failed).reason for each in ids)
    assert exit_code("apply", report) == 3


# -- What the looks cost


def test_a_batch_of_creates_costs_one_listing_before_it_and_one_after(place: Place) -> None:
    declared(place, *TWENTY)
    with place.count_requests() as counts:
        place.apply()
    assert counts[LIST_COMPANIES] == 3
    assert counts[GET_COMPANY] == 20
    assert count_writes_by_call(counts) == {CREATE_COMPANY: 20, CREATE_CONNECTION: 20}


def test_two_hundred_creates_lean_on_one_listing_and_the_next_on_another(place: Place) -> None:
    declared(place, *(f"m-{number:03}" for number in range(201)))
    with place.count_requests() as counts:
        place.apply()
    assert counts[LIST_COMPANIES] == 4
    assert count_writes_by_call(counts)[CREATE_COMPANY] == 201


def test_a_listing_is_leant_on_for_thirty_seconds(place: Place) -> None:
    declared(place, "ann", "bob", "cat")
    later, clock = [timedelta()], place.environment.clock
    place.environment = replace(place.environment, clock=lambda: clock() + later[0])

    async def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if is_call(request, CREATE_COMPANY):
            later[0] += timedelta(seconds=16)
        return response

    interfere(place, after=after)
    with place.count_requests() as counts:
        place.apply(parallelism=1)
    assert counts[LIST_COMPANIES] == 4, "the third create is 32 s after the first listing"


def test_on_a_listing_that_is_not_complete_nobody_is_created(place: Place) -> None:
    declared(place, "ann")
    pages: list[httpx.Request] = []

    async def before(request: httpx.Request) -> httpx.Response | None:
        pages.extend([request] if is_call(request, LIST_COMPANIES) else [])
        return httpx.Response(500, request=request) if len(pages) > 1 and is_call(request, LIST_COMPANIES) else None

    interfere(place, before=before)
    place.skip_waits()
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {}
    assert "none is created" in outcome_of(report, "ann", Failed).reason
    assert exit_code("apply", report) == 3


def test_a_listing_that_fails_before_a_create_costs_no_read_of_each_merchant_that_is_there(place: Place) -> None:
    """It says nothing whatever they say; in a large fleet each such create took minutes of everybody's budget."""
    place.provision("ann", "bob", "cat", "dan")
    declared(place, "new", "next")
    pages: list[httpx.Request] = []

    async def before(request: httpx.Request) -> httpx.Response | None:
        pages.extend([request] if is_call(request, LIST_COMPANIES) else [])
        return httpx.Response(418, request=request) if len(pages) > 1 and is_call(request, LIST_COMPANIES) else None

    interfere(place, before=before)
    with place.count_requests() as counts:
        report = place.apply(parallelism=1)
    assert [type(report.outcomes[name]) for name in ("ann", "new", "next")] == [Unchanged, Failed, Failed]
    assert counts[GET_COMPANY] == 0


# -- Each request has a name


def test_each_create_bears_a_key_of_its_own_and_a_new_one_after_a_refusal(place: Place) -> None:
    declared(place, "ann")
    keys: list[str] = []

    async def before(request: httpx.Request) -> None:
        keys.extend([request.headers["Idempotency-Key"]] if request.method == "POST" else [])

    interfere(place, before=before)
    place.emulator.fault(CREATE_COMPANY, "status", code=500)
    place.set_create_settle(5, late=60)
    place.skip_waits()
    place.apply()
    assert len(keys) == 3
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {36}


# -- Done after its answer was lost


def lost_and_done_later(place: Place, call: str, when: float) -> list[float]:
    """The answer of the first such create is lost, and it is done once somebody has waited so many seconds in all.

    What it returns fills with the waits.
    """
    place.skip_waits()
    waits: list[float] = []
    begun: list[httpx.Request] = []
    below = place.environment.sleep

    async def before(request: httpx.Request) -> httpx.Response | None:
        if is_call(request, call) and not begun:
            begun.append(request)
            raise httpx.ReadError("the gateway gave up", request=request)
        return None

    async def sleep(seconds: float) -> None:
        await below(seconds)
        done_before = sum(waits) >= when
        waits.append(seconds)
        if begun and sum(waits) >= when and not done_before:
            request = begun[0]
            place.emulator.api.post(
                request.url.path, content=request.content, headers={"Content-Type": "application/json"}
            )

    interfere(place, before=before)
    place.environment = replace(place.environment, sleep=sleep)
    return waits


@pytest.mark.parametrize("call", [CREATE_COMPANY, CREATE_CONNECTION])
def test_a_create_that_is_done_twelve_seconds_after_its_answer_was_lost_is_found_by_the_same_apply(
    place: Place, call: str
) -> None:
    declared(place, "ann", "bob")
    place.set_create_settle(5, late=60)
    waits = lost_and_done_later(place, call, when=12)
    report = place.apply()
    assert names(place) == ["ann", "bob"]
    assert place.accounting_connection("ann")
    assert place.accounting_connection("bob")
    assert exit_code("apply", report) == 0
    assert 60 <= sum(waits) < 75, "once for all"


def test_a_create_that_was_never_done_is_done_by_the_same_apply_a_minute_later(place: Place) -> None:
    declared(place, "ann")
    place.set_create_settle(5, late=60)
    waits = lost_and_done_later(place, CREATE_COMPANY, when=1e9)
    report = place.apply()
    assert names(place) == ["ann"]
    assert exit_code("apply", report) == 0
    assert sum(waits) >= 60


def test_everyone_else_is_done_before_a_lost_answer_is_waited_for_and_the_wait_is_told(place: Place) -> None:
    declared(place, *TWENTY)
    place.set_create_settle(5, late=60)
    lost_and_done_later(place, CREATE_COMPANY, when=12)
    below, there = place.environment.sleep, []

    async def sleep(seconds: float) -> None:
        there.append(len(names(place)))
        await below(seconds)

    place.environment = replace(place.environment, sleep=sleep)
    said: list[str] = []
    order = RunRequest(Scope(), RunPolicy(), lambda plan: True, parallelism=1, on_message=said.append)
    report = asyncio.run(plan_and_apply(place.settings, order, environment=place.environment))
    assert there[0] == 19
    assert any("1 lost answer: looking again in" in each for each in said)
    assert exit_code("apply", report) == 0
    assert names(place) == list(TWENTY)


def test_what_a_killed_run_had_begun_is_waited_for_by_the_next_apply_after_all_others(place: Place) -> None:
    """Killed between its request and its answer; the request is done 12 s later. One apply heals it."""
    declared(place, "ann")
    place.set_create_settle(5, late=60)
    killed_at(place, CREATE_COMPANY)
    declared(place, "ann", "bob")
    lost_and_done_later(place, CREATE_COMPANY, when=1e9)
    place.environment = replace(place.environment, sleep=done_meanwhile(place, 12, "ann"))
    report = place.apply("ann")
    assert names(place) == ["ann"]
    assert exit_code("apply", report) == 0
    assert states_by_merchant(place.plan("ann")) == {"ann": "waiting"}


def killed_at(place: Place, call: str) -> None:
    """The process dies with that request on its way: nothing of what comes after is on disk."""

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    environment = place.environment
    interfere(place, before=at_request(call, die))
    with pytest.raises(BaseExceptionGroup):
        place.apply()
    place.environment = environment


def done_meanwhile(place: Place, when: float, name: str) -> Callable[[float], Awaitable[None]]:
    """Waits in no time; somewhere within, the create that was on its way is done."""
    below, waited = place.environment.sleep, [0.0]

    async def sleep(seconds: float) -> None:
        await below(seconds)
        if waited[0] < when <= waited[0] + seconds:
            company_made_by_hand(place, name)
        waited[0] += seconds

    return sleep


def test_a_run_that_nobody_asked_for_does_not_wait_for_a_lost_answer_but_looks_again_later(place: Place) -> None:
    declared(place, "ann", "bob")
    place.set_create_settle(5, late=60)
    waits = lost_and_done_later(place, CREATE_COMPANY, when=1e9)
    place.apply(unattended=True, parallelism=1)
    assert waits == []
    assert names(place) == ["bob"]
    passes = []
    for _ in range(3):
        place.wait(61)
        passes.append(place.apply(unattended=True).outcomes["ann"])
    assert [type(each) for each in passes] == [Skipped, Applied, Unchanged]
    assert "its answer was lost; it may be done still" in expect(Skipped, passes[0]).reason
    assert names(place) == ["ann", "bob"]
