"""One merchant's lost connection, or its deletion, is held for that merchant, and everyone else goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)

FIVE = ("ann", "bob", "cat", "dan", "eve")


def lose_connections(place: Place, names: Iterable[str]) -> None:
    for name in names:
        company, connection = place.company(name)["id"], place.accounting_connection(name)["id"]
        place.emulator.api.delete(f"/companies/{company}/connections/{connection}")


def json_of(place: Place, *arguments: str) -> dict[str, Any]:
    return json.loads(place.run_in_process(*arguments, "-o", "json").stdout)


def test_a_deleted_connection_stops_nobody_else(place: Place) -> None:
    """It did: «re-create: 1, and the limit is 0», and nobody else was created, mended or switched."""
    place.provision("ann", "bob")
    lose_connections(place, ["ann"])
    place.edit_in_portal("bob", {"enabled": False})
    place.merchant("new")
    assert place.run_in_process("plan", "--detailed-exitcode").returncode == 2
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1, CREATE_COMPANY: 1, CREATE_CONNECTION: 1}
    assert "merchantctl apply --allow re-create=ann" in done.stdout
    held = findings_by_code(place.plan(), "ann")
    assert (states_by_merchant(place.plan())["ann"], "re-create-held" in held) == ("blocked", True)


@pytest.mark.parametrize("output", ["text", "json", "markdown", "html"])
def test_every_output_says_whom_it_holds_and_what_releases_them(place: Place, output: str) -> None:
    place.provision("ann", "bob")
    lose_connections(place, ["ann"])
    said = place.run_in_process("plan", "-o", output).stdout.replace("\\", "")
    for word in ("re-create-held", "apply --allow re-create=ann", "held"):
        assert word in said
    assert "create the accounting connection" in said.lower() or '"held": [' in said


def test_who_is_named_is_made_anew_and_the_other_waits(place: Place) -> None:
    place.provision("ann", "bob", "cat")
    lose_connections(place, ["ann", "bob"])
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes", "--allow", "re-create=bob").returncode == 3
    assert count_writes_by_call(counts) == {CREATE_CONNECTION: 1}
    assert states_by_merchant(place.plan()) == {"ann": "blocked", "bob": "waiting", "cat": "in-sync"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--allow", "re-create"], "2 are held: ann, bob"),
        (["--allow", "re-create:3"], "2 are held: ann, bob"),
        (["--allow", "re-create=nobody"], "no merchant is called 'nobody'"),
        (["--allow", "re-create=ann", "--target", "ann"], "for a run of the whole root"),
        (["--allow", "delete=ann", "-l", "tier=gold"], "for a run of the whole root"),
        (["--allow", "re-create="], "it names nobody"),
        (["--allow", "re-create:many"], "no number of merchants"),
        (["--allow", "disable=ann"], "lifted for a whole run"),
        (["--allow", "everything"], "no class of changes"),
    ],
)
def test_an_allowance_that_may_not_mean_what_it_says_is_wrong_usage(
    place: Place, arguments: list[str], sentence: str
) -> None:
    place.provision("ann", "bob", "cat")
    lose_connections(place, ["ann", "bob"])
    place.edit_in_portal("cat", {"enabled": False})
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes", *arguments)
    assert done.returncode == 64, done.stdout + done.stderr
    assert sentence in done.stderr
    assert count_writes_by_call(counts) == {}


def test_the_number_that_is_held_releases_them_all(place: Place) -> None:
    place.provision(*FIVE)
    lose_connections(place, FIVE[:4])
    assert place.run_in_process("apply", "--yes", "--allow", "re-create:4").returncode == 0
    assert states_by_merchant(place.plan()) == dict.fromkeys(FIVE[:4], "waiting") | {"eve": "in-sync"}


def test_a_saved_plan_holds_a_merchant_too_and_releases_whom_its_apply_names(place: Place) -> None:
    place.provision("ann", "bob")
    lose_connections(place, ["ann"])
    place.run_in_process("plan", "--out", "today.plan")
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "today.plan", "--yes").returncode == 3
    assert count_writes_by_call(counts) == {}
    assert place.run_in_process("apply", "today.plan", "--yes", "--allow", "re-create=ann").returncode == 0
    assert states_by_merchant(place.plan())["ann"] == "waiting"


def test_more_than_three_lost_at_once_is_said_once_and_nothing_is_created_or_destroyed(place: Place) -> None:
    place.provision(*FIVE, "fay", "gus", policy={"deletion": "Unlink"})
    lose_connections(place, FIVE[:4])
    place.edit_in_portal("eve", {"enabled": False})
    place.merchant("new")
    place.remove_manifests("gus")
    drift = json_of(place, "drift")
    assert {each["code"] for each in drift["findings"] if each["code"] != "sync-disabled"} == {"mass-loss"}
    assert (drift["summary"]["mass-loss"], drift["findings"][0]["merchants"]) == (1, list(FIVE[:4]))
    assert place.run_in_process("drift").returncode == 2
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert done.returncode == 4, done.stdout + done.stderr
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}, (
        "who was not lost and is neither created nor destroyed is mended"
    )
    assert done.stdout.count("Is Codat complete?") == 1
    assert states_by_merchant(place.plan()) == dict.fromkeys((*FIVE[:4], "gus", "new"), "blocked") | {
        "eve": "in-sync",
        "fay": "in-sync",
    }


def test_run_holds_as_apply_does(place: Place) -> None:
    place.provision("ann", "bob")
    lose_connections(place, ["ann"])
    place.edit_in_portal("bob", {"enabled": False})
    with place.count_requests() as counts:
        assert place.run_in_process("run", "--once").returncode == 3
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}


def test_what_a_person_confirmed_leaves_run_as_much_as_before(place: Place) -> None:
    """It did not: an `apply --allow disable` disarmed `run` for a day."""
    place.provision(*FIVE)
    for name in FIVE[:3]:
        place.merchant(name, enabled=False)
    assert place.run_in_process("apply", "--yes", "--allow", "disable").returncode == 0
    place.merchant("dan", enabled=False)
    assert place.run_in_process("run", "--once").returncode == 0
    assert place.document("dan")["enabled"] is False
    place.merchant("eve", enabled=False)
    assert place.run_in_process("run", "--once").returncode == 4, "its own one of today is used up"


def test_in_a_rollout_a_held_merchant_has_failed_and_the_others_are_rolled(place: Place) -> None:
    place.provision("ann", "bob")
    place.profile(schedule={"frequency": "Daily", "startDate": "2026-12-01", "time": "03:00", "timeZone": "UTC"})
    lose_connections(place, ["ann"])
    done = place.run_in_process("rollout", "start", "--yes", "--wave", "100%", "--max-failures", "1")
    assert place.document("bob")["schedule"]["syncHourUtc"] == 3, done.stdout + done.stderr
    assert states_by_merchant(place.plan())["ann"] == "blocked"


def test_where_every_company_is_gone_nothing_advises_to_make_them_anew_and_the_advice_works(place: Place) -> None:
    """It advised `--allow re-create`, which in the wrong account makes the fleet a second time."""
    place.provision("ann", "bob")
    for name in ("ann", "bob"):
        place.emulator.api.delete(f"/companies/{place.company(name)['id']}")
    for command in (("plan",), ("drift",), ("status",), ("apply", "--yes")):
        said = place.run_in_process(*command).stdout
        assert "re-create=" not in said, command
        assert "merchantctl doctor" in said or command == ("status",), command
    for name in ("ann", "bob"):
        assert place.run_in_process("state", "rm", name).returncode == 0
    assert place.run_in_process("apply", "--yes").returncode == 0
    assert [each["name"] for each in place.companies()] == ["ann", "bob"]
