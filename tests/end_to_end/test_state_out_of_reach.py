"""`merchantctl run` stays while PostgreSQL is away, and goes on by itself."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from tests.end_to_end.place import CREATE_COMPANY, CREATE_CONNECTION, Place, count_writes_by_call
from tests.end_to_end.run_process import running_controller
from tests.postgresql import OwnDatabase, execute
from tests.web.conftest import SECRET
from tests.web.test_running_controller import listened_to

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]


@pytest.fixture
def place(place: Place, own_database: OwnDatabase) -> Place:
    pytest.importorskip("procrastinate")
    place.settings = replace(place.settings, state=own_database.url)
    return place


def answer(address: str, path: str) -> int:
    return httpx.get(address + path, trust_env=False).status_code


def test_what_happens_while_the_state_is_away_is_acted_upon_once_it_is_back(
    place: Place, own_database: OwnDatabase
) -> None:
    place.provision("acme")
    with running_controller(place, "--resync", "1h", MERCHANTCTL_WEBHOOK_SECRET=SECRET) as run:
        run.wait_until(lambda: run.passes)
        listened_to(place.emulator, run.address)
        assert answer(run.address, "/readyz") == 200
        with own_database.out_of_reach():
            run.wait_until(lambda: answer(run.address, "/readyz") == 503)
            place.unlink_books_in_portal("acme")
            run.wait_until(lambda: [each for each in run.log if each["event"] == "webhook_not_recorded"])
        run.wait_until(lambda: answer(run.address, "/readyz") == 200)
        run.next_pass(scope="1 named", because="event")
        events = Counter(each["event"] for each in run.log)
        assert (events["state_unreachable"], events["state_reachable_again"]) == (1, 1), "said once"
        with own_database.out_of_reach():
            run.wait_until(lambda: answer(run.address, "/readyz") == 503)
            assert run.end_by_signal(signal.SIGTERM) == 143


def test_a_pass_that_lost_the_state_in_the_middle_of_its_creates_doubles_none(
    place: Place, own_database: OwnDatabase
) -> None:
    place.profile()
    names = [f"m-{number}" for number in range(8)]
    for name in names:
        place.merchant(name)
    place.emulator.control("POST", "/latency", {"ms": 60})
    place.set_create_settle(1)
    with running_controller(place, "--resync", "1h", MERCHANTCTL_PARALLELISM="2") as run:
        run.wait_until(lambda: len(place.companies()) > 2)
        with own_database.out_of_reach():
            run.wait_until(lambda: answer(run.address, "/readyz") == 503)
        run.wait_until(lambda: [len(each["dataConnections"]) for each in place.companies()] == [2] * len(names))
        run.wait_until(lambda: answer(run.address, "/readyz") == 200)
    made = count_writes_by_call(Counter(place.emulator.counts()))
    assert (made[CREATE_COMPANY], made[CREATE_CONNECTION]) == (len(names), len(names))
    assert sorted(each["name"] for each in place.companies()) == names


def test_a_state_that_another_version_has_raised_meanwhile_ends_it(place: Place, own_database: OwnDatabase) -> None:
    place.provision("acme")
    with running_controller(place, "--resync", "1h") as run:
        run.wait_until(lambda: run.passes)
        execute(own_database.url, "UPDATE state_version SET version_num = '9999'")
        with own_database.out_of_reach():
            run.wait_until(lambda: "state_unreachable" in run.text)
        assert run.wait_for_exit() == 1
        (stopped,) = [line for line in run.log if line["event"] == "controller_stopped"]
        assert "another version" in stopped["reason"]
