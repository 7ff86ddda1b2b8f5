"""`spec.suspend`: a merchant that is looked at, shown and counted, and that nothing writes to."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from controller.model.report import FleetPlan
from controller.model.rollout import MemberState, RolloutPreview, RolloutSpec
from controller.model.run_policy import Scope
from controller.rollout import operations as rollouts
from controller.rollout.operations import ProgressSink, RolloutResult, StartRequest, UndoRequest
from tests.end_to_end.place import (
    CREATE_COMPANY,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)

DISPUTE: dict[str, Any] = {"suspend": {"reason": "in dispute with the bank", "until": "2099-12-31"}}
OVER: dict[str, Any] = {"suspend": {"reason": "in dispute with the bank", "until": "2020-01-01"}}
UNWATCHED = ProgressSink(lambda sentence: None)


def plan_json(place: Place) -> dict[str, Any]:
    return json.loads(place.run_in_process("plan", "-o", "json").stdout)


@pytest.mark.parametrize(
    "command",
    [
        "apply --yes",
        "apply --yes --target ann --allow remap",
        "run --once",
        "refresh --target ann",
        "sync ann --yes",
        "push ann sales.json",
    ],
)
def test_nothing_writes_to_who_is_suspended(place: Place, command: str) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    place.merchant("ann", **DISPUTE)
    day = "2026-01-01T10:00:00Z"
    order = {"id": "o1", "createdDate": day, "totalAmount": 12.5}
    (place.folder / "sales.json").write_text(json.dumps({"orders": [order]}))
    with place.count_requests() as counts:
        done = place.run_in_process(*shlex.split(command))
    assert count_writes_by_call(counts) == {}
    assert "suspended until 2099-12-31: in dispute with the bank" in done.stdout + done.stderr
    assert done.returncode in (0, 1 if command.startswith(("sync", "push")) else 0)


def test_nobody_is_created_while_suspended_and_everyone_else_is(place: Place) -> None:
    place.profile()
    place.merchant("ann", **DISPUTE)
    place.merchant("bob")
    with place.count_requests() as counts:
        place.apply()
    assert counts[CREATE_COMPANY] == 1
    assert states_by_merchant(place.plan())["ann"] == "waiting"


def test_drift_is_shown_and_counted_and_fails_no_apply(place: Place) -> None:
    place.provision("ann", "bob")
    place.edit_in_portal("ann", {"enabled": False})
    place.merchant("ann", **DISPUTE)
    assert place.run_in_process("apply", "--yes").returncode == 0
    (ann, bob) = plan_json(place)["merchants"]
    assert (ann["state"], bob["state"]) == ("drifted", "in-sync")
    assert ann["suspended"] == {
        "reason": "suspended until 2099-12-31: in dispute with the bank",
        "until": "2099-12-31T00:00:00Z",
    }
    assert [change["kind"] for change in ann["held"]] == ["set-configuration"]
    assert {finding["actor"] for finding in ann["findings"]} == {"nobody"}
    assert "1 in sync, 1 of them suspended" in place.run_in_process("plan").stdout
    assert "suspended" in place.run_in_process("status", "ann").stdout
    status = place.run_in_process("status").stdout
    assert "suspended until 2099-12-31: in dispute with the bank" in status
    assert "1 of 2 merchants ready, 1 suspended." in status
    drift = place.run_in_process("drift", "-o", "json")
    assert (drift.returncode, json.loads(drift.stdout)["summary"]["suspended"]) == (2, 1)


def test_a_suspension_that_is_over_is_as_if_it_were_not_there(place: Place) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    place.merchant("ann", **OVER)
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert "suspended" not in findings_by_code(place.plan(), "ann")


def test_suspended_merchants_count_in_no_limit_and_all_at_once_when_they_open_again(place: Place) -> None:
    names = [f"m-{number}" for number in range(6)]
    place.provision(*names)
    for name in names[:5]:
        place.merchant(name, enabled=False, **DISPUTE)
    place.apply()
    for name in names[:5]:
        place.merchant(name, enabled=False, **OVER)
    refused = place.apply_or_plan()
    assert isinstance(refused, FleetPlan)
    assert refused.refusal is not None
    assert [(each.limited_class, each.count) for each in refused.refusal.exceeded_limits] == [("disable", 5)]


def test_a_company_that_is_lost_while_suspended_makes_no_mass_loss(place: Place) -> None:
    names = [f"m-{number}" for number in range(6)]
    place.provision(*names)
    for name in names[:5]:
        place.merchant(name, **DISPUTE)
        place.emulator.api.delete(f"/companies/{place.company(name)['id']}")
    place.merchant("new")
    with place.count_requests() as counts:
        place.apply()
    assert counts[CREATE_COMPANY] == 1
    assert not place.plan().findings


def test_who_was_suspended_stays_as_it_is_when_its_manifest_goes(place: Place) -> None:
    place.provision("ann", "bob", policy={"deletion": "Delete"})
    place.merchant("ann", policy={"deletion": "Delete"}, **DISPUTE)
    place.apply()
    place.remove_manifests("ann")
    with place.count_requests() as counts:
        place.apply(allow=("delete", "shrink"))
    assert count_writes_by_call(counts) == {}
    assert [each.merchant for each in place.plan().retained] == ["ann"]


def test_once_it_is_open_again_its_policy_counts_again(place: Place) -> None:
    place.provision("ann", "bob", policy={"deletion": "Disable"})
    place.merchant("ann", policy={"deletion": "Disable"}, **DISPUTE)
    place.apply()
    place.merchant("ann", policy={"deletion": "Disable"})
    place.apply()
    place.remove_manifests("ann")
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}


def rolled_out(place: Place) -> None:
    place.provision("ann", "bob")
    place.profile(enabled=True, mapping={"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}})
    request = StartRequest(Scope(), RolloutSpec(("100%",), soak=0), lambda preview: True)
    rolled = asyncio.run(rollouts.start_rollout(place.settings, request, UNWATCHED, environment=place.environment))
    assert isinstance(rolled, RolloutResult)


def undo(place: Place) -> dict[str, tuple[MemberState, str]]:
    request = UndoRequest(None, (), lambda plan: True)
    undone = asyncio.run(rollouts.undo_rollout(place.settings, request, UNWATCHED, environment=place.environment))
    assert isinstance(undone, RolloutResult)
    return {each.merchant: (each.state, each.reason) for each in undone.rollout.members}


def test_the_undoing_of_a_rollout_leaves_alone_who_is_suspended(place: Place) -> None:
    rolled_out(place)
    place.merchant("ann", **DISPUTE)
    with place.count_requests() as counts:
        members = undo(place)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert members["bob"][0] is MemberState.UNDONE
    assert members["ann"][0] is MemberState.NOT_REVERTED
    assert "suspended until 2099-12-31" in members["ann"][1]


def test_the_undoing_leaves_alone_whose_manifest_cannot_say_whether_it_is_suspended(place: Place) -> None:
    rolled_out(place)
    place.merchant("ann", suspend={"reason": "in dispute", "until": "some day"})
    members = undo(place)
    assert members["ann"][0] is MemberState.NOT_REVERTED
    assert "merchantctl validate" in members["ann"][1]


def test_without_a_folder_of_manifests_everyone_is_put_back(place: Place) -> None:
    rolled_out(place)
    place.settings = replace(place.settings, manifests=place.folder / "nowhere")
    assert {state for state, _ in undo(place).values()} == {MemberState.UNDONE}


def prospect(place: Place) -> RolloutPreview:
    request = StartRequest(Scope(), RolloutSpec(("100%",), soak=0), lambda preview: False)
    preview = asyncio.run(rollouts.start_rollout(place.settings, request, UNWATCHED, environment=place.environment))
    assert isinstance(preview, RolloutPreview)
    return preview


def test_a_rollout_does_not_reach_who_is_suspended_and_says_so(place: Place) -> None:
    place.provision("ann", "bob")
    place.merchant("ann", **DISPUTE)
    place.profile(mapping={"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}})
    preview = prospect(place)
    assert [each.merchant for each in preview.plan.plans] == ["bob"]
    assert "1 merchant suspended: an apply brings it once they are open again" in preview.not_included


def test_who_is_suspended_between_two_waves_is_left_and_the_rollout_ends(place: Place) -> None:
    place.provision("ann", "bob")
    place.profile(mapping={"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}})
    place.run_in_process("rollout", "start", "--wave", "1", "--soak", "0s", "--step", "--yes", "--foreground")
    (later,) = (name for name in ("ann", "bob") if "rollout-held" in findings_by_code(place.plan(), name))
    place.merchant(later, **DISPUTE)
    with place.count_requests() as counts:
        done = place.run_in_process("rollout", "resume", "--foreground")
    assert (done.returncode, count_writes_by_call(counts)) == (0, {})
    assert f"{later}  left  suspended: suspended until" in done.stdout
    assert "rollout-1  done" in done.stdout


def test_who_is_suspended_and_cannot_be_read_closes_no_gate(place: Place) -> None:
    place.provision("ann", "bob")
    place.merchant("ann", **DISPUTE)
    place.profile(mapping={"sales": {"accounts": {"gratuity": {"name": "Gift cards outstanding"}}}})
    place.emulator.fault(
        f"GET /config/companies/{place.company('ann')['id']}/sync/commerce", "status", times=8, code=503
    )
    assert [each.merchant for each in prospect(place).plan.plans] == ["bob"]


def test_a_suspension_says_why_and_until_a_day(place: Place) -> None:
    place.profile()
    place.merchant("ann", suspend={"until": "tomorrow"})
    complaints = place.run_in_process("validate")
    assert complaints.returncode == 65
    assert "reason" in complaints.stdout + complaints.stderr
    assert "YYYY-MM-DD" in complaints.stdout + complaints.stderr
