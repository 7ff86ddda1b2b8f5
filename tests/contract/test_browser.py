"""A person at a browser: consent on the link page, the mapping in the Sync Flow (API notes 3.2, 3.5)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract import webdriver
from tests.contract.webdriver import Browser
from tests.emulator import Emulator, Merchant


@pytest.fixture
def person() -> Iterator[webdriver.Browser]:
    if missing := webdriver.missing():
        advice = f"no {missing} here (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)
    with webdriver.browser() as browser:
        yield browser


def flow_url(emulator: Emulator, merchant: Merchant) -> str:
    params = {"merchantIdentifier": merchant["companyId"]}
    return emulator.api.get("/config/sync/commerce/lqai/gbol/start", params=params).json()["url"]


def authorise(emulator: Emulator, person: Browser, merchant: Merchant) -> None:
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    assert person.open(emulator.api.get(path).json()["linkUrl"]) == 200
    assert person.reads("Connect Xero")
    person.click("//button[.='Authorise']")
    assert person.reads("You are connected")
    assert emulator.api.get(path).json()["status"] == "Linked"


def test_a_person_authorises_and_configures_in_a_browser(emulator: Emulator, person: webdriver.Browser) -> None:
    merchant = emulator.merchant("acme")
    authorise(emulator, person, merchant)
    emulator.advance("PT1M")

    assert person.open(flow_url(emulator, merchant)) == 200
    for name in person.names("//select"):
        person.choose(name, 1)
    accounts = "configuration/{}/accounts/{}/selectedAccountId"
    person.choose(accounts.format("sales", "refund"), 2)
    person.choose(accounts.format("payments", "card"), 2)
    person.choose(accounts.format("payments", "prepaidPayment"), 0)
    for flag in ("enabled", "configuration/sales/syncSales", "configuration/payments/syncPayments"):
        person.click(f"//input[@name='{flag}']")
    person.click("//button[.='Save']")

    assert person.reads("Everything is set up")
    document = emulator.configuration(merchant)
    assert (document["enabled"], document["configured"]) == (True, True)
    assert document["configuration"]["payments"]["syncPayments"] is True
    assert document["schedule"]["selectedFrequency"] == "Daily"


def test_a_refused_mapping_tells_the_person_what_is_wrong(emulator: Emulator, person: webdriver.Browser) -> None:
    merchant = emulator.merchant("acme")
    authorise(emulator, person, merchant)
    emulator.advance("PT1M")
    person.open(flow_url(emulator, merchant))
    person.click("//button[.='Save']")
    assert person.reads("No schedule selected frequency.")
    assert emulator.configuration(merchant)["configured"] is False


def test_a_link_older_than_thirty_seconds_gives_401_in_the_browser(
    emulator: Emulator, person: webdriver.Browser
) -> None:
    url = flow_url(emulator, emulator.merchant("acme"))
    emulator.advance("PT31S")
    assert person.open(url) == 401


def test_a_link_opens_only_once_in_the_browser(emulator: Emulator, person: webdriver.Browser) -> None:
    url = flow_url(emulator, emulator.merchant("acme"))
    assert person.open(url) == 200
    assert person.open(url) == 401
