"""Thousands of calls in random order: nothing undocumented comes back and no invariant breaks.

The walk keeps a small model (which companies there are, how they are called, what became of each
connection) and compares it with Codat after every step. It calls the application in process.
"""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from controller.emulator.http.app import build_application
from controller.emulator.service.world import EmulatorSettings, World
from tests.in_process import TEST_ACCOUNT, exchange_once

CALLS = 5_000
HEADERS = httpx.Headers({"Authorization": "Basic " + b64encode(b"key").decode()})
STATUSES = {200, 201, 204, 400, 401, 402, 403, 404, 405, 409, 429, 503}
NOBODY = "00000000-0000-0000-0000-000000000000"

names = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["acme", "Acme Foods (Branch[2])", "merchant_123", "a-b'c&d@e.f,g?h!", "((("]),
)
keys = st.sampled_from(["gbol", "qhyg", "fbrh", "mqjo", "lqai", "nope", ""])
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
_FIELDS = (
    "enabled configured schedule selectedFrequency startDate syncHourUtc timeZone configuration sales "
    "payments fees syncSales syncPayments syncFees accounts card selectedAccountId invoiceStatus "
    "selectedInvoiceStatus salesCustomer selectedCustomerId taxRates 20 selectedTaxRateId grouping "
    "groupingLevels invoiceLevel selectedGroupByOptions feesSupplier newTaxRates extra"
)
fields = st.sampled_from(_FIELDS.split())
words = st.sampled_from(["Daily", "Draft", "Submitted", "Europe/London", "2022-06-15", "2999-01-01", "Location", ""])
dates = st.sampled_from(
    [
        "0001-01-01",
        "0001-01-01T00:00:00+14:00",
        "2022-06-15",
        "2999-01-01T00:00:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31",
        "soon",
    ]
)
patches = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 30), words, dates, json_values),
    lambda inner: st.dictionaries(fields, inner, min_size=1, max_size=3),
    max_leaves=6,
)
queries = st.one_of(
    st.text(alphabet="id=namestu&|{}!~<> 1%3D", max_size=30),
    st.sampled_from(["status=Linked", "dataConnections.status!=Linked", "name~a&&{id!=1||name=b}", "isCompleted=true"]),
)
paging = st.fixed_dictionaries(
    {},
    optional={
        "page": st.sampled_from(["1", "2", "0", "x", "99999999999"]),
        "pageSize": st.sampled_from(["1", "100", "5000", "5001", "-1"]),
        "query": queries,
        "orderBy": st.sampled_from(["name", "-created", "status", "nope", "-", ""]),
    },
)


