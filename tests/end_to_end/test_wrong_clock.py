"""A machine whose clock is wrong writes nothing that Codat's clock would not write, and counts as it should."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from controller.environment import Environment
from controller.model.exit_codes import exit_code
from controller.model.report import FleetReport
from controller.model.rollout import RolloutSpec, RolloutState
from controller.model.run_policy import Scope
from controller.operations.import_ import ImportOptions, prepare_import
from controller.operations.plan import PlanOptions, plan_only
from controller.rollout import operations as rollouts
from controller.rollout.operations import ProgressSink, RolloutResult, StartRequest
from state import open_state
from tests.emulator import Emulator
from tests.end_to_end.place import (
    CREATE_COMPANY,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)
from tests.end_to_end.run_process import running_controller
from tests.intercept import Forward, intercepted
from tests.proxy import ProxyAnswer, ProxyRequest, proxied

LONDON = ZoneInfo("Europe/London")
DAYS_AHEAD, DAYS_BEHIND, MINUTES_AHEAD = timedelta(days=220), timedelta(days=-3), timedelta(minutes=10)
SKEWS = pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND, MINUTES_AHEAD], ids=str)
UTC_THREE = {"frequency": "Daily", "startDate": "2026-01-01", "syncHourUtc": 3}


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    return Place(tmp_path, emulator_in_process)


def hour_of_midnight(now: datetime) -> int:
    """The UTC hour of the next midnight in London."""
    day = now.astimezone(LONDON).date() + timedelta(days=1)
    return datetime.combine(day, time(0), LONDON).astimezone(UTC).hour


def wrong_by(skew: timedelta, right: Environment) -> Environment:
    return replace(right, clock=lambda: right.clock() + skew)


def until_clocks_disagree(place: Place, skew: timedelta) -> None:
    """Both clocks go on to a moment at which one that is wrong by `skew` gives midnight in London another hour."""
    step = min(abs(skew), timedelta(days=1)) / 2
    then = now = place.environment.clock()
    while hour_of_midnight(then) == hour_of_midnight(then + skew):
        then += step
    place.emulator.advance(f"PT{(then - now).total_seconds():.0f}S")
    place.environment = wrong_by(then - now, place.environment)


def hour(place: Place, name: str) -> int:
    return int(place.document(name)["schedule"]["syncHourUtc"])


# -- What is written


@SKEWS
@pytest.mark.parametrize("unattended", [False, True], ids=["apply", "run"])
def test_a_wrong_clock_rewrites_no_schedule(place: Place, skew: timedelta, unattended: bool) -> None:
    place.provision("acme", "beta")
    until_clocks_disagree(place, skew)
    place.apply()
    before, right = hour(place, "acme"), place.environment
    place.environment = wrong_by(skew, right)
    with place.count_requests() as during:
        report = place.apply(unattended=unattended)
    assert isinstance(report, FleetReport)
    assert not count_writes_by_call(during)
    assert hour(place, "acme") == before
    assert states_by_merchant(report.plan) == {"acme": "blocked", "beta": "blocked"}
    place.environment = right
    assert states_by_merchant(place.plan()) == {"acme": "in-sync", "beta": "in-sync"}, (
        "once the clock is right, all is as it was"
    )


def test_an_answer_without_a_time_leaves_known_how_wrong_the_clock_is(place: Place) -> None:
    """As that of a gateway: what the answer before it said of the time holds."""
    place.provision("acme")
    until_clocks_disagree(place, DAYS_AHEAD)
    place.apply()

    async def timeless(request: httpx.Request, onward: Forward) -> httpx.Response:
        answer = await onward(request)
        if request.url.path.startswith("/config/"):
            del answer.headers["date"]
        return answer

    place.environment = intercepted(wrong_by(DAYS_AHEAD, place.environment), timeless)
    with place.count_requests() as during:
        place.apply()
    assert not count_writes_by_call(during)
    assert "clock-skew" in findings_by_code(place.plan(), "acme")


@SKEWS
def test_the_finding_says_both_clocks_what_each_would_write_and_the_remedy(place: Place, skew: timedelta) -> None:
    place.provision("acme")
    until_clocks_disagree(place, skew)
    place.apply()
    service = place.environment.clock()
    place.environment = wrong_by(skew, place.environment)
    told = findings_by_code(place.plan(), "acme")["clock-skew"]
    assert f"Codat's clock says {service:%Y-%m-%d}" in told.cause
    assert f"this machine's {service + skew:%Y-%m-%d}" in told.cause
    assert "nothing by Codat's" in told.cause
    assert f"schedule.time {hour_of_midnight(service + skew)} by this machine's" in told.cause
    assert told.remedy == "set this machine's clock (timedatectl set-ntp true); then merchantctl apply"


def test_only_who_depends_on_the_clock_is_held_and_the_others_are_written(place: Place) -> None:
    place.provision("acme")
    place.profile("fixed", schedule=UTC_THREE)
    place.merchant("beta", "fixed")
    place.apply()
    place.consent_everyone()
    place.apply()
    until_clocks_disagree(place, DAYS_AHEAD)
    place.apply()
    place.environment = wrong_by(DAYS_AHEAD, place.environment)
    place.profile("fixed", schedule={**UTC_THREE, "syncHourUtc": 4})
    with place.count_requests() as during:
        place.apply()
    assert count_writes_by_call(during) == {SAVE_CONFIGURATION: 1}
    assert hour(place, "beta") == 4


def test_a_first_configuration_waits_until_the_clock_is_right(place: Place) -> None:
    place.profile()
    place.merchant("acme")
    place.apply()
    place.consent_everyone()
    until_clocks_disagree(place, DAYS_AHEAD)
    right = place.environment
    place.environment = wrong_by(DAYS_AHEAD, right)
    with place.count_requests() as during:
        assert "clock-skew" in findings_by_code(place.plan(), "acme")
        place.apply()
    assert not count_writes_by_call(during)
    place.environment = right
    place.apply()
    assert hour(place, "acme") == hour_of_midnight(right.clock())


def test_where_live_keeps_a_time_zone_its_hour_is_read_by_the_services_clock(place: Place) -> None:
    place.profile("fixed", schedule=UTC_THREE)
    place.merchant("acme", "fixed")
    place.apply()
    place.consent_everyone()
    place.apply()
    until_clocks_disagree(place, DAYS_AHEAD)
    there = (datetime(2027, 1, 1, 3, tzinfo=UTC) - timedelta(hours=hour_of_midnight(place.environment.clock()))).hour
    local = there if hour_of_midnight(place.environment.clock()) == 0 else 4
    place.edit_in_portal("acme", {"schedule": {"timeZone": "Europe/London", "syncHourUtc": local}})
    assert states_by_merchant(place.plan()) == {"acme": "in-sync"}
    place.environment = wrong_by(DAYS_AHEAD, place.environment)
    told = findings_by_code(place.plan(), "acme")["clock-skew"]
    assert "nothing by Codat's" in told.cause
    with place.count_requests() as during:
        place.apply()
    assert not count_writes_by_call(during)


def test_an_import_reads_hours_by_the_services_clock(place: Place) -> None:
    place.provision("acme")
    until_clocks_disagree(place, DAYS_AHEAD)
    place.apply()
    place.environment = wrong_by(DAYS_AHEAD, place.environment)
    choice = ImportOptions(zone="Europe/London", profiles=False)
    imported = asyncio.run(prepare_import(place.settings, choice, None, environment=place.environment))
    (manifest,) = imported.manifests
    assert manifest.spec["schedule"]["time"] == "00:00"


# -- What is said


def said_of_clocks(place: Place, *arguments: str) -> int:
    told = place.run_in_process(*arguments)
    assert told.returncode == 0, told.stdout + told.stderr
    return (told.stdout + told.stderr).count("this machine's clock is")


def test_more_than_two_minutes_are_said_once_a_run_and_less_is_not(tmp_path: Path, emulator: Emulator) -> None:
    place = Place(tmp_path, emulator)
    place.profile()
    place.merchant("acme")
    assert [said_of_clocks(place, "plan"), said_of_clocks(place, "apply", "--yes")] == [0, 0]
    emulator.advance("PT25M")
    assert [said_of_clocks(place, "plan"), said_of_clocks(place, "apply", "--yes")] == [1, 1]
    assert "this machine's clock is 25 minutes behind Codat's" in place.run_in_process("plan").stdout


@pytest.mark.parametrize("date", [None, "yesterday", "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 0001 00:00:00 GMT"])
def test_a_service_that_does_not_say_its_time_credibly_is_planned_by_our_clock(
    tmp_path: Path, emulator: Emulator, date: str | None
) -> None:
    place = Place(tmp_path, emulator)

    def dated(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        kept = {key: value for key, value in answer.headers.items() if key != "date"}
        return replace(answer, headers=kept | ({"date": date} if date else {}))

    with proxied(emulator.url, dated) as url:
        place.settings = replace(place.settings, base_url=url)
        place.provision("acme")
        plan = place.plan()
    assert states_by_merchant(plan) == {"acme": "in-sync"}
    assert not [note for note in plan.notes if "clock" in note]


# -- What is counted, waited for and judged by its age


def test_nobody_is_left_alone_until_a_time_that_a_wrong_clock_made(place: Place) -> None:
    place.provision("acme")
    right = place.environment
    place.environment = wrong_by(DAYS_AHEAD, right)
    place.profile(schedule=UTC_THREE)
    place.emulator.fault(SAVE_CONFIGURATION, "status", code=500)
    place.apply(unattended=True)
    place.environment = right
    with place.count_requests() as during:
        place.apply(unattended=True)
    assert count_writes_by_call(during) == {SAVE_CONFIGURATION: 1}


def test_what_run_wrote_in_the_last_day_is_remembered_by_a_wrong_clock(place: Place) -> None:
    place.provision("acme", "beta", schedule=UTC_THREE)
    place.merchant("acme", schedule=UTC_THREE, enabled=False)
    place.apply(unattended=True)
    assert not place.document("acme")["enabled"], "the one that run may switch off in a day"
    place.environment = wrong_by(DAYS_AHEAD, place.environment)
    place.merchant("beta", schedule=UTC_THREE, enabled=False)
    with place.count_requests() as during:
        place.apply(unattended=True)
    assert not count_writes_by_call(during)


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_what_run_writes_under_a_wrong_clock_counts_for_a_day_and_no_longer(place: Place, skew: timedelta) -> None:
    place.provision("acme", "beta", schedule=UTC_THREE)
    right = place.environment
    place.environment = wrong_by(skew, right)
    place.merchant("acme", schedule=UTC_THREE, enabled=False)
    place.apply(unattended=True)
    assert not place.document("acme")["enabled"], "the one that run may switch off in a day"
    place.merchant("beta", schedule=UTC_THREE, enabled=False)
    with place.count_requests() as during:
        place.apply(unattended=True)
    assert not count_writes_by_call(during)
    place.environment = right
    place.emulator.advance("PT25H")
    place.apply(unattended=True)
    assert not place.document("beta")["enabled"]


def test_the_age_of_data_is_counted_by_the_services_clock(place: Place) -> None:
    place.provision("acme", schedule=UTC_THREE)
    place.environment = wrong_by(DAYS_AHEAD, place.environment)
    plan = place.plan()
    assert "data-stale" not in findings_by_code(plan, "acme")
    (acme,) = plan.plans
    assert acme.data_age is not None
    assert acme.data_age.oldest_pulled_at is not None
    assert plan.made_at - acme.data_age.oldest_pulled_at < timedelta(hours=1)


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_a_failed_sync_counts_from_when_the_service_was_asked_for_it(place: Place, skew: timedelta) -> None:
    """Else one that was read just now is too old to count, or counts and is not read again for months."""
    place.provision("acme", schedule={**UTC_THREE, "startDate": "2026-11-01"})
    company = f"/companies/{place.company('acme')['id']}"
    sales = place.document("acme")["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
    place.emulator.control("DELETE", f"{company}/accounts/{sales}?pull=false")
    place.emulator.api.post(f"{company}/sync/commerce/latest").raise_for_status()
    right = place.environment
    place.environment = wrong_by(skew, right)
    asked = asyncio.run(
        plan_only(place.settings, Scope(), PlanOptions(also_read=("syncs",)), environment=place.environment)
    )
    assert exit_code("drift", asked) == 2
    (acme,) = asked.plans
    assert acme.last_sync is not None
    assert abs(acme.last_sync.read_at - right.clock()) < timedelta(hours=1)
    assert "sync-overdue" not in findings_by_code(asked, "acme")


def test_whether_sales_arrive_is_known_as_long_as_the_service_was_asked_lately(place: Place) -> None:
    place.provision("acme", schedule={**UTC_THREE, "startDate": "2026-11-01"})
    place.emulator.api.post(f"/companies/{place.company('acme')['id']}/sync/commerce/latest").raise_for_status()
    place.emulator.advance("PT5S")
    syncs = PlanOptions(also_read=("syncs",))
    asyncio.run(plan_only(place.settings, Scope(), syncs, environment=place.environment))
    place.apply()
    place.environment = wrong_by(DAYS_AHEAD, place.environment)
    place.apply()
    (acme,) = place.plan().plans
    syncing = {each.type: (each.status.value, each.reason) for each in acme.conditions}["Syncing"]
    assert syncing == ("True", "")


@pytest.mark.over_tcp
def test_what_run_reads_and_asks_for_by_itself_is_dated_by_the_services_clock(
    tmp_path: Path, emulator: Emulator
) -> None:
    """Else nothing of it is due again until a date that a wrong clock made."""
    place = Place(tmp_path, emulator)
    place.provision("acme", schedule=UTC_THREE)
    emulator.advance(f"PT{DAYS_AHEAD.total_seconds():.0f}S")

    async def noted() -> list[datetime]:
        async with open_state(place.settings.state) as store:
            syncs, pulls = await store.last_syncs.load(), await store.refresh_requests.load()
        return [syncs["acme"].read_at, pulls["acme"]] if syncs and pulls else []

    quick = {"MERCHANTCTL_SYNC_POLL_INTERVAL": "1s", "MERCHANTCTL_REFRESH_AFTER": "1s"}
    with running_controller(place, **quick) as watch:
        dates = watch.wait_until(lambda: asyncio.run(noted()))
        (told,) = [each for each in watch.log if each["event"] == "clock_differs_from_codat"]
        assert "this machine's clock is 220 days behind Codat's" in str(told["reason"])
    service = datetime.now(UTC) + DAYS_AHEAD
    assert [abs(each - service) < timedelta(hours=1) for each in dates] == [True, True]


class Soaking:
    """How long somebody waits, and what happens meanwhile; it takes no time."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.then, self.longest, self.happened = then, 0.0, False

    async def sleep(self, seconds: float) -> None:
        if seconds > 60:
            self.longest = seconds
            await asyncio.to_thread(self.then)
            self.happened = True
        await asyncio.sleep(0.01)


