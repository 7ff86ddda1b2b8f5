"""Who is told of events at Codat: the legacy rules and the webhook consumers of the account (API notes 3.14, 3.15).

Neither has an update, and a rule cannot be deleted: what exists is compared, and what lacks is created. A consumer
gives way to a new one beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from controller.quick_dataclasses import dataclass
from controller.untrusted_text import mask_passwords

RULE_TYPES = (
    *("DataConnectionStatusChanged", "Sync Connection Deleted", "New company synchronised", "Data sync completed"),
    *("Dataset data changed", "Data Sync Status Changed To Error", "Push Operation Status Changed()"),
    *("Push Operation Timed Out", "Account Categories Updated", "Rate Limit Reached", "Rate Limit Reset"),
)
"""Types of legacy rules, to the letter (API notes 6.1). Codat may know others: they are accepted, too."""

EVENT_TYPES = (
    *("company.created", "company.deleted", "connection.created", "connection.connected", "connection.failed"),
    *("connection.disconnected", "connection.reconnected", "connection.deleted"),
    *("read.completed", "read.completed.initial", "client.rateLimit.reached", "client.rateLimit.reset"),
)
"""Types of the newer events (API notes 6.4) that this program or people here care for."""


class HookKind(StrEnum):
    """The values are what the state has."""

    RULE = "rule"
    CONSUMER = "consumer"

    @property
    def section(self) -> str:
        """Where manifests have them, below `spec`."""
        return f"{self.value}s"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is: in an environment variable (`env`) or a file (`file`) of that name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Hook:
    """One rule or consumer, as it is declared or as it is live; two that do the same are equal.

    In words, as reports and the state have it, its address is without what looks like a password.

    kind       a rule or a consumer
    events     of a rule its type, of a consumer its event types
    url        where deliveries go; empty for a rule that only writes mail
    emails     of a rule
    tags       of a consumer: only companies that have one of them
    """

    kind: HookKind
    events: frozenset[str]
    url: str
    emails: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def __str__(self) -> str:
        told = [mask_passwords(self.url)] if self.url else []
        return f"{', '.join(sorted(self.events))} to {', '.join([*told, *sorted(self.emails)])}" + (
            f" of {', '.join(sorted(self.tags))}" if self.tags else ""
        )


@dataclass(frozen=True, slots=True)
class DeclaredHook:
    """One that a manifest declares, by a name of its own. `secret`: where the signing secret is that Codat made."""

    name: str
    hook: Hook
    secret: SecretRef | None = None

    @property
    def path(self) -> str:
        """`consumers.main`"""
        return f"{self.hook.kind.section}.{self.name}"


@dataclass(frozen=True, slots=True)
class LiveHook:
    """One that is there. `company_id`: a rule of one company alone. `disabled`: it delivers nothing."""

    id: str
    hook: Hook
    disabled: bool = False
    company_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedHook:
    """What we remember of one that we created, found or began to create.

    row         its number in the state
    declared    as which it was created
    begun_at    when its create left; `known_ids`: who was there just before
    remote_id   None: the answer of the create was lost
    replaced    a newer one has taken its place
    """

    row: int
    declared: DeclaredHook
    begun_at: datetime
    known_ids: frozenset[str] = frozenset()
    remote_id: str | None = None
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class ProvenSource:
    """With which key a secret's place has proven deliveries: since when, and when last."""

    source: str
    key_id: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LiveHooks:
    """All that are there, by kind; of what could not be read, why."""

    hooks: Mapping[HookKind, tuple[LiveHook, ...]] = field(default_factory=dict)
    unread: Mapping[HookKind, str] = field(default_factory=dict)
