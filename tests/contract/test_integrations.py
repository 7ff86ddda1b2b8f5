"""Endpoints 14 to 16: which platforms there are and how they look (API notes 3.4, 5.3)."""

from __future__ import annotations

from tests.emulator import Emulator


def test_the_list_shows_every_platform_with_its_documented_fields(emulator: Emulator) -> None:
    page = emulator.api.get("/config/integrations").json()
    xero = next(row for row in page["results"] if row["key"] == "gbol")
    assert xero == {
        "key": "gbol",
        "logoUrl": "https://static.codat.io/public/platforms/gbol.png",
        "name": "Xero",
        "enabled": True,
        "sourceId": "8a156a5a-39cb-4f9d-856e-76ef9b9a9607",
        "integrationId": "0f20c943-12d0-4800-9f6c-d218f62d494c",
        "sourceType": "Accounting",
        "isOfflineConnector": False,
        "isBeta": False,
        "supportedEnvironments": "LiveAndSandbox",
        "linkedConnectionsCount": 0,
        "totalConnectionsCount": 0,
        "dataProvidedBy": "Codat",
        "datatypeFeatures": xero["datatypeFeatures"],
    }
    accounts = next(each for each in xero["datatypeFeatures"] if each["datatype"] == "chartOfAccounts")
    assert {each["featureType"] for each in accounts["supportedFeatures"]} == {"Get", "Post"}
    assert page["totalResults"] == 35


def test_connections_are_counted_for_this_client(emulator: Emulator) -> None:
    emulator.seed(2, "linked")
    emulator.seed(1, "pending", prefix="p-")
    xero = emulator.api.get("/integrations/gbol").json()
    assert (xero["linkedConnectionsCount"], xero["totalConnectionsCount"]) == (2, 3)


def test_branding_has_logos_and_may_have_no_button(emulator: Emulator) -> None:
    for path in ("/config/integrations/gbol/branding", "/integrations/gbol/branding"):
        branding = emulator.api.get(path).json()
        assert set(branding["logo"]) == {"full", "square"}
        assert branding["button"] == {}
        assert branding["sourceId"] == "8a156a5a-39cb-4f9d-856e-76ef9b9a9607"


def test_an_unknown_key_is_not_found(emulator: Emulator) -> None:
    for path in ("/integrations/nope", "/config/integrations/nope/branding"):
        assert emulator.api.get(path).status_code == 404
