"""A change in waves, over real HTTP: who was written to, and when, is read at the server."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.daemon.pass_lock import PassLock
from controller.daemon.rollout_driver import RolloutDriver
from controller.model.errors import LockedByOtherRun, MerchantctlError, UsageError
from controller.model.exit_codes import exit_code
from controller.model.report import FleetPlan
from controller.model.rollout import MemberState, Rollout, RolloutPreview, RolloutSpec, RolloutState
from controller.model.run_policy import Scope
from controller.operations.bootstrap import current_process, hold_state_lock
from controller.reporting.rollout import rollout_exit_code, rollout_json, rollout_text
from controller.rollout import operations as rollouts
from controller.rollout.operations import ProgressSink, RolloutResult, StartRequest, UndoRequest
from controller.rollout.record import load_rollout
from controller.rollout.run import ROLLOUT_POLL_INTERVAL_S
from state import RolloutRow, open_state
from state.errors import StateUnusable
from state.rollouts import Rollouts
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, count_writes_by_call
from tests.end_to_end.stepped_controller import running_service
from tests.intercept import Forward, intercepted
from tests.processes import PythonProcess

TIPS, CARDS = "Tips payable", "Gift cards outstanding"
FLEET = [f"m-{number:05}" for number in range(8)]
CANARIES = ["m-00003", "m-00006"]
CANARIES_FIRST = ("tier=canary",)
UNWATCHED = ProgressSink(lambda sentence: None)


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator) -> Place:
    """Eight configured merchants on one profile, in sync; two of them are canaries. The profile has just changed."""
    place = Place(tmp_path, emulator)

    def build() -> None:
        emulator.seed(len(FLEET), "configured")
        for name in FLEET:
            place.merchant(name)
        for name in CANARIES:
            labelled(place, name)
        asks_for(place, TIPS)
        place.apply()
        asks_for(place, CARDS)

    place.begin_with("eight configured, and the profile has just changed", build)
    return place


def labelled(place: Place, name: str) -> None:
    path = place.manifests / f"merchant-{name}.yaml"
    manifest = json.loads(path.read_text())
    manifest["metadata"]["labels"] = {"tier": "canary"}
    path.write_text(json.dumps(manifest))


def asks_for(place: Place, account: str) -> None:
    """The profile says one line, and that concerns everyone."""
    mapping = {"sales": {"accounts": {"gratuity": {"name": account}}}}
    place.profile(schedule={}, mapping=mapping)


def stand_at(place: Place, account: str) -> list[str]:
    return [name for name in FLEET if gratuity(place, name) == account]


def gratuity(place: Place, name: str) -> str:
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    return next(each["name"] for each in entry["accountOptions"] if each["id"] == entry["selectedAccountId"])


def refuse_once(place: Place, name: str) -> None:
    """Codat will not take this merchant's next configuration."""
    place.emulator.fault(configuring(place, name), "status", code=400)


def configuring(place: Place, name: str) -> str:
    return f"POST /config/companies/{place.company(name)['id']}/sync/commerce"


