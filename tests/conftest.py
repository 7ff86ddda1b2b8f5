"""Fixtures that all tests share.

`emulator` is a running copy of the API, empty and on the real time at the start of each test, one server
for each pytest process (safe under xdist). It is an `Emulator`:

    emulator.url, emulator.api_key           where it listens, and the key it wants
    emulator.api                             an `httpx.Client` with base URL and key: .get("/companies")
    emulator.control("POST", "/clock", {...})    any control below /_emulator, answer as JSON (None if empty)
    emulator.seed(3, "configured")           fleet at once → [{"name", "companyId", "commerceConnectionId",
                                             "accountingConnectionId"}]; platform="qhyg", prefix="x-"
    emulator.merchant("acme")                one company by the API with a pending connection, same keys
    emulator.authorize(merchant)             its merchant consents (pulls then take emulated seconds)
    emulator.advance("PT1M")                 the emulated clock moves, all that is due is done
    emulator.counts()                        {"GET /meta/companies": 3, ...} since the test began
    emulator.configuration(merchant)         its configuration document
    emulator.fault("POST /meta/companies/sync", "lose-answer", times=1)
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import settings as hypothesis_settings

from controller.emulator.http.app import build_application
from controller.emulator.http.server import running_emulator
from controller.emulator.service.world import EmulatorSettings, World
from controller.environment import Environment
from tests import in_process
from tests.environments import HURRIED_ENVIRONMENT
from tests.in_process import TEST_ACCOUNT
from tests.postgresql import postgresql as postgresql
from tests.postgresql import server_of_the_run

Merchant = dict[str, str]

MEMORY = "/dev/shm"
"""Where Linux has files in memory: states are synced at every commit, of which there are tens of thousands."""
ROOM_FOR_A_RUN = 2 * 1024**3
"""Bytes; a container often has less there, and then the files of tests are where they are elsewhere."""

hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")  # no test depends on how fast it is, or on what else it does


class Emulator:
    """A running emulator and the hand that plays merchant, platform, network and time.

    environment  over HTTP and with short waits, or the one whose network reaches an emulator that has no socket
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        environment: Environment = HURRIED_ENVIRONMENT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self.api_key, self.environment = url, api_key, environment
        credential = b64encode(api_key.encode()).decode()
        headers = {"Authorization": f"Basic {credential}"}
        self.api = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30, transport=transport)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.api.request(method, f"/_emulator{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def seed(
        self, companies: int, state: str = "pending", platform: str = "gbol", prefix: str = "m-"
    ) -> list[Merchant]:
        order = {"companies": companies, "state": state, "platform": platform, "prefix": prefix}
        merchants: list[Merchant] = self.control("POST", "/seed", order)["merchants"]
        return merchants

    def merchant(self, name: str, platform: str = "gbol") -> Merchant:
        company = self.api.post("/meta/companies/sync", json={"name": name}).json()
        connection = self.api.post(f"/meta/companies/{company['id']}/connections", json=platform).json()
        return {
            "name": company["name"],
            "companyId": company["id"],
            "commerceConnectionId": company["dataConnections"][0]["id"],
            "accountingConnectionId": connection["id"],
        }

    def authorize(self, merchant: Merchant, body: Any = None) -> Any:
        return self.control("POST", f"{_connection(merchant)}/authorize", body)

    def deauthorize(self, merchant: Merchant) -> Any:
        return self.control("POST", f"{_connection(merchant)}/deauthorize")

    def advance(self, duration: str) -> Any:
        return self.control("POST", "/clock", {"advance": duration})

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.control("GET", "/requests")["counts"]
        return counts

    def configuration(self, merchant: Merchant) -> dict[str, Any]:
        answer = self.api.get(f"/config/companies/{merchant['companyId']}/sync/commerce")
        document: dict[str, Any] = answer.json()
        return document

    def save(self, merchant: Merchant, document: dict[str, Any]) -> httpx.Response:
        return self.api.post(f"/config/companies/{merchant['companyId']}/sync/commerce", json=document)

    def fault(self, match: str, do: str, times: int = 1, **more: Any) -> None:
        self.control("POST", "/faults", {"match": match, "do": do, "times": times, **more})


def _connection(merchant: Merchant) -> str:
    return f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"


@pytest.fixture(scope="session")
def emulator_server() -> Iterator[Emulator]:
    """The server behind `emulator`, for the whole session of one pytest process."""
    settings = EmulatorSettings(api_key="key-of-the-tests", account=TEST_ACCOUNT)
    with running_emulator(settings) as url:
        yield Emulator(url, settings.api_key)


@pytest.fixture
def emulator(emulator_server: Emulator) -> Emulator:
    """An empty emulator on the real time."""
    emulator_server.control("POST", "/reset")
    return emulator_server


@pytest.fixture
def emulator_in_process() -> Emulator:
    """An empty emulator without a socket, reached by its `environment`, and by `place.environment`.

    For tests in which neither sockets nor other processes are the subject. Its waits are nobody's: no latency, no
    `delay` fault while somebody talks to it by `api` or `control`.
    """
    return in_process_emulator()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a command sets up for its own process ends with the test: `-vv`, and handlers to a stderr that is closed."""
    root, packages = logging.getLogger(), [logging.getLogger(name) for name in ("controller", "state")]
    handlers, levels = list(root.handlers), [(logger, logger.level) for logger in (root, *packages)]
    yield
    root.handlers[:] = [each for each in root.handlers if each in handlers]
    for logger, level in levels:
        logger.setLevel(level)


def in_process_emulator() -> Emulator:
    """A new emulator without a socket."""
    settings = EmulatorSettings(api_key="key-of-the-tests", base_url="http://127.0.0.1", account=TEST_ACCOUNT)
    application = build_application(World(settings))
    environment = replace(HURRIED_ENVIRONMENT, network=in_process.network_to(application))
    return Emulator(settings.base_url, settings.api_key, environment, in_process.SyncAsgiTransport(application))


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a worker of xdist is part of the run of the process that started it
        return
    if "TMPDIR" not in os.environ and _free_bytes(MEMORY) > ROOM_FOR_A_RUN:
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY
    around = ExitStack()
    around.enter_context(server_of_the_run())
    config.add_cleanup(around.close)


def pytest_collection_finish() -> None:
    """What is there now stays to the end: the collector need not go through all modules and tests at every turn."""
    gc.collect()
    gc.freeze()


def _free_bytes(folder: str) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How much the proof of tests/crash went through, since the number is the proof's worth."""
    told = [each for report in terminalreporter.stats.get("passed", ()) for each in report.user_properties]
    for what in dict.fromkeys(name for name, _ in told):
        terminalreporter.write_line(f"{sum(number for name, number in told if name == what)} {what}")
