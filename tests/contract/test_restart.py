"""With a data file, what was under way when the process died goes on after the restart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Endpoint
from tests.contract.test_command import Process

ACCOUNT = {"nominalCode": "210", "name": "Online sales", "fullyQualifiedCategory": "Income.Sales"}


class Machine:
    """A data file, and the processes that serve it one after the other."""

    def __init__(self, file: str) -> None:
        self.file = file

    @contextmanager
    def life(self) -> Iterator[Process]:
        """One process, killed at the end."""
        with Process("--data", self.file) as server:
            yield server
            server.end(signal.SIGKILL)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(str(tmp_path / "world.db"))


def seed(server: Process, state: str) -> dict[str, Any]:
    (merchant,) = server.api.post("/_emulator/seed", json={"state": state}).json()["merchants"]
    return merchant


def advance(server: Process, duration: str) -> None:
    server.api.post("/_emulator/clock", json={"advance": duration})


def sell(server: Process, company: str) -> None:
    now = server.api.get("/_emulator/clock").json()["now"]
    common = {"id": "1", "createdDate": now, "currency": "GBP"}
    for member, record in (
        ("orders", {"totalAmount": 5}),
        ("payments", {"amount": 5, "type": "Card", "status": "Paid"}),
        ("transactions", {"type": "Payment", "totalAmount": 5}),
    ):
        path = f"/data/companies/{company}/sync/commerce-{member}"
        assert server.api.post(path, json={member: [{**common, **record}]}).status_code == 200


def codes(server: Process, company: str) -> list[int]:
    rows = server.api.get(f"/companies/{company}/sync/commerce/syncs/list/status").json()
    return [each["syncStatusCode"] for each in rows]


def test_a_pending_push_is_done(machine: Machine) -> None:
    with machine.life() as server:
        merchant = seed(server, "linked")
        connection = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
        key = server.api.post(f"{connection}/push/accounts", json=ACCOUNT).json()["pushOperationKey"]
    with machine.life() as server:
        advance(server, "PT10S")
        push = server.api.get(f"/companies/{merchant['companyId']}/push/{key}").json()
        assert push["status"] == "Success"


def test_a_running_sync_ends_and_the_schedule_goes_on(machine: Machine) -> None:
    with machine.life() as server:
        company = seed(server, "configured")["companyId"]
        sell(server, company)
        server.api.post(f"/companies/{company}/sync/commerce/latest")
        assert codes(server, company) == [1000]
    with machine.life() as server:
        advance(server, "PT1S")
        assert codes(server, company) == [2000]
        advance(server, "P1D")
        assert len(codes(server, company)) == 2
        entries = server.api.get(f"/_emulator/companies/{company}/entries").json()["results"]
        assert {each["kind"] for each in entries} == {"invoice", "payment"}


def test_an_undelivered_event_is_delivered(machine: Machine, endpoint: Endpoint) -> None:
    endpoint.answers = [(503, {})]
    with machine.life() as server:
        body = {"url": endpoint.url, "eventTypes": ["company.created"]}
        server.api.post("/webhooks", json=body)
        server.api.post("/meta/companies/sync", json={"name": "acme"})
        endpoint.wait_for(1)
    with machine.life() as server:
        advance(server, "PT1M")
        first, second = endpoint.wait_for(2)
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.raw == second.raw


def test_what_the_client_set_up_is_still_there(machine: Machine) -> None:
    with machine.life() as server:
        company = seed(server, "linked")["companyId"]
        rule = {"type": "Sync Connection Deleted", "notifiers": {"emails": []}}
        calls = [
            ("POST", "/rules", rule),
            ("PUT", "/profile", {"name": "Tills", "redirectUrl": "https://tills.example"}),
            ("PATCH", "/sync/commerce/config/ui/text", {"configure-content-sales-title": "Takings"}),
            ("POST", "/sync/commerce/config/ui/accounts/platform/lqai", {"visibleAccounts": []}),
        ]
        for method, path, body in calls:
            assert server.api.request(method, path, json=body).status_code == 200
        entry = {"dataType": "taxRates", "fetchOnFirstLink": True, "syncSchedule": 24, "syncOrder": 0}
        server.api.post(f"/companies/{company}/syncSettings", json={"settings": [entry]})
        paths = ("/rules", "/profile", "/sync/commerce/config/ui/text", f"/companies/{company}/syncSettings")
        before = [server.api.get(path).json() for path in paths]
    with machine.life() as server:
        assert [server.api.get(path).json() for path in paths] == before
        advance(server, "P1DT1M")
        history = server.api.get(f"/companies/{company}/data/history").json()["results"]
        assert [each["dataType"] for each in history].count("taxRates") == 2
