"""A change in waves, over real HTTP: who was written to, and when, is read at the server."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller import rollouts
from controller.model.errors import Locked, MerchantctlError
from controller.model.report import FleetPlan
from controller.model.rollout import MemberState, Prospect, Rollout, RolloutState, Terms
from controller.model.run import Scope
from controller.reporting.rollout import rolled_code, rollout_json
from controller.reporting.verdict import exit_code
from controller.rollouts import Opening, Rolled, Undoing, Watcher
from tests.end_to_end.place import CONFIGURE, Place, writes

TIPS, CARDS = "Tips payable", "Gift cards outstanding"
FLEET = [f"m-{number:05}" for number in range(8)]
CANARIES = ["m-00003", "m-00006"]
CANARIES_FIRST = ("tier=canary",)
UNWATCHED = Watcher(lambda sentence: None)


@pytest.fixture
def place(tmp_path: Path, emulator: Any) -> Place:
    """Eight configured merchants on one profile, in sync; two of them are canaries. The profile has just changed."""
    place = Place(tmp_path, emulator)
    emulator.seed(len(FLEET), "configured")
    for name in FLEET:
        place.merchant(name)
    for name in CANARIES:
        labelled(place, name)
    asks_for(place, TIPS)
    place.apply()
    asks_for(place, CARDS)
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
    """The service will not take this merchant's next configuration."""
    place.emulator.fault(configuring(place, name), "status", code=400)


def configuring(place: Place, name: str) -> str:
    return f"POST /config/companies/{place.company(name)['id']}/sync/commerce"


