"""An hour in which a team commits once a minute, and two processes follow: nothing swings, and the newest counts."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.end_to_end.place import Place
from tests.end_to_end.run_process import RunProcess, running_controller
from tests.end_to_end.test_git_manifests import Team, events
from tests.proxy import ProxyAnswer, ProxyRequest, proxied

NAMES = tuple(f"m-{number}" for number in range(6))
MINUTES = 60
MINUTE_S = 1.0
"""A minute takes a second, for the team and for the controllers that ask for its commits."""
KILLED_AT = 30


class CommittedHours:
    """The team, and by merchant each hour of its schedule that was ever committed, in order."""

    def __init__(self, team: Team) -> None:
        self.team, self.is_broken = team, False
        self.of: dict[str, list[int]] = {name: [0] for name in NAMES}

    @property
    def newest(self) -> dict[str, int]:
        return {name: hours[-1] for name, hours in self.of.items()}

    def commit(self, minute: int) -> None:
        """One merchant is moved by an hour; every seventh minute the last such commit is reverted instead."""
        name = NAMES[minute % len(NAMES)] if minute % 7 else NAMES[(minute - 1) % len(NAMES)]
        hour = 1 + minute // len(NAMES) if minute % 7 else self.of[name][max(-2, -len(self.of[name]))]
        self.of[name].append(hour)
        self.team.place.merchant(name, schedule={"time": f"{hour:02}:00", "timeZone": "UTC"})
        self.team.push(**({"broken": None} if self.is_broken else {}))
        self.is_broken = False

    def break_head(self) -> None:
        self.team.push(broken="kind: [")
        self.is_broken = True


def hours_of(place: Place) -> dict[str, int]:
    return {name: int(place.document(name)["schedule"]["syncHourUtc"]) for name in NAMES}


def is_subsequence(some: list[int], of: list[int]) -> bool:
    rest = iter(of)
    return all(each in rest for each in some)


@dataclass(frozen=True)
class FollowedCommits:
    """What came of an hour: `written`, how many documents; `went_back`, whose hours came in another order than they
    were committed in."""

    written: int
    went_back: tuple[str, ...]


def tell_git_hour(place: Place, folder: Path, state: str) -> FollowedCommits:
    """One process is killed, and started again at a broken head; at last somebody pushes an old commit by force."""
    written: list[tuple[str, int]] = []

    def note(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.method == "POST" and request.path.startswith("/config/"):
            written.append((request.path.split("/")[3], request.json["schedule"]["syncHourUtc"]))
        return answer

    with ExitStack() as stack:
        place.settings = replace(place.settings, state=state)
        # More schedules in a day than a run moves unasked, where hardly two commits are followed as one.
        limits = f"limits = {{reschedule = {2 * MINUTES}}}"
        (place.folder / "merchantctl.toml").write_text(f"[environments.team]\n{limits}\n")
        place.provision(*NAMES)
        history = CommittedHours(Team(place, folder / "team"))
        place.use_proxy(stack.enter_context(proxied(place.emulator.url, note)))

        def start(machine: str) -> RunProcess:
            variables = history.team.variables | {"MERCHANTCTL_CACHE": str(folder / machine)}
            return stack.enter_context(running_controller(place, "--resync", "1h", **variables))

        machines = [start("one"), start("two")]
        machines[0].wait_until(lambda: all(each.passes for each in machines))
        for minute in range(MINUTES):
            history.commit(minute)
            if minute % 10 == 5:
                history.break_head()
            if minute == KILLED_AT:
                machines[1].process.kill()
                machines[1].wait_for_exit()
                history.break_head()
                machines[1] = start("two")
            time.sleep(MINUTE_S)
        history.commit(MINUTES)
        machines[0].wait_until(lambda: hours_of(place) == history.newest)
        newest = history.team.repository.head
        history.team.repository.reset(history.team.first)
        machines[0].wait_until(lambda: any(events(each, "revision_held") for each in machines))
        time.sleep(3 * MINUTE_S)
        shown = json.loads(history.team.command("revision", "show", "-o", "json"))
        assert (shown["inForce"]["commit"], shown["held"]["commit"]) == (newest, history.team.first)
        assert hours_of(place) == history.newest
        assert [each.process.poll() for each in machines] == [None, None]
    names = {each["id"]: each["name"] for each in place.companies()}
    hours = {name: [hour for company, hour in written if names[company] == name] for name in NAMES}
    went_back = tuple(name for name in NAMES if not is_subsequence(hours[name], history.of[name]))
    return FollowedCommits(len(written), went_back)
