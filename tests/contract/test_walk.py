"""Thousands of random calls: no failure that the reference does not give, no invariant broken."""

from __future__ import annotations

import re
from base64 import b64encode

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from controller.emulator.app import API_SUBJECTS

QUIET = settings(
    deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None, print_blob=False
)
STRIP = re.compile(r"[^A-Za-z0-9\s\-'&@.,?!]", re.ASCII)
NAMES = st.one_of(st.text(max_size=12), st.sampled_from(["acme", "Acme (2)", "a_b", "Café", "((("]))
PLATFORMS = st.sampled_from(["gbol", "qhyg", "fbrh", "mqjo", "lqai", "fztf", "nope"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
QUERIES = st.sampled_from(
    [
        "",
        "status=Linked",
        "{",
        "a=b",
        "dataConnections.status!=Linked",
        "name~a&&id!=x",
        "created>2020-01-01",
        "&&",
    ]
)
SELECTIONS = ("selectedAccountId", "selectedCustomerId", "selectedTaxRateId", "selectedSupplierId")


class Walk(RuleBasedStateMachine):
    """A model of what the calls so far must have left behind, checked against the service after each."""

    emulator = None

    @initialize()
    def begin(self):
        self.emulator.control("POST", "/reset")
        self.api = self.emulator.api
        self.pick = 0
        for state in ("configured", "linked", "configured", "pending"):
            self.emulator.seed(1, state, platform="qhyg" if state == "linked" else "gbol")
        self.companies = {
            company["id"]: {
                "name": company["name"],
                "connections": {
                    each["id"]: (each["integrationKey"], each["status"])
                    for each in company["dataConnections"]
                },
                "configured": self.api.get(f"/config/companies/{company['id']}/sync/commerce").json()[
                    "configured"
                ],
            }
            for company in self.api.get("/companies").json()["results"]
        }

    # who is spoken of: any company of the model, any of its connections

    def company(self, index):
        return list(self.companies)[index % len(self.companies)]

    def connection(self, index):
        known = [(c, k) for c, each in self.companies.items() for k in each["connections"]]
        return known[index % len(known)]

    def has_companies(self):
        return bool(self.companies)

    def has_connections(self):
        return any(each["connections"] for each in self.companies.values())

    # what anybody may do

    @rule(name=NAMES, plain=st.booleans())
    def create_company(self, name, plain):
        answer = self.api.post("/companies" if plain else "/meta/companies/sync", json={"name": name})
        kept = STRIP.sub("", name)
        assert answer.status_code == (200 if kept else 400)
        if kept:
            made = answer.json()
            assert made["id"] not in self.companies
            links = {each["id"]: ("lqai", "Linked") for each in made["dataConnections"]}
            assert len(links) == (0 if plain else 1)
            self.companies[made["id"]] = {"name": kept, "connections": links, "configured": False}

    @precondition(has_companies)
    @rule(index=st.integers(0, 99), name=NAMES)
    def rename(self, index, name):
        company, kept = self.company(index), STRIP.sub("", name)
        answer = self.api.put(f"/companies/{company}", json={"name": name})
        assert answer.status_code == (200 if kept else 400)
        if kept:
            self.companies[company]["name"] = kept

    @precondition(lambda self: len(self.companies) > 3)
    @rule(index=st.integers(0, 99))
    def delete_company(self, index):
        company = self.company(index)
        assert self.api.delete(f"/companies/{company}").status_code == 204
        del self.companies[company]
        assert self.api.get(f"/config/companies/{company}/sync/commerce").status_code == 404

    @precondition(has_companies)
    @rule(index=st.integers(0, 99), key=PLATFORMS)
    def create_connection(self, index, key):
        company = self.company(index)
        answer = self.api.post(f"/meta/companies/{company}/connections", json=key)
        assert answer.status_code == (404 if key in ("nope", "fztf") else 200)
        if answer.is_success:
            self.companies[company]["connections"][answer.json()["id"]] = (key, "PendingAuth")

    @precondition(has_connections)
    @rule(index=st.integers(0, 99))
    def authorize(self, index):
        company, connection = self.connection(index)
        self.emulator.control("POST", f"/companies/{company}/connections/{connection}/authorize")
        self._becomes(company, connection, "Linked")

    @precondition(has_connections)
    @rule(index=st.integers(0, 99), by_api=st.booleans())
    def sever(self, index, by_api):
        company, connection = self.connection(index)
        linked = self.companies[company]["connections"][connection][1] == "Linked"
        path = f"/companies/{company}/connections/{connection}"
        if by_api:
            answer = self.api.patch(f"/meta{path}", json={"status": "Unlinked"})
        else:
            answer = self.api.post(f"/_emulator{path}/deauthorize")
        assert answer.status_code == (200 if linked else 400)
        if linked:
            self._becomes(company, connection, "Unlinked" if by_api else "Deauthorized")

    @precondition(has_connections)
    @rule(index=st.integers(0, 99))
    def delete_connection(self, index):
        company, connection = self.connection(index)
        assert self.api.delete(f"/companies/{company}/connections/{connection}").status_code == 200
        del self.companies[company]["connections"][connection]
        self.companies[company]["configured"] = False

    @precondition(has_companies)
    @rule(
        index=st.integers(0, 99),
        choices=st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 9]), min_size=8, max_size=8),
        hour=st.sampled_from([0, 5, 23, 24]),
    )
    def configure(self, index, choices, hour):
        company = self.company(index)
        path = f"/config/companies/{company}/sync/commerce"
        before = self.api.get(path).json()
        body = _chosen(self.api.get(path).json(), choices, hour)
        answer = self.api.post(path, json=body)
        after = self.api.get(path).json()
        assert answer.status_code in (200, 400, 409)
        if answer.status_code == 200:
            assert after == answer.json()
            assert after["configured"] is True
            assert self._kinds(company) == ["Accounting", "Commerce"]
            assert self.api.post(path, json=after).json() == after
            self.companies[company]["configured"] = True
        else:
            assert after == before
            assert answer.json()["error"]

    @precondition(has_companies)
    @rule(
        index=st.integers(0, 99),
        patch=st.dictionaries(st.sampled_from(["enabled", "x", "configuration"]), JSON),
    )
    def edit_in_the_portal(self, index, patch):
        company = self.company(index)
        answer = self.api.patch(f"/_emulator/companies/{company}/configuration", json=patch)
        assert answer.status_code == 200
        assert self.api.get(f"/config/companies/{company}/sync/commerce").json() == answer.json()

    @precondition(has_companies)
    @rule(
        index=st.integers(0, 99),
        kind=st.sampled_from(["accounts", "customers", "taxRates", "suppliers"]),
        row=st.integers(0, 9),
        gone=st.booleans(),
    )
    def edit_the_books(self, index, kind, row, gone):
        company = self.company(index)
        listed = self.api.get(f"/_emulator/companies/{company}/{kind}")
        if listed.status_code == 404:
            return
        rows = listed.json()["results"]
        path = f"/_emulator/companies/{company}/{kind}/{rows[row % len(rows)]['id']}"
        answer = self.api.delete(path) if gone else self.api.patch(path, json={"status": "Archived"})
        assert answer.is_success

    @rule(seconds=st.sampled_from([0, 1, 5, 40, 4_000, 100_000]))
    def time_passes(self, seconds):
        self.emulator.advance(f"PT{seconds}S")

    @precondition(has_companies)
    @rule(
        index=st.integers(0, 99),
        word=st.sampled_from(["all", "queue/customers", "queue/chartOfAccounts", "queue/nope"]),
    )
    def refresh(self, index, word):
        answer = self.api.post(f"/companies/{self.company(index)}/data/{word}")
        assert answer.status_code in (200, 204, 400, 404, 409)

    @precondition(has_companies)
    @rule(index=st.integers(0, 99))
    def synchronise(self, index):
        """The one call that answers 500 by the reference: before the start date."""
        answer = self.api.post(f"/companies/{self.company(index)}/sync/commerce/latest")
        assert answer.status_code in (200, 400, 409, 500)

    @precondition(has_companies)
    @rule(index=st.integers(0, 99), query=QUERIES, page=st.integers(-1, 3), size=st.integers(-1, 6000))
    def read(self, index, query, page, size):
        company = self.company(index)
        for path in ("/companies", f"/companies/{company}/connections", f"/companies/{company}/data/history"):
            params = {"page": page, "pageSize": size} | ({"query": query} if query else {})
            answer = self.api.get(path, params=params)
            assert answer.status_code in (200, 400)
            if answer.status_code == 200:
                body = answer.json()
                assert len(body["results"]) <= min(size, body["totalResults"])

    # what must hold whatever was done

    @invariant()
    def the_list_is_what_the_calls_left_behind(self):
        if not hasattr(self, "companies"):
            return
        page = self.api.get("/companies", params={"page": 1, "pageSize": 5000}).json()
        assert page["totalResults"] == len(page["results"]) == len(self.companies)
        seen = {
            company["id"]: {
                "name": company["name"],
                "connections": {
                    each["id"]: (each["integrationKey"], each["status"])
                    for each in company["dataConnections"]
                },
            }
            for company in page["results"]
        }
        assert list(seen) == list(self.companies)
        assert seen == {
            key: {"name": each["name"], "connections": each["connections"]}
            for key, each in self.companies.items()
        }

    @invariant()
    def a_configuration_lasts_until_a_connection_is_deleted(self):
        """Unlinking keeps it, deleting loses it; looked at one company in turn."""
        if not getattr(self, "companies", None):
            return
        self.pick += 1
        company = self.company(self.pick)
        document = self.api.get(f"/config/companies/{company}/sync/commerce").json()
        assert document["configured"] is self.companies[company]["configured"]

    def _becomes(self, company, connection, status):
        links = self.companies[company]["connections"]
        links[connection] = (links[connection][0], status)

    def _kinds(self, company):
        links = self.companies[company]["connections"].values()
        return sorted(
            "Commerce" if key == "lqai" else "Accounting" for key, status in links if status == "Linked"
        )


