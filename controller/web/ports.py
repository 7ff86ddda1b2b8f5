"""What the web may see and do: handed in by `app`, which knows the loop behind it.

POST /webhooks      remembers a delivery durably, then `enqueue`s the merchant's name
GET /               the dashboard, from `latest`            GET /healthz  the process answers
GET /merchants/{n}  one merchant, from `latest` and store   GET /readyz   `ready`
                                                            GET /metrics  `meters`, and `latest` as gauges

What the loop owes the inbox: at its start `await store.merchants_told_of()` names whom a delivery of an earlier
process was about (enqueue them); after each pass `await store.close_deliveries(names or None, received_until=its
start, at=now)`, where None stands for everyone.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.errors import UsageError
from controller.model.latest import Latest
from controller.reporting.metrics import Meters
from state import Store


@dataclass(frozen=True, slots=True)
class Secrets:
    """What proves that a delivery is the service's; several of a kind while one replaces another.

    signing        keys that sign newer deliveries (REFERENCE 6.5), without `whsec_` and decoded
    authorization  whole values of the legacy generation's `Authorization` header (REFERENCE 6.3)
    """

    signing: tuple[bytes, ...] = field(default=(), repr=False)
    authorization: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.signing or self.authorization)


@dataclass(frozen=True, slots=True)
class Window:
    """The web's view of the controller, from a thread of its own.

    latest   what is known now; asked anew for each page
    store    opened in the web's own loop
    enqueue  these merchants are to be looked at, as soon as may be
    ready    None, or why this process should not be sent anything yet
    """

    latest: Callable[[], Latest]
    store: Store
    enqueue: Callable[[Iterable[str]], None]
    ready: Callable[[], str | None]
    meters: Meters
    now: Callable[[], datetime]
    secrets: Secrets = Secrets()


def secrets_of(signing: str | None, authorization: str | None) -> Secrets:
    """Secrets as they are set: signing ones separated by spaces or commas, header values one a line.

    Raises UsageError, which shows none of them.
    """
    keys = tuple(_key(word) for word in (signing or "").replace(",", " ").split())
    values = tuple(line.strip().encode() for line in (authorization or "").splitlines() if line.strip())
    return Secrets(keys, values)


def _key(word: str) -> bytes:
    text = word.removeprefix("whsec_")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)  # some leave the padding out
    except ValueError:
        key = b""
    if not key:
        raise UsageError("a webhook secret is not `whsec_` and Base64; copy it anew from the service's portal")
    return key
