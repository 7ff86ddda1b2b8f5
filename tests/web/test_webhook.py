"""Webhooks as Codat delivers them, on a real port and with a real state."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from controller.web.context import WebhookSecrets, parse_webhook_secrets
from controller.web.webhook import MAX_DELIVERIES_UNDER_WAY
from tests.postgresql import OwnDatabase
from tests.web.conftest import AUTHORIZATION, SECRET, Site

OTHER = "whsec_YW5vdGhlci1zaWduaW5nLWtleQ=="


def connected(company: str) -> bytes:
    payload = {"referenceCompany": {"id": company, "name": "acme"}, "connection": {"status": "Linked"}}
    return json.dumps({"id": str(uuid4()), "eventType": "connection.connected", "payload": payload}).encode()


def signed(body: bytes, secret: str = SECRET, prefix: str = "webhook", **changes: str) -> dict[str, str]:
    message, now = changes.get("id", f"msg_{uuid4().hex}"), datetime.now(UTC)
    at = datetime.fromtimestamp(int(changes.get("timestamp", now.timestamp())), UTC)
    facts = {
        "id": message,
        "timestamp": str(int(at.timestamp())),
        "signature": Webhook(secret).sign(message, at, body.decode("utf-8", "surrogatepass")),
    }
    return {f"{prefix}-{name}": value for name, value in (facts | changes).items()}


@pytest.fixture
def company(site: Site) -> str:
    """The company of a merchant of ours, `acme-…`."""
    company = str(uuid4())
    site.bind(f"acme-{company}", company)
    return company


def remembered(site: Site) -> int:
    with sqlite3.connect(site.state) as database:
        return database.execute("SELECT count(*) FROM inbox").fetchone()[0]


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
def test_a_signed_delivery_puts_its_merchant_into_the_queue(site: Site, company: str, prefix: str) -> None:
    body = connected(company)
    answer = site.api.post("/webhooks", content=body, headers=signed(body, prefix=prefix))
    assert (answer.status_code, site.enqueued) == (202, [f"acme-{company}"])
    assert f"acme-{company}" in site.ask(lambda store: store.inbox.load_waiting_merchants())


def test_a_legacy_delivery_needs_the_header_that_was_agreed(site: Site, company: str) -> None:
    body = {"AlertId": str(uuid4()), "RuleType": "Data sync completed", "CompanyId": company, "Data": {}}
    assert site.api.post("/webhooks", json=body).status_code == 401
    assert site.api.post("/webhooks", json=body, headers={"Authorization": "Bearer Agreed"}).status_code == 401
    assert site.enqueued == []
    assert site.api.post("/webhooks", json=body, headers={"Authorization": AUTHORIZATION}).status_code == 202
    assert site.enqueued == [f"acme-{company}"]


def test_an_address_with_a_slash_at_its_end_is_the_same(site: Site, company: str) -> None:
    body = connected(company)
    assert site.api.post("/webhooks/", content=body, headers=signed(body)).status_code == 202
    assert site.enqueued == [f"acme-{company}"]


def test_a_repetition_is_accepted_and_nobody_is_looked_at_once_that_was_done(site: Site, company: str) -> None:
    body = connected(company)
    headers = signed(body)
    assert site.api.post("/webhooks", content=body, headers=headers).status_code == 202
    now = datetime.now(UTC)
    site.ask(lambda store: store.inbox.close_deliveries(None, received_until=now, at=now))
    again = site.api.post("/webhooks", content=body, headers=signed(body, id=headers["webhook-id"]))
    assert (again.status_code, site.enqueued) == (202, [f"acme-{company}"])


@pytest.mark.parametrize(
    "spoilt",
    [
        {"signature": "v1,AAAA"},
        {"signature": "nonsense"},
        {"signature": "v1," * 50},
        {"signature": ""},
        {"timestamp": "soon"},
        {"timestamp": "-1"},
        {"timestamp": "99999999999"},
        {"timestamp": "1e9"},
        {"timestamp": "nan"},
        {"id": ""},
    ],
)
def test_what_is_not_properly_signed_is_refused_and_not_remembered(
    site: Site, company: str, spoilt: dict[str, Any]
) -> None:
    body, before = connected(company), remembered(site)
    headers = signed(body) | {f"webhook-{name}": value for name, value in spoilt.items()}
    assert site.api.post("/webhooks", content=body, headers=headers).status_code == 401
    assert (remembered(site), site.enqueued) == (before, [])


@pytest.mark.parametrize("age", [-301, 301])
def test_a_stale_signature_is_refused_however_right_it_is(site: Site, company: str, age: int) -> None:
    body = connected(company)
    stamp = str(int(datetime.now(UTC).timestamp()) - age - (1 if age > 0 else -1))
    answer = site.api.post("/webhooks", content=body, headers=signed(body, timestamp=stamp))
    assert (answer.status_code, "the signature is right, but" in answer.text) == (401, True)


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_right_delivery_is_taken_on_a_machine_whose_clock_is_wrong(site: Site, company: str, minutes: int) -> None:
    body, difference = connected(company), timedelta(minutes=minutes)
    with site.clock_behind(difference, is_known=False):
        assert site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 401
    with site.clock_behind(difference):
        assert site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 202


def test_the_signature_is_of_the_raw_bytes(site: Site, company: str) -> None:
    body = connected(company)
    same_json = json.dumps(json.loads(body), indent=1).encode()
    assert site.api.post("/webhooks", content=same_json, headers=signed(body)).status_code == 401


def test_one_good_signature_among_several_is_enough(site: Site, company: str) -> None:
    body = connected(company)
    headers = signed(body)
    headers["webhook-signature"] = f"v1a,xyz broken v1,AAAA {headers['webhook-signature']} v1,"
    assert site.api.post("/webhooks", content=body, headers=headers).status_code == 202


def test_while_a_secret_is_replaced_both_are_good(site: Site, company: str) -> None:
    site.secrets = parse_webhook_secrets(f"{OTHER}, {SECRET}", None)
    for secret in (SECRET, OTHER):
        body = connected(company)
        assert site.api.post("/webhooks", content=body, headers=signed(body, secret)).status_code == 202
    site.secrets = parse_webhook_secrets(OTHER, None)
    body = connected(company)
    assert site.api.post("/webhooks", content=body, headers=signed(body, SECRET)).status_code == 401


def test_without_a_secret_there_is_no_such_page(site: Site) -> None:
    site.secrets = WebhookSecrets()
    assert site.api.post("/webhooks", content=b"{}").status_code == 404


def test_a_company_that_is_nobodys_is_accepted_and_means_nothing(site: Site) -> None:
    body = connected("somebody-elses")
    assert site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 202
    assert site.enqueued == []


def test_a_rate_limit_is_noted_and_counted(site: Site) -> None:
    body = b'{"eventType": "client.rateLimit.reached", "payload": {"dailyQuota": 1000}}'
    assert site.api.post("/webhooks", content=body, headers=signed(body)).text == "noted\n"
    assert site.enqueued == []
    assert 'webhook_deliveries_total{result="rate-limit"} ' in site.api.get("/metrics").text


@pytest.mark.parametrize("body", [b"", b"nothing", b"[1]", b"null", b"[" * 60_000, b"{", b"1" * 5000])
def test_what_is_no_json_object_is_refused_for_good(site: Site, body: bytes) -> None:
    assert site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 400


def test_what_is_no_text_cannot_have_been_signed(site: Site) -> None:
    headers = signed(b"{}")
    assert site.api.post("/webhooks", content=b"\xff\xfe{}", headers=headers).status_code == 401


def test_a_body_that_is_too_large_is_not_read_to_its_end(site: Site) -> None:
    pieces = iter([b"x" * 100_000] * 20)
    assert site.api.post("/webhooks", content=pieces, headers=signed(b"")).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(site: Site) -> None:
    head = f"POST /webhooks HTTP/1.1\r\nHost: {site.api.base_url.host}\r\nContent-Length: 10\r\n\r\n{{"
    address = (site.api.base_url.host, site.api.base_url.port)
    with site.impatient(body=1 / 200), socket.create_connection(address, timeout=120) as line:
        line.sendall(head.encode())
        assert b" 408 " in line.recv(100)


def test_while_the_state_cannot_be_written_the_service_is_asked_to_come_again(site: Site, company: str) -> None:
    body = connected(company)
    headers = signed(body)
    with site.impatient(state=1 / 60), sqlite3.connect(site.state, isolation_level=None) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        answer = site.api.post("/webhooks", content=body, headers=headers)
        somebody.execute("ROLLBACK")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert site.api.post("/webhooks", content=body, headers=headers).status_code == 202
    assert set(site.enqueued) == {f"acme-{company}"}


@pytest.mark.waits
def test_what_comes_while_the_state_is_out_of_reach_is_saved_once_it_is_back(
    tmp_path: Path, own_database: OwnDatabase
) -> None:
    """Codat repeats after five seconds, and what is not taken then, after minutes."""
    with Site(tmp_path, own_database.url) as site:
        site.bind("acme", "company")
        body = connected("company")
        headers = signed(body)
        with own_database.out_of_reach():
            for _ in range(2):
                assert site.api.post("/webhooks", content=body, headers=headers).status_code == 503
        deadline = time.monotonic() + 20
        while not site.enqueued:
            assert time.monotonic() < deadline, "it waits to be sent again"
            time.sleep(0.05)
        assert site.ask(lambda store: store.inbox.load_waiting_merchants()) == ("acme",)
        assert site.enqueued == ["acme"], "once, however often it was sent"
        assert site.api.post("/webhooks", content=body, headers=headers).text == "known already\n"


def test_of_deliveries_that_wait_for_the_state_only_some_are_kept(site: Site, company: str) -> None:
    """While the state is blocked for long they come again and again."""
    before = remembered(site)
    with site.impatient(state=1 / 1000), sqlite3.connect(site.state, isolation_level=None) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        for _ in range(MAX_DELIVERIES_UNDER_WAY + 20):
            body = connected(company)
            assert site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 503
        somebody.execute("ROLLBACK")
    while site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 503:
        pass
    assert remembered(site) - before <= MAX_DELIVERIES_UNDER_WAY + 1


def test_a_state_that_is_out_of_order_is_no_reason_to_lose_an_event(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        with sqlite3.connect(site.state) as database:
            database.execute("DROP TABLE inbox")
        body = connected("company")
        assert site.api.post("/webhooks", content=body, headers=signed(body)).status_code == 503


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["eventType", "EVENTTYPE", "payload", "id", "RuleType", "Type", "CompanyId", "AlertId", "Data"]
events = st.dictionaries(st.sampled_from(NAMES), json_values | st.sampled_from(["company.created", "\ud800", "\x00"]))
payloads = st.fixed_dictionaries({"referenceCompany": json_values | st.fixed_dictionaries({"id": json_values})})
bodies = events | st.builds(lambda event, payload: event | {"payload": payload, "eventType": "x"}, events, payloads)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies | json_values)
def test_whatever_json_is_sent_the_answer_is_never_an_error_of_ours(
    site: Site, body: dict[str, Any] | list[Any] | None
) -> None:
    raw = json.dumps(body).encode()
    answer = site.api.post("/webhooks", content=raw, headers=signed(raw))
    assert answer.status_code == (202 if isinstance(body, dict) else 400)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200))
def test_whatever_bytes_are_sent_by_whoever_knows_the_header_the_answer_is_never_an_error_of_ours(
    site: Site, raw: bytes
) -> None:
    answer = site.api.post("/webhooks", content=raw, headers={"Authorization": AUTHORIZATION})
    assert answer.status_code in (202, 400)
