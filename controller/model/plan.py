"""What has to change for one merchant, and what was found: values that are stored, compared, printed, refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.model.values import Ref, Value


class Direction(StrEnum):
    """Who moved, by comparison with what we set last."""

    PENDING = "pending"
    DRIFT = "drift"
    CONFLICT = "conflict"


class ChangeKind(StrEnum):
    CREATE_COMPANY = "create-company"
    CREATE_CONNECTION = "create-connection"
    RENAME_COMPANY = "rename-company"
    SET_CONFIGURATION = "set-configuration"
    UNLINK_CONNECTION = "unlink-connection"
    DELETE_COMPANY = "delete-company"


class ChangeClass(StrEnum):
    """How dangerous a change is: the words of `--allow`, the worst first."""

    DELETE = "delete"
    RE_CREATE = "re-create"
    UNLINK = "unlink"
    DISABLE = "disable"
    REMAP = "remap"
    RESCHEDULE = "reschedule"
    CREATE = "create"
    CONFIGURE = "configure"
    ENABLE = "enable"
    RENAME = "rename"


class State(StrEnum):
    """What a merchant is, seen from its plan."""

    IN_SYNC = "in-sync"
    CHANGE = "change"
    WAITING = "waiting"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is to change. `why` is set where the manifest did not move but the wish did (an offset, say)."""

    field: str
    live: Value
    wanted: Value
    direction: Direction
    why: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One request to come. `classes` holds every class it touches, the worst first."""

    kind: ChangeKind
    classes: tuple[ChangeClass, ...]
    fields: tuple[FieldChange, ...] = ()


class Actor(StrEnum):
    """Who must act on a finding that we cannot mend."""

    NOBODY = "nobody"
    APPLY = "apply"
    MERCHANT = "merchant"
    SERVICE = "service"
    US = "us"


@dataclass(frozen=True, slots=True)
class Finding:
    """One drift or problem. `cause` says what happened, `remedy` is a command or who must act.

    actor  who must act: the merchant (consent), the service (a pull), us (mend the manifest or the account),
           apply (the plan has the change), or nobody (worth knowing)
    link   the address to send to the merchant, where that is the remedy
    since  when it was first seen; filled in from the ledger
    """

    code: str
    merchant: str
    cause: str
    remedy: str
    actor: Actor
    field: str | None = None
    live: Value = None
    wanted: Value | Ref = None
    direction: Direction | None = None
    link: str | None = None
    since: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.merchant, self.code, self.field or "")


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One step of a merchant's way, in the order in which a merchant meets them."""

    type: str
    status: Truth
    reason: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataAge:
    """How old the reference data is that a merchant was judged on.

    last_sync  when the service last read anything of the books (REFERENCE 3.2); None where it does not say
    types      by data type its last successful pull, where the data status was asked for; None = never
    """

    last_sync: datetime | None
    types: Mapping[str, datetime | None] = field(default_factory=dict)

    @property
    def oldest(self) -> datetime | None:
        """The age of the oldest part, as far as it is known."""
        pulled = [each for each in self.types.values() if each]
        return min(pulled) if pulled else self.last_sync


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one merchant.

    company_id   the company the changes are for; None when it is to be created
    adopts       the company is taken over by name and not bound yet
    retires      carrying this plan out takes the merchant down for good: leave a tombstone
    configured   live is configured
    declared     every declared field's wanted value, resolved: what «last applied» becomes once all is well
    seen         what stood live at the declared fields, where the configuration is to change
    fingerprint  sha256 of what was seen (company name, connections, live values of declared fields, resolved ids):
                 a saved plan holds for a merchant as long as this does
    data         the age of what it was judged on; None where nothing of the books was looked at
    """

    merchant: str
    state: State
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    conditions: tuple[Condition, ...] = ()
    company_id: str | None = None
    connection_id: str | None = None
    adopts: bool = False
    retires: bool = False
    configured: bool = False
    declared: dict[str, Value] = field(default_factory=dict)
    seen: dict[str, Value] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def unread(self) -> bool:
        """Something about this merchant could not be read."""
        return self.state is State.UNKNOWN or any(finding.code == "unknown" for finding in self.findings)

    data: DataAge | None = None
