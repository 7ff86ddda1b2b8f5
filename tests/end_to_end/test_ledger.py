"""What the ledger remembers is true: nothing of it is over because a look did not see it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.model.errors import UsageError
from controller.model.report import FleetPlan
from controller.model.run_policy import Scope
from controller.operations.plan import PlanOptions
from controller.operations.plan import plan_only as look_at
from controller.planning.plan import CONDITION_ORDER
from controller.reporting.as_json import drift_json, plan_json
from controller.reporting.text import plan_text
from controller.reporting.text_drift_and_status import drift_text
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, states_by_merchant
from tests.intercept import Forward, intercepted

HOUR = 3600.0
NO_PART = Scope()


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    """Waiting takes no time here, and all of it over there."""
    place = Place(tmp_path, emulator_in_process)
    place.skip_waits()
    place.provision("ann", "bob", policy={"drift": "Report"})
    return place


def later(place: Place) -> None:
    place.wait(HOUR)


@contextmanager
def unread(place: Place, part: str) -> Iterator[list[str]]:
    """Meanwhile, reads whose address has that in it are refused by whatever stands between."""
    before, seen = place.environment, list[str]()

    async def middle(request: httpx.Request, onward: Forward) -> httpx.Response:
        if request.method == "GET" and part in str(request.url):
            seen.append(request.url.path)
            return httpx.Response(400, json={"error": "not now"})
        return await onward(request)

    place.environment = intercepted(before, middle)
    yield seen
    place.environment = before
    assert seen, "nothing was asked for that"


def look(place: Place) -> FleetPlan:
    """One under the manifests in force."""
    return place.apply().plan


def since(plan: FleetPlan, code: str) -> dict[str, datetime | None]:
    return {each.merchant: each.since for one in plan.plans for each in one.findings if each.code == code}


def gone_account(place: Place, name: str) -> str:
    """Somebody archives the account that the sales go to."""
    account = place.document(name)["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
    path = f"/companies/{place.company(name)['id']}/accounts/{account}"
    place.emulator.control("PATCH", path, {"status": "Archived"})
    return str(account)


def switched_off(place: Place, name: str) -> str:
    place.edit_in_portal(name, {"enabled": False})
    return "/sync/commerce"


def archived(place: Place, name: str) -> str:
    return gone_account(place, name)


def unlinked(place: Place, name: str) -> str:
    path = f"/companies/{place.company(name)['id']}/connections/{place.accounting_connection(name)['id']}/deauthorize"
    place.emulator.control("POST", path)
    return "/companies"


@pytest.mark.parametrize(
    ("code", "happens"),
    [("sync-disabled", switched_off), ("account-archived", archived), ("connection-deauthorized", unlinked)],
)
def test_a_failed_read_leaves_what_rests_on_it_open_with_its_age(
    place: Place, code: str, happens: Callable[[Place, str], str]
) -> None:
    """One failed read reset the age of every open finding, and `run` announced them all again."""
    what = happens(place, "ann")
    first = since(look(place), code)
    assert first["ann"] is not None
    later(place)
    with unread(place, what):
        assert not since(look(place), code)
    later(place)
    assert since(look(place), code) == first


def test_a_read_that_could_have_seen_it_ends_it(place: Place) -> None:
    switched_off(place, "ann")
    first = since(look(place), "sync-disabled")
    later(place)
    place.edit_in_portal("ann", {"enabled": True})
    look(place)
    later(place)
    switched_off(place, "ann")
    again = since(look(place), "sync-disabled")["ann"]
    assert again is not None
    assert first["ann"] is not None
    assert again > first["ann"]


def test_a_look_at_others_ends_nothing(place: Place) -> None:
    switched_off(place, "ann")
    first = since(look(place), "sync-disabled")
    place.edit_in_portal("ann", {"enabled": True})
    place.apply("bob")
    place.edit_in_portal("ann", {"enabled": False})
    later(place)
    assert since(look(place), "sync-disabled") == first


def test_a_failed_pull_is_read_again_until_it_is_over(place: Place) -> None:
    """A merchant that is configured is asked for it only by `drift --data`: every look after that asks, too."""
    status, well = "/dataStatus", place.environment

    async def fails(request: httpx.Request, onward: Forward) -> httpx.Response:
        answer = await onward(request)
        if request.url.path.endswith(status):
            return httpx.Response(200, text=answer.text.replace('"Complete"', '"InternalError"', 1), request=request)
        return answer

    place.environment = intercepted(place.environment, fails)
    told_to = PlanOptions(["data"], record_as="drift")
    asyncio.run(look_at(place.settings, Scope(), told_to, environment=place.environment))
    assert set(since(look(place), "data-pull-failed")) == {"ann", "bob"}
    place.environment = well
    with place.count_requests() as counts:
        assert not since(look(place), "data-pull-failed")
    assert counts["GET /companies/{companyId}/dataStatus"] == 2
    with place.count_requests() as counts:
        look(place)
    assert counts["GET /companies/{companyId}/dataStatus"] == 0


# Each time that one came, and who writes the ledger --------------------------------------------------------


def history(place: Place, name: str, code: str = "sync-disabled") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(place.run_in_process("history", name, "-o", "json").stdout)["findings"]
    return [each for each in found if each["code"] == code]


def recorded(place: Place, verb: str = "drift", scope: Scope = NO_PART) -> FleetPlan:
    """`plan --record` or `drift --record`."""
    return asyncio.run(look_at(place.settings, scope, PlanOptions(record_as=verb), environment=place.environment))


def corrected(place: Place) -> None:
    """From here on the manifests win."""
    for name in ("ann", "bob"):
        place.merchant(name)
    place.apply()


def test_the_plan_of_a_pull_request_opens_and_closes_nothing(place: Place, tmp_path: Path) -> None:
    """On a shared state it opened findings that the next plan of main closed."""
    switched_off(place, "ann")
    before = since(look(place), "sync-disabled")["ann"]
    place.merchant("ann", enabled=False)
    place.merchant("bob", enabled=False)
    for plan in (place.plan(), place.plan("bob"), place.plan(selector="!x")):
        assert states_by_merchant(plan)["bob"] == "change"
    place.merchant("ann", policy={"drift": "Report"})
    place.merchant("bob", policy={"drift": "Report"})
    assert [each["clearedAt"] for each in history(place, "ann")] == [None]
    assert history(place, "bob", "sync-enabled") == []
    assert since(look(place), "sync-disabled")["ann"] == before


def choose(place: Place, name: str, account: str) -> None:
    """Somebody has the tips go to another account."""
    gratuity = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    (id_,) = [each["id"] for each in gratuity["accountOptions"] if each["name"] == account]
    selected = {"gratuity": {"selectedAccountId": id_}}
    place.edit_in_portal(name, {"configuration": {"sales": {"accounts": selected}}})


def test_each_value_that_somebody_made_of_it_is_kept_with_when_and_the_age_is_the_first(place: Place) -> None:
    """Two hours of takings went to a third account, and the history knew only of the second."""
    for account in ("Gift cards outstanding", "Sales", "Sales"):
        choose(place, "ann", account)
        plan = look(place)
        later(place)
    first = since(plan, "mapping-changed")["ann"]
    choose(place, "ann", "Tips payable")
    recorded(place)
    (found,) = history(place, "ann", "mapping-changed")
    assert [found["live"]["name"], *(each["live"]["name"] for each in found["moves"])] == [
        "Gift cards outstanding",
        "Sales",
    ]
    assert str(first).startswith(found["firstSeen"][:10])
    assert found["firstSeen"] < found["moves"][0]["at"] < found["clearedAt"]
    assert found["moves"][0]["by"].startswith("apply of ")
    told = place.run_in_process("history", "ann").stdout
    for line in (
        "Tips payable (825) -> Gift cards outstanding (830)",
        "Gift cards outstanding (830) -> Sales (200)",
        "Sales (200) -> Tips payable (825): put right by somebody else",
    ):
        assert told.count(line) == 1, told


@pytest.mark.parametrize("verb", ["plan", "drift"])
def test_a_look_at_the_whole_root_notes_it_where_that_is_wished(place: Place, verb: str) -> None:
    switched_off(place, "ann")
    later(place)
    recorded(place, verb)
    (found,) = history(place, "ann")
    assert found["found"]["by"].split(" of ")[0] == verb
    place.edit_in_portal("ann", {"enabled": True})
    recorded(place, verb)
    (found,) = history(place, "ann")
    assert (found["gone"]["how"], found["clearedAt"] is not None) == ("somebody", True)
    with pytest.raises(UsageError, match="whole root"):
        recorded(place, verb, Scope(targets=("ann",)))
    refused = place.run_in_process(verb, "--record", "--target", "ann")
    assert (refused.returncode, "whole root" in refused.stderr) == (64, True)


def test_apply_closes_what_it_mended_at_once_and_history_says_who(place: Place) -> None:
    corrected(place)
    switched_off(place, "ann")
    place.apply()
    (found,) = history(place, "ann")
    by = f"apply of {getuser()} on {socket.gethostname()}"
    revision = place.plan().revision
    assert (found["live"], found["wanted"], found["direction"]) == (False, True, "drift")
    assert (found["gone"]["how"], found["gone"]["by"], found["gone"]["revision"]) == ("mended", by, revision)
    assert found["found"]["run"] == found["gone"]["run"]
    lines = place.run_in_process("history", "ann").stdout.splitlines()
    (came,) = [line for line in lines if "found sync-disabled" in line]
    (went,) = [line for line in lines if "gone sync-disabled" in line]
    assert came.endswith("enabled true -> false")
    assert went.endswith("enabled false -> true: put right")
    assert f"{by} ({revision[:12]})" in came
    assert any("set the configuration: enabled false -> true" in line for line in lines)


def test_an_apply_of_a_part_closes_what_it_mended_and_opens_nothing(place: Place) -> None:
    corrected(place)
    switched_off(place, "ann")
    recorded(place)
    unlinked(place, "bob")
    place.apply("bob")
    assert history(place, "bob", "connection-deauthorized") == []
    place.apply("ann")
    (found,) = history(place, "ann")
    assert (found["gone"]["how"], found["found"]["run"] != found["gone"]["run"]) == ("mended", True)


def test_the_manifest_may_end_it_and_so_may_the_merchants_leaving(place: Place) -> None:
    switched_off(place, "ann")
    switched_off(place, "bob")
    look(place)
    later(place)
    place.merchant("ann", enabled=False, policy={"drift": "Report"})
    place.remove_manifests("bob")
    place.apply(allow=("shrink",))
    assert [each["gone"]["how"] for name in ("ann", "bob") for each in history(place, name)] == ["manifest", "left"]


def test_a_write_whose_answer_was_lost_is_ours_when_it_is_seen(place: Place) -> None:
    corrected(place)
    switched_off(place, "ann")
    place.emulator.fault(SAVE_CONFIGURATION, "lose-answer", times=1)
    reads = 0

    async def blind(request: httpx.Request, onward: Forward) -> httpx.Response:
        """Once it was sent, nobody can look whether it arrived."""
        nonlocal reads
        if request.url.path.endswith("/sync/commerce"):
            reads += request.method == "POST"
            if reads and request.method == "GET":
                return httpx.Response(400, json={"error": "not now"})
        return await onward(request)

    well = place.environment
    place.environment = intercepted(well, blind)
    place.apply()
    place.environment = well
    (found,) = history(place, "ann")
    assert found["clearedAt"] is None
    run = found["found"]["run"]
    place.apply()
    (found,) = history(place, "ann")
    assert (found["gone"]["how"], found["gone"]["run"]) == ("mended", run)


def test_what_comes_three_times_within_a_day_flaps_and_who_fights_is_said(place: Place) -> None:
    corrected(place)
    for number in range(3):
        later(place)
        switched_off(place, "ann")
        codes = {each.code: each for each in place.apply().plan.plans[0].findings}
        assert codes["sync-disabled"].occurrences == number + 1
        assert ("flapping" in codes) == (number == 2)
    who = f"apply of {getuser()} on {socket.gethostname()}"
    assert codes["flapping"].field == "enabled"
    assert "somebody at Codat moves it (to false): the merchant in the portal" in codes["flapping"].cause
    assert f"put back by {who} 2 times" in codes["flapping"].cause
    document = drift_json(place.plan())
    assert document["summary"] == {"flapping": 1}
    assert "unmanaged: ['enabled']" in document["findings"][0]["remedy"]
    place.wait(25 * HOUR)
    assert "flapping" not in drift_json(place.plan())["summary"]


def test_it_is_said_how_often_it_came_within_thirty_days(place: Place) -> None:
    counts: list[int | None] = []
    for _ in range(3):
        switched_off(place, "ann")
        (ann, _) = look(place).plans
        counts += [each.occurrences for each in ann.findings if each.code == "sync-disabled"]
        place.edit_in_portal("ann", {"enabled": True})
        look(place)
        place.wait(20 * 24 * HOUR)
    assert counts == [1, 2, 2]


def test_findings_say_where_the_manifest_has_what_is_wanted(place: Place) -> None:
    switched_off(place, "ann")
    archived(place, "ann")
    plan = place.plan()
    (in_plan, _), in_drift = plan_json(plan)["merchants"], drift_json(plan)
    profile = place.manifests / "profile-uk.yaml"
    text = profile.read_text()
    for found in (in_plan["findings"], in_drift["findings"]):
        at = {each["code"]: each["manifest"] for each in found}
        for code, word in (("sync-disabled", '"enabled"'), ("account-archived", '{\n      "code": "200"')):
            file, line, _ = str(at[code]).rsplit(":", 2)
            assert Path(file).name == profile.name
            assert text[: text.index(word)].count("\n") + 1 == int(line), code
        assert f"at {at['sync-disabled']}" in drift_text(plan)
        assert f"at {at['sync-disabled']}" in plan_text(plan)


def test_a_condition_that_holds_says_since_when(place: Place) -> None:
    look(place)
    held = since_of_conditions(place)
    assert held.keys() >= {*CONDITION_ORDER, "Ready"}
    later(place)
    look(place)
    assert since_of_conditions(place) == held
    later(place)
    switched_off(place, "ann")
    look(place)
    turned = since_of_conditions(place)
    moved = {kind for kind in held if turned.get(kind) != held[kind]}
    assert moved - {"Syncing"} == {"Switched", "Ready"}


def since_of_conditions(place: Place) -> dict[str, datetime]:
    """Of ann, as `status` shows them."""
    told_to = PlanOptions(dated=True)
    plan = asyncio.run(look_at(place.settings, Scope(name="ann"), told_to, environment=place.environment))
    return {each.type: each.since for each in plan.plans[0].conditions if each.since}