def portal(place: Place, name: str, account: str) -> None:
    """The merchant chooses another account for the tips."""
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    chosen = next(each["id"] for each in entry["accountOptions"] if each["name"] == account)
    place.edit(name, {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": chosen}}}}})


# -- The commands


def opening(*specs: str, name: str | None = None, agrees: bool = True, **terms: Any) -> Opening:
    return Opening(Scope(), Terms(specs or CANARIES_FIRST, **terms), lambda prospect: agrees, name)


def start(place: Place, *specs: str, **told: Any) -> Rollout:
    rolled = asyncio.run(rollouts.start(place.settings, opening(*specs, **told), UNWATCHED))
    assert isinstance(rolled, Rolled)
    return rolled.rollout


def resume(place: Place, max_failures: int | None = None) -> Rollout:
    return asyncio.run(rollouts.resume(place.settings, None, max_failures, UNWATCHED)).rollout


def undo(place: Place, *allow: str) -> Rollout:
    undone = asyncio.run(rollouts.undo(place.settings, Undoing(None, allow, lambda plan: True), UNWATCHED))
    assert isinstance(undone, Rolled)
    return undone.rollout


def abort(place: Place) -> Rollout:
    return asyncio.run(rollouts.abort(place.settings, None))


def standing(place: Place) -> Rollout:
    return asyncio.run(rollouts.look_up(place.settings, None))


def of_state(rollout: Rollout, state: MemberState) -> list[str]:
    return sorted(each.merchant for each in rollout.members if each.state is state)


# -- Waves and gates


def test_each_wave_ends_before_the_next_begins_and_every_merchant_is_written_to_once(place: Place):
    companies = {company["id"]: company["name"] for company in place.companies()}
    with place.counted() as counts:
        rollout = start(place, "tier=canary", "50%")
    log = place.emulator.control("GET", "/requests?log=1")["log"]
    written = [companies[each["path"].split("/")[3]] for each in log if each["method"] == "POST"][-len(FLEET) :]
    waves = [{each.merchant for each in rollout.of_wave(number)} for number in (1, 2, 3)]
    assert [set(written[:2]), set(written[2:4]), set(written[4:])] == waves
    assert waves[0] == set(CANARIES)
    assert writes(counts) == {CONFIGURE: len(FLEET)}
    assert (rollout.state, rolled_code(rollout, None)) == (RolloutState.DONE, 0)
    assert place.plan().counts == {}


def test_a_wave_that_fails_pauses_and_nobody_of_a_later_wave_is_touched(place: Place):
    refuse_once(place, CANARIES[1])
    rollout = start(place)
    assert stand_at(place, CARDS) == CANARIES[:1]
    assert (rollout.state, rollout.wave, rolled_code(rollout, None)) == (RolloutState.PAUSED, 1, 3)
    assert CANARIES[1] in rollout.reason
    assert of_state(rollout, MemberState.FAILED) == CANARIES[1:]
    assert [each["left"] for each in rollout_json(rollout)["waves"]] == [0, 6]


def test_failures_that_are_tolerated_hold_up_nobody(place: Place):
    refuse_once(place, CANARIES[0])
    rollout = start(place, max_failures=1)
    assert stand_at(place, CARDS) == [name for name in FLEET if name != CANARIES[0]]
    assert (rollout.state, rolled_code(rollout, None)) == (RolloutState.DONE, 3)


def test_resume_tries_the_failed_again_and_goes_on(place: Place):
    place.emulator.fault(configuring(place, CANARIES[0]), "status", code=503, times=5)
    assert start(place).state is RolloutState.PAUSED
    place.emulator.control("DELETE", "/faults")
    rollout = resume(place)
    assert rollout.state is RolloutState.DONE
    assert stand_at(place, CARDS) == FLEET


def test_step_by_step_every_wave_waits_to_be_told(place: Place):
    rollout = start(place, step=True)
    assert (rollout.state, rolled_code(rollout, None)) == (RolloutState.PAUSED, 0)
    assert stand_at(place, CARDS) == CANARIES
    assert resume(place).state is RolloutState.DONE


def test_drift_during_the_soak_closes_the_gate(place: Place):
    async def drift(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        portal(place, CANARIES[0], "Sales")

    rollout = meanwhile(place, drift, soak=1.5)
    assert (rollout.state, rollout.wave) == (RolloutState.PAUSED, 1)
    assert of_state(rollout, MemberState.FAILED) == CANARIES[:1]
    assert stand_at(place, CARDS) == CANARIES[1:]


def test_a_sync_that_fails_after_the_wave_closes_the_gate(place: Place):
    async def sync_fails(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        company = f"/companies/{place.company(CANARIES[1])['id']}"
        sales = place.document(CANARIES[1])["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
        place.emulator.control("DELETE", f"{company}/accounts/{sales}?pull=false")
        place.emulator.api.post(f"{company}/sync/commerce/latest").raise_for_status()

    rollout = meanwhile(place, sync_fails, soak=1.5)
    assert of_state(rollout, MemberState.FAILED) == CANARIES[1:]
    assert "its sync failed since with 4000" in rollout_json(rollout)["merchants"][1]["reason"]


def test_limits_are_judged_over_all_waves_before_the_first_write(place: Place):
    place.profile(schedule={}, mapping={}, enabled=False)
    with place.counted() as counts:
        refused = asyncio.run(rollouts.start(place.settings, opening("1"), UNWATCHED))
    assert writes(counts) == {}
    assert isinstance(refused, Prospect)
    assert refused.plan.refusal is not None
    assert [(each.limit_of, each.count) for each in refused.plan.refusal.excesses] == [("disable", len(FLEET))]
    assert start(place, "1", allow=("disable",)).state is RolloutState.DONE


def test_what_is_not_a_change_of_what_is_there_is_left_to_apply(place: Place):
    place.merchant("newcomer")
    with place.counted() as counts:
        rollout = start(place)
    assert writes(counts) == {CONFIGURE: len(FLEET)}
    assert "newcomer" not in {each.merchant for each in rollout.members}


def test_who_declines_has_begun_nothing(place: Place):
    with place.counted() as counts:
        asyncio.run(rollouts.start(place.settings, opening(agrees=False), UNWATCHED))
    assert writes(counts) == {}
    with pytest.raises(MerchantctlError, match="there was no rollout yet"):
        standing(place)


def test_a_merchant_who_withdraws_consent_meanwhile_is_left_to_apply(place: Place):
    start(place, step=True)
    gone = next(each.merchant for each in standing(place).of_wave(2))
    company = place.company(gone)
    place.emulator.control("POST", f"/companies/{company['id']}/connections/{place.accounting(gone)['id']}/deauthorize")
    rollout = resume(place)
    assert rollout.state is RolloutState.DONE
    assert of_state(rollout, MemberState.LEFT) == [gone]


# -- Who is left alone


def test_an_apply_leaves_alone_whom_the_rollout_has_not_reached(place: Place):
    start(place, step=True)
    with place.counted() as counts:
        report = place.apply(max_changes=0)
    assert writes(counts) == {}
    assert not isinstance(report, FleetPlan)
    assert exit_code("apply", report) == 0
    assert "6 merchants left to rollout rollout-1: merchantctl rollout status rollout-1" in report.plan.notes


def test_while_one_rollout_stands_no_other_begins(place: Place):
    start(place, step=True, name="cards")
    with pytest.raises(MerchantctlError, match="rollout cards is paused at wave 2 of 2, and there is one at a time"):
        start(place)


def test_manifests_that_moved_on_stop_a_resume_and_a_newcomer_does_not(place: Place):
    start(place, step=True)
    asks_for(place, "Sales")
    with pytest.raises(MerchantctlError, match="the manifests ask for something else"):
        resume(place)
    asks_for(place, CARDS)
    place.merchant("newcomer")
    assert resume(place).state is RolloutState.DONE


def test_after_an_abort_nobody_else_is_touched_until_the_manifests_change(place: Place):
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


def test_what_is_over_can_be_neither_paused_nor_aborted_nor_resumed(place: Place):
    start(place, step=True)
    with pytest.raises(MerchantctlError, match="is paused at wave 2 of 2, so it cannot be paused"):
        asyncio.run(rollouts.pause(place.settings, None))
    abort(place)
    with pytest.raises(MerchantctlError, match="so it cannot be aborted"):
        abort(place)
    with pytest.raises(MerchantctlError, match="is aborted at wave 2 of 2: merchantctl rollout start begins another"):
        resume(place)


def test_another_rollout_takes_over_what_an_aborted_one_held(place: Place):
    start(place, step=True)
    abort(place)
    rollout = start(place)
    assert len(rollout.members) == len(FLEET) - len(CANARIES)
    assert stand_at(place, CARDS) == FLEET


# -- Undoing


def test_undo_puts_back_what_was_changed_and_leaves_alone_what_somebody_changed_since(place: Place):
    before = {name: place.document(name) for name in FLEET}
    start(place)
    portal(place, CANARIES[0], "Sales")
    rollout = undo(place)
    assert gratuity(place, CANARIES[0]) == "Sales"
    others = [name for name in FLEET if name != CANARIES[0]]
    assert {name: place.document(name) for name in others} == {name: before[name] for name in others}
    assert (rollout.state, rolled_code(rollout, None)) == (RolloutState.UNDONE, 3)
    assert of_state(rollout, MemberState.KEPT) == CANARIES[:1]


def test_undo_of_half_a_rollout_touches_nobody_that_it_had_not_reached(place: Place):
    start(place, step=True)
    with place.counted() as counts:
        undo(place)
    assert writes(counts) == {CONFIGURE: len(CANARIES)}
    assert stand_at(place, TIPS) == FLEET


def test_what_is_undone_is_not_done_again_until_the_manifests_change(place: Place):
    start(place)
    undo(place)
    with place.counted() as counts:
        place.apply()
    assert writes(counts) == {}
    asks_for(place, TIPS)
    assert {plan.state.value for plan in place.plan().plans} == {"in-sync"}
    asks_for(place, "Sales")
    place.apply()
    assert stand_at(place, "Sales") == FLEET


def test_undo_is_judged_by_the_limits(place: Place):
    place.profile(schedule={}, mapping={}, enabled=False)
    place.apply(allow=("disable",))
    place.profile(schedule={}, mapping={}, enabled=True)
    start(place)
    with place.counted() as counts:
        refused = asyncio.run(rollouts.undo(place.settings, Undoing(None, (), lambda plan: True), UNWATCHED))
    assert isinstance(refused, FleetPlan)
    assert refused.refusal is not None
    assert writes(counts) == {}
    assert undo(place, "disable").state is RolloutState.UNDONE
    assert {place.document(name)["enabled"] for name in FLEET} == {False}


# -- Two terminals, signals, a death


def test_a_pause_from_another_terminal_is_noticed_during_the_soak(place: Place):
    async def pause(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        await rollouts.pause(place.settings, None)

    rollout = meanwhile(place, pause, soak=3600)
    assert (rollout.state, rollout.reason, rollout.wave) == (RolloutState.PAUSED, "paused by hand", 1)
    assert stand_at(place, CARDS) == CANARIES


def test_a_rollout_that_runs_is_not_taken_up_by_a_second_process(place: Place):
    async def take(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        with pytest.raises(Locked, match="is carried out by"):
            await rollouts.resume(place.settings, None, None, UNWATCHED)
        await rollouts.pause(place.settings, None)

    assert meanwhile(place, take, soak=3600).state is RolloutState.PAUSED


def test_a_rollout_killed_in_a_wave_ends_with_every_merchant_written_to_once_and_can_be_undone(place: Place):
    place.emulator.fault(CONFIGURE, "delay", times=len(FLEET), ms=300)
    with place.counted() as counts:
        command = [sys.executable, "-m", "controller", "rollout", "start", "--yes", "--wave", "100%"]
        process = subprocess.Popen(command, cwd=place.folder, env=place.environment(), stdout=subprocess.DEVNULL)
        while place.emulator.counts().get(CONFIGURE, 0) < len(FLEET) // 2:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert standing(place).forsaken
        place.emulator.control("DELETE", "/faults")
        resumed = place.run("rollout", "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert writes(counts) == {CONFIGURE: len(FLEET)}
    assert stand_at(place, CARDS) == FLEET
    assert undo(place).state is RolloutState.UNDONE
    assert stand_at(place, TIPS) == FLEET


def test_ctrl_c_pauses(place: Place):
    async def interrupt(place: Place) -> None:
        await until(place, lambda rollout: rollout.soak_until)
        signal.raise_signal(signal.SIGINT)

    rollout = meanwhile(place, interrupt, soak=3600)
    assert (rollout.state, rollout.reason) == (RolloutState.PAUSED, "stopped by SIGINT")


def test_the_command_tells_its_waves_and_its_next_step(place: Place):
    told = place.run("rollout", "start", "--yes", "--step", "--wave", "tier=canary", "-o", "json")
    assert told.returncode == 0, told.stderr
    assert [each["done"] for each in json.loads(told.stdout)["waves"]] == [2, 0]
    assert "wave 1 of 2: through" in told.stderr
    assert "merchantctl rollout resume rollout-1" in place.run("rollout", "status").stdout


def meanwhile(place: Place, other: Callable[[Place], Awaitable[None]], **terms: Any) -> Rollout:
    """A rollout, and what somebody else does while it is under way."""

    async def both() -> Rolled | Prospect:
        rolled, _ = await asyncio.gather(rollouts.start(place.settings, opening(**terms), UNWATCHED), other(place))
        return rolled

    rolled = asyncio.run(both())
    assert isinstance(rolled, Rolled)
    return rolled.rollout


async def until(place: Place, happened: Callable[[Rollout], Any]) -> None:
    while True:
        try:
            if happened(await rollouts.look_up(place.settings, None)):
                return
        except MerchantctlError:
            pass
        await asyncio.sleep(0.05)