def portal(place: Place, name: str, account: str) -> None:
    """The merchant chooses another account for the tips."""
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    chosen = next(each["id"] for each in entry["accountOptions"] if each["name"] == account)
    place.edit_in_portal(name, {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": chosen}}}}})


# -- Carried out by a controller


class CarriedOut:
    """The rollout of a fleet as a controller finds it after the canaries, in one that can be made to fail."""

    def __init__(self, place: Place) -> None:
        self.place = place
        start(place, step=True)

    def drive(self, times: int, *faults: Exception) -> tuple[RolloutState, str, bool]:
        """How it stands after so many turns of the driver, of which the first meet these faults; why; and whether
        anybody keeps others from it."""

        async def driven() -> tuple[RolloutState, str, bool]:
            async with running_service(self.place) as service:
                daemon = service.daemon
                kept = daemon.run.store.rollouts
                (row,) = await kept.load_all()
                await kept.compare_and_set(row.id, if_state_in=["paused"], state="running", reason="")
                to_meet = list(faults)

                @asynccontextmanager
                async def meets(_: object) -> AsyncIterator[datetime | None]:
                    if to_meet:
                        raise to_meet.pop(0)
                    async with hold_state_lock(daemon.run.lock, 0) as lost_at:
                        yield lost_at

                manifests = daemon.manifest_watcher
                lock = PassLock(meets, lambda: manifests.fleet)
                driver = RolloutDriver(
                    daemon.run, lock, daemon.state, current_process(), lambda: manifests.fleet, lambda: True
                )
                for _ in range(times):
                    driver.retry_at = 0
                    await driver.drive()
                rollout = await load_rollout(daemon.run.store, None)
                return rollout.state, rollout.reason, await kept.is_claim_held()

        return asyncio.run(driven())


def test_a_controller_that_could_not_go_on_with_a_rollout_keeps_nobody_from_it_and_goes_on_later(place: Place) -> None:
    carried = CarriedOut(place)
    assert carried.drive(1, StateUnusable("no room on the disk")) == (RolloutState.RUNNING, "", False)
    assert stand_at(place, CARDS) == CANARIES
    assert carried.drive(2, StateUnusable("no room on the disk")) == (RolloutState.DONE, "", False)
    assert stand_at(place, CARDS) == FLEET


def test_a_fault_of_ours_pauses_the_rollout_that_a_controller_carries_out(place: Place) -> None:
    state, reason, is_claimed = CarriedOut(place).drive(3, ZeroDivisionError("a mistake,\nand \ud800"))
    assert (state, is_claimed) == (RolloutState.PAUSED, False)
    assert reason == "a fault of merchantctl itself: ZeroDivisionError: a mistake, and \\ud800", (
        "what the state can keep"
    )


def test_a_rollout_that_a_controller_leaves_alone_is_anybody_s(place: Place) -> None:
    carried = CarriedOut(place)
    asks_for(place, TIPS)
    assert carried.drive(1) == (RolloutState.RUNNING, "", False)


# -- The commands


def opening(*specs: str, name: str | None = None, agrees: bool = True, **terms: Any) -> StartRequest:
    return StartRequest(Scope(), RolloutSpec(specs or CANARIES_FIRST, **terms), lambda prospect: agrees, name)


def start(place: Place, *specs: str, **told: Any) -> Rollout:
    rolled = asyncio.run(
        rollouts.start_rollout(place.settings, opening(*specs, **told), UNWATCHED, environment=place.environment)
    )
    assert isinstance(rolled, RolloutResult)
    return rolled.rollout


def resume(place: Place, max_failures: int | None = None) -> Rollout:
    return asyncio.run(
        rollouts.resume_rollout(place.settings, None, max_failures, UNWATCHED, environment=place.environment)
    ).rollout


def undo(place: Place, *allow: str) -> Rollout:
    undone = asyncio.run(
        rollouts.undo_rollout(
            place.settings, UndoRequest(None, allow, lambda plan: True), UNWATCHED, environment=place.environment
        )
    )
    assert isinstance(undone, RolloutResult)
    return undone.rollout


def abort(place: Place) -> Rollout:
    return asyncio.run(rollouts.abort_rollout(place.settings, None, environment=place.environment))


def standing(place: Place) -> Rollout:
    return asyncio.run(rollouts.load_status(place.settings, None))


def of_state(rollout: Rollout, state: MemberState) -> list[str]:
    return sorted(each.merchant for each in rollout.members if each.state is state)


# -- Waves and gates


def test_each_wave_ends_before_the_next_begins_and_every_merchant_is_written_to_once(place: Place) -> None:
    companies = {company["id"]: company["name"] for company in place.companies()}
    with place.count_requests() as counts:
        rollout = start(place, "tier=canary", "50%")
    log = place.emulator.control("GET", "/requests?log=1")["log"]
    written = [companies[each["path"].split("/")[3]] for each in log if each["method"] == "POST"][-len(FLEET) :]
    waves = [{each.merchant for each in rollout.members_of_wave(number)} for number in (1, 2, 3)]
    assert [set(written[:2]), set(written[2:4]), set(written[4:])] == waves
    assert waves[0] == set(CANARIES)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: len(FLEET)}
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.DONE, 0)
    assert place.plan().counts == {}


def test_a_wave_that_fails_pauses_and_nobody_of_a_later_wave_is_touched(place: Place) -> None:
    refuse_once(place, CANARIES[1])
    rollout = start(place)
    assert stand_at(place, CARDS) == CANARIES[:1]
    assert (rollout.state, rollout.current_wave, rollout_exit_code(rollout, None)) == (RolloutState.PAUSED, 1, 3)
    assert CANARIES[1] in rollout.reason
    assert of_state(rollout, MemberState.FAILED) == CANARIES[1:]
    assert [each["left"] for each in rollout_json(rollout)["waves"]] == [0, 6]


def test_failures_that_are_tolerated_hold_up_nobody(place: Place) -> None:
    refuse_once(place, CANARIES[0])
    rollout = start(place, max_failures=1)
    assert stand_at(place, CARDS) == [name for name in FLEET if name != CANARIES[0]]
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.DONE, 3)


def test_resume_tries_the_failed_again_and_goes_on(place: Place) -> None:
    place.emulator.fault(configuring(place, CANARIES[0]), "status", code=503, times=5)
    assert start(place).state is RolloutState.PAUSED
    place.emulator.control("DELETE", "/faults")
    rollout = resume(place)
    assert rollout.state is RolloutState.DONE
    assert stand_at(place, CARDS) == FLEET


def test_step_by_step_every_wave_waits_to_be_told(place: Place) -> None:
    rollout = start(place, step=True)
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.PAUSED, 0)
    assert stand_at(place, CARDS) == CANARIES
    assert resume(place).state is RolloutState.DONE


