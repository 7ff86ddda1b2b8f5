"""`merchantctl validate`, through the front door: complaints on stderr, the summary or JSON on stdout, exit 65."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAD = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\nspec:\n  connection: {platform: xero}\n"


def validate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller", "validate", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(HEAD.encode() + b"  enabled: no\n  mappin: {}\n", id="two mistakes"),
        pytest.param(HEAD.encode() + b"\tenabled: true\n", id="a tab"),
        pytest.param(HEAD.encode("utf-16"), id="utf-16"),
        pytest.param(b"[" * 1_000_000, id="a million brackets"),
        pytest.param(HEAD.encode() + b"# " + b"x" * 50_000_000, id="fifty megabytes"),
    ],
)
def test_broken_manifests_give_addresses_and_65_and_no_traceback(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "acme.yaml").write_bytes(content)
    done = validate(tmp_path)
    assert done.returncode == 65
    assert done.stdout == ""
    assert done.stderr.startswith("manifests/acme.yaml:")
    assert "mend them" in done.stderr
    assert "Traceback" not in done.stderr


def test_sound_manifests_are_counted_on_stdout(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "acme.yaml").write_text(HEAD)
    done = validate(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 merchant: all sound.\n", "")


def test_json_holds_the_complaints(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "acme.yaml").write_text(HEAD + "  mappin: {}\n")
    done = validate(tmp_path, "-o", "json")
    document = json.loads(done.stdout)
    assert done.returncode == 65
    assert (document["schemaVersion"], document["kind"], document["complete"]) == (1, "Validation", False)
    (complaint,) = document["complaints"]
    assert (complaint["file"], complaint["line"], complaint["column"]) == ("manifests/acme.yaml", 6, 3)


def test_a_path_that_is_not_there_is_64(tmp_path: Path) -> None:
    assert validate(tmp_path).returncode == 64
    assert validate(tmp_path, "nowhere").returncode == 64