def _chosen(document, choices, hour):
    """A document as a careful or careless caller fills it."""
    numbers = iter(choices * 20)

    def fill(at):
        for field, value in at.items():
            if field in SELECTIONS:
                offered = next((each for name, each in at.items() if name.endswith("Options")), None) or []
                index = next(numbers)
                at[field] = offered[index]["id"] if index < len(offered) else None
            elif isinstance(value, dict):
                fill(value)

    fill(document)
    document["enabled"] = choices[0] > 0
    schedule = document["schedule"]
    if isinstance(schedule, dict):
        schedule |= {"selectedFrequency": "Daily", "syncHourUtc": hour, "startDate": "2022-06-15"}
    return document


def test_a_walk_of_five_thousand_calls_breaks_no_invariant(emulator):
    machine = type("Walked", (Walk,), {"emulator": emulator})
    run_state_machine_as_test(machine, settings=settings(QUIET, max_examples=60, stateful_step_count=50))


ROUTES = sorted(
    {
        (method, route.path)
        for subject in API_SUBJECTS
        for route in subject.routes
        for method in route.methods - {"HEAD"}
    }
)


@settings(QUIET, max_examples=1000)
@given(data=st.data())
def _call_anything(emulator, merchants, client, data):
    method, template = data.draw(st.sampled_from(ROUTES))
    merchant = data.draw(st.sampled_from(merchants))
    known = {"companyId": merchant["companyId"], "connectionId": merchant["accountingConnectionId"]}

    def value(found):
        fits = known.get(found[1])
        return data.draw(st.sampled_from([fits or "gbol", "commerce-orders", "customers", "nope"]))

    path = re.sub(r"\{(\w+)\}", value, template)
    params = data.draw(
        st.dictionaries(st.sampled_from(["page", "pageSize", "query", "orderBy", "locale"]), QUERIES)
    )
    body = data.draw(
        st.one_of(JSON, st.fixed_dictionaries({}, optional={"name": JSON, "settings": JSON, "url": JSON}))
    )
    answer = client.request(method, path, json=body, params=params)
    assert answer.status_code < 500 or "/sync/" in path, (method, path, params, body, answer.text)
    if answer.status_code >= 400:
        assert answer.json()["statusCode"] == answer.status_code


def test_no_body_or_parameter_makes_any_endpoint_fail(emulator):
    merchants = [*emulator.seed(4, "configured"), *emulator.seed(2, "linked"), *emulator.seed(2, "pending")]
    key = b64encode(emulator.api_key.encode()).decode()
    headers = {"Authorization": f"Basic {key}"}
    with httpx.Client(base_url=emulator.url, headers=headers, trust_env=False) as client:
        _call_anything(emulator, merchants, client)