def test_drift_during_the_soak_closes_the_gate(place: Place) -> None:
    async def drift(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        portal(place, CANARIES[0], "Sales")

    rollout = meanwhile(place, drift, soak=1.5)
    assert (rollout.state, rollout.current_wave) == (RolloutState.PAUSED, 1)
    assert of_state(rollout, MemberState.FAILED) == CANARIES[:1]
    assert stand_at(place, CARDS) == CANARIES[1:]


def test_a_sync_that_fails_after_the_wave_closes_the_gate_whatever_comes_up_about_another(place: Place) -> None:
    other = place.company(CANARIES[0])["id"]

    async def faulty(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.url.path == f"/meta/companies/{other}/sync/commerce/status":
            raise ZeroDivisionError("nobody foresaw this")
        return await onward(request)

    async def sync_fails(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        company = f"/companies/{place.company(CANARIES[1])['id']}"
        sales = place.document(CANARIES[1])["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
        place.emulator.control("DELETE", f"{company}/accounts/{sales}?pull=false")
        place.emulator.api.post(f"{company}/sync/commerce/latest").raise_for_status()

    place.environment = intercepted(place.environment, faulty)
    rollout = meanwhile(place, sync_fails, soak=1.5)
    assert of_state(rollout, MemberState.FAILED) == CANARIES[1:]
    assert "its sync failed since with 4000" in rollout_json(rollout)["merchants"][1]["reason"]


def test_a_rollout_whose_next_look_codat_does_not_allow_is_paused_with_the_reason(place: Place) -> None:
    """Left under way in nobody's hands, the next `run` would carry it on, whenever that is begun."""
    ours, said = place.environment, list[str]()

    async def refused_then(request: httpx.Request, onward: Forward) -> httpx.Response:
        return await onward(request) if "wave 1 of 2: through" not in said else httpx.Response(401)

    place.environment = intercepted(ours, refused_then)
    sink = ProgressSink(said.append)
    rolled = asyncio.run(rollouts.start_rollout(place.settings, opening(), sink, environment=place.environment))
    assert isinstance(rolled, RolloutResult)
    rollout = rolled.rollout
    assert (rollout.state, rollout.current_wave, rollout_exit_code(rollout, None)) == (RolloutState.PAUSED, 2, 3)
    assert "API key" in rollout.reason
    place.environment = ours
    assert resume(place).state is RolloutState.DONE
    assert stand_at(place, CARDS) == FLEET


def test_limits_are_judged_over_all_waves_before_the_first_write(place: Place) -> None:
    place.profile(schedule={}, mapping={}, enabled=False)
    with place.count_requests() as counts:
        refused = asyncio.run(
            rollouts.start_rollout(place.settings, opening("1"), UNWATCHED, environment=place.environment)
        )
    assert count_writes_by_call(counts) == {}
    assert isinstance(refused, RolloutPreview)
    assert refused.plan.refusal is not None
    assert [(each.limited_class, each.count) for each in refused.plan.refusal.exceeded_limits] == [
        ("disable", len(FLEET))
    ]
    assert start(place, "1", allow=("disable",)).state is RolloutState.DONE


def test_what_is_not_a_change_of_what_is_there_is_left_to_apply(place: Place) -> None:
    place.merchant("newcomer")
    with place.count_requests() as counts:
        rollout = start(place)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: len(FLEET)}
    assert "newcomer" not in {each.merchant for each in rollout.members}


def test_who_declines_has_begun_nothing(place: Place) -> None:
    with place.count_requests() as counts:
        asyncio.run(
            rollouts.start_rollout(place.settings, opening(agrees=False), UNWATCHED, environment=place.environment)
        )
    assert count_writes_by_call(counts) == {}
    with pytest.raises(MerchantctlError, match="there was no rollout yet"):
        standing(place)


def test_a_merchant_who_withdraws_consent_meanwhile_is_left_to_apply(place: Place) -> None:
    start(place, step=True)
    gone = next(each.merchant for each in standing(place).members_of_wave(2))
    company = place.company(gone)
    place.emulator.control(
        "POST", f"/companies/{company['id']}/connections/{place.accounting_connection(gone)['id']}/deauthorize"
    )
    rollout = resume(place)
    assert rollout.state is RolloutState.DONE
    assert of_state(rollout, MemberState.DEFERRED) == [gone]


# -- Who cannot be done


def ask_what_is_not_there(place: Place, *names: str) -> None:
    """These merchants' own manifests want an account that their books do not have."""
    for name in names:
        override = {"sales": {"accounts": {"gratuity": {"name": "No such account"}}}}
        labels = json.loads((place.manifests / f"merchant-{name}.yaml").read_text())["metadata"].get("labels")
        place.merchant(name, mapping=override)
        if labels:
            labelled(place, name)


def test_a_wave_whose_merchants_are_blocked_is_not_begun_and_no_other_takes_its_place(place: Place) -> None:
    ask_what_is_not_there(place, *CANARIES)
    with place.count_requests() as counts:
        rollout = start(place)
    assert count_writes_by_call(counts) == {}
    assert (rollout.state, rollout.current_wave, rollout_exit_code(rollout, None)) == (RolloutState.PAUSED, 1, 3)
    assert all(name in rollout.reason for name in CANARIES)
    told = {each["merchant"]: each for each in rollout_json(rollout)["merchants"]}
    assert [told[name]["wave"] for name in CANARIES] == [1, 1]
    assert all(told[name]["reason"].startswith("account-unresolved") for name in CANARIES)
    assert all(f"{name}  failed  account-unresolved" in rollout_text(rollout) for name in CANARIES)


def test_blocked_merchants_count_against_the_failures_before_anybody_of_their_wave_is_written_to(place: Place) -> None:
    ask_what_is_not_there(place, CANARIES[0])
    with place.count_requests() as counts:
        rollout = start(place)
    assert (count_writes_by_call(counts), rollout.state) == ({}, RolloutState.PAUSED)
    rollout = resume(place, max_failures=1)
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.DONE, 3)
    assert stand_at(place, CARDS) == [name for name in FLEET if name != CANARIES[0]]


def test_where_most_are_blocked_the_rest_is_no_rollout_that_is_done(place: Place) -> None:
    ask_what_is_not_there(place, *FLEET[:5], FLEET[6])
    rollout = start(place, "tier=canary", "100%")
    assert (rollout.state, rollout.current_wave, rollout_exit_code(rollout, None)) == (RolloutState.PAUSED, 1, 3)
    assert len(rollout.members) == len(FLEET)


def test_the_blocked_of_a_later_wave_are_named_before_it_is_reached(place: Place) -> None:
    later = FLEET[0]
    ask_what_is_not_there(place, later)
    rollout = start(place, step=True)
    told = {each["merchant"]: each for each in rollout_json(rollout)["merchants"]}
    assert (told[later]["wave"], told[later]["state"]) == (2, "ahead")
    assert told[later]["reason"].startswith("account-unresolved")
    assert resume(place).reason.startswith(f"wave 2 was not begun: {later}")
    assert stand_at(place, CARDS) == CANARIES


def test_a_merchant_whose_manifest_is_gone_belongs_to_no_wave(place: Place) -> None:
    """Renamed without a word: the former name and the new one are blocked, and the former has no manifest."""
    former = FLEET[0]
    place.remove_manifests(former)
    place.merchant("another", company={"name": former})
    rollout = start(place, "tier=canary", max_failures=1)
    assert former not in {each.merchant for each in rollout.members}
    assert stand_at(place, CARDS) == [name for name in FLEET if name != former]


def test_a_merchant_that_cannot_be_read_is_part_of_its_wave(place: Place) -> None:
    company = place.company(CANARIES[0])["id"]
    place.emulator.fault(f"GET /config/companies/{company}/sync/commerce", "status", code=500, times=1000)
    rollout = start(place)
    assert (rollout.state, of_state(rollout, MemberState.FAILED)) == (RolloutState.PAUSED, CANARIES[:1])
    place.emulator.control("DELETE", "/faults")
    assert stand_at(place, CARDS) == []
    assert resume(place).state is RolloutState.DONE
    assert stand_at(place, CARDS) == FLEET


def test_who_was_written_to_and_is_blocked_all_the_same_has_not_come_through(place: Place) -> None:
    """Switched off, as wanted, while the mapping that is wanted as well cannot be resolved."""
    override = {"sales": {"accounts": {"gratuity": {"name": "No such account"}}}}
    place.merchant(CANARIES[0], mapping=override, enabled=False)
    labelled(place, CANARIES[0])
    rollout = start(place)
    assert place.document(CANARIES[0])["enabled"] is False
    assert (rollout.state, of_state(rollout, MemberState.FAILED)) == (RolloutState.PAUSED, CANARIES[:1])


def test_a_merchant_whose_manifest_is_gone_is_taken_down_by_apply_and_no_part_of_a_rollout(place: Place) -> None:
    place.merchant(FLEET[0], policy={"deletion": "Disable"})
    place.apply(FLEET[0])
    place.remove_manifests(FLEET[0])
    rollout = start(place)
    assert rollout.state is RolloutState.DONE
    assert FLEET[0] not in {each.merchant for each in rollout.members}
    assert place.document(FLEET[0])["enabled"] is True


# -- Labels that nobody bears


@pytest.mark.parametrize(
    ("spec", "near"),
    [
        ("tier=canray", "--wave tier=canray matches no merchant; the nearest: tier=canary"),
        ("teir=canary", "no merchant bears the label 'teir'; the nearest: tier"),
        ("tier=canary,tier!=canary", "--wave tier=canary,tier!=canary matches no merchant"),
    ],
)
def test_a_wave_whose_label_nobody_bears_is_a_mistake_and_not_everyone_at_once(
    place: Place, spec: str, near: str
) -> None:
    with place.count_requests() as counts, pytest.raises(UsageError) as refused:
        start(place, "1", spec)
    assert counts == {}
    assert (near in str(refused.value), refused.value.exit_code) == (True, 64)


def test_a_rollout_over_a_selector_that_matches_nobody_is_a_mistake(place: Place) -> None:
    told = place.run_in_process("rollout", "start", "--yes", "-l", "tier=gold")
    assert (told.returncode, "the nearest: tier=canary" in told.stderr) == (64, True)


def test_a_wave_of_labels_keeps_its_place_where_none_of_its_merchants_is_to_change(place: Place) -> None:
    place.apply(*CANARIES)
    rollout = start(place)
    assert (rollout.state, rollout.wave_count) == (RolloutState.DONE, 2)
    assert {each.wave for each in rollout.members} == {2}


# -- The limits


def test_a_rollout_is_limited_by_its_waves_and_not_by_its_size(tmp_path: Path, emulator: Emulator) -> None:
    place = Place(tmp_path, emulator)
    emulator.seed(60, "configured")
    fleet = [company["name"] for company in place.companies()]
    for name in fleet:
        place.merchant(name)
    asks_for(place, TIPS)
    place.apply()
    asks_for(place, CARDS)
    assert exit_code("apply", place.apply_or_plan()) == 4, "an apply of so many is refused"
    rollout = start(place, "1", "100%")
    assert (rollout.state, len(of_state(rollout, MemberState.DONE))) == (RolloutState.DONE, 60)
    assert undo(place).state is RolloutState.UNDONE


# -- Who is left alone


def test_an_apply_leaves_alone_whom_the_rollout_has_not_reached(place: Place) -> None:
    start(place, step=True)
    with place.count_requests() as counts:
        report = place.apply(max_changes=0)
    assert count_writes_by_call(counts) == {}
    assert exit_code("apply", report) == 0
    assert "6 merchants left to rollout rollout-1: merchantctl rollout status rollout-1" in report.plan.notes


def test_while_one_rollout_stands_no_other_begins(place: Place) -> None:
    start(place, step=True, name="cards")
    with pytest.raises(MerchantctlError, match="rollout cards is paused at wave 2 of 2, and there is one at a time"):
        start(place)


def test_manifests_that_moved_on_stop_a_resume_and_a_newcomer_does_not(place: Place) -> None:
    start(place, step=True)
    asks_for(place, "Sales")
    with pytest.raises(MerchantctlError, match="the manifests ask for something else"):
        resume(place)
    asks_for(place, CARDS)
    place.merchant("newcomer")
    assert resume(place).state is RolloutState.DONE


def test_after_an_abort_nobody_else_is_touched_until_the_manifests_change(place: Place) -> None:
    start(place, step=True)
    abort(place)
    place.apply()
    assert stand_at(place, CARDS) == CANARIES
    asks_for(place, TIPS)
    place.apply()
    assert stand_at(place, TIPS) == FLEET
    asks_for(place, CARDS)
    place.apply()
    assert stand_at(place, CARDS) == FLEET, "the hold had ended for good"


def test_what_is_over_can_be_neither_paused_nor_aborted_nor_resumed(place: Place) -> None:
    start(place, step=True)
    with pytest.raises(MerchantctlError, match="is paused at wave 2 of 2, so it cannot be paused"):
        asyncio.run(rollouts.pause_rollout(place.settings, None, environment=place.environment))
    abort(place)
    with pytest.raises(MerchantctlError, match="so it cannot be aborted"):
        abort(place)
    with pytest.raises(MerchantctlError, match="is aborted at wave 2 of 2: merchantctl rollout start begins another"):
        resume(place)


def test_another_rollout_takes_over_what_an_aborted_one_held(place: Place) -> None:
    start(place, step=True)
    abort(place)
    rollout = start(place)
    assert len(rollout.members) == len(FLEET) - len(CANARIES)
    assert stand_at(place, CARDS) == FLEET


# -- Undoing


def test_undo_puts_back_what_was_changed_and_leaves_alone_what_somebody_changed_since(place: Place) -> None:
    before = {name: place.document(name) for name in FLEET}
    start(place)
    portal(place, CANARIES[0], "Sales")
    rollout = undo(place)
    assert gratuity(place, CANARIES[0]) == "Sales"
    others = [name for name in FLEET if name != CANARIES[0]]
    assert {name: place.document(name) for name in others} == {name: before[name] for name in others}
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.UNDONE, 3)
    assert of_state(rollout, MemberState.NOT_REVERTED) == CANARIES[:1]


def test_who_waited_for_a_lost_create_is_put_back_in_the_same_undo_and_counts_as_put_back(place: Place) -> None:
    waiting = CANARIES[0]

    async def lose_a_create() -> None:
        async with open_state(place.settings.state) as store:
            at = place.environment.clock()
            await store.intents.begin(waiting, "company", name="lost", company_id=None, platform=None, at=at)

    async def fields_set_last() -> set[str]:
        async with open_state(place.settings.state) as store:
            return set((await store.records.load([waiting]))[waiting].applied)

    start(place)
    fields = asyncio.run(fields_set_last())
    asyncio.run(lose_a_create())
    assert undo(place).state is RolloutState.UNDONE
    assert stand_at(place, TIPS) == FLEET
    assert asyncio.run(fields_set_last()) == fields


def test_undo_of_half_a_rollout_touches_nobody_that_it_had_not_reached(place: Place) -> None:
    start(place, step=True)
    with place.count_requests() as counts:
        undo(place)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: len(CANARIES)}
    assert stand_at(place, TIPS) == FLEET