def stripped(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9\s\-'&@.,?!]", "", name, flags=re.ASCII)


def templates(world: World) -> list[tuple[str, str]]:
    """Every method and path template of the API, as the router knows them."""
    found: list[tuple[str, str]] = []

    def walk(node: Any) -> None:
        found.extend((method, place.template) for method, place in node.entries.items() if place.surface == "api")
        for below in (*node.fixed.values(), *([node.parameter] if node.parameter else [])):
            walk(below)

    walk(build_application(world).router._root)
    return sorted(found)


TEMPLATES = templates(World())
READS = [
    template
    for method, template in TEMPLATES
    if method == "GET" and template != "/config/sync/commerce/{commerceKey}/{accountingKey}/start"
]


class Listener(logging.Handler):
    """Hears of every exception that Codat turned into a 500."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.Formatter().format(record)
        MISHAPS.append(record)


MISHAPS: list[logging.LogRecord] = []
logging.getLogger("merchantctl.emulator").addHandler(Listener())


class Walk(RuleBasedStateMachine):
    """One merchant platform's client, its merchants and their books, all acting at random."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.emulator = build_application(World(EmulatorSettings(api_key="key", account=TEST_ACCOUNT)))
        self.names: dict[str, str] = {}
        self.connections: dict[str, dict[str, str]] = {}
        self.seen: set[str] = set()

    def teardown(self) -> None:
        self.loop.close()

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call of the walk: one that counts."""
        type(self).calls += 1
        return self.look(method, path, **more)

    def look(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call whose answer, whatever it is, must be a documented one."""
        request = httpx.Request(method, f"http://127.0.0.1{path}", headers=HEADERS, **more)
        answer = self.loop.run_until_complete(exchange_once(self.emulator, request, request.read()))
        assert not MISHAPS, f"{method} {path} {more}: {MISHAPS.pop().exc_text}"
        if answer.status_code == 500:
            assert "/sync/" in path, f"{method} {path} {more}: {answer.text}"
            assert answer.json()["error"] == "There is a problem with our server. Please try again later."
        else:
            assert answer.status_code in STATUSES, f"{method} {path} {more}: {answer.status_code} {answer.text}"
        if answer.is_error:
            body = answer.json()
            assert body["statusCode"] == answer.status_code
            assert body["error"]
            assert body["correlationId"]
        return answer

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.call(method, f"/_emulator{path}", json=body)

    def adopt(self, company: dict[str, Any]) -> None:
        assert company["id"] not in self.seen, "an id was given twice"
        self.seen.add(company["id"])
        self.names[company["id"]] = company["name"]
        self.connections[company["id"]] = {each["id"]: each["status"] for each in company["dataConnections"]}
        self.seen.update(self.connections[company["id"]])

    def some_company(self, data: st.DataObject) -> str:
        return self.one_of(data, list(self.names), "company")

    def some_connection(self, data: st.DataObject) -> tuple[str, str]:
        """Mostly an accounting connection: made last, and what merchants authorise."""
        company = self.some_company(data)
        connections = list(reversed(self.connections[company])) or [NOBODY]
        return company, self.one_of(data, connections, "connection")

    @staticmethod
    def one_of(data: st.DataObject, choices: list[str], label: str) -> str:
        """Drawn by its place: ids differ from run to run, and draws must not."""
        return choices[data.draw(st.integers(0, 1000), label=label) % len(choices)]

    @initialize(platform=st.sampled_from(["gbol", "qhyg", "fbrh", "mqjo"]))
    def begin_with_a_fleet(self, platform: str) -> None:
        for number, state in enumerate(("configured", "configured", "linked", "pending")):
            order = {"companies": 1, "platform": platform, "state": state, "prefix": f"{number}-"}
            (merchant,) = self.control("POST", "/seed", order).json()["merchants"]
            self.adopt(self.look("GET", f"/companies/{merchant['companyId']}").json())

    # What the client does

    @rule(name=names, for_commerce=st.booleans())
    def create_a_company(self, name: str, for_commerce: bool) -> None:
        path = "/meta/companies/sync" if for_commerce else "/companies"
        answer = self.call("POST", path, json={"name": name})
        assert (answer.status_code == 200) is bool(stripped(name))
        if answer.status_code == 200:
            assert answer.json()["name"] == stripped(name)
            self.adopt(answer.json())

    @precondition(lambda self: self.names)
    @rule(data=st.data(), name=names)
    def rename_a_company(self, data: st.DataObject, name: str) -> None:
        company = self.some_company(data)
        if self.call("PUT", f"/companies/{company}", json={"name": name}).status_code == 200:
            self.names[company] = stripped(name)

    @precondition(lambda self: len(self.names) > 2)
    @rule(data=st.data())
    def delete_a_company(self, data: st.DataObject) -> None:
        company = self.some_company(data)
        assert self.call("DELETE", f"/companies/{company}").status_code == 204
        assert self.call("GET", f"/companies/{company}").status_code == 404
        del self.names[company], self.connections[company]

    @precondition(lambda self: self.names)
    @rule(data=st.data(), key=keys, spelling=st.sampled_from(["/meta", ""]))
    def create_a_connection(self, data: st.DataObject, key: str, spelling: str) -> None:
        company = self.some_company(data)
        body: Any = key if spelling else {"platformKey": key}
        answer = self.call("POST", f"{spelling}/companies/{company}/connections", json=body)
        if answer.status_code == 200:
            made = answer.json()
            assert made["id"] not in self.seen
            assert made["linkUrl"]
            self.seen.add(made["id"])
            self.connections[company][made["id"]] = made["status"]

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def unlink(self, data: st.DataObject) -> None:
        company, connection = self.some_connection(data)
        before = self.configuration(company)
        path = f"/meta/companies/{company}/connections/{connection}"
        if self.call("PATCH", path, json={"status": "Unlinked"}).status_code == 200:
            assert self.connections[company][connection] == "Linked"
            self.connections[company][connection] = "Unlinked"
            assert self.configuration(company)["configured"] == before["configured"]
            assert self.chosen(company) == self.chosen_in(before)

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def delete_a_connection(self, data: st.DataObject) -> None:
        company, connection = self.some_connection(data)
        answer = self.call("DELETE", f"/companies/{company}/connections/{connection}")
        if answer.status_code == 200:
            assert answer.content == b""
            del self.connections[company][connection]
            after = self.configuration(company)
            assert (after["configured"], after["enabled"]) == (False, False)
            assert after["schedule"]["selectedFrequency"] is None

    @precondition(lambda self: self.names)
    @rule(data=st.data(), patch=patches, good=st.booleans())
    def save_a_configuration(self, data: st.DataObject, patch: Any, good: bool) -> None:
        company = self.some_company(data)
        document = self.configuration(company)
        body = filled_in(document) if good else merged(document, patch)
        if good and isinstance(body.get("schedule"), dict):
            body["schedule"]["startDate"] = data.draw(dates, label="startDate")
        answer = self.call("POST", f"/config/companies/{company}/sync/commerce", json=body)
        if answer.status_code == 200:
            assert answer.json()["configured"] is True
            assert self.configuration(company) == answer.json()

    @precondition(lambda self: self.names)
    @rule(data=st.data(), days_ago=st.sampled_from([0, 1, 20, 400]))
    def upload_and_synchronise(self, data: st.DataObject, days_ago: int) -> None:
        company = self.some_company(data)
        now = datetime.fromisoformat(self.look("GET", "/_emulator/clock").json()["now"])
        date = (now - timedelta(days=days_ago)).isoformat()
        order = {"id": "o", "createdDate": date, "totalAmount": 12, "totalRefund": 1, "currency": "GBP"}
        payment = {"id": "p", "createdDate": date, "amount": 12, "type": "Card", "status": "Paid"}
        fee = {"id": "p", "createdDate": date, "totalAmount": -1, "type": "PaymentFee"}
        for member, record in (("orders", order), ("payments", payment), ("transactions", fee)):
            self.call("POST", f"/data/companies/{company}/sync/commerce-{member}", json={member: [record]})
        self.call("POST", f"/companies/{company}/sync/commerce/latest")

    @precondition(lambda self: self.names)
    @rule(data=st.data(), start=dates, finish=dates, date=dates)
    def synchronise_odd_ranges(self, data: st.DataObject, start: str, finish: str, date: str) -> None:
        company = self.some_company(data)
        orders = [{"id": "odd", "createdDate": date, "totalAmount": 1}]
        self.call("POST", f"/data/companies/{company}/sync/commerce-orders", json={"orders": orders})
        body = {"dateRange": {"start": start, "finish": finish}}
        self.call("POST", f"/companies/{company}/sync/historic", json=body)
        self.call("POST", f"/companies/{company}/sync/commerce/latest", json={"syncTo": finish})

    @rule(data=st.data(), params=paging, body=st.one_of(json_values, patches), place=st.sampled_from(TEMPLATES))
    def call_anything(self, data: st.DataObject, params: dict[str, str], body: Any, place: tuple[str, str]) -> None:
        method, template = place
        if (method, template) not in ADOPTED:
            content = {"json": body} if method in ("POST", "PUT", "PATCH") else {}
            self.call(method, self.filled(data, template), params=params, **content)

    @rule(data=st.data(), template=st.sampled_from(READS))
    def read_anything(self, data: st.DataObject, template: str) -> None:
        self.call("GET", self.filled(data, template))

    def filled(self, data: st.DataObject, template: str) -> str:
        """A template with mostly good values for its parameters."""
        company, connection = self.some_connection(data) if self.names else (NOBODY, NOBODY)
        known = {
            "companyId": [company] * 5 + [NOBODY, "nope"],
            "connectionId": [connection] * 5 + [NOBODY],
            "dataType": ["customers", "chartOfAccounts", "all", "commerce-orders", "nope"],
            "platformKey": ["lqai", "gbol", "nope"],
            "clientId": [TEST_ACCOUNT, NOBODY],
        }

        def value(found: re.Match[str]) -> str:
            return self.one_of(data, known.get(found[1], [NOBODY, "1"]), found[1])

        return re.sub(r"\{(\w+)\}", value, template)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), code=st.text(max_size=12))
    def push_an_account(self, data: st.DataObject, code: str) -> None:
        company, connection = self.some_connection(data)
        account = {"nominalCode": code, "name": "New", "fullyQualifiedCategory": "Income.Sales"}
        self.call("POST", f"/companies/{company}/connections/{connection}/push/accounts", json=account)

    @rule(body=st.binary(max_size=20), place=st.sampled_from(TEMPLATES))
    def send_what_is_no_json(self, body: bytes, place: tuple[str, str]) -> None:
        method, template = place
        if method in ("POST", "PUT", "PATCH") and (method, template) not in ADOPTED:
            self.call(method, re.sub(r"\{\w+\}", NOBODY, template), content=body)

    @rule(webhook=st.sampled_from(["http://127.0.0.1:9/", ""]))
    def subscribe(self, webhook: str) -> None:
        notifiers = {"emails": [], "webhook": webhook}
        self.call("POST", "/rules", json={"type": "DataConnectionStatusChanged", "notifiers": notifiers})

    # What merchants, platforms and time do

    @precondition(lambda self: self.names)
    @rule(data=st.data(), what=st.sampled_from(["authorize", "authorize", "deauthorize", "fail"]))
    def happen_to_a_connection(self, data: st.DataObject, what: str) -> None:
        company, connection = self.some_connection(data)
        answer = self.control("POST", f"/companies/{company}/connections/{connection}/{what}")
        if answer.status_code == 200:
            self.connections[company][connection] = answer.json()["status"]

    @precondition(lambda self: self.names)
    @rule(
        data=st.data(),
        kind=st.sampled_from(["accounts", "customers", "suppliers", "taxRates"]),
        gone=st.booleans(),
    )
    def edit_the_books(self, data: st.DataObject, kind: str, gone: bool) -> None:
        company = self.some_company(data)
        listing = self.control("GET", f"/companies/{company}/{kind}")
        if listing.status_code == 200:
            row = self.one_of(data, [each["id"] for each in listing.json()["results"]], "row")
            path = f"/companies/{company}/{kind}/{row}"
            self.control("DELETE", path) if gone else self.control("PATCH", path, {"status": "Archived"})

    @precondition(lambda self: self.names)
    @rule(data=st.data(), patch=st.dictionaries(fields, patches, max_size=3))
    def edit_in_the_portal(self, data: st.DataObject, patch: dict[str, Any]) -> None:
        self.control("PATCH", f"/companies/{self.some_company(data)}/configuration", patch)

    @rule(duration=st.sampled_from(["PT1S", "PT10S", "PT2M", "PT7H", "P1D", "P40D"]))
    def let_time_pass(self, duration: str) -> None:
        assert self.control("POST", "/clock", {"advance": duration}).status_code == 200

    # What must always hold

    @invariant()
    def the_list_is_what_was_made(self) -> None:
        page = self.look("GET", "/meta/companies", params={"page": 1, "pageSize": 5000}).json()
        listed = {each["id"]: each for each in page["results"]}
        assert len(listed) == len(page["results"]) == page["totalResults"]
        assert {key: each["name"] for key, each in listed.items()} == self.names
        for key, company in listed.items():
            statuses = {each["id"]: each["status"] for each in company["dataConnections"]}
            assert statuses == self.connections[key]

    def configuration(self, company: str) -> dict[str, Any]:
        answer = self.look("GET", f"/config/companies/{company}/sync/commerce")
        assert answer.status_code == 200
        return answer.json()

    def chosen(self, company: str) -> Any:
        return self.chosen_in(self.configuration(company))

    @staticmethod
    def chosen_in(document: Any) -> Any:
        """What callers chose: the document without what the server computes from the books.

        Tax rates nobody mapped are left out: of two connections, the linked one says which are offered.
        """
        if not isinstance(document, dict):
            return document
        if isinstance(rates := document.get("taxRates"), dict):
            mapped = {rate: row for rate, row in rates.items() if _is_mapped(row)}
            document = {**document, "taxRates": mapped}
        kept = {key: value for key, value in document.items() if not key.endswith("Options") or "selected" in key}
        return {key: Walk.chosen_in(value) for key, value in kept.items() if key != "accountingSoftwareCompanyName"}


