"""What every command shares: help, mistyped words, settings, and how errors end."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from controller.cli.commands import COMMANDS
from controller.cli.main import run
from controller.environment import Environment
from tests.emulator import Emulator
from tests.environments import HURRIED_ENVIRONMENT
from tests.narrowing import present
from tests.unit.cli.conftest import Merchantctl


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(merchantctl: Merchantctl, name: str) -> None:
    ended = merchantctl(name, "--help")
    assert ended.code == 0
    assert "Example" in ended.out


def test_the_help_names_every_command(merchantctl: Merchantctl) -> None:
    shown = merchantctl("--help").out
    assert all(f"  {name} " in shown for name in COMMANDS)


def test_a_mistyped_command_is_answered_with_the_nearest(merchantctl: Merchantctl) -> None:
    ended = merchantctl("plna")
    assert ended.code == 64
    assert "Did you mean 'plan'?" in ended.err


def test_a_mistyped_option_is_answered_with_the_nearest(merchantctl: Merchantctl) -> None:
    ended = merchantctl("plan", "--detailed-exitcod")
    assert ended.code == 64
    assert "--detailed-exitcode" in ended.err


def test_an_option_of_all_commands_is_told_its_place(merchantctl: Merchantctl) -> None:
    ended = merchantctl("rollout", "list", "--env", "prod")
    assert ended.code == 64
    assert "It goes before the command: merchantctl --env ... rollout list" in ended.err


def test_a_mistyped_class_and_a_folder_for_import_are_answered_with_what_was_meant(merchantctl: Merchantctl) -> None:
    mistyped = merchantctl("apply", "--allow", "remapp")
    assert (mistyped.code, "Did you mean 'remap'?" in mistyped.err) == (64, True)
    folder = merchantctl("import", "my fleet")
    assert (folder.code, "merchantctl import --out 'my fleet'" in folder.err) == (64, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "-o", "yaml"),
        ("apply", "--allow", "everything"),
        ("apply", "--max-changes", "-1"),
        ("link",),
        ("--requests-per-minute", "many", "plan"),
        ("--base-url", "nowhere", "plan"),
        ("plan", "-l", "a in b"),
        ("plan", "nowhere.yaml"),
        ("plan",),
    ],
)
def test_wrong_usage_is_64(merchantctl: Merchantctl, arguments: tuple[str, ...]) -> None:
    ended = merchantctl(*arguments)
    assert ended.code == 64
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_wrong_settings_do_not_keep_help_or_version_away(merchantctl: Merchantctl, folder: Path) -> None:
    (folder / "merchantctl.toml").write_text("nonsense = 1")
    assert merchantctl("plan").code == 64
    assert merchantctl("plan", "--help").code == 0
    assert merchantctl("version").code == 0


def test_without_a_key_the_way_to_give_one_is_named(merchantctl: Merchantctl, folder: Path) -> None:
    (folder / "manifests").mkdir()
    ended = merchantctl("plan")
    assert ended.code == 64
    assert "CODAT_API_KEY" in ended.err


ACME = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: acme}
spec: {connection: {platform: xero}}
"""

FAULT_OF_OURS = RuntimeError("asked with sesame-1234 as c2VzYW1lLTEyMzQ=\nsecond line")
"""Its words repeat the key in both of its spellings."""


def wire_that_ends_in(error: BaseException) -> Environment:
    """An environment whose network cannot be opened for that reason."""

    def network(base_url: str, concurrency: int) -> NoReturn:
        raise error

    return replace(HURRIED_ENVIRONMENT, network=network)


@pytest.fixture
def ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a plan wants before it asks the API."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "acme.yaml").write_text(ACME)
    monkeypatch.setenv("CODAT_API_KEY", "sesame-1234")


def test_a_fault_of_ours_is_one_line_without_the_key(merchantctl: Merchantctl, ready: None) -> None:
    ended = merchantctl("plan", environment=wire_that_ends_in(FAULT_OF_OURS))
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "Please report it" in ended.err
    assert "sesame" not in ended.err
    assert "c2VzYW1l" not in ended.err


def test_the_traceback_is_shown_on_request_and_without_the_key(
    merchantctl: Merchantctl, ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERCHANTCTL_DEBUG", "1")
    ended = merchantctl("plan", environment=wire_that_ends_in(FAULT_OF_OURS))
    assert "Traceback" in ended.err
    assert "sesame" not in ended.err
    assert "c2VzYW1l" not in ended.err


def test_an_interrupted_command_is_130(merchantctl: Merchantctl, ready: None) -> None:
    assert merchantctl("plan", environment=wire_that_ends_in(KeyboardInterrupt())).code == 130


def test_a_reader_that_goes_away_is_no_noise() -> None:
    script = "from controller.cli.main import run; import sys; sys.exit(run(['completion', 'bash']))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    present(process.stdout).close()
    assert present(process.stderr).read() == b""
    process.wait(300)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(merchantctl: Merchantctl, shell: str) -> None:
    ended = merchantctl("completion", shell)
    assert ended.code == 0
    assert "_MERCHANTCTL_COMPLETE" in ended.out


def test_completion_knows_the_commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_MERCHANTCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "merchantctl ref")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        run([])
    assert "refresh" in capfd.readouterr().out


@pytest.mark.parametrize(("closed", "code"), [("<&-", 64), (">&-", 64), ("2>&-", 64)])
def test_a_stream_that_is_closed_is_no_fault(folder: Path, closed: str, code: int) -> None:
    (folder / "manifests").mkdir()
    command = f"CODAT_API_KEY=k {sys.executable} -m controller apply {closed}"
    ended = subprocess.run(["sh", "-c", command], input="", capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert "fault" not in ended.stderr


@pytest.mark.parametrize(
    "url", ["postgresql://ann:s3same@127.0.0.1:1/fleet", "postgresql://ann@127.0.0.1:1/fleet?password=s3same"]
)
@pytest.mark.parametrize("command", [("plan",), ("doctor",), ("state", "list"), ("-vv", "apply", "--yes")])
def test_no_output_shows_the_password_of_a_database(
    merchantctl: Merchantctl, served: Emulator, folder: Path, url: str, command: tuple[str, ...]
) -> None:
    (folder / "manifests").mkdir()
    (folder / "manifests" / "acme.yaml").write_text(
        "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\nspec: {}\n"
    )
    ended = merchantctl(f"--state={url}", *command)
    assert ended.code != 0
    assert "s3same" not in ended.out + ended.err


def test_every_run_says_where_it_talks_to_when_that_is_not_the_default(
    merchantctl: Merchantctl, served: Emulator, folder: Path
) -> None:
    (folder / "manifests").mkdir()
    for command in (("plan",), ("drift", "-o", "json"), ("status",)):
        assert f"merchantctl: the API at {served.url}\n" in merchantctl(*command).err
