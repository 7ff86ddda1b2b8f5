"""What was read of a merchant at the API, with «could not be read» told apart from «is not there»."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta

from controller.model.field_values import CONNECTION_STATE_PATH, LocalTime, Option, RefKind, Value, ref_kind
from controller.model.name_matching import company_name_key
from controller.model.syncs_and_uploads import is_sync_failure
from controller.quick_dataclasses import dataclass

LINKED, PENDING_AUTH, UNLINKED, DEAUTHORIZED = "Linked", "PendingAuth", "Unlinked", "Deauthorized"

MAX_SYNC_READING_AGE = timedelta(hours=26)
"""A daily sync, and two hours of delay at Codat: an older reading may be about the sync before the latest."""

REQUIRED_DATA_TYPES = ("chartOfAccounts", "taxRates", "bankAccounts", "suppliers", "customers", "company")
"""What Codat has to pull before a mapping can be made (API notes 5.8)."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One link of a company to a platform (API notes 3.2). `status` may be one that this version does not know."""

    id: str
    platform: str
    source_type: str
    status: str
    link_url: str = ""
    last_pulled_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """A company with its connections (API notes 3.1). Deleted connections are never in it.

    unreadable_parts  what of it is in a form that we do not know, with its JSON path: a connection may be missing then
    """

    id: str
    name: str
    connections: tuple[Connection, ...] = ()
    unreadable_parts: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All companies, each once.

    complete           False when a page failed or the pages contradicted each other; `incomplete_reason` says why
    began_at           when its first page was asked for, by our clock: companies created later may be missing
    """

    companies: tuple[Company, ...]
    complete: bool
    began_at: datetime
    incomplete_reason: str = ""


CompaniesByName = Mapping[str, tuple[Company, ...]]
"""Companies by `company_name_key`: see `companies_named`."""


def group_companies_by_name(companies: Iterable[Company]) -> CompaniesByName:
    groups: dict[str, tuple[Company, ...]] = defaultdict(tuple)
    for company in companies:
        groups[company_name_key(company.name)] += (company,)
    return dict(groups)


def companies_named(name: str, companies: CompaniesByName) -> tuple[Company, ...]:
    """The companies of exactly this name; where there is none, those of the name as Codat may have trimmed it."""
    same_key = companies.get(company_name_key(name), ())
    return tuple(company for company in same_key if company.name == name) or same_key


@dataclass(frozen=True, slots=True)
class Absent:
    """Everything was read, and it is not there."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Not read: either it was not needed, or it failed (`failed`), and then nothing may be concluded."""

    reason: str
    failed: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration document in our spelling (API notes 4), made by `codat.from_wire`.

    books              the name of the linked books
    values             every field that live offers, by field path in live's own spelling of account keys
    options            by reference path, its own options; an empty tuple when live offers none
    allowed_words      of frequency, invoice status, grouping period and group-by fields
    required_paths     accounts that need a selection
    document           the JSON as it came: the only thing that a write starts from
    local_time         the sync hour in live's own time zone, where live has one (API notes 7 #8)
    unreadable_fields  by field path, what of its row or options is in a form that we do not know, with its JSON path
    """

    enabled: bool
    configured: bool
    books: str | None
    values: Mapping[str, Value]
    options: Mapping[str, tuple[Option, ...]]
    allowed_words: Mapping[str, tuple[str, ...]]
    required_paths: frozenset[str]
    document: bytes
    local_time: LocalTime | None = None
    unreadable_fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def offers_options(self) -> bool:
        return any(self.options.values())

    @property
    def shows_all_data_types(self) -> bool:
        """Whether something of each of REQUIRED_DATA_TYPES is in it, which only a pull brings there (API notes 5.8)."""
        offered = {kind for path, options in self.options.items() if options and (kind := ref_kind(path))}
        # Accounts are of two data types: of the chart, and of the bank accounts.
        classes = {(option.kind or "").lower() for options in self.options.values() for option in options}
        return bool(self.books) and offered == {*RefKind} and classes >= {"bank", "nominal"}


@dataclass(frozen=True, slots=True)
class BooksRecord:
    """A row of `/data/{type}`: tells archived from deleted (API notes 3.10)."""

    id: str
    name: str | None
    code: str | None
    status: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class DataTypeStatus:
    """The state of a data type's pulls (API notes 3.8). `status` is None when it was never requested."""

    data_type: str
    status: str | None
    last_pulled_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountPush:
    """An account that was sent to the books (API notes 3.11 #33, #35), as Codat tells of it.

    status       Pending, Success, Failed, TimedOut (API notes 5.6)
    account_ids  of the accounts that were created
    message      why it failed
    """

    key: str
    status: str
    requested_at: datetime | None
    connection_id: str = ""
    account_ids: tuple[str, ...] = ()
    message: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether it may still be done; so does a word that this version does not know."""
        return self.status not in ("Success", "Failed", "TimedOut", "Unknown")


@dataclass(frozen=True, slots=True)
class BooksForNewAccounts:
    """What has to be known of the books before an account is created in them.

    types       that the connection says can be created; empty where it does not say
    same        by field path, accounts that have the code or the name of the one that is to be created
    unfinished  why an earlier one may be there before it is seen; empty where nothing is under way
    """

    types: tuple[str, ...]
    same: Mapping[str, tuple[BooksRecord, ...]]
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class SimilarName:
    """What has a name that readers take for the desired one: a company, or a manifest whose company is still to come.

    merchant  whose company or manifest it is; None = nobody's
    """

    name: str
    company_id: str | None = None
    merchant: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """One merchant, as it was read.

    company               the bound company, or the one unbound company of that name
    same_name_companies   other companies of the desired name that belong to no other merchant
    name_owner            the merchant whose company has the desired name, and keeps it, where ours is not there
    configuration         Unread(failed=False) when not both connections are Linked: it would not be compared
    records               what the books have of each selected id that its own options lack, by (kind, id)
    data_status           by data type; None when it was not needed
    last_successful_sync  its end; read only when a merchant that was configured is not any more
    listing_is_complete   every company was listed, so that no other one of the name was missed
    similar_names         what readers would take for the desired company, where ours is not there
    books_for_new_accounts  read only where an account may have to be created
    """

    company: Company | Absent | Unread
    same_name_companies: tuple[Company, ...] = ()
    name_owner: str | None = None
    configuration: Configuration | Unread = Unread("not needed", failed=False)
    records: Mapping[tuple[str, str], BooksRecord | Absent | Unread] = field(default_factory=dict)
    data_status: Mapping[str, DataTypeStatus] | Unread | None = None
    last_successful_sync: datetime | None = None
    listing_is_complete: bool = False
    similar_names: tuple[SimilarName, ...] = ()
    books_for_new_accounts: BooksForNewAccounts | Unread | None = None


@dataclass(frozen=True, slots=True)
class LastSync:
    """The latest sync of a merchant, as of when it was read last (API notes 3.12, 5.5).

    code           None = there was no sync yet
    ran_at         when it ran, as far as Codat says
    first_read_at  when it, or that there was none, was read first
    detail         what only the raw message says
    failing_since  when the first of the failed ones in a row ran, as far as they were read
    last_success_at  when the last that was read as a success ran
    """

    code: int | None
    message: str
    ran_at: datetime | None
    first_read_at: datetime
    read_at: datetime
    detail: str = ""
    failing_since: datetime | None = None
    last_success_at: datetime | None = None

    @property
    def failed(self) -> bool:
        return is_sync_failure(self.code)

    def was_read_recently(self, now: datetime) -> bool:
        """Whether it was read so recently that it is about the latest sync of a daily schedule."""
        return now - self.read_at <= MAX_SYNC_READING_AGE

    @property
    def days_without_sync(self) -> int:
        """Whole days that had passed, when it was read, since the last sync."""
        return (self.read_at - (self.ran_at or self.first_read_at)).days


@dataclass(frozen=True, slots=True)
class RecordedState:
    """What the state has of a merchant: the third side of the comparison.

    last_applied        the values that we set last, by field path
    last_configured_at  when we last saw it configured; None = never
    deletion_policy     as of the last apply
    removed_at          its removal was carried out then: a tombstone
    last_sync           as `run` read it; None where it was never read
    retained_since      its manifest is gone since, and its policy retains everything
    """

    company_id: str | None = None
    connection_id: str | None = None
    last_applied: Mapping[str, Value] = field(default_factory=dict)
    last_configured_at: datetime | None = None
    deletion_policy: str = "Retain"
    removed_at: datetime | None = None
    last_sync: LastSync | None = None
    retained_since: datetime | None = None

    @property
    def unlinked_by_us(self) -> bool:
        """Whether we unlinked it: the manifest said so, or went with a policy that does."""
        was_declared = self.last_applied.get(CONNECTION_STATE_PATH) == UNLINKED
        return was_declared or (self.removed_at is not None and self.deletion_policy in ("Unlink", "Delete"))