def _is_mapped(row: Any) -> bool:
    return not isinstance(row, dict) or row.get("selectedTaxRateId") is not None


ADOPTED = {
    ("POST", "/meta/companies/sync"),
    ("POST", "/companies"),
    ("PUT", "/companies/{companyId}"),
    ("PUT", "/meta/companies/{companyId}"),
    ("PATCH", "/companies/{companyId}"),
    ("PATCH", "/meta/companies/{companyId}"),
    ("DELETE", "/companies/{companyId}"),
    ("DELETE", "/meta/companies/{companyId}"),
    *(
        (verb, f"{prefix}/companies/{{companyId}}/connections{tail}")
        for prefix in ("", "/meta")
        for verb, tail in (
            ("POST", ""),
            ("PATCH", "/{connectionId}"),
            ("DELETE", "/{connectionId}"),
            ("PUT", "/{connectionId}/authorization"),
        )
    ),
    ("GET", "/config/sync/commerce/{commerceKey}/{accountingKey}/start"),
}
"""Calls that change what the model knows: made by rules of their own."""


def merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return patch
    return {**target, **{key: merged(target.get(key), value) for key, value in patch.items()}}


def filled_in(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the first option everywhere: a configuration that may be accepted."""
    config = document["configuration"]
    if not isinstance(config, dict):
        return document

    def first(options: Any) -> Any:
        return options[0]["id"] if isinstance(options, list) and options and isinstance(options[0], dict) else None

    def walk(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        filled = {key: walk(value) for key, value in node.items()}
        pairs = (
            ("selectedAccountId", "accountOptions"),
            ("selectedTaxRateId", "taxRateOptions"),
            ("selectedCustomerId", "customerOptions"),
            ("selectedSupplierId", "supplierOptions"),
        )
        for selected, options in pairs:
            if options in node:
                filled[selected] = first(node[options])
        return filled

    whole = walk(document)
    switches = {
        "sales": {"syncSales": True},
        "payments": {"syncPayments": False},
        "fees": {"syncFees": False},
    }
    sales = {
        "invoiceStatus": {"selectedInvoiceStatus": "Submitted"},
        "grouping": {"groupingPeriod": {"selectedGroupingPeriod": "Daily"}},
        "accounts": {"prepaid": {"selectedAccountId": None}},
    }
    schedule = {"selectedFrequency": "Daily", "startDate": "2022-06-15T00:00:00Z"}
    payments = {"accounts": {"payout": {"selectedAccountId": None}, "prepaidPayment": {"selectedAccountId": None}}}
    return merged(
        whole,
        {
            "enabled": True,
            "schedule": schedule,
            "configuration": merged(switches, {"sales": {**sales, "syncSales": True}, "payments": payments}),
        },
    )


def walked(at_least: int) -> int:
    """Walk until so many calls were made; how many they were."""
    Walk.calls = 0
    bounds = settings(
        max_examples=20,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    while Walk.calls < at_least:
        run_state_machine_as_test(Walk, settings=bounds)
    return Walk.calls


@pytest.mark.computes
def test_five_thousand_random_calls_break_nothing() -> None:
    assert walked(CALLS) >= CALLS


@pytest.mark.soak
def test_a_hundred_thousand_random_calls_break_nothing() -> None:
    assert walked(100_000) >= 100_000
