"""Endpoint 47: what is pulled when (API notes 3.16)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.emulator import Emulator, Merchant

CLIENT = "/profile/syncSettings"


def entry(data_type: str, first: bool = True, hours: int = 0) -> dict[str, Any]:
    return {"dataType": data_type, "fetchOnFirstLink": first, "syncSchedule": hours, "syncOrder": 0}


def pulls(emulator: Emulator, merchant: Merchant) -> list[str]:
    page = emulator.api.get(f"/companies/{merchant['companyId']}/data/history?page=1&pageSize=100").json()
    return [each["dataType"] for each in page["results"]]


def test_there_is_one_entry_for_every_data_type_and_no_periodic_refresh(emulator: Emulator) -> None:
    settings = emulator.api.get(CLIENT).json()
    by_type = {each["dataType"]: each for each in settings["settings"]}
    assert UUID(settings["clientId"])
    assert settings["overridesDefaults"] is False
    assert {"chartOfAccounts", "commerce-orders", "invoices"} <= set(by_type)
    assert {each["syncSchedule"] for each in by_type.values()} == {0}


def test_fetch_on_first_link_decides_what_consent_pulls(emulator: Emulator) -> None:
    settings = [entry("taxRates"), entry("invoices"), entry("company", first=False)]
    types = [each["dataType"] for each in emulator.api.get(CLIENT).json()["settings"]]
    others = [entry(name, first=False) for name in types if name not in ("taxRates", "invoices", "company")]
    assert emulator.api.post(CLIENT, json={"settings": settings + others}).status_code == 204
    merchant = emulator.merchant("acme")
    emulator.authorize(merchant)
    assert sorted(pulls(emulator, merchant)) == ["invoices", "taxRates"]
    emulator.advance("PT1M")
    emulator.api.post(f"/companies/{merchant['companyId']}/data/all")
    assert sorted(pulls(emulator, merchant)) == ["invoices", "invoices", "taxRates", "taxRates"]


def test_a_company_can_have_settings_of_its_own_and_give_them_up(emulator: Emulator) -> None:
    (merchant, other) = emulator.seed(2, "linked")
    path = f"/companies/{merchant['companyId']}/syncSettings"
    body = {"settings": [entry("customers", hours=24)], "overridesDefaults": True}
    assert emulator.api.post(path, json=body).status_code == 204
    shown = emulator.api.get(path).json()
    assert (shown["companyId"], shown["overridesDefaults"]) == (merchant["companyId"], True)
    assert pulls(emulator, merchant).count("customers") == 1
    emulator.advance("P2DT1M")
    assert pulls(emulator, merchant).count("customers") == 3
    assert pulls(emulator, other).count("customers") == 1
    emulator.api.post(path, json={"settings": [], "overridesDefaults": False})
    emulator.advance("P2D")
    assert pulls(emulator, merchant).count("customers") == 3


@pytest.mark.parametrize(
    "settings",
    [None, "all", [{"dataType": "taxRates"}], [entry("nope")], [{**entry("taxRates"), "syncSchedule": -1}]],
)
def test_an_entry_must_be_whole(emulator: Emulator, settings: list[dict[str, Any]] | str | None) -> None:
    assert emulator.api.post(CLIENT, json={"settings": settings}).status_code == 400


def test_a_free_plan_has_no_hourly_schedule(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"companyLimit": 50})
    try:
        answer = emulator.api.post(CLIENT, json={"settings": [entry("taxRates", hours=1)]})
        assert answer.status_code == 402
        assert answer.json()["error"] == "SyncSettingsValidationException: Sync schedule not allowed"
    finally:
        emulator.control("PATCH", "/settings", {"companyLimit": None})


def test_the_account_outlives_a_reset(emulator: Emulator) -> None:
    before = emulator.api.get(CLIENT).json()["clientId"]
    emulator.control("POST", "/reset")
    assert emulator.api.get(CLIENT).json()["clientId"] == before


def test_not_every_key_may_ask_for_the_account(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"accountHidden": True})
    assert emulator.api.get(CLIENT).status_code == 403
    assert emulator.api.get("/companies").status_code == 200
