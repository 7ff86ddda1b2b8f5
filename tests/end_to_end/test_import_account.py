"""`import --account`: the account's own settings as manifests, and the plan right after has nothing to do."""

from __future__ import annotations

import pytest

from tests.emulator import Emulator
from tests.end_to_end.place import Place, count_writes_by_call
from tests.narrowing import present

HOOKS = "https://hooks.example.com/webhooks"
STATUS = {"type": "DataConnectionStatusChanged", "notifiers": {"webhook": HOOKS}}


@pytest.fixture
def emulator(emulator_in_process: Emulator) -> Emulator:
    """No socket is the subject here."""
    return emulator_in_process


@pytest.fixture
def lived_in(place: Place) -> Place:
    """Somebody set all of it up by hand."""
    api = place.emulator.api
    texts = {"configure-misc-nextButton": "Go: on", "configure-content-sales-title": ""}
    api.patch("/sync/commerce/config/ui/text", json=texts).raise_for_status()
    rows = {"visibleAccounts": ["sales-accounts-gratuity"]}
    api.post("/sync/commerce/config/ui/accounts/platform/lqai", json=rows).raise_for_status()
    profile = {"name": "Shop", "redirectUrl": "not an address", "logoUrl": "https://shop.example/logo.png"}
    api.put("/profile", json=profile).raise_for_status()
    api.post("/rules", json=STATUS).raise_for_status()
    body = {"url": HOOKS, "eventTypes": ["connection.deleted"], "companyTags": ["region:uk"]}
    api.post("/webhooks", json=body).raise_for_status()
    api.post("/webhooks", json={**body, "disabled": True, "eventTypes": ["company.deleted"]}).raise_for_status()
    return place


def test_what_is_live_is_written_and_there_is_nothing_to_do_after_it(lived_in: Place) -> None:
    place = lived_in
    imported = place.run_in_process("import", "--account")
    assert imported.returncode == 0, imported.stderr
    assert "Imported the account's own settings: SyncFlow and AlertRules." in imported.stdout
    assert "Left out: redirectUrl: 'not an address' does not fit" in imported.stdout
    assert ": it is disabled" in imported.stdout
    flow = (place.manifests / "account" / "sync-flow.yaml").read_text()
    assert 'configure-misc-nextButton: "Go: on"' in flow
    assert "visibleAccounts: [sales-accounts-gratuity]" in flow
    with place.count_requests() as counts:
        report = place.apply()
    assert count_writes_by_call(counts) == {}
    assert present(report.plan.account).status == "in-sync"
    again = place.run_in_process("import", "--account")
    assert again.stdout.startswith("Nothing to import."), again.stdout


def test_it_can_be_looked_at_alone_and_says_what_it_could_not_read(lived_in: Place) -> None:
    place = lived_in
    place.emulator.fault("GET /profile", "status", times=9, code=403)
    shown = place.run_in_process("import", "--account", "--out", "-")
    assert shown.returncode == 5
    assert "kind: AlertRules" in shown.stdout
    assert "Could not be read: profile:" in shown.stderr
    assert place.run_in_process("import", "--account", "--match", "a*").returncode == 64
    assert not list(place.manifests.iterdir())
