"""How soon `run` has mended a merchant that something happened to, while it looks at everyone at the default pace.

Each event is another name in the portal and a consent given anew, told by a webhook of the newer service; they come one
a second, however long those before them take, and the time runs from the webhook to the line in the log that the name
was put right. At last some consents are taken back and told by nobody: until the line that the merchant was looked at.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from benchmarks.stage import BENCHMARK_API_KEY, Figure, ask, fleet_in_sync, serve_emulator_process
from controller.settings import Settings

MERCHANTS = 10_000
EVENTS = 300
IDLE_MERCHANTS, IDLE_EVENTS = 200, 60
"""Of a controller that has nothing else to do."""
EVENT_INTERVAL_S = 1.0
"""Seconds from one event to the next."""
UNTOLD = 5
UNTOLD_INTERVAL_S = 7.0
"""Unlinks of which no webhook tells, and seconds between them: at different moments of the minute that is looked for
them in."""
SWEEP_BEGUN_AFTER_S = 20.0
"""Seconds after the start at which the sweep is well under way; it takes eleven minutes."""
WEBHOOK_SECRET = "whsec_" + b64encode(b"a secret of the benchmark, 32 by").decode()
DEFAULT_PACE = 950
_EVENT_TYPES = ["connection.reconnected"]


def measure() -> Iterator[Figure]:
    """Needs about nine minutes."""
    with serve_emulator_process() as (url, _), TemporaryDirectory() as folder:
        settings = fleet_in_sync(url, Path(folder), MERCHANTS)
        with running_controller(settings) as lines:
            yield from _measure_beside(lines, url)
    with serve_emulator_process() as (url, _), TemporaryDirectory() as folder:
        settings = fleet_in_sync(url, Path(folder), IDLE_MERCHANTS)
        with running_controller(settings) as lines:
            yield from _measure_idle(lines, url)


Log = Queue[dict[str, Any]]
"""The lines that a controller logs, as they come, each with when it came (`read_at`)."""


@contextmanager
def running_controller(settings: Settings, **variables: str) -> Iterator[Log]:
    """`merchantctl run` as a process, at the default pace. `variables`: of its environment."""
    environment = {
        **os.environ,
        "CODAT_API_KEY": BENCHMARK_API_KEY,
        "CODAT_BASE_URL": settings.base_url,
        "MERCHANTCTL_STATE": settings.state,
        "MERCHANTCTL_MANIFESTS": str(settings.manifests),
        "MERCHANTCTL_WEBHOOK_SECRET": WEBHOOK_SECRET,
        **variables,
    }
    command = [sys.executable, "-m", "controller", "run", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as controller:
        lines: Log = Queue()
        Thread(target=_read_log, args=(controller, lines), daemon=True).start()
        try:
            yield lines
        finally:
            controller.send_signal(signal.SIGTERM)


def subscribe(lines: Log, url: str, event_types: list[str]) -> str:
    """Has the emulator tell the controller of such events once that listens; the id of the subscription."""
    address = next_line(lines, "controller_started")["web"]
    made = ask(url, "POST", "/webhooks", {"url": f"{address}/webhooks", "eventTypes": event_types})
    ask(url, "PATCH", f"/_emulator/webhooks/{made['id']}", {"secret": WEBHOOK_SECRET})
    return str(made["id"])


def _measure_beside(lines: Log, url: str) -> Iterator[Figure]:
    webhook = subscribe(lines, url, _EVENT_TYPES)
    companies = ask(url, "GET", "/meta/companies?page=1&pageSize=1000")["results"]
    time.sleep(SWEEP_BEGUN_AFTER_S)
    requests, began = _count_requests(url), time.perf_counter()
    yield from _figures("while all are swept", _seconds_of_each(companies[::3][:EVENTS], url, lines), 2)
    a_minute = (_count_requests(url) - requests) / (time.perf_counter() - began) * 60
    yield Figure("  of the pace, both together", a_minute / DEFAULT_PACE, "", ">= 0.9")
    ask(url, "DELETE", f"/webhooks/{webhook}")
    waits = []
    for company in companies[-UNTOLD:]:
        waits.append(_seconds_until_looked_at(company, url, lines))
        time.sleep(UNTOLD_INTERVAL_S)
    yield Figure("unlink without a webhook to looked at, slowest", max(waits), "s", "<= 75")


def _measure_idle(lines: Log, url: str) -> Iterator[Figure]:
    subscribe(lines, url, _EVENT_TYPES)
    companies = ask(url, "GET", "/meta/companies?page=1&pageSize=1000")["results"]
    next_line(lines, "pass_finished")
    yield from _figures("idle", _seconds_of_each(companies[:IDLE_EVENTS], url, lines), 1)


def _figures(while_: str, waits: list[float], goal: int) -> Iterator[Figure]:
    ordered = sorted(waits)
    yield Figure(f"webhook to mended, {while_}, median of {len(waits)}", statistics.median(ordered), "s")
    yield Figure("  p95", ordered[int(0.95 * len(ordered))], "s", f"<= {goal}")
    yield Figure("  slowest", ordered[-1], "s")


def _seconds_of_each(companies: list[dict[str, Any]], url: str, lines: Log) -> list[float]:
    """One event a second, whether or not those before it were answered."""
    began: dict[str, float] = {}
    mended: dict[str, float] = {}
    first = time.perf_counter()
    for number, company in enumerate(companies):
        time.sleep(max(0.0, first + number * EVENT_INTERVAL_S - time.perf_counter()))
        _rename(company, url)
        began[company["name"]] = time.perf_counter()
        _consent_anew(company, url)
    while began.keys() - mended.keys():
        line = next_line(lines, "change_applied")
        mended.setdefault(line["merchant"], line["read_at"])
    return [mended[name] - began[name] for name in began]


def _rename(company: dict[str, Any], url: str) -> None:
    """Somebody does, in the portal; nothing tells of it."""
    ask(url, "PUT", f"/companies/{company['id']}", {"name": f"{company['name']} of somebody"})


def _consent_anew(company: dict[str, Any], url: str) -> None:
    """The merchant takes the consent back and gives it again, of which a webhook tells."""
    for verb in ("deauthorize", "authorize"):
        ask(url, "POST", f"/_emulator/companies/{company['id']}/connections/{_books(company)}/{verb}")


def _books(company: dict[str, Any]) -> str:
    (books,) = [each["id"] for each in company["dataConnections"] if each["sourceType"] == "Accounting"]
    return str(books)


def _count_requests(url: str) -> int:
    counts = ask(url, "GET", "/_emulator/requests")["counts"]
    return sum(times for call, times in counts.items() if "_emulator" not in call)


def _seconds_until_looked_at(company: dict[str, Any], url: str, lines: Log) -> float:
    began = time.perf_counter()
    ask(url, "POST", f"/_emulator/companies/{company['id']}/connections/{_books(company)}/deauthorize")
    while next_line(lines, "finding_opened")["merchant"] != company["name"]:
        pass
    return time.perf_counter() - began


def _read_log(controller: subprocess.Popen[str], lines: Log) -> None:
    assert controller.stderr is not None
    with suppress(ValueError):  # closed when the measurement is over
        for line in controller.stderr:
            lines.put(json.loads(line) | {"read_at": time.perf_counter()})


def next_line(lines: Queue[dict[str, Any]], event: str) -> dict[str, Any]:
    while (line := lines.get(timeout=120))["event"] != event:
        pass
    return line
