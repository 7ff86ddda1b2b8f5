"""The pages a merchant sees, walked through as a browser would: plain forms, no script."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.emulator import Emulator, Merchant


class Forms(HTMLParser):
    """What a browser would submit: the fields of each form with their present values, and its buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._select = None
        self.feed(html)

    def handle_starttag(self, tag: Any, attributes: Any) -> None:
        at = dict(attributes)
        if tag == "form":
            self.forms.append({"action": at.get("action"), "fields": {}, "options": {}})
        elif tag == "input":
            checkbox = at.get("type") == "checkbox"
            if not checkbox or "checked" in at:
                self.forms[-1]["fields"].setdefault(at["name"], []).append(at.get("value", ""))
        elif tag == "select":
            self._select = at["name"]
            self.forms[-1]["fields"][self._select] = [""]
            self.forms[-1]["options"][self._select] = []
        elif tag == "option":
            self.forms[-1]["options"][self._select].append(at["value"])
            if "selected" in at:
                self.forms[-1]["fields"][self._select] = [at["value"]]


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=False, trust_env=False) as client:
        yield client


def sync_flow_url(emulator: Emulator, merchant: Merchant, **query: Any) -> str:
    params = {"merchantIdentifier": merchant["companyId"], **query}
    return emulator.api.get("/config/sync/commerce/lqai/gbol/start", params=params).json()["url"]


def company(emulator: Emulator, merchant: Merchant) -> Any:
    return emulator.api.get(f"/companies/{merchant['companyId']}").json()


def status(emulator: Emulator, merchant: Merchant) -> Any | None:
    by_id = {each["id"]: each["status"] for each in company(emulator, merchant)["dataConnections"]}
    return by_id.get(merchant["accountingConnectionId"])


def link_url(emulator: Emulator, merchant: Merchant) -> str:
    connection = company(emulator, merchant)["dataConnections"][1]
    assert connection["id"] == merchant["accountingConnectionId"]
    return connection["linkUrl"]


def test_the_link_page_authorises(emulator: Emulator, browser: httpx.Client) -> None:
    merchant = emulator.merchant("acme")
    url = link_url(emulator, merchant)

    shown = browser.get(url)
    answer = browser.post(url, data={**Forms(shown.text).forms[0]["fields"], "action": "authorise"})

    assert "Authorise" in shown.text
    assert answer.status_code == 200
    assert status(emulator, merchant) == "Linked"


def test_cancelling_leaves_the_connection_waiting_and_tells_why(emulator: Emulator, browser: httpx.Client) -> None:
    merchant = emulator.merchant("acme")

    browser.post(link_url(emulator, merchant), data={"action": "cancel"})

    connection = company(emulator, merchant)["dataConnections"][1]
    assert connection["status"] == "PendingAuth"
    assert connection["dataConnectionErrors"][0]["statusText"] == "Forbidden"


def test_the_browser_is_sent_to_the_clients_redirect_url_with_its_placeholders_filled(
    emulator: Emulator, browser: httpx.Client
) -> None:
    merchant = emulator.merchant("acme")
    redirect = "https://client.example/back?company={companyId}&code={statusCode}&key={platform}"
    emulator.api.put("/profile", json={"name": "Client", "redirectUrl": redirect})

    answer = browser.post(link_url(emulator, merchant), data={"action": "authorise"})

    assert answer.status_code == 303
    assert answer.headers["location"] == (
        f"https://client.example/back?company={merchant['companyId']}&code=200&key=gbol"
    )


def test_the_merchant_may_link_other_books(emulator: Emulator, browser: httpx.Client) -> None:
    merchant = emulator.merchant("acme")

    browser.post(link_url(emulator, merchant), data={"action": "authorise", "books": "Other Ltd"})
    emulator.advance("PT1M")

    assert emulator.configuration(merchant)["accountingSoftwareCompanyName"] == "Other Ltd"


def test_the_picker_makes_the_connection_of_the_platform_that_was_picked(
    emulator: Emulator, browser: httpx.Client
) -> None:
    created = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()

    answer = browser.post(created["redirect"], data={"platform": "qhyg"})

    (_, connection) = emulator.api.get(f"/companies/{created['id']}").json()["dataConnections"]
    assert (connection["integrationKey"], connection["status"]) == ("qhyg", "PendingAuth")
    assert answer.headers["location"] == urlsplit(connection["linkUrl"]).path


