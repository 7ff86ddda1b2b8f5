"""Two controllers on one state in PostgreSQL, and a command beside them, send no more together than one may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.end_to_end.place import Place
from tests.end_to_end.run_process import running_controller
from tests.postgresql import empty_schema, execute, query_value
from tests.proxy import ProxyAnswer, ProxyRequest, proxied

pytestmark = pytest.mark.over_tcp

LIMIT = 300
SECONDS = 200


@pytest.fixture
def place(place: Place, postgresql: str) -> Iterator[Place]:
    pytest.importorskip("procrastinate")
    with empty_schema(postgresql) as url:
        place.settings = replace(place.settings, state=url)
        yield place


@pytest.mark.parametrize(
    "command",
    ["refresh", "validate --online", "import --out -", "import --account --out -", "codify --diff", "link ann"],
)
def test_a_command_has_a_share_of_the_budget(place: Place, command: str) -> None:
    """What it sent counts for a minute after it has ended."""
    place.provision("ann")
    execute(place.settings.state, "delete from budget_shares")
    place.other_variables |= {"MERCHANTCTL_REQUESTS_PER_MINUTE": str(LIMIT)}
    done = place.run_in_process(*command.split())
    assert done.returncode in (0, 1, 2), done.stderr
    assert query_value(place.settings.state, "select count(*) from budget_shares where holder = ''") == 1


@pytest.mark.soak
def test_no_minute_sees_more_than_the_limit_however_many_processes_there_are(place: Place) -> None:
    arrivals: list[float] = []

    def count(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        arrivals.append(time.monotonic())
        return answer

    place.provision(*(f"m-{number:03}" for number in range(400)))
    limited = {"MERCHANTCTL_REQUESTS_PER_MINUTE": str(LIMIT)}
    with proxied(place.emulator.url, count) as url:
        place.use_proxy(url)
        begun = time.monotonic()
        with (
            running_controller(place, "--resync", "20s", **limited) as one,
            running_controller(place, "--resync", "20s", **limited) as other,
        ):
            one.wait_until(lambda: time.monotonic() - begun > SECONDS / 2, SECONDS)
            other.process.kill()
            place.other_variables |= limited
            place.run_in_process("plan", "--target", "m-00*")
            one.wait_until(lambda: time.monotonic() - begun > SECONDS, SECONDS)
    worst = max(sum(at <= each < at + 60 for each in arrivals) for at in arrivals)
    assert worst <= LIMIT + 3
    assert len(arrivals) > 0.5 * LIMIT * SECONDS / 60, "and they do not leave most of it unused"