def test_what_is_undone_is_not_done_again_until_the_manifests_change(place: Place) -> None:
    start(place)
    undo(place)
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {}
    asks_for(place, TIPS)
    assert {plan.status.value for plan in place.plan().plans} == {"in-sync"}
    asks_for(place, "Sales")
    place.apply()
    assert stand_at(place, "Sales") == FLEET


def test_undo_is_judged_by_the_limits(place: Place) -> None:
    place.profile(schedule={}, mapping={}, enabled=False)
    place.apply(allow=("disable",))
    place.profile(schedule={}, mapping={}, enabled=True)
    start(place)
    with place.count_requests() as counts:
        refused = asyncio.run(
            rollouts.undo_rollout(
                place.settings, UndoRequest(None, (), lambda plan: True), UNWATCHED, environment=place.environment
            )
        )
    assert isinstance(refused, FleetPlan)
    assert refused.refusal is not None
    assert count_writes_by_call(counts) == {}
    assert undo(place, "disable").state is RolloutState.UNDONE
    assert {place.document(name)["enabled"] for name in FLEET} == {False}


def test_undo_puts_back_what_stood_in_the_document_and_not_how_we_show_it(place: Place) -> None:
    """A local hour, in one zone of whole hours and in one of half hours, and lists that were null."""
    kolkata, london, other = FLEET[0], FLEET[1], FLEET[2]
    place.edit_in_portal(kolkata, {"schedule": {"syncHourUtc": 18, "timeZone": "Asia/Kolkata"}})
    place.edit_in_portal(
        london, {"schedule": {"syncHourUtc": 0, "timeZone": "Europe/London", "startDate": "2026-06-15T00:00:00"}}
    )
    levels = {"invoiceLineLevel": {"selectedGroupByOptions": None}}
    place.edit_in_portal(other, {"configuration": {"sales": {"grouping": {"groupingLevels": levels}}}})
    before = {name: place.document(name) for name in FLEET}
    place.profile(schedule={"syncHourUtc": 4}, mapping={"sales": {"grouping": {"invoiceLine": ["Location"]}}})
    assert start(place).state is RolloutState.DONE
    assert {(each["syncHourUtc"], each["timeZone"]) for each in schedules(place)} == {(4, None)}
    rollout = undo(place)
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.UNDONE, 0)
    assert {name: place.document(name) for name in FLEET} == before


