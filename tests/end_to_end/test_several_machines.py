"""`merchantctl run` in several processes on one state in PostgreSQL: they share the work, and one is enough."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest

from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    GET_CONFIGURATION,
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    Place,
    count_writes_by_call,
)
from tests.end_to_end.run_process import RunProcess, running_controller
from tests.postgresql import empty_schema, query_value
from tests.web.conftest import SECRET
from tests.web.test_running_controller import listened_to

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]

FLEET = [f"m-{number:02}" for number in range(30)]


@pytest.fixture
def place(place: Place, postgresql: str) -> Iterator[Place]:
    pytest.importorskip("procrastinate")
    with empty_schema(postgresql) as url:
        place.settings = replace(place.settings, state=url)
        yield place


StartTwo = Callable[..., tuple[RunProcess, RunProcess]]
"""Two controllers with these arguments and environment variables."""


@pytest.fixture
def two(place: Place) -> Iterator[StartTwo]:
    """Starts two controllers and waits until both have looked at everyone."""
    with ExitStack() as stack:

        def start(*arguments: str, **environment: str) -> tuple[RunProcess, RunProcess]:
            one, other = (stack.enter_context(running_controller(place, *arguments, **environment)) for _ in range(2))
            one.wait_until(lambda: one.passes)
            other.wait_until(lambda: other.passes)
            return one, other

        yield start


def holder(place: Place) -> int | None:
    """The process whose turn it is."""
    found: int | None = query_value(place.settings.state, "SELECT pid FROM locks WHERE id = 2")
    return found


def test_a_fleet_is_provisioned_once_though_one_of_two_is_killed_in_the_middle(place: Place) -> None:
    """Each merchant costs its three writes, whoever makes them; what the dead one began is found, not made again."""
    place.profile()
    for name in FLEET:
        place.merchant(name)
    place.set_create_settle(1)
    place.emulator.control("POST", "/latency", {"ms": 40})
    slow = {"MERCHANTCTL_PARALLELISM": "3"}
    with (
        running_controller(place, "--resync", "2s", **slow) as one,
        running_controller(place, "--resync", "2s", **slow) as other,
    ):
        one.wait_until(lambda: len(place.companies()) > 5)
        victim, heir = (one, other) if holder(place) == one.process.pid else (other, one)
        victim.process.kill()
        heir.wait_until(lambda: [len(each["dataConnections"]) for each in place.companies()] == [2] * len(FLEET))
        heir.wait_until(lambda: heir.passes)
        place.emulator.control("POST", "/latency", {"ms": 0})
        place.consent_everyone()
        heir.wait_until(lambda: place.emulator.counts().get(SAVE_CONFIGURATION) == len(FLEET))
        ready = f"{len(FLEET)} of {len(FLEET)} merchants ready"
        heir.wait_until(lambda: ready in place.run_in_process("status").stdout)
    assert sorted(each["name"] for each in place.companies()) == FLEET
    assert {len(each["dataConnections"]) for each in place.companies()} == {2}
    made = count_writes_by_call(Counter(place.emulator.counts()))
    assert {call: made[call] for call in (CREATE_COMPANY, CREATE_CONNECTION, SAVE_CONFIGURATION)} == {
        CREATE_COMPANY: len(FLEET),
        CREATE_CONNECTION: len(FLEET),
        SAVE_CONFIGURATION: len(FLEET),
    }


def test_what_either_hears_is_looked_at_and_one_is_enough(place: Place, two: StartTwo) -> None:
    """Everyone is looked at hourly here: what happens within seconds is the webhooks' doing."""
    place.provision("ann", "bob")
    one, other = two("--resync", "1h", MERCHANTCTL_WEBHOOK_SECRET=SECRET)
    listened_to(place.emulator, one.address)
    place.unlink_books_in_portal("ann")
    one.wait_until(lambda: [each for each in one.passes + other.passes if each["scope"] == "1 named"])
    assert one.end_by_signal(signal.SIGTERM) == 143
    other.wait_until(lambda: query_value(place.settings.state, "SELECT count(*) FROM locks") == 0)
    listened_to(place.emulator, other.address)
    place.unlink_books_in_portal("bob")
    other.next_pass(because="event")


