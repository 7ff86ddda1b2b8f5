"""What is installed from a wheel, beside no checkout, does what the checkout does; and what it needs is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from packaging.requirements import Requirement

from controller.codat.aiohttp_transport import open_network
from controller.model.errors import MerchantctlError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment with the wheel in it, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv/bin/python"), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True, capture_output=True)
    return folder / "venv/bin"


def run(bin_: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CODAT_", "MERCHANTCTL_", "PYTHON"))}
    return subprocess.run(
        [bin_ / command[0], *command[1:]], cwd=folder, env=kept, capture_output=True, text=True, check=False
    )


def test_the_wheel_alone_sets_up_a_folder_that_is_sound(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "python", "-c", "import controller, state; print(controller.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed.parent), where.stderr
    assert run(installed, tmp_path, "merchantctl", "--version").stdout.startswith("merchantctl ")
    assert run(installed, tmp_path, "merchantctl", "init", ".").returncode == 0
    validated = run(installed, tmp_path, "merchantctl", "validate")
    assert (validated.returncode, validated.stdout) == (0, "1 merchant: all sound.\n"), validated.stderr


def test_the_wheel_has_every_file_of_the_program_the_example_fleet_and_the_man_page(installed: Path) -> None:
    """Templates, styles, the starter repository, migrations: what is read at run time, and no import would miss."""
    (site,) = installed.parent.glob("lib/python*/site-packages")
    for package in ("controller", "state"):
        ours = {file.relative_to(ROOT) for file in (ROOT / package).rglob("*") if _is_source(file)}
        theirs = {file.relative_to(site) for file in (site / package).rglob("*") if _is_source(file)}
        assert ours <= theirs
    examples = {file.relative_to(ROOT / "manifests") for file in (ROOT / "manifests").rglob("*.yaml")}
    assert all((site / "controller/example_manifests" / each).is_file() for each in examples)
    page = installed.parent / "share/man/man1/merchantctl.1"
    assert page.read_bytes() == (ROOT / "docs/merchantctl.1").read_bytes(), "pipx puts it where man looks"


def _is_source(file: Path) -> bool:
    return file.is_file() and file.suffix != ".pyc"


@pytest.mark.soak
def test_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    ended = run(installed, tmp_path, "merchantctl", "demo")
    assert len(ended.stdout.splitlines()) <= 120, "a demo is read to its end"
    assert "merchantctl emulator --port" in ended.stdout, "it ends by saying how to look at what it made"
    assert ended.returncode == 0, ended.stderr


def test_every_library_has_bounds_and_the_locked_version_is_within_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    for each in [*project["dependencies"], *project["optional-dependencies"]["postgres"]]:
        needed = Requirement(each)
        assert {bound.operator for bound in needed.specifier} >= {">="}, each
        assert "<" in each or needed.name in {"tzdata", "structlog"}, (
            f"{each}: numbered by year, all else has a ceiling"
        )
        assert locked[needed.name.lower()] in needed.specifier, each


async def test_an_aiohttp_that_may_send_twice_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a release would be that names its switch otherwise: aiohttp promises nothing about it."""
    made = aiohttp.ClientSession.__init__

    def without_the_switch(self: aiohttp.ClientSession, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.__dict__.pop("_retry_connection", None)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", without_the_switch)
    with pytest.raises(MerchantctlError, match="has not the switch"):
        async with open_network("https://api.codat.io", 1):
            pass