def reasons(rollout: Rollout) -> dict[str, str]:
    return {each.merchant: each.reason for each in rollout.members}


def schedules(place: Place) -> list[dict[str, Any]]:
    return [place.document(name)["schedule"] for name in FLEET]


def test_a_start_date_moved_later_is_told_at_the_start_and_stays_while_everything_else_goes_back(place: Place) -> None:
    prospects: list[RolloutPreview] = []
    hours = [each["syncHourUtc"] for each in schedules(place)]
    place.profile(schedule={"syncHourUtc": 4, "startDate": "2026-12-24"}, mapping={})

    def agree(prospect: RolloutPreview) -> bool:
        prospects.append(prospect)
        return True

    told = StartRequest(Scope(), RolloutSpec(("1",)), agree)
    asyncio.run(rollouts.start_rollout(place.settings, told, UNWATCHED, environment=place.environment))
    assert (
        "8 merchants with a later schedule.startDate, which rollout undo cannot put back"
        in prospects[0].not_included[0]
    )
    rollout = undo(place)
    assert (rollout.state, rollout_exit_code(rollout, None)) == (RolloutState.UNDONE, 3)
    assert {each.reason for each in rollout.members} == {
        "schedule.startDate stays: Codat lets no start date move earlier"
    }
    assert [each["syncHourUtc"] for each in schedules(place)] == hours
    assert {each["startDate"][:10] for each in schedules(place)} == {"2026-12-24"}


