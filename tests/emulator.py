"""A running copy of the API, and what a test does with it:

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

from base64 import b64encode
from dataclasses import dataclass, replace
from typing import Any

import httpx

from controller.emulator.http.app import Application, build_application
from controller.emulator.service.world import EmulatorSettings, World
from controller.environment import Environment
from tests import in_process
from tests.environments import HURRIED_ENVIRONMENT
from tests.in_process import TEST_ACCOUNT

Merchant = dict[str, str]
"""name, companyId, commerceConnectionId, accountingConnectionId"""


@dataclass(frozen=True)
class KeptPlace:
    """What belongs to a world: the file of the state, and the manifests by the name of their file."""

    state: bytes
    manifests: dict[str, bytes]


class Emulator:
    """A running emulator and the hand that plays merchant, platform, network and time.

    environment  over HTTP and with short waits, or the one whose network reaches an emulator that has no socket
    application  the emulator itself, where it is in this process and has no socket
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        environment: Environment = HURRIED_ENVIRONMENT,
        application: Application | None = None,
    ) -> None:
        self.url, self.api_key, self.environment = url, api_key, environment
        credential = b64encode(api_key.encode()).decode()
        headers = {"Authorization": f"Basic {credential}"}
        transport = in_process.SyncAsgiTransport(application) if application else None
        self.api = httpx.Client(
            base_url=url,
            headers=headers,
            trust_env=False,
            timeout=120,
            transport=transport,
            event_hooks={"request": [self._note_request]},
        )
        self._application, self._transport = application, transport
        self.is_untouched = False
        """Since its reset nobody has asked or told it anything by `api` or `control`."""
        self.kept_places: dict[str, KeptPlace] = {}
        """What `Place.begin_with` keeps by a name by which this emulator has a snapshot, too."""

    @property
    def has_socket(self) -> bool:
        return self._application is None

    def reset(self) -> None:
        """Empty, and on the real time."""
        self.control("POST", "/reset")
        self.is_untouched = True

    def _note_request(self, request: httpx.Request) -> None:
        self.is_untouched = False

    def control(self, method: str, path: str, body: Any = None) -> Any:
        if self._transport:  # a client would take as long as the emulator
            self.is_untouched = False
            request = httpx.Request(method, f"{self.url}/_emulator{path}", json=body)
            answer = self._transport.handle_request(request)
        else:
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
        if self._application:  # each look at what was sent asks twice
            self.is_untouched = False
            return dict(self._application.gateway.request_log.counts)
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


def in_process_emulator() -> Emulator:
    """A new emulator without a socket."""
    settings = EmulatorSettings(api_key="key-of-the-tests", base_url="http://127.0.0.1", account=TEST_ACCOUNT)
    application = build_application(World(settings))
    environment = replace(HURRIED_ENVIRONMENT, network=in_process.network_to(application))
    return Emulator(settings.base_url, settings.api_key, environment, application)
