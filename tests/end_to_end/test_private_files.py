"""Files that say who the merchants are: for their owner's eyes, and never written through a link."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.desired import cache
from tests.end_to_end.place import Place

CommandLine = Callable[..., tuple[int, str, str]]


def modes(place: Place) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in place.folder.glob("state.db*")}


@pytest.fixture
def usual_umask() -> None:
    os.umask(0o022)


def test_the_state_and_the_files_beside_it_are_their_owners_alone(
    place: Place, command_line: CommandLine, usual_umask: None
) -> None:
    place.profile()
    place.merchant("ann")
    assert command_line("plan")[0] == 0
    assert set(modes(place).values()) == {0o600}
    place.database.chmod(0o644)
    assert command_line("plan")[0] == 0
    assert set(modes(place).values()) == {0o600}


@pytest.mark.parametrize("verb", [("plan",), ("state", "export")])
def test_out_follows_no_link_and_replaces_no_device(place: Place, command_line: CommandLine, verb: tuple[str]) -> None:
    place.profile()
    place.merchant("ann")
    theirs = place.folder / "theirs"
    theirs.write_text("theirs")
    link = place.folder / "it.plan"
    link.symlink_to(theirs)
    os.mkfifo(place.folder / "pipe")
    for out, says in (("it.plan", "is a link"), ("pipe", "no regular file")):
        code, _, err = command_line(*verb, "--out", out)
        assert code == 1
        assert says in err
    assert (link.is_symlink(), theirs.read_text()) == (True, "theirs")


def test_doctor_names_a_key_file_that_others_can_read(
    place: Place, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.profile()
    file = place.folder / "key"
    file.write_text(place.emulator.api_key)
    monkeypatch.delenv("CODAT_API_KEY")
    monkeypatch.setenv("CODAT_API_KEY_FILE", str(file))
    file.chmod(0o640)
    code, out, _ = command_line("doctor")
    assert f"warn  secrets       {file} can be read by others than its owner" in out
    assert f"> chmod 600 {file}" in out
    assert (code, "Doctor: all is well, with 1 to look at." in out) == (0, True)
    file.chmod(0o600)
    assert "can be read by others" not in command_line("doctor")[1]


def test_doctor_names_a_file_for_the_secret_of_a_consumer_that_others_can_read(
    place: Place, command_line: CommandLine
) -> None:
    place.profile()
    consumer = {"url": "https://me.example/webhooks", "eventTypes": ["read.completed"], "secret": {"file": "signing"}}
    alerts = {"kind": "AlertRules", "metadata": {"name": "alerts"}, "spec": {"consumers": {"main": consumer}}}
    (place.manifests / "alerts.yaml").write_text(json.dumps({"apiVersion": "merchantctl/v1", **alerts}))
    file = place.folder / "signing"
    file.write_text("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    file.chmod(0o644)
    assert f"warn  secrets       {file} can be read by others than its owner" in command_line("doctor")[1]
    file.chmod(0o600)
    assert "can be read by others" not in command_line("doctor")[1]


@pytest.mark.parametrize("verb", [("plan",), ("apply", "--yes"), ("drift",), ("status",), ("import", "--out", "x")])
def test_a_run_warns_once_of_a_key_file_that_others_can_read(
    place: Place, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    place.profile()
    file = place.folder / "key"
    file.write_text(place.emulator.api_key)
    monkeypatch.delenv("CODAT_API_KEY")
    monkeypatch.setenv("CODAT_API_KEY_FILE", str(file))
    file.chmod(0o644)
    code, out, err = command_line(*verb)
    assert (code, "can be read" in out) == (0, False)
    assert err.count(f"merchantctl: warning: {file} can be read by others than its owner: chmod 600 {file}\n") == 1
    file.chmod(0o600)
    assert "can be read" not in command_line(*verb)[2]


def test_the_controller_that_stays_warns_in_its_log(
    place: Place, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.profile()
    file = place.folder / "key"
    file.write_text(place.emulator.api_key)
    file.chmod(0o644)
    monkeypatch.delenv("CODAT_API_KEY")
    monkeypatch.setenv("CODAT_API_KEY_FILE", str(file))
    code, _, err = command_line("run", "--once")
    lines = [json.loads(line) for line in err.splitlines()]
    (warning,) = [line for line in lines if line["level"] == "warning"]
    assert (code, warning["file"], warning["remedy"]) == (0, str(file), f"chmod 600 {file}")


def test_a_secret_that_kubernetes_mounts_is_as_it_was_mounted(
    place: Place, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`key -> ..data/key`, `..data -> ..2026_11_27`, mode 0644: nobody can change it, and nobody else is in there."""
    place.profile()
    mount = place.folder / "secrets"
    (mount / "..2026_11_27").mkdir(parents=True)
    (mount / "..2026_11_27" / "key").write_text(place.emulator.api_key)
    (mount / "..2026_11_27" / "key").chmod(0o644)
    (mount / "..data").symlink_to("..2026_11_27")
    (mount / "key").symlink_to("..data/key")
    monkeypatch.delenv("CODAT_API_KEY")
    monkeypatch.setenv("CODAT_API_KEY_FILE", str(mount / "key"))
    code, out, err = command_line("doctor")
    assert (code, "can be read" in out + err) == (0, False)
    assert command_line("plan")[2].count("warning") == 0


def test_somebody_elses_key_file_is_theirs_to_guard(
    place: Place, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.profile()
    file = place.folder / "key"
    file.write_text(place.emulator.api_key)
    file.chmod(0o644)
    monkeypatch.delenv("CODAT_API_KEY")
    monkeypatch.setenv("CODAT_API_KEY_FILE", str(file))
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    assert "can be read" not in command_line("doctor")[1]


@pytest.fixture
def poisoned(place: Place, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that says of a file's bytes something else than they do; without the long profile there would be none."""
    folder = place.folder / "cache"
    monkeypatch.setenv("MERCHANTCTL_CACHE", str(folder))
    place.profile()
    place.profile(
        "long", mapping={"sales": {"accounts": {f"row{number}": {"name": 100 * "x"} for number in range(900)}}}
    )
    place.merchant("ann", company={"name": "honest"})
    assert command_line("validate")[0] == 0
    (file,) = folder.iterdir()
    _, _, body = file.read_bytes().replace(b"honest", b"forged").partition(b"\n")
    file.write_bytes(cache._header(body) + b"\n" + body)
    return file


def test_a_cache_that_others_can_write_to_is_not_believed(
    place: Place, command_line: CommandLine, poisoned: Path
) -> None:
    assert "forged" in command_line("explain", "ann", "company")[1], "else this proves nothing"
    poisoned.chmod(0o666)
    assert "honest" in command_line("explain", "ann", "company")[1]


def test_apply_does_not_read_the_cache(place: Place, command_line: CommandLine, poisoned: Path) -> None:
    assert command_line("apply", "--yes")[0] == 0
    assert [each["name"] for each in place.companies()] == ["honest"]


def test_a_repository_does_not_say_where_the_cache_is(place: Place, command_line: CommandLine) -> None:
    (place.folder / "merchantctl.toml").write_text('cache = "here"\n')
    code, _, err = command_line("validate")
    assert code == 64
    assert "MERCHANTCTL_CACHE" in err
