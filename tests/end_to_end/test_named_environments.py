"""`--env`: one repository, two accounts, and no way to take one for the other."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from controller.cli import terminal
from controller.model.report import FleetPlan
from controller.settings import Settings
from tests.emulator import Emulator
from tests.end_to_end.place import Place, count_writes_by_call

pytestmark = pytest.mark.over_tcp

UNSET = frozenset({"CODAT_API_KEY", "CODAT_BASE_URL", "MERCHANTCTL_STATE", "MERCHANTCTL_MANIFESTS"})


@pytest.fixture
def two(tmp_path: Path, emulator: Emulator) -> Place:
    """ann is labelled for the sandbox, bob for production; both at one address, for want of another."""
    place = Place(tmp_path, emulator)
    place.unset_variables = UNSET
    (tmp_path / "key").write_text(emulator.api_key)
    (tmp_path / "key").chmod(0o600)
    places = dict.fromkeys(("sandbox", "production"), f'base_url = "{emulator.url}"\napi_key_file = "key"\n')
    (tmp_path / "merchantctl.toml").write_text(
        f'[environments.sandbox]\n{places["sandbox"]}selector = "env=sandbox"\nlimits = {{disable = 0}}\n'
        f'[environments.production]\n{places["production"]}selector = "env=production"\n'
    )
    place.profile()
    for name, environment in (("ann", "sandbox"), ("bob", "production")):
        place.merchant(name)
        file = place.manifests / f"merchant-{name}.yaml"
        manifest = json.loads(file.read_text())
        manifest["metadata"]["labels"] = {"env": environment}
        file.write_text(json.dumps(manifest))
    return place


def in_environment(place: Place, name: str, *arguments: str, code: int = 0) -> str:
    """An address in a file is said once by a person; then the state knows it."""
    done = place.run_in_process("--env", name, "--base-url", place.emulator.url, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_an_environment_has_its_own_merchants_and_its_own_state(two: Place) -> None:
    in_environment(two, "sandbox", "apply", "--yes")
    assert [each["name"] for each in two.companies()] == ["ann"]
    assert (two.folder / "var" / "sandbox.db").exists()
    assert not (two.folder / "var" / "production.db").exists()
    in_environment(two, "production", "apply", "--yes")
    assert [each["name"] for each in two.companies()] == ["ann", "bob"]
    with sqlite3.connect(two.folder / "var" / "production.db") as state:
        assert [row[0] for row in state.execute("select merchant from merchants")] == ["bob"]


def test_without_a_name_nothing_is_begun(two: Place) -> None:
    with two.count_requests() as counts:
        done = two.run_in_process("apply", "--yes")
    assert (done.returncode, "say which with --env or MERCHANTCTL_ENV" in done.stderr) == (64, True)
    assert not counts


def test_every_report_names_it(two: Place) -> None:
    document = json.loads(in_environment(two, "sandbox", "plan", "-o", "json"))
    assert document["environment"] == "sandbox"
    assert "at sandbox http://" in in_environment(two, "sandbox", "plan")
    explained = json.loads(in_environment(two, "sandbox", "explain", "ann", "-o", "json"))
    assert explained["environment"] == "sandbox"
    done = two.run_in_process("--env", "sandbox", "--base-url", two.emulator.url, "plan")
    assert "merchantctl: environment sandbox, the API at" in done.stderr
    assert "sandbox; manifests at manifests, -l env=sandbox" in in_environment(two, "sandbox", "doctor")
    assert 'name="merchantctl plan at sandbox"' in in_environment(two, "sandbox", "plan", "-o", "junit")


@pytest.mark.parametrize("command", ["state list", "history ann", "impact profile uk", "validate", "revision show"])
def test_what_is_answered_without_a_request_is_of_one_environment_too(two: Place, command: str) -> None:
    done = two.run_in_process("--env", "sandbox", *command.split())
    assert done.stderr.splitlines()[0] == "merchantctl: environment sandbox"


def test_a_merchant_of_another_environment_is_not_declared_here(two: Place) -> None:
    done = two.run_in_process("--env", "sandbox", "explain", "bob")
    assert done.returncode == 64
    assert "no manifest declares a merchant 'bob'" in done.stderr


def test_an_environment_has_limits_of_its_own(two: Place) -> None:
    in_environment(two, "sandbox", "apply", "--yes")
    two.consent_everyone()
    in_environment(two, "sandbox", "apply", "--yes")
    file = two.manifests / "merchant-ann.yaml"
    manifest = json.loads(file.read_text())
    manifest["spec"]["enabled"] = False
    file.write_text(json.dumps(manifest))
    with two.count_requests() as counts:
        assert "disable: 1, and the limit is 0" in in_environment(two, "sandbox", "apply", "--yes", code=4)
    assert count_writes_by_call(counts) == {}


def test_the_state_of_one_is_refused_to_the_other(two: Place) -> None:
    in_environment(two, "sandbox", "apply", "--yes")
    moved = two.folder / "merchantctl.toml"
    moved.write_text(moved.read_text().replace(two.emulator.url, "https://api.codat.io", 1))
    done = two.run_in_process("--env", "sandbox", "plan")
    assert (done.returncode, "the state belongs to http://" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "by_name", "typed", "agreed"),
    [
        ("production", True, "production\n", True),
        ("production", True, "y\n", False),
        ("production", True, "\n", False),
        ("sandbox", False, "y\n", True),
        ("sandbox", False, "n\n", False),
    ],
)
def test_a_prompt_names_the_environment_and_production_is_agreed_to_by_its_name(
    name: str, by_name: bool, typed: str, agreed: bool
) -> None:
    import click
    from click.testing import CliRunner

    settings = Settings(None, "https://api.codat.io", "", Path(), 0, environment_name=name, confirms_by_name=by_name)

    @click.command()
    def ask() -> None:
        click.echo(terminal.confirm("Apply these changes?"))

    done = CliRunner().invoke(ask, input=typed, obj=settings)
    assert f"[{name}] Apply these changes?" in done.output
    assert done.stdout.strip().endswith(str(agreed))
    assert (f"Type {name} to go on" in done.output) == by_name


def test_what_is_planned_in_one_is_nothing_to_the_other(two: Place) -> None:
    in_environment(two, "sandbox", "plan", "--out", "reviewed.plan")
    done = two.run_in_process("--env", "production", "--base-url", two.emulator.url, "apply", "reviewed.plan", "--yes")
    assert (done.returncode, "this plan was made in sandbox, and this is production" in done.stderr) == (1, True)
    assert two.companies() == []


def test_a_plan_without_environments_names_none(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    plan = place.plan()
    assert isinstance(plan, FleetPlan)
    assert plan.environment is None
