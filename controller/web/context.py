"""What the web application may read and do; `daemon.bootstrap` provides it.

POST /webhooks      saves a delivery durably, then `enqueue`s the merchants that it is about
POST /webhooks/git  calls `request_fetch`: somebody pushed to their repository
GET /               the dashboard, from `latest`            GET /healthz  the process answers
GET /merchants/{n}  one merchant, from `latest` and store   GET /readyz   `not_ready_reason`
                                                            GET /metrics  `metrics`, and `latest` as gauges

The daemon's part: at its start it enqueues `await store.inbox.load_waiting_merchants()`, whose deliveries came to an
earlier process; after each pass it calls `await store.inbox.close_deliveries(names or None, received_until=its start,
at=now)`, None for all merchants.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime

from controller.model.controller_status import ControllerStatus
from controller.model.errors import UsageError
from controller.quick_dataclasses import dataclass
from controller.telemetry.metrics import Metrics
from controller.web.outside_links import OutsideLinks
from controller.web.unsaved_deliveries import UnsavedDeliveries
from state import Store


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """The secrets that authenticate deliveries from Codat; several of a kind while one replaces another.

    signing        keys that sign newer deliveries (API notes 6.5), without `whsec_` and decoded
    authorization  whole values of the legacy generation's `Authorization` header (API notes 6.3)
    sources        by key the place of it that a manifest names (`env WEBHOOK_SECRET_1`); a key that is in two
                   places proves nothing of either
    """

    signing: tuple[bytes, ...] = field(default=(), repr=False)
    authorization: tuple[bytes, ...] = field(default=(), repr=False)
    sources: Mapping[bytes, str] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.signing or self.authorization)

    def with_declared_signing_secrets(self, secret_by_place: Mapping[str, str]) -> WebhookSecrets:
        """With the signing secrets that manifests name, by their places. One that is malformed is left out."""
        sources: dict[bytes, str] = {}
        for place, secret in secret_by_place.items():
            with suppress(UsageError):
                for key in parse_webhook_secrets(secret, None).signing:
                    sources[key] = "" if key in sources else place
        return replace(self, signing=(*self.signing, *sources), sources=sources)


@dataclass(frozen=True, slots=True)
class WebContext:
    """The controller as the web application sees it, from a thread of its own.

    latest            returns the current status; called for each page
    store             opened in the web's own event loop
    enqueue           asks for a pass over these merchants, as soon as possible
    not_ready_reason  returns why this process is not ready to serve; None: it is
    waiting           returns a sentence while it waits for the lock of another run; else None
    secrets           those of the settings
    read_declared     reads the signing secrets that manifests name, by their places
    enqueue_account   asks for a look at the account's own settings, in its turn
    git_secret        proves that a push was told by the repository's host; None: nobody is believed
    request_fetch     fetches the manifests' branch soon; None: they are in no repository
    now, service_now  the time by this machine's clock, and by Codat's as far as that is known
    links             to the portal and to the repository
    unsaved           deliveries that the state did not take yet
    body_timeout_s    so long the whole body of a delivery may take to come
    state_wait_s      so long the state is waited for before the sender of a delivery is asked to repeat it; Codat waits
                      15 s for an answer (API notes 6.5)
    """

    latest: Callable[[], ControllerStatus]
    store: Store
    enqueue: Callable[[Iterable[str]], None]
    not_ready_reason: Callable[[], str | None]
    metrics: Metrics
    now: Callable[[], datetime]
    service_now: Callable[[], datetime]
    secrets: WebhookSecrets = WebhookSecrets()
    read_declared: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    enqueue_account: Callable[[], None] = lambda: None
    waiting: Callable[[], str | None] = lambda: None
    git_secret: bytes | None = field(default=None, repr=False)
    request_fetch: Callable[[], None] | None = None
    links: OutsideLinks = OutsideLinks()
    unsaved: UnsavedDeliveries = field(default_factory=UnsavedDeliveries)
    body_timeout_s: float = 10.0
    state_wait_s: float = 3.0


async def load_webhook_secrets(context: WebContext) -> WebhookSecrets:
    """Those of the settings, and those that manifests name, as they are now."""
    if context.read_declared is None:
        return context.secrets
    return context.secrets.with_declared_signing_secrets(await context.read_declared())


def parse_webhook_secrets(signing: str | None, authorization: str | None) -> WebhookSecrets:
    """Parse the settings: signing secrets separated by spaces or commas, `Authorization` values one a line.

    Raises UsageError, whose message holds no secret.
    """
    keys = tuple(_decode_key(word) for word in (signing or "").replace(",", " ").split())
    header_values = tuple(line.strip().encode() for line in (authorization or "").splitlines() if line.strip())
    return WebhookSecrets(keys, header_values)


def _decode_key(word: str) -> bytes:
    text = word.removeprefix("whsec_")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)  # some leave the padding out
    except ValueError:
        key = b""
    if not key:
        raise UsageError("a webhook secret is not `whsec_` and Base64; copy it anew from Codat's portal")
    return key
