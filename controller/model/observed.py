"""What was seen of a merchant at the API, with «could not be read» told apart from «is not there»."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.values import CONNECTION_STATE, Clock, Option, Value

LINKED, PENDING, UNLINKED, DEAUTHORIZED = "Linked", "PendingAuth", "Unlinked", "Deauthorized"

DATA_TYPES = ("chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company")
"""What has to be pulled before a mapping can be made (REFERENCE 5.8)."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One link of a company to a platform (REFERENCE 3.2). `status` may be a word this version does not know."""

    id: str
    platform: str
    source_type: str
    status: str
    link_url: str = ""
    last_sync: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """A company with its connections (REFERENCE 3.1). Deleted connections never appear."""

    id: str
    name: str
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The inventory, de-duplicated by id. `complete` is False when a page failed or the totals moved; `why` says so."""

    companies: tuple[Company, ...]
    complete: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """Looked, completely: it is not there."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Not read: either it was not needed, or it failed (`failed`), and then nothing may be concluded."""

    reason: str
    failed: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration document in our spelling (REFERENCE 4), made by `codat.convert`.

    values    every field that live offers, by field path in live's own spelling of account keys
    options   per reference path its own options; an empty tuple when live offers none
    choices   the allowed words of frequency, invoice status, grouping period and group-by fields
    required  account paths that need a selection
    document  the JSON as it came: the one thing a write starts from
    clock     the sync hour as live says it, where live keeps a time zone of its own (REFERENCE 7 row 8)
    """

    enabled: bool
    configured: bool
    books: str | None
    values: Mapping[str, Value]
    options: Mapping[str, tuple[Option, ...]]
    choices: Mapping[str, tuple[str, ...]]
    required: frozenset[str]
    document: bytes
    clock: Clock | None = None

    @property
    def offers_options(self) -> bool:
        return any(self.options.values())


@dataclass(frozen=True, slots=True)
class Record:
    """A row of `/data/{type}`: tells archived from deleted (REFERENCE 3.10)."""

    id: str
    name: str | None
    code: str | None
    status: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Pull:
    """How a data type stands (REFERENCE 3.8). `status` is None when it was never requested."""

    data_type: str
    status: str | None
    last_success: datetime | None


@dataclass(frozen=True, slots=True)
class Observed:
    """One merchant, as looked at.

    company        the bound or the one unbound company of that name
    namesakes      other companies that bear the wanted name and belong to no other merchant
    holder         the merchant whose company bears the wanted name, and keeps it, where ours is not there
    configuration  Unread(failed=False) when not both connections are Linked: it would not be compared
    records        what `/data` says of each selected id that its own options lack: Absent when not there
    pulls          data status by type; None when it was not needed
    last_success   end of the last successful sync; asked only when a once configured merchant is not any more
    """

    company: Company | Absent | Unread
    namesakes: tuple[Company, ...] = ()
    holder: str | None = None
    configuration: Configuration | Unread = Unread("not needed", failed=False)
    records: Mapping[tuple[str, str], Record | Absent | Unread] = field(default_factory=dict)
    pulls: Mapping[str, Pull] | Unread | None = None
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastSync:
    """How a merchant's latest sync stood when it was last read (REFERENCE 3.12, 5.5).

    code     None = there was no sync yet
    ran_at   when it ran, as far as the service says
    since    when it, or that there was none, was read first
    """

    code: int | None
    message: str
    ran_at: datetime | None
    since: datetime
    read_at: datetime

    @property
    def days_without(self) -> int:
        """Whole days, when it was read, without another sync."""
        return (self.read_at - (self.ran_at or self.since)).days


@dataclass(frozen=True, slots=True)
class Memory:
    """What we remember of a merchant: the third leg of the comparison.

    applied        the values we set last, by field path
    configured_at  when we last saw it configured; None = never
    deletion       the deletion policy as of the last apply
    retired_at     its removal was carried out then: a tombstone
    sync           its latest sync, as `run` read it; None where that was never read
    """

    company_id: str | None = None
    connection_id: str | None = None
    applied: Mapping[str, Value] = field(default_factory=dict)
    configured_at: datetime | None = None
    deletion: str = "Retain"
    retired_at: datetime | None = None
    sync: LastSync | None = None

    @property
    def unlinked(self) -> bool:
        """We unlinked it ourselves: the manifest said so, or went with such a policy."""
        said = self.applied.get(CONNECTION_STATE) == UNLINKED
        return said or (self.retired_at is not None and self.deletion in ("Unlink", "Delete"))
