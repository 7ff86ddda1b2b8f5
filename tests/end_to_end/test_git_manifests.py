"""Manifests from Git: each commit is carried out, none is set back, and nothing broken counts."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.place import Place
from tests.end_to_end.run_process import RunProcess, running_controller
from tests.git_repository import GitRepository

pytestmark = [pytest.mark.over_tcp, pytest.mark.waits]

POLL = {"MERCHANTCTL_GIT_POLL_INTERVAL": "1s"}


class Team:
    """A team that keeps its manifests in a repository."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.repository = place, GitRepository(folder)
        place.profile()
        place.merchant("ann")
        self.first = self.push()
        self.address = f"{self.repository.url}@main//manifests"

    def push(self, **files: str | None) -> str:
        """The manifests of the place, and these files beside them."""
        found: dict[str, str | None] = {
            f"manifests/{each.name}": each.read_text() for each in self.place.manifests.iterdir()
        }
        return self.repository.commit(found | {f"manifests/{name}.yaml": text for name, text in files.items()})

    @property
    def variables(self) -> dict[str, str]:
        cache = str(self.repository.bare.parent / "cache")
        return {"MERCHANTCTL_MANIFESTS": self.address, "MERCHANTCTL_CACHE": cache, **POLL}

    def command(self, *arguments: str) -> str:
        self.place.other_variables |= self.variables
        return self.place.run_in_process(*arguments).stdout


@pytest.fixture
def team(place: Place, tmp_path: Path) -> Team:
    return Team(place, tmp_path / "team")


def events(watch: RunProcess, name: str) -> list[dict[str, object]]:
    return [dict(line) for line in watch.log if line["event"] == name]


def changes_of(watch: RunProcess, merchant: str) -> list[dict[str, object]]:
    return [each for each in events(watch, "change_applied") if each["merchant"] == merchant]


def test_a_commit_is_carried_out_and_its_number_is_told(team: Team, place: Place) -> None:
    with running_controller(place, "--resync", "1h", **team.variables) as watch:
        watch.wait_until(lambda: watch.passes)
        place.merchant("bob")
        commit = team.push()
        watch.wait_until(lambda: len(place.companies()) == 2)
        created = watch.wait_until(
            lambda: [each for each in events(watch, "change_applied") if each["merchant"] == "bob"]
        )
        assert created[0]["revision"] == commit[:12]
        assert created[0]["because"] == "revision"
        assert f"from commit {commit[:12]}" in httpx.get(watch.address + "/", trust_env=False).text
        waiting = "merchantctl_queue_merchants 2.0"  # for the consent of both
        watch.wait_until(lambda: waiting in httpx.get(watch.address + "/metrics", trust_env=False).text, 60)
    assert f"({commit[:12]})" in team.command("history", "bob")


def test_a_forced_push_back_is_held_until_a_person_releases_it(team: Team, place: Place) -> None:
    with running_controller(place, "--resync", "1h", **team.variables) as watch:
        place.merchant("bob")
        watch.wait_until(lambda: watch.passes)
        second = team.push()
        watch.wait_until(lambda: len(events(watch, "revision_in_force")) == 2)
        place.remove_manifests("bob")
        team.repository.reset(team.first)
        held = watch.wait_until(lambda: events(watch, "revision_held"))[0]
        assert f"{team.first[:12]} is older than {second[:12]}" in str(held["reason"])
        assert "is older than" in httpx.get(watch.address + "/", trust_env=False).text
        shown = json.loads(team.command("revision", "show", "-o", "json"))
        assert (shown["inForce"]["commit"], shown["held"]["commit"]) == (second, team.first)
        assert "Released" in team.command("revision", "release", team.first[:12])
        watch.wait_until(lambda: len(events(watch, "revision_in_force")) == 3)
        assert len(events(watch, "revision_held")) == 1
    shown = json.loads(team.command("revision", "show", "-o", "json"))
    assert (shown["inForce"]["commit"], shown["held"]) == (team.first, None)


def test_a_commit_that_is_broken_leaves_the_last_good_one_in_force_also_at_a_restart(team: Team, place: Place) -> None:
    with running_controller(place, "--resync", "1h", **team.variables) as watch:
        watch.wait_until(lambda: watch.passes)
        place.merchant("bob")
        team.push(broken="kind: [")
        watch.wait_until(lambda: events(watch, "manifests_invalid"))
        place.other_variables |= team.variables
        shown = place.run_in_process("status")
        assert shown.returncode == 0, shown.stderr
        assert f"{team.first[:12]} is in force" in shown.stderr
        assert place.run_in_process("plan").returncode == 65
    with running_controller(place, "--resync", "1h", **team.variables) as watch:
        watch.wait_until(lambda: watch.passes)
        assert [each["next_commit"] for each in events(watch, "commit_unusable")] == [team.first]
        assert events(watch, "manifests_not_newest")[0]["commit"] == team.first
        assert [each["name"] for each in place.companies()] == ["ann"]
        team.push(broken=None)
        watch.wait_until(lambda: len(place.companies()) == 2)


def test_verbs_that_run_once_use_the_newest_commit_and_say_when_they_cannot(team: Team, place: Place) -> None:
    assert "from commit " + team.first[:12] in team.command("plan")
    place.merchant("bob")
    second = team.push()
    assert "from commit " + second[:12] in team.command("plan")
    team.repository.bare.rename(team.repository.bare.parent / "away")
    done = place.run_in_process("plan")
    assert f"Using commit {second[:12]}, which was fetched before" in done.stderr
    assert "from commit " + second[:12] in done.stdout


def test_what_writes_manifests_is_refused_where_they_are_in_git(team: Team, place: Place) -> None:
    place.other_variables |= team.variables
    for command in (("fmt",), ("codify",), ("import",)):
        done = place.run_in_process(*command)
        assert done.returncode == 64
        assert "your clone" in done.stderr


def test_a_push_that_is_told_is_fetched_at_once_and_one_that_is_not_proven_is_not(team: Team, place: Place) -> None:
    secrets = {"MERCHANTCTL_GIT_POLL_INTERVAL": "1h", "MERCHANTCTL_GIT_WEBHOOK_SECRET": "told only to the host"}
    with running_controller(place, "--resync", "1h", **team.variables | secrets) as watch:
        watch.wait_until(lambda: watch.passes)
        place.merchant("bob")
        team.push()
        hook = watch.address + "/webhooks/git"
        assert httpx.post(hook, headers={"X-Gitlab-Token": "a guess"}, trust_env=False).status_code == 401
        assert httpx.post(hook, headers={"X-Gitlab-Token": "told only to the host"}, trust_env=False).status_code == 202
        watch.wait_until(lambda: len(place.companies()) == 2)
