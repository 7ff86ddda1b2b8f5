"""`merchantctl report`: a month that somebody lived through, told from the state alone."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from controller.reporting.markdown import MAX_CHARACTERS
from state import open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place

DAY = 86_400.0
OFF = {"enabled": False}


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    place = Place(tmp_path, emulator_in_process)
    place.skip_waits()
    return place


def report(place: Place, *arguments: str) -> dict[str, Any]:
    ended = place.run_in_process("report", *arguments, "-o", "json")
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def look(place: Place) -> None:
    assert place.run_in_process("drift", "--record").returncode in (0, 2)


def test_a_month_of_drift_is_told_as_it_happened_and_costs_no_request(place: Place) -> None:
    """ann is switched off three times and put right by apply; bob stays off, under Report; cat never drifts."""
    place.provision("ann", "cat")
    place.provision("bob", policy={"drift": "Report"})
    place.wait(20 * DAY)
    for _ in range(3):
        place.edit_in_portal("ann", OFF)
        look(place)
        place.wait(DAY)
        place.apply()
        place.wait(DAY)
    place.edit_in_portal("bob", OFF)
    look(place)
    place.wait(2 * DAY)
    with place.count_requests() as counts:
        told = report(place, "--since", "8d", "--only", "drift")
    assert not counts
    assert [(each["merchant"], each["code"], each["new"]) for each in told["findings"]] == [
        ("bob", "sync-disabled", True)
    ]
    assert told["findings"][0]["remedy"], "what the last look knew of it"
    assert [(each["merchant"], each["how"], each["openAgain"]) for each in told["closed"]] == [
        ("ann", "mended", False),
        ("ann", "mended", False),
        ("ann", "mended", False),
    ]
    assert [(each["merchant"], each["times"], each["open"]) for each in told["recurrences"]] == [("ann", 3, False)]
    assert (sum(day["opened"] for day in told["days"]), sum(day["closed"] for day in told["days"])) == (4, 3)
    assert told["openDriftAges"]["counts"] == [0, 1, 0, 0]
    assert told["summary"] == {"new": 1, "stillOpen": 0, "closed": 3}


def test_what_was_open_before_the_period_is_still_open_and_what_ended_before_it_is_left_out(place: Place) -> None:
    place.provision("bob", policy={"drift": "Report"})
    place.edit_in_portal("bob", OFF)
    look(place)
    place.wait(10 * DAY)
    told = report(place, "--since", "7d", "--only", "drift")
    assert [(each["merchant"], each["new"]) for each in told["findings"]] == [("bob", False)]
    place.edit_in_portal("bob", {"enabled": True})
    look(place)
    place.wait(10 * DAY)
    told = report(place, "--since", "7d", "--only", "drift")
    assert (told["findings"], told["closed"]) == ([], [])
    (closed,) = report(place, "--since", "15d", "--only", "drift")["closed"]
    assert (closed["merchant"], closed["howInWords"]) == ("bob", "put right by somebody else")


def test_the_funnel_counts_how_far_everybody_has_come(place: Place) -> None:
    place.provision("ann", "bob")
    place.merchant("waits")
    place.apply()
    place.merchant("late")
    look(place)
    told = report(place)
    assert told["funnel"] == {"declared": 4, "created": 3, "consented": 2, "data": 2, "mapped": 2, "syncing": 0}
    assert told["statuses"] == {"change": 1, "waiting": 1, "in-sync": 2}
    assert told["syncs"]["outcomes"] == {"unread": 2}


def test_a_report_is_narrowed_by_label_and_divided_by_it(place: Place) -> None:
    place.provision("ann", "bob", policy={"drift": "Report"})
    _label(place, "ann", {"tier": "gold"})
    place.apply()
    for name in ("ann", "bob"):
        place.edit_in_portal(name, OFF)
    look(place)
    gold, none = report(place, "--group-by", "tier", "--only", "drift")["parts"]
    assert (gold["value"], gold["merchants"], gold["new"], none["value"], none["new"]) == ("gold", 1, 1, None, 1)
    assert {each["merchant"] for each in report(place, "-l", "tier=gold", "--only", "drift")["findings"]} == {"ann"}


def test_a_label_that_nobody_bears_is_wrong_usage(place: Place) -> None:
    place.provision("ann")
    assert place.run_in_process("report", "-l", "tier=gold").returncode == 64


def test_a_broken_manifest_takes_nobody_out_of_the_report(place: Place) -> None:
    place.provision("ann", "bob")
    look(place)
    (place.manifests / "merchant-bob.yaml").write_text("{")
    told = report(place)
    assert told["merchants"] == 2
    assert any("merchantctl validate names them" in note for note in told["notes"])


def test_since_last_is_since_the_last_report_that_was_recorded(place: Place) -> None:
    place.provision("ann", policy={"drift": "Report"})
    first = place.run_in_process("report", "--since", "last", "--record")
    assert "no report --record has been made on this state" in first.stderr
    place.wait(DAY)
    place.edit_in_portal("ann", OFF)
    look(place)
    assert report(place, "--since", "last", "--record", "--only", "drift")["summary"]["new"] == 1
    place.wait(DAY)
    assert report(place, "--since", "last", "--only", "drift")["summary"] == {"new": 0, "stillOpen": 1, "closed": 0}


def test_since_last_goes_by_no_report_or_look_that_a_clock_which_was_ahead_has_recorded(place: Place) -> None:
    async def record_as_tomorrow() -> None:
        async with open_state(place.settings.state) as store:
            for verb in ("report", "drift"):
                await store.runs.begin(verb, place.environment.clock() + timedelta(days=1))

    place.provision("ann", policy={"drift": "Report"})
    report(place, "--record")
    look(place)
    asyncio.run(record_as_tomorrow())
    place.wait(3600)
    place.edit_in_portal("ann", OFF)
    place.wait(1)
    drift = place.run_in_process("drift", "--since", "last")
    assert (drift.returncode, "sync-disabled" in drift.stdout) == (2, True), drift.stdout + drift.stderr
    look(place)
    assert report(place, "--since", "last", "--only", "drift")["summary"] == {"new": 1, "stillOpen": 0, "closed": 0}


@pytest.mark.parametrize("output", ["text", "markdown", "csv", "json", "html"])
def test_every_format_says_what_is_open_and_what_ended(place: Place, output: str) -> None:
    place.provision("ann")
    place.provision("bob", policy={"drift": "Report"})
    for name in ("ann", "bob"):
        place.edit_in_portal(name, OFF)
    look(place)
    place.wait(DAY)
    place.apply()
    shown = place.run_in_process("report", "-o", output).stdout
    assert "sync-disabled" in shown
    assert "bob" in shown
    assert len(shown) < MAX_CHARACTERS
    if output == "csv":
        rows = {(row["merchant"], row["state"]) for row in csv.DictReader(io.StringIO(shown.removeprefix("\ufeff")))}
        assert {("bob", "new"), ("ann", "closed")} <= rows


def test_a_state_that_nobody_has_looked_from_says_so(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    told = report(place)
    assert (told["complete"], told["looks"]["never"], told["merchants"]) == (False, 1, 1)
    assert any("nobody has looked at everyone on this state yet" in note for note in told["notes"])
    assert "none looked at yet" in place.run_in_process("report").stdout


def test_two_reports_are_compared(place: Place, tmp_path: Path) -> None:
    place.provision("ann", "bob", policy={"drift": "Report"})
    place.edit_in_portal("ann", OFF)
    look(place)
    files = []
    for number in range(2):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(place.run_in_process("report", "-o", "json").stdout)
        place.edit_in_portal("ann", {"enabled": True})
        place.edit_in_portal("bob", OFF)
        look(place)
    ended = place.run_in_process("report", "diff", *map(str, files), "-o", "json")
    difference = json.loads(ended.stdout)
    assert [each["merchant"] for each in difference["new"]] == ["bob"]
    assert [each["merchant"] for each in difference["gone"]] == ["ann"]
    text = place.run_in_process("report", "diff", *map(str, files), "--detailed-exitcode")
    assert text.returncode == 2
    assert text.stdout.splitlines()[0].split()[:3] == ["+", "bob", "sync-disabled"]
    assert place.run_in_process("report", "diff", str(files[0]), str(files[0]), "--detailed-exitcode").returncode == 0
    (tmp_path / "no.json").write_text("{}")
    assert place.run_in_process("report", "diff", str(files[0]), str(tmp_path / "no.json")).returncode == 64


def _label(place: Place, name: str, labels: dict[str, str]) -> None:
    file = place.manifests / f"merchant-{name}.yaml"
    document = json.loads(file.read_text())
    document["metadata"]["labels"] = labels
    file.write_text(json.dumps(document))


def test_a_simulated_month_is_told_as_it_was_put_in_by_hand_and_as_the_service_has_it_in_its_log(place: Place) -> None:
    """Merchants are switched off at random, once a day everybody is looked at: whom policy leaves alone somebody
    switches on again some day, the others are put right by that look."""
    kept, mended, dice = ("ann", "bob", "cat"), ("dan", "eve"), Random(2026)
    place.provision(*kept, policy={"drift": "Report"})
    place.provision(*mended)
    now = place.environment.clock()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    place.wait((noon - now).total_seconds() % DAY)  # no look is near the end of a day
    begin = place.environment.clock().replace(microsecond=0)  # as a report has its times
    off_since: dict[str, int] = {}
    spells: list[tuple[str, int, int | None]] = []
    for day in range(28):
        for name in (*kept, *mended):
            if dice.random() < 0.35:
                place.edit_in_portal(name, {"enabled": name in off_since})
                if name in off_since:
                    spells.append((name, off_since.pop(name), day))
                elif name in mended:
                    spells.append((name, day, day))
                else:
                    off_since[name] = day
        place.apply()
        place.wait(DAY)
    spells += [(name, since, None) for name, since in off_since.items()]
    place.wait(DAY / 2)
    first = 19  # the first look of the last ten days
    told = report(place, "--since", "10d", "--code", "sync-disabled")

    def day_of(instant: str) -> int:
        return (datetime.fromisoformat(instant) - begin).days

    assert sorted((each["merchant"], day_of(each["since"]), day_of(each["closedAt"])) for each in told["closed"]) == (
        sorted((name, found, gone) for name, found, gone in spells if gone is not None and gone >= first)
    )
    assert {(each["merchant"], day_of(each["since"]), each["new"]) for each in told["findings"]} == {
        (name, found, found >= first) for name, found, gone in spells if gone is None
    }
    times = Counter(name for name, _, _ in spells)
    assert {each["merchant"]: each["times"] for each in told["recurrences"]} == {
        name: number for name, number in times.items() if number >= 3
    }
    assert [(each["opened"], each["closed"]) for each in told["days"] if each["opened"] or each["closed"]] == [
        (opened, closed)
        for day in range(28)
        if (opened := sum(found == day for _, found, _ in spells)) + (closed := sum(gone == day for *_, gone in spells))
    ]
    assert times.total() > 10, "else nothing much happened"
    put_right = {(each["merchant"], day_of(each["closedAt"])) for each in told["closed"] if each["how"] == "mended"}
    written = {(name, day_of(instant)) for name in (*kept, *mended) for instant in configured_at(place, name)}
    assert put_right == {(name, day) for name, day in written if day >= first}
    assert {name for name, _ in put_right} == set(mended)


def configured_at(place: Place, name: str) -> list[str]:
    """When the service took a configuration of this merchant, from its own log."""
    path = f"/config/companies/{place.company(name)['id']}/sync/commerce"
    log = place.emulator.control("GET", "/requests?log=1")["log"]
    return [call["at"] for call in log if (call["method"], call["path"], call["status"]) == ("POST", path, 200)]


def test_whoever_is_not_being_booked_is_listed_by_cause_with_the_last_success_and_the_next_sync(place: Place) -> None:
    """ann and bob lose an account, cat is revoked by its owner, dan is booked; eve is switched off as declared."""
    names = ("ann", "bob", "cat", "dan", "eve")
    place.provision(*names)
    place.wait(5 * DAY)  # past the start date
    place.emulator.advance("PT5S")
    read_syncs(place)
    assert report(place)["notBooked"] == {"merchants": 0, "reasons": {}, "actors": {}, "groups": []}
    booked_at = {name: sync["ranAt"] for name, sync in last_syncs(place).items()}
    for name in ("ann", "bob"):
        selected = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]["selectedAccountId"]
        place.emulator.control("DELETE", f"/companies/{place.company(name)['id']}/accounts/{selected}?pull=false")
    place.edit_in_portal("eve", OFF)
    place.merchant("eve", enabled=False)
    for _ in range(2):
        place.wait(DAY)
        place.emulator.advance("PT5S")
        read_syncs(place)
    cat, books = place.company("cat")["id"], place.accounting_connection("cat")["id"]
    place.emulator.control("POST", f"/companies/{cat}/connections/{books}/deauthorize")
    read_syncs(place)
    with place.count_requests() as counts:
        told = report(place)["notBooked"]
        text = place.run_in_process("report").stdout
        chosen = report(place, "--actor", "merchant")["notBooked"]
    assert not counts
    assert (told["merchants"], told["reasons"]) == (3, {"failed": 2, "stopped": 1})
    failed, revoked = told["groups"]
    assert [each["merchant"] for each in failed["merchants"]] == ["ann", "bob"]
    assert (failed["actor"], failed["field"]) == ("us", "mapping.sales.accounts.gratuity")
    assert "not found" in failed["cause"]
    for each in failed["merchants"]:
        assert each["lastSuccessAt"] == booked_at[each["merchant"]] < each["since"] < last_syncs(place)["ann"]["ranAt"]
        assert each["nextSync"] > last_syncs(place)["ann"]["ranAt"]
    assert (revoked["code"], revoked["actor"]) == ("connection-deauthorized", "merchant")
    assert [(each["merchant"], each["nextSync"]) for each in revoked["merchants"]] == [("cat", None)]
    assert "Not being booked: 3 merchants (2 by a failed sync, 1 not synchronised any more)" in text
    assert [group["code"] for group in chosen["groups"]] == ["connection-deauthorized"]


def read_syncs(place: Place) -> None:
    assert place.run_in_process("drift", "--syncs", "--record").returncode in (0, 2, 3)


def last_syncs(place: Place) -> dict[str, Any]:
    merchants = json.loads(place.run_in_process("status", "-o", "json").stdout)["merchants"]
    return {each["merchant"]: each["lastSync"] for each in merchants if each.get("lastSync")}
