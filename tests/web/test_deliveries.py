"""Both generations of Codat's own deliveries, from the emulator to the endpoint and into the queue."""

from __future__ import annotations

import sqlite3
from time import monotonic, sleep
from typing import Any

import pytest

from controller.model.controller_status import ControllerStatus
from controller.web.context import WebhookSecrets, parse_webhook_secrets
from tests.emulator import Emulator
from tests.unit.reporting.fleets import fleet
from tests.web.conftest import Site

EVENTS = ["connection.connected", "connection.deleted", "read.completed", "read.completed.initial"]
EVENTS_OF_2024 = ["DataConnectionStatusChanged", "SyncConnectionDeleted"]
"""From March to October 2024 the newer service sent legacy bodies, signed."""
AUTHORIZATION = "Basic bWVyY2hhbnRjdGw6YWdyZWVk"


@pytest.fixture
def consumer(emulator: Emulator, site: Site) -> str:
    """A consumer of the newer generation that delivers to the site, which knows its secret."""
    return subscribed(emulator, site, EVENTS)


def subscribed(emulator: Emulator, site: Site, events: list[str]) -> str:
    made = emulator.api.post("/webhooks", json={"url": f"{site.url}/webhooks", "eventTypes": events}).json()
    (known,) = emulator.control("GET", "/webhooks")["consumers"]
    site.secrets = parse_webhook_secrets(known["secret"], None)
    return made["id"]


def rule(emulator: Emulator, site: Site, name: str) -> None:
    notifiers = {"emails": [], "webhook": f"{site.url}/webhooks"}
    assert emulator.api.post("/rules", json={"type": name, "notifiers": notifiers}).is_success


def merchant(emulator: Emulator, site: Site, name: str) -> dict[str, Any]:
    """A company at Codat, bound to a merchant of that name."""
    made = emulator.merchant(name)
    site.bind(name, made["companyId"])
    return made


def settled(emulator: Emulator, count: int) -> list[dict[str, Any]]:
    """The first deliveries, once each has had an attempt that was answered."""
    until = monotonic() + 120
    while monotonic() < until:
        deliveries = emulator.control("GET", "/webhooks")["deliveries"]
        if len(deliveries) >= count and all(each["attempts"] and each["state"] != "pending" for each in deliveries):
            return deliveries
        sleep(0.02)
    raise AssertionError(deliveries)


def test_consent_is_heard_of_at_once(emulator: Emulator, site: Site, consumer: str) -> None:
    acme = merchant(emulator, site, "consent-1")
    emulator.authorize(acme)
    assert settled(emulator, 1)[0]["state"] == "delivered"
    assert site.enqueued == ["consent-1"]


def test_before_august_2024_the_headers_began_with_svix(emulator: Emulator, site: Site, consumer: str) -> None:
    emulator.control("PATCH", f"/webhooks/{consumer}", {"prefix": "svix"})
    emulator.authorize(merchant(emulator, site, "consent-2"))
    settled(emulator, 1)
    assert site.enqueued == ["consent-2"]


def test_legacy_bodies_under_signatures_are_heard_as_well(emulator: Emulator, site: Site) -> None:
    subscribed(emulator, site, EVENTS_OF_2024)
    acme = merchant(emulator, site, "of-2024")
    emulator.authorize(acme)
    emulator.api.delete(f"/companies/{acme['companyId']}/connections/{acme['accountingConnectionId']}")
    assert all(each["state"] == "delivered" for each in settled(emulator, 2))
    assert set(site.enqueued) == {"of-2024"}


def test_what_is_sent_again_is_known(emulator: Emulator, site: Site, consumer: str) -> None:
    emulator.authorize(merchant(emulator, site, "consent-3"))
    settled(emulator, 1)
    emulator.control("POST", "/webhooks/replay")
    settled(emulator, 2)
    with sqlite3.connect(site.state) as database:
        counted = database.execute(
            "SELECT count(*) FROM inbox JOIN merchants USING (company_id) WHERE merchant = 'consent-3'"
        )
        assert counted.fetchone() == (1,)


def test_pulled_data_are_heard_of(emulator: Emulator, site: Site, consumer: str) -> None:
    emulator.authorize(merchant(emulator, site, "consent-4"))
    emulator.advance("PT1M")
    settled(emulator, 3)
    assert set(site.enqueued) == {"consent-4"}


def test_a_wrong_secret_loses_nothing_as_the_newer_service_comes_again(
    emulator: Emulator, site: Site, consumer: str
) -> None:
    right, site.secrets = site.secrets, parse_webhook_secrets("whsec_YW5vdGhlcg==", None)
    emulator.authorize(merchant(emulator, site, "consent-5"))
    until = monotonic() + 120
    while not emulator.control("GET", "/webhooks")["deliveries"][0]["attempts"] and monotonic() < until:
        sleep(0.02)
    assert site.enqueued == []
    site.secrets = right
    emulator.advance("PT6S")
    settled(emulator, 1)
    assert set(site.enqueued) == {"consent-5"}


@pytest.mark.parametrize("name", ["DataConnectionStatusChanged", "Sync Connection Deleted"])
def test_the_legacy_generation_is_heard_with_the_header_of_the_profile(
    emulator: Emulator, site: Site, name: str
) -> None:
    """A deleted connection is told with all zeros for its id: the company alone matters."""
    site.secrets = parse_webhook_secrets(None, AUTHORIZATION)
    emulator.api.put("/profile", json={"name": "Tills", "redirectUrl": "", "alertAuthHeader": AUTHORIZATION})
    acme = merchant(emulator, site, f"legacy {name}")
    rule(emulator, site, name)
    emulator.authorize(acme)
    emulator.api.delete(f"/companies/{acme['companyId']}/connections/{acme['accountingConnectionId']}")
    assert all(each["state"] == "delivered" for each in settled(emulator, 1))
    assert set(site.enqueued) == {f"legacy {name}"}


def test_legacy_deliveries_without_the_header_are_given_up(emulator: Emulator, site: Site) -> None:
    site.secrets = WebhookSecrets(authorization=(b"Bearer another",))
    acme = merchant(emulator, site, "legacy-2")
    rule(emulator, site, "DataConnectionStatusChanged")
    emulator.authorize(acme)
    assert {each["state"] for each in settled(emulator, 1)} == {"failed"}
    assert site.enqueued == []


def test_a_delivery_is_remembered_by_the_place_of_the_secret_that_proved_it_and_shown(
    emulator: Emulator, site: Site, consumer: str
) -> None:
    (known,) = emulator.control("GET", "/webhooks")["consumers"]
    site.secrets = WebhookSecrets().with_declared_signing_secrets({"env CODAT_SECRET": known["secret"]})
    emulator.authorize(merchant(emulator, site, "proven-1"))
    settled(emulator, 1)
    rows = site.ask(lambda store: store.proven_deliveries.load())
    assert site.looks_at_account >= 1
    assert ("connection.connected", "env CODAT_SECRET") in {(row.event, row.source) for row in rows}
    site.latest = ControllerStatus(plan=fleet())
    text = site.api.get("/").text
    assert "connection.connected" in text.split("Webhooks that were proven last")[1]