def test_one_odd_start_date_ends_the_undoing_of_nobody_else(place: Place) -> None:
    odd = CANARIES[0]
    place.edit_in_portal(odd, {"schedule": {"startDate": "the first of May", "timeZone": None}})
    place.profile(schedule={"startDate": "2026-12-24"}, mapping={"sales": {"accounts": {"gratuity": {"name": CARDS}}}})
    start(place, "100%", max_failures=1)
    undo(place)
    assert stand_at(place, TIPS) == FLEET
    assert {plan.status.value for plan in place.plan().plans} <= {"waiting", "in-sync", "blocked", "drifted"}


def test_a_rollout_of_an_earlier_version_is_undone_as_far_as_its_notes_go(place: Place) -> None:
    """It noted how a field is shown and not how it stood: an hour in a zone of half hours cannot be made of that."""
    kolkata = FLEET[0]
    place.edit_in_portal(kolkata, {"schedule": {"syncHourUtc": 18, "timeZone": "Asia/Kolkata"}})
    hours = {name: place.document(name)["schedule"]["syncHourUtc"] for name in FLEET[1:]}
    place.profile(schedule={"syncHourUtc": 4}, mapping={"sales": {"accounts": {"gratuity": {"name": CARDS}}}})
    start(place)
    with sqlite3.connect(place.database) as state:
        rows = state.execute("SELECT merchant, changed FROM rollout_merchants").fetchall()
        for name, changed in rows:
            earlier = {
                path: {key: each[key] for key in ("before", "wrote")} for path, each in json.loads(changed).items()
            }
            state.execute("UPDATE rollout_merchants SET changed = ? WHERE merchant = ?", (json.dumps(earlier), name))
    rollout = undo(place)
    assert (rollout.state, of_state(rollout, MemberState.NOT_REVERTED)) == (RolloutState.UNDONE, [kolkata])
    assert "schedule.syncHourUtc stays: it stood at 12:30 UTC" in reasons(rollout)[kolkata]
    assert {name: place.document(name)["schedule"]["syncHourUtc"] for name in FLEET[1:]} == hours
    assert stand_at(place, TIPS) == FLEET


# -- Two terminals, signals, a death


