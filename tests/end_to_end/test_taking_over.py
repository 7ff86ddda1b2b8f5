"""The story of a fleet that was configured by hand for years, and comes into Git."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulator import Emulator
from tests.end_to_end.place import Place, count_writes_by_call


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """No socket is the subject here."""
    return emulator_in_process


def tell(place: Place, *arguments: str, code: int = 0) -> str:
    done = place.run_in_process(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_fleet_of_two_countries_comes_into_git_and_its_drift_is_accepted(place: Place) -> None:
    merchants = place.emulator.seed(8, "configured", prefix="shop-")
    dublin = {
        "schedule": {"timeZone": "Europe/Dublin"},
        "configuration": {"fees": {"syncFees": False}, "payments": {"syncPayments": False}},
    }
    for number, merchant in enumerate(merchants):
        patch: dict[str, Any] = dublin if number % 2 else {"schedule": {"timeZone": "Europe/London"}}
        place.emulator.control("PATCH", f"/companies/{merchant['companyId']}/configuration", patch)
    place.edit_in_portal("shop-00003", {"configuration": {"newPayments": {"mode": "net"}}})

    assert tell(place, "import").startswith("Imported 8 merchants and 3 profiles to")
    assert {file.stem for file in Path(place.manifests).glob("profiles/*")} == {"xero", "xero-dublin", "xero-london"}
    assert "Plan: 8 in sync. 0 writes" in tell(place, "plan", "--detailed-exitcode")
    live = tell(place, "explain", "shop-00003", "configuration.newPayments", "--live")
    assert 'configuration.newPayments.mode: "net"\n    live, not declarable: left as it is' in live
    with place.count_requests() as counts:
        tell(place, "apply", "--yes")
    assert count_writes_by_call(counts) == {}

    for merchant in merchants[1::2]:
        place.edit_in_portal(merchant["name"], {"configuration": {"payments": {"syncPayments": True}}})
    place.edit_in_portal("shop-00000", {"schedule": {"syncHourUtc": 4}})
    tell(place, "drift", code=2)
    files = {file: file.read_text() for file in place.manifests.rglob("*.yaml")}
    tell(place, "codify", "--yes")
    changed = {file.stem for file, before in files.items() if file.read_text() != before}
    assert changed == {"xero-dublin", "shop-00000"}, "all of Dublin: its profile; one of London: its own manifest"
    assert "04:00" in (place.manifests / "merchants/shop-00000.yaml").read_text()
    tell(place, "drift")
    tell(place, "fmt", "--check")
    assert place.document("shop-00003")["configuration"]["newPayments"]["mode"] == "net"
