"""What a command loads, since that is most of what a short one takes. Never how long it takes: see `make bench`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

LOOK = """
import gc, sys
from controller.cli.main import run
assert run(sys.argv[1:]) == 0
contexts = [each for each in gc.get_objects() if type(each).__name__ == "SSLContext"]
print("certificates", sum(each.cert_store_stats()["x509"] for each in contexts), sep="\\t", file=sys.stderr)
for name, module in [each for each in sys.modules.items() if each[1]]:
    installed = "site-packages" in (getattr(module, "__file__", None) or "")
    print("installed" if installed else "module", name, sep="\\t", file=sys.stderr)
"""

MANIFEST = """
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: acme}
spec: {connection: {platform: xero}}
"""

OF_HELP = {"click"}
OF_VALIDATE = OF_HELP | {"pydantic_core", "typing_extensions", "tzdata", "yaml"}
OF_HTTP = {
    *("httpx", "certifi", "idna", "httpx_aiohttp", "aiohttp", "aiohappyeyeballs", "aiosignal"),
    *("attr", "frozenlist", "multidict", "propcache", "yarl"),
}
OF_STATE = {"sqlalchemy", "greenlet", "aiosqlite"}
"""Installed libraries that each has to load; what else is loaded was brought along by one of them, or by us."""


@dataclass(frozen=True)
class Loaded:
    """What a process has in it after its command: modules, the installed libraries among them, certificates."""

    modules: set[str]
    libraries: set[str]
    certificates: int


def loaded_by(*arguments: str) -> Loaded:
    """By a process of its own."""
    ended = subprocess.run([sys.executable, "-c", LOOK, *arguments], capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in ended.stderr.splitlines() if "\t" in line]
    libraries = {name.partition(".")[0] for kind, name in lines if kind == "installed"} - {"_distutils_hack"}
    (certificates,) = [int(number) for kind, number in lines if kind == "certificates"]
    return Loaded({name for _, name in lines}, libraries, certificates)


@pytest.fixture
def one_merchant(folder: Path) -> None:
    (folder / "manifests").mkdir()
    (folder / "manifests" / "acme.yaml").write_text(MANIFEST)


def test_help_loads_no_command_and_nothing_that_waits_or_reads() -> None:
    loaded = loaded_by("--help")
    assert loaded.libraries <= OF_HELP
    assert (
        not {"asyncio", "ssl", "tomllib", "controller.cli.plan", "controller.model.plan", "controller.operations"}
        & loaded.modules
    )


@pytest.mark.usefixtures("one_merchant")
def test_validate_loads_no_network_and_no_state() -> None:
    loaded = loaded_by("validate")
    assert loaded.libraries <= OF_VALIDATE
    assert not {"asyncio", "ssl", "controller.codat", "controller.reconcile", "state"} & loaded.modules


@pytest.mark.usefixtures("one_merchant", "served")
def test_plan_loads_the_libraries_that_it_asks_and_reads_no_certificates_for_plain_http() -> None:
    loaded_by("plan", "--target", "acme")  # the first one makes the state
    loaded = loaded_by("plan", "--target", "acme")
    assert loaded.libraries <= OF_VALIDATE | OF_HTTP | OF_STATE
    unused_parts = {
        *("sqlalchemy.orm", "sqlalchemy.ext.asyncio", "sqlalchemy.dialects.postgresql", "httpx._main"),
        *("controller.emulator", "controller.web", "controller.daemon", "controller.operations.apply"),
    }
    assert unused_parts & loaded.modules == set()
    assert loaded.certificates == 0