def test_a_pause_from_another_terminal_is_noticed_during_the_soak(place: Place) -> None:
    async def pause(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        await rollouts.pause_rollout(place.settings, None, environment=place.environment)

    rollout = meanwhile(place, pause, soak=3600)
    assert (rollout.state, rollout.reason, rollout.current_wave) == (RolloutState.PAUSED, "paused by hand", 1)
    assert stand_at(place, CARDS) == CANARIES


def test_a_pause_is_noticed_also_after_the_state_did_not_answer_for_a_moment(place: Place) -> None:
    state = Path(place.settings.state.removeprefix("sqlite:///"))
    elsewhere = state.with_suffix(".away")

    def move(here: Path, there: Path) -> None:
        here.rename(there)

    async def pause(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        move(state, elsewhere)
        await asyncio.sleep(1.5 * ROLLOUT_POLL_INTERVAL_S)
        move(elsewhere, state)
        await rollouts.pause_rollout(place.settings, None, environment=place.environment)

    rollout = meanwhile(place, pause, soak=600)
    assert (rollout.state, rollout.reason, rollout.current_wave) == (RolloutState.PAUSED, "paused by hand", 1)


def test_a_pause_is_noticed_also_after_a_fault_of_ours_while_it_was_looked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, main, faults = Rollouts.load, list[object](), list[object]()

    async def faulty(self: Rollouts, name: str | None = None) -> RolloutRow | None:
        # The look for a pause is a task of its own.
        if main and asyncio.current_task() not in main and not faults:
            faults.append(name)
            raise ZeroDivisionError("nobody foresaw this")
        return await load(self, name)

    async def pause(place: Place) -> None:
        main.extend(asyncio.all_tasks() - {each for each in asyncio.all_tasks() if "watch" in repr(each.get_coro())})
        await until(place, lambda rollout: rollout.soak_until and faults)
        await rollouts.pause_rollout(place.settings, None, environment=place.environment)

    monkeypatch.setattr(Rollouts, Rollouts.load.__name__, faulty)
    rollout = meanwhile(place, pause, soak=600)
    assert (rollout.state, rollout.reason, rollout.current_wave) == (RolloutState.PAUSED, "paused by hand", 1)


def test_a_rollout_that_runs_is_not_taken_up_by_a_second_process(place: Place) -> None:
    async def take(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        with pytest.raises(LockedByOtherRun, match="is carried out by"):
            await rollouts.resume_rollout(place.settings, None, None, UNWATCHED, environment=place.environment)
        await rollouts.pause_rollout(place.settings, None, environment=place.environment)

    assert meanwhile(place, take, soak=3600).state is RolloutState.PAUSED


@pytest.mark.over_tcp
def test_a_rollout_killed_in_a_wave_ends_with_every_merchant_written_to_once_and_can_be_undone(place: Place) -> None:
    place.emulator.fault(SAVE_CONFIGURATION, "delay", times=len(FLEET), ms=300)
    with place.count_requests() as counts:
        command = [sys.executable, "-m", "controller", "rollout", "start", "--yes", "--wave", "100%"]
        nowhere = subprocess.DEVNULL
        process = PythonProcess(command, cwd=place.folder, env=place.variables(), stdout=nowhere)
        while place.emulator.counts().get(SAVE_CONFIGURATION, 0) < len(FLEET) // 2:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert standing(place).orphaned
        place.emulator.control("DELETE", "/faults")
        resumed = place.run_in_process("rollout", "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: len(FLEET)}
    assert stand_at(place, CARDS) == FLEET
    assert undo(place).state is RolloutState.UNDONE
    assert stand_at(place, TIPS) == FLEET


def test_ctrl_c_pauses(place: Place) -> None:
    async def interrupt(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        signal.raise_signal(signal.SIGINT)

    rollout = meanwhile(place, interrupt, soak=3600)
    assert (rollout.state, rollout.reason) == (RolloutState.PAUSED, "stopped by SIGINT")


def test_what_is_taken_up_while_its_undoing_is_asked_about_is_not_undone(place: Place) -> None:
    start(place, step=True)

    def agree_late(plan: FleetPlan) -> bool:
        with closing(sqlite3.connect(place.settings.state.removeprefix("sqlite:///"), isolation_level=None)) as state:
            state.execute("UPDATE rollouts SET state = 'running', reason = ''")  # somebody resumes it meanwhile
        return True

    with pytest.raises(MerchantctlError, match="is running at wave 2 of 2: merchantctl rollout pause"):
        asyncio.run(
            rollouts.undo_rollout(
                place.settings, UndoRequest(None, (), agree_late), UNWATCHED, environment=place.environment
            )
        )
    assert stand_at(place, CARDS) == CANARIES


def test_what_has_gone_on_to_its_end_while_its_undoing_is_asked_about_is_asked_about_anew(place: Place) -> None:
    start(place, step=True)

    def agree_late(plan: FleetPlan) -> bool:
        with closing(sqlite3.connect(place.settings.state.removeprefix("sqlite:///"), isolation_level=None)) as state:
            # A controller that was told to resume it has carried it out meanwhile.
            (changed,) = state.execute("SELECT changed FROM rollout_merchants WHERE wave = 1").fetchone()
            state.execute("UPDATE rollout_merchants SET state = 'done', changed = ? WHERE wave = 2", [changed])
            state.execute("UPDATE rollouts SET state = 'done', reason = ''")
        return True

    with pytest.raises(MerchantctlError, match="went on while its undoing was asked about"):
        asyncio.run(
            rollouts.undo_rollout(
                place.settings, UndoRequest(None, (), agree_late), UNWATCHED, environment=place.environment
            )
        )
    assert standing(place).state is RolloutState.DONE
    assert stand_at(place, CARDS) == CANARIES


def test_what_was_paused_is_not_undone_while_its_last_request_is_under_way(place: Place) -> None:
    start(place, step=True)
    ours = place.environment

    async def paused_and_undone() -> None:
        is_sending, may_go_on = asyncio.Event(), asyncio.Event()

        async def held_up(request: httpx.Request, onward: Forward) -> httpx.Response:
            if request.method == "POST":
                is_sending.set()
                await may_go_on.wait()
            return await onward(request)

        place.environment = intercepted(ours, held_up)
        async with running_service(place) as service:
            daemon, manifests = service.daemon, service.daemon.manifest_watcher
            (row,) = await daemon.run.store.rollouts.load_all()
            await daemon.run.store.rollouts.compare_and_set(row.id, if_state_in=["paused"], state="running", reason="")
            driver = RolloutDriver(
                daemon.run, daemon.lock, daemon.state, current_process(), lambda: manifests.fleet, lambda: True
            )
            driving = asyncio.create_task(driver.drive())
            await is_sending.wait()
            await rollouts.pause_rollout(place.settings, None, environment=ours)
            try:
                order = UndoRequest(None, (), lambda plan: True)
                with pytest.raises(MerchantctlError, match="is still at its last request"):
                    await rollouts.undo_rollout(place.settings, order, UNWATCHED, environment=ours)
            finally:
                may_go_on.set()
                await driving

    asyncio.run(paused_and_undone())
    assert len(stand_at(place, CARDS)) > len(CANARIES)
    assert undo(place).state is RolloutState.UNDONE
    assert stand_at(place, TIPS) == FLEET


def test_ctrl_c_between_two_waves_pauses(place: Place) -> None:
    """Left under way, it would be carried on by the next controller."""

    def interrupt(sentence: str) -> None:
        if sentence.endswith("through"):
            signal.raise_signal(signal.SIGINT)

    async def begin() -> RolloutResult | RolloutPreview:
        sink = ProgressSink(interrupt)
        return await rollouts.start_rollout(place.settings, opening(), sink, environment=place.environment)

    rolled = asyncio.run(begin())
    assert isinstance(rolled, RolloutResult)
    assert (rolled.rollout.state, rolled.rollout.reason) == (RolloutState.PAUSED, "stopped by SIGINT")
    assert rolled.rollout.current_wave == 2


def test_the_command_tells_its_waves_and_its_next_step(place: Place) -> None:
    told = place.run_in_process("rollout", "start", "--yes", "--step", "--wave", "tier=canary", "-o", "json")
    assert told.returncode == 0, told.stderr
    assert [each["done"] for each in json.loads(told.stdout)["waves"]] == [2, 0]
    assert "wave 1 of 2: through" in told.stderr
    assert "merchantctl rollout resume rollout-1" in place.run_in_process("rollout", "status").stdout


def meanwhile(place: Place, other: Callable[[Place], Awaitable[None]], **terms: Any) -> Rollout:
    """A rollout, and what somebody else does while it is under way; it waits as long as it says."""
    environment = replace(place.environment, sleep=asyncio.sleep)

    async def both() -> RolloutResult | RolloutPreview:
        rolled, _ = await asyncio.gather(
            rollouts.start_rollout(place.settings, opening(**terms), UNWATCHED, environment=environment),
            other(place),
        )
        return rolled

    rolled = asyncio.run(both())
    assert isinstance(rolled, RolloutResult)
    return rolled.rollout


async def until(place: Place, happened: Callable[[Rollout], Any]) -> None:
    while True:
        try:
            if happened(await rollouts.load_status(place.settings, None)):
                return
        except MerchantctlError:
            pass
        await asyncio.sleep(0.05)


def test_history_names_the_rollout_and_its_undoing_and_a_wave_ends_what_it_mended(place: Place) -> None:
    place.run_in_process("drift", "--record")  # what the profile asks for by now stands in the ledger as pending

    def by(name: str) -> list[tuple[str, str]]:
        document = json.loads(place.run_in_process("history", name, "-o", "json").stdout)
        ended = [each["gone"] for each in document["findings"] if each["code"] == "mapping-changed" and each["gone"]]
        last = document["events"][-1]["by"]
        return [(str(each["how"]), str(each["by"])) for each in ended[-1:]] + [("did", str(last))]

    opening = StartRequest(Scope(), RolloutSpec(CANARIES_FIRST), lambda prospect: True)
    asyncio.run(rollouts.start_rollout(place.settings, opening, UNWATCHED, environment=place.environment))
    (how, who), (_, did) = by(CANARIES[0])
    assert (how, who.split(" of ")[0], did.split(" of ")[0]) == ("mended", "rollout-1", "rollout-1")
    asyncio.run(
        rollouts.undo_rollout(
            place.settings, UndoRequest(None, (), lambda plan: True), UNWATCHED, environment=place.environment
        )
    )
    assert by(CANARIES[0])[-1][1].split(" of ")[0] == "rollout-1 undo"