def test_everyone_is_looked_at_once_an_interval_by_whoever_is_there(place: Place, two: StartTwo) -> None:
    """The one that leaves is in the middle of a look: what it had in hand is the other's."""
    place.provision("ann")
    one, other = two("--resync", "2s")
    seen = len(one.passes) + len(other.passes)
    with place.count_requests() as counts:
        one.wait_until(lambda: len(one.passes) + len(other.passes) >= seen + 2)
    assert counts[LIST_COMPANIES] <= 3
    place.emulator.fault(GET_CONFIGURATION, "delay", ms=2000, times=1)
    first = one.wait_until(lambda: holder(place))
    leaving, staying = (one, other) if first == one.process.pid else (other, one)
    assert leaving.end_by_signal(signal.SIGTERM) == 143
    place.edit_in_portal("ann", {"enabled": False})
    staying.wait_until(lambda: place.document("ann")["enabled"])


def test_what_comes_to_a_process_left_behind_is_done_by_the_one_in_force(place: Place) -> None:
    """Both share the queue: what the one left behind took out of it, it only looked at, and the other never heard."""
    place.provision("ann", "bob")
    left_behind = place.folder / "left-behind"
    shutil.copytree(place.manifests, left_behind)
    old = {"MERCHANTCTL_MANIFESTS": str(left_behind), "MERCHANTCTL_WEBHOOK_SECRET": SECRET}
    with (
        running_controller(place, "--resync", "1h") as one,
        running_controller(place, "--resync", "1h", **old) as other,
    ):
        one.wait_until(lambda: one.passes)
        other.wait_until(lambda: other.passes)
        listened_to(place.emulator, other.address)
        added = [f"new-{number}" for number in range(6)]
        for name in added:
            place.merchant(name)
        one.wait_until(lambda: {each["name"] for each in place.companies()} >= set(added))
        other.wait_until(lambda: [each for each in other.log if each["event"] == "manifests_not_in_force"])
        for name in ("ann", "bob"):
            place.edit_in_portal(name, {"enabled": False})
            place.unlink_books_in_portal(name)
        mended = one.wait_until(lambda: [each for each in one.passes if each["because"] == "event"])
        assert mended
        assert not [each for each in other.passes if each["because"] == "event"]


@pytest.mark.soak
def test_what_happens_during_a_long_look_is_answered_at_once_whichever_is_told(place: Place, two: StartTwo) -> None:
    """Either takes it out of the queue; only the one that looks at everyone can have the lock."""
    place.provision(*FLEET, *(f"further-{number:02}" for number in range(60)))
    one, other = two("--resync", "1h", MERCHANTCTL_WEBHOOK_SECRET=SECRET, MERCHANTCTL_PARALLELISM="1")
    for each in (one, other):
        listened_to(place.emulator, each.address)
    place.emulator.control("POST", "/latency", {"ms": 400})
    place.other_variables["MERCHANTCTL_PARALLELISM"] = "1"
    with running_controller(place, "--resync", "1h") as third:  # its first look takes half a minute and more
        third.wait_until(lambda: holder(place) == third.process.pid)
        for number, name in enumerate(FLEET[:3], 1):
            place.unlink_books_in_portal(name)
            third.wait_until(partial(_has_looked_at, number, one, other, third))
            assert not [each for each in third.passes if each["scope"] == "everyone"], "not only once all are looked at"


def _has_looked_at(count: int, *controllers: RunProcess) -> bool:
    """Whether they have looked at so many merchants by themselves."""
    return sum(each["scope"] == "1 named" for one in controllers for each in one.passes) >= count