def nothing() -> None:
    """Nothing happens."""


def interrupted() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_a_create_whose_answer_was_lost_is_settled_in_a_minute_though_the_clock_was_put_right(
    place: Place, skew: timedelta
) -> None:
    place.profile()
    place.merchant("acme")
    right = place.environment
    place.environment = wrong_by(skew, right)
    place.emulator.fault(CREATE_COMPANY, "status", code=502)
    place.apply(unattended=True)
    place.environment = right
    place.skip_waits()
    waited = place.environment.clock()
    place.apply()
    assert [each["name"] for each in place.companies()] == ["acme"]
    assert place.environment.clock() - waited < timedelta(minutes=2)


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_a_create_that_is_done_late_is_waited_for_as_long_by_a_wrong_clock(place: Place, skew: timedelta) -> None:
    place.set_create_settle(5, late=60)
    place.profile()
    place.merchant("acme")
    place.skip_waits()
    place.environment = wrong_by(skew, place.environment)
    place.emulator.fault(CREATE_COMPANY, "complete-late", seconds=40, code=504)
    for _ in range(3):
        place.apply(unattended=True)
        place.wait(6)
    place.apply()
    assert [each["name"] for each in place.companies()] == ["acme"]


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_when_a_merchant_was_last_seen_configured_is_by_the_services_clock(place: Place, skew: timedelta) -> None:
    """From then on books would be replayed, were its connection deleted and made anew."""

    async def seen() -> datetime | None:
        async with open_state(place.settings.state) as store:
            return (await store.records.load())["acme"].configured_at

    right = place.environment
    place.environment = wrong_by(skew, right)
    place.provision("acme", schedule=UTC_THREE)
    for _ in range(2):
        at = asyncio.run(seen())
        assert at is not None
        assert abs(at - right.clock()) < timedelta(hours=1)
        place.apply()


