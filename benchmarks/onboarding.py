"""What a first mapping asks of the API, once a merchant has consented: of a whole fleet by `apply`, and of one merchant
after another by `run`, to which a webhook tells of each. Beside it, how long 5,000 take at the default pace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.event_latency import next_line, running_controller, subscribe
from benchmarks.stage import Figure, ask, bound_fleet, serve_emulator_process
from controller.model.report import FleetReport
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest

FLEET, ONE_BY_ONE = 5_000, 60
DEFAULT_PACE = 950
LISTING = "GET /meta/companies"
_MANIFEST = """apiVersion: merchantctl/v1
kind: Merchant
metadata: {{name: {name}}}
spec:
  connection: {{platform: xero}}
  enabled: true
  schedule: {{frequency: Daily, startDate: "2030-01-01", syncHourUtc: 0}}
  mapping:
    sales:
      sync: true
      invoiceStatus: Submitted
      customer: {{name: POS daily takings}}
      accounts: {{sales: {{code: "200"}}, refund: {{code: "205"}}}}
      taxRates: {{"0": {{name: Zero rated income}}, "5": {{name: 5% (VAT on income)}}, "20": {{id: OUTPUT2}}}}
      grouping: {{period: Daily, invoice: [], invoiceLine: []}}
    payments: {{sync: false}}
    fees: {{sync: false}}
"""


def measure(fleet: int = FLEET, one_by_one: int = ONE_BY_ONE) -> Iterator[Figure]:
    with serve_emulator_process() as (url, _), TemporaryDirectory() as folder:
        yield from _figures(f"apply over {fleet:,}", _apply_to_all(url, Path(folder), fleet), fleet, fleet)
    with serve_emulator_process() as (url, _), TemporaryDirectory() as folder:
        told = _told_of_each(url, Path(folder), fleet, one_by_one)
        yield from _figures(f"run, told of one after another of {fleet:,}", told, one_by_one, fleet)


def _figures(what: str, requests: Counter[str], merchants: int, fleet: int) -> Iterator[Figure]:
    """Requests of each kind a merchant, of so many merchants, and how long a whole fleet takes."""
    each = requests.total() / merchants
    yield Figure(f"{what}, requests a merchant", each, "", "<= 4.01")
    for call, times in sorted(requests.items()):
        yield Figure(f"  {call}", times / merchants, "")
    yield Figure(f"  {fleet:,} merchants at {DEFAULT_PACE} a minute", each * fleet / DEFAULT_PACE, "min", "<= 22")


def _apply_to_all(url: str, folder: Path, merchants: int) -> Counter[str]:
    """Everybody has consented before one `apply` looks."""
    settings = bound_fleet(url, folder, merchants, "linked", _MANIFEST)
    before = _requests(url)
    report = asyncio.run(plan_and_apply(settings, RunRequest(Scope(), RunPolicy(), lambda plan: True)))
    assert isinstance(report, FleetReport)
    assert all(outcome.word == "done" for outcome in report.outcomes.values())
    return _requests(url) - before


def _told_of_each(url: str, folder: Path, merchants: int, told: int) -> Counter[str]:
    """A webhook tells `run` that the books of one merchant were read, then of the next; nothing else is counted."""
    settings = bound_fleet(url, folder, merchants, "pending", _MANIFEST)
    with running_controller(settings) as lines:
        subscribe(lines, url, ["read.completed.initial"])
        next_line(lines, "pass_finished")
        before = _requests(url)
        for company in ask(url, "GET", f"/meta/companies?page=1&pageSize={told}")["results"]:
            _consent(url, company)
            next_line(lines, "pass_finished")
        counted = _requests(url) - before
    # Listings are this benchmark's own, and those that `run` asks for once a minute whoever consents.
    return Counter({call: times for call, times in counted.items() if call != LISTING})


def _consent(url: str, company: dict[str, Any]) -> None:
    (books,) = [each["id"] for each in company["dataConnections"] if each["sourceType"] == "Accounting"]
    ask(url, "POST", f"/_emulator/companies/{company['id']}/connections/{books}/authorize")
    ask(url, "POST", "/_emulator/clock", {"advance": "PT12S"})


def _requests(url: str) -> Counter[str]:
    counts = ask(url, "GET", "/_emulator/requests")["counts"]
    return Counter({call: times for call, times in counts.items() if "_emulator" not in call})
