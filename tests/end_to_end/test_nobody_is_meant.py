"""A command that is about nobody is a mistake, and said so before anything is asked of the API."""

from __future__ import annotations

import json

import click
import pytest

from controller.cli.main import group
from controller.cli.options import NonEmptyArgument
from tests.end_to_end.place import Place, count_writes_by_call, states_by_merchant

SELECTING = (
    ("plan",),
    ("apply", "--yes"),
    ("drift",),
    ("status",),
    ("refresh",),
    ("rollout", "start", "--yes", "--wave", "100%"),
    ("validate", "--online"),
)
"""Every command that takes `-l` and `--target`."""
WHOLE = (*SELECTING, ("validate",), ("run", "--once"), ("run", "--once", "--report-only"))


@pytest.fixture
def labelled(place: Place) -> Place:
    place.profile()
    for name, tier in (("ann", "gold"), ("bob", "silver")):
        manifest = {"apiVersion": "merchantctl/v1", "kind": "Merchant", "spec": {"profile": "uk"}}
        manifest |= {"metadata": {"name": name, "labels": {"tier": tier}}}
        (place.manifests / f"merchant-{name}.yaml").write_text(json.dumps(manifest))
    return place


@pytest.mark.parametrize("command", SELECTING, ids=" ".join)
@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("tier=gld", "-l tier=gld matches no merchant; the nearest: tier=gold"),
        ("teir=gold", "no merchant bears the label 'teir'; the nearest: tier"),
        ("tier notin (gold,silver)", "matches no merchant"),
        ("", "-l is empty"),
        (" ", "-l is empty"),
    ],
)
def test_labels_that_nobody_bears_are_wrong_usage(
    labelled: Place, command: tuple[str, ...], selector: str, said: str
) -> None:
    with labelled.count_requests() as counts:
        found = labelled.run_in_process(*command, "-l", selector)
    assert (found.returncode, dict(counts)) == (64, {})
    assert said in found.stderr
    assert "Nothing was done" in found.stderr


@pytest.mark.parametrize(
    "command", [("plan", "--target"), ("status",), ("link",), ("options",), ("refresh", "--target")], ids=" ".join
)
def test_a_mistyped_name_is_answered_with_the_one_that_is_like_it(labelled: Place, command: tuple[str, ...]) -> None:
    found = labelled.run_in_process(*command, "annn")
    assert (found.returncode, "no merchant is called 'annn'. Did you mean 'ann'?" in found.stderr) == (64, True)
    found = labelled.run_in_process(*command, "zebra")
    assert (found.returncode, "'zebra'; merchantctl status lists them" in found.stderr) == (64, True)


@pytest.mark.parametrize("command", SELECTING, ids=" ".join)
def test_a_target_without_the_labels_is_wrong_usage(labelled: Place, command: tuple[str, ...]) -> None:
    with labelled.count_requests() as counts:
        found = labelled.run_in_process(*command, "--target", "ann", "-l", "tier=silver")
    assert (found.returncode, count_writes_by_call(counts)) == (64, {})
    assert "no merchant is both" in found.stderr


@pytest.mark.parametrize("command", SELECTING[:3] + SELECTING[4:], ids=" ".join)
def test_a_path_below_which_no_merchant_is_declared_is_wrong_usage(labelled: Place, command: tuple[str, ...]) -> None:
    with labelled.count_requests() as counts:
        found = labelled.run_in_process(*command, str(labelled.manifests / "profile-uk.yaml"))
    assert (found.returncode, dict(counts)) == (64, {})
    assert "no merchant's manifest is at or below" in found.stderr


@pytest.mark.parametrize("command", WHOLE, ids=" ".join)
def test_a_root_without_a_manifest_is_invalid_while_nobody_is_known(place: Place, command: tuple[str, ...]) -> None:
    (place.manifests / "README.md").write_text("to come\n")
    found = place.run_in_process(*command)
    assert found.returncode == 65
    assert "no manifest is in this folder or below it" in found.stderr
    assert "merchantctl init" in found.stderr


def test_doctor_says_that_the_root_is_empty(place: Place) -> None:
    found = place.run_in_process("doctor")
    assert found.returncode == 1
    assert "no manifest is in this folder or below it" in found.stdout


def test_a_root_that_lost_every_manifest_is_held_by_a_limit_while_the_state_knows_merchants(place: Place) -> None:
    place.provision("ann", policy={"deletion": "Disable"})
    for file in place.manifests.iterdir():
        file.unlink()
    with place.count_requests() as counts:
        found = place.run_in_process("apply", "--yes")
    assert (found.returncode, count_writes_by_call(counts)) == (4, {})
    assert "shrink" in found.stdout + found.stderr
    assert place.document("ann")["enabled"] is True


@pytest.mark.parametrize("content", ["", "hello\n", '{"schemaVersion": 2, "kind": "DriftReport"}', "# nothing\n"])
def test_a_file_that_holds_neither_a_plan_nor_a_manifest_is_said_to(labelled: Place, content: str) -> None:
    (labelled.folder / "today.plan").write_text(content)
    with labelled.count_requests() as counts:
        found = labelled.run_in_process("apply", "today.plan", "--yes")
    assert (found.returncode, dict(counts)) == (65, {})
    assert "plan and no manifest" in found.stderr or "neither a saved plan nor a manifest" in found.stderr


@pytest.mark.parametrize("choice", [("--match", "zzz*"), ("--platform", "quickbooks-online")], ids=" ".join)
def test_an_import_that_picks_none_of_the_companies_is_wrong_usage(place: Place, choice: tuple[str, ...]) -> None:
    place.emulator.merchant("shop-1")
    found = place.run_in_process("import", "--out", "somewhere", *choice)
    assert found.returncode == 64
    assert "picks none of 1 companies, such as 'shop-1'" in found.stderr


def test_whoever_is_meant_is_planned_as_ever(labelled: Place) -> None:
    assert states_by_merchant(labelled.plan(selector="tier=gold")) == {"ann": "change"}
    assert states_by_merchant(labelled.plan(path=labelled.manifests / "merchant-bob.yaml")) == {"bob": "change"}


EMPTY = [
    *(("plan", ""), ("apply", " ", "--yes"), ("drift", ""), ("validate", ""), ("refresh", "")),
    *(("state", "mv", "ann", ""), ("history", ""), ("impact", "account", ""), ("fmt", "--check", "")),
]


@pytest.mark.parametrize("command", EMPTY, ids=repr)
def test_an_empty_argument_is_wrong_usage_and_does_not_mean_everyone(labelled: Place, command: tuple[str, ...]) -> None:
    with labelled.count_requests() as counts:
        done = labelled.run_in_process(*command)
    assert (done.returncode, dict(counts)) == (64, {})
    assert "it is empty" in done.stderr


def test_every_argument_of_every_command_has_to_say_something() -> None:
    commands: list[click.Command] = [group]
    while commands:
        command = commands.pop()
        assert all(isinstance(each, NonEmptyArgument) for each in command.params if isinstance(each, click.Argument)), (
            command
        )
        if isinstance(command, click.Group):
            context = click.Context(command)
            commands += filter(None, (command.get_command(context, name) for name in command.list_commands(context)))