def rolled_out(place: Place, soaking: Soaking, skew: timedelta) -> RolloutState:
    world = replace(wrong_by(skew, place.environment), sleep=soaking.sleep)
    opening = StartRequest(Scope(), RolloutSpec(("50%",), soak=3600), lambda prospect: True, "change")
    rolled = asyncio.run(
        rollouts.start_rollout(place.settings, opening, ProgressSink(lambda said: None), environment=world)
    )
    assert isinstance(rolled, RolloutResult)
    return rolled.rollout.state


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_a_sync_that_fails_in_the_soak_closes_the_gate_whatever_our_clock_says(place: Place, skew: timedelta) -> None:
    place.provision("acme", "beta", schedule=UTC_THREE)
    place.profile(schedule={**UTC_THREE, "syncHourUtc": 4})
    for name in ("acme", "beta"):
        place.merchant(name)

    def sync_fails() -> None:
        for name in ("acme", "beta"):
            company = f"/companies/{place.company(name)['id']}"
            sales = place.document(name)["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
            place.emulator.control("DELETE", f"{company}/accounts/{sales}?pull=false")
            place.emulator.api.post(f"{company}/sync/commerce/latest").raise_for_status()

    soaking = Soaking(sync_fails)
    assert rolled_out(place, soaking, skew) is RolloutState.PAUSED
    assert soaking.happened


@pytest.mark.parametrize("skew", [DAYS_AHEAD, DAYS_BEHIND], ids=str)
def test_a_soak_is_neither_cut_short_nor_drawn_out_by_a_clock_that_is_put_right(place: Place, skew: timedelta) -> None:
    place.provision("acme", "beta", schedule=UTC_THREE)
    place.profile(schedule={**UTC_THREE, "syncHourUtc": 4})
    for name in ("acme", "beta"):
        place.merchant(name)
    assert rolled_out(place, Soaking(interrupted), skew) is RolloutState.PAUSED
    soaking = Soaking(nothing)
    world = replace(place.environment, sleep=soaking.sleep)
    watcher = ProgressSink(lambda said: None)
    resumed = asyncio.run(rollouts.resume_rollout(place.settings, "change", None, watcher, environment=world))
    assert resumed.rollout.state is RolloutState.DONE
    assert 3500 < soaking.longest <= 3600