def test_the_sync_flow_url_names_client_keys_merchant_and_password_in_order(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")

    url = urlsplit(sync_flow_url(emulator, merchant, redirectUrl="app.codat.io"))

    client, commerce, accounting, start = url.path.strip("/").split("/")
    query = parse_qs(url.query)
    assert (commerce, accounting, start) == ("lqai", "gbol", "start")
    assert list(query) == ["merchantIdentifier", "otp", "redirectUrl"]
    assert len(query["otp"][0]) == 6
    assert query["redirectUrl"] == ["app.codat.io"]
    assert len(client) == 36


def test_a_password_opens_the_flow_once(emulator: Emulator, browser: httpx.Client) -> None:
    url = sync_flow_url(emulator, emulator.merchant("acme"))

    assert browser.get(url).status_code == 200
    assert browser.get(url).status_code == 401


def test_a_password_older_than_thirty_seconds_is_refused(emulator: Emulator, browser: httpx.Client) -> None:
    merchant = emulator.merchant("acme")
    young, old = sync_flow_url(emulator, merchant), sync_flow_url(emulator, merchant)
    emulator.advance("PT25S")
    assert browser.get(young).status_code == 200

    emulator.advance("PT6S")

    assert browser.get(old).status_code == 401


def test_a_password_is_good_for_its_own_merchant_only(emulator: Emulator, browser: httpx.Client) -> None:
    one, other = emulator.merchant("one"), emulator.merchant("other")
    url = sync_flow_url(emulator, one)

    assert browser.get(url.replace(one["companyId"], other["companyId"])).status_code == 401


def test_a_merchant_walks_the_whole_flow(emulator: Emulator, browser: httpx.Client) -> None:
    merchant = emulator.merchant("acme")

    connect = Forms(browser.get(sync_flow_url(emulator, merchant, redirectUrl="shop.example/end")).text).forms[0]
    visit = f"{emulator.url}{connect['action'].removesuffix('/connect')}"
    browser.post(f"{visit}/connect", data={"action": "authorise"})
    assert status(emulator, merchant) == "Linked"
    assert len(company(emulator, merchant)["dataConnections"]) == 2
    assert "Reading your books" in browser.get(visit).text

    emulator.advance("PT1M")
    form = Forms(browser.get(visit).text).forms[0]
    refused = browser.post(f"{visit}/configuration", data=form["fields"])
    assert refused.status_code == 400
    assert "No schedule selected frequency." in refused.text
    assert emulator.configuration(merchant)["configured"] is False

    fields = {**form["fields"], **{name: [offered[1]] for name, offered in form["options"].items()}}
    fields["configuration/sales/accounts/refund/selectedAccountId"] = [
        form["options"]["configuration/sales/accounts/refund/selectedAccountId"][2]
    ]
    fields["configuration/payments/accounts/card/selectedAccountId"] = [
        form["options"]["configuration/payments/accounts/card/selectedAccountId"][2]
    ]
    fields["configuration/payments/accounts/prepaidPayment/selectedAccountId"] = [""]
    for flag in ("enabled", "configuration/sales/syncSales", "configuration/payments/syncPayments"):
        fields[flag] = ["true"]
    saved = browser.post(f"{visit}/configuration", data=fields)

    assert (saved.status_code, saved.headers["location"]) == (303, "https://shop.example/end")
    document = emulator.configuration(merchant)
    assert (document["enabled"], document["configured"]) == (True, True)
    assert document["configuration"]["sales"]["taxRates"]["20"]["selectedTaxRateId"] == "NONE"


def test_the_flow_makes_the_connection_when_there_is_none(emulator: Emulator, browser: httpx.Client) -> None:
    created = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()
    url = sync_flow_url(emulator, {"companyId": created["id"]})

    form = Forms(browser.get(url).text).forms[0]
    browser.post(emulator.url + form["action"], data={"action": "authorise"})

    (_, connection) = emulator.api.get(f"/companies/{created['id']}").json()["dataConnections"]
    assert (connection["integrationKey"], connection["status"]) == ("gbol", "Linked")


def test_an_unknown_merchant_becomes_a_company(emulator: Emulator) -> None:
    emulator.api.get("/config/sync/commerce/lqai/gbol/start", params={"merchantIdentifier": "new shop"})

    (created,) = emulator.api.get("/companies").json()["results"]
    assert created["name"] == "new shop"


def test_a_configured_merchant_lands_on_the_settings(emulator: Emulator, browser: httpx.Client) -> None:
    (merchant,) = emulator.seed(1, "configured")

    shown = browser.get(sync_flow_url(emulator, merchant))

    form = Forms(shown.text).forms[0]
    assert "Settings of m-00000" in shown.text
    assert "Last synchronised" in shown.text
    before = emulator.configuration(merchant)
    browser.post(emulator.url + form["action"], data=form["fields"])
    assert emulator.configuration(merchant) == before

    del form["fields"]["enabled"]
    browser.post(emulator.url + form["action"], data=form["fields"])
    assert emulator.configuration(merchant) == {**before, "enabled": False}


@pytest.mark.parametrize(("action", "left"), [("deauthorise", "Unlinked"), ("delete", None)])
def test_a_merchant_severs_the_connection_in_the_settings(
    emulator: Emulator, browser: httpx.Client, action: str, left: str | None
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    sever = Forms(browser.get(sync_flow_url(emulator, merchant)).text).forms[1]

    browser.post(emulator.url + sever["action"], data={"action": action})

    assert status(emulator, merchant) == left


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/config/sync/commerce/lqai/xxxx/start?merchantIdentifier=a", 404),
        ("/config/sync/commerce/gbol/lqai/start?merchantIdentifier=a", 404),
        ("/config/sync/commerce/lqai/gbol/start", 400),
    ],
)
def test_a_sync_flow_url_needs_a_merchant_and_two_platforms(emulator: Emulator, path: str, code: int) -> None:
    assert emulator.api.get(path).status_code == code
