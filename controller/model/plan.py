"""What has to change for one merchant, and what was found: values that are stored, compared, printed and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from controller.model.field_values import Ref, Value
from controller.model.holds import Hold
from controller.model.observed import LastSync
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED, SYNC_OVERDUE
from controller.quick_dataclasses import dataclass
from controller.untrusted_text import escape_control


class Direction(StrEnum):
    """Who changed a field, by comparison with what we set last."""

    PENDING = "pending"
    DRIFT = "drift"
    CONFLICT = "conflict"


class ChangeKind(StrEnum):
    CREATE_COMPANY = "create-company"
    CREATE_CONNECTION = "create-connection"
    CREATE_ACCOUNT = "create-account"
    RENAME_COMPANY = "rename-company"
    SET_CONFIGURATION = "set-configuration"
    UNLINK_CONNECTION = "unlink-connection"
    DELETE_CONNECTION = "delete-connection"
    DELETE_COMPANY = "delete-company"
    SET_FLOW_TEXT = "set-flow-text"
    SET_VISIBLE_ACCOUNTS = "set-visible-accounts"
    SET_PROFILE = "set-profile"
    SET_DATA_TYPES = "set-data-types"
    CREATE_RULE = "create-rule"
    CREATE_CONSUMER = "create-consumer"
    DELETE_CONSUMER = "delete-consumer"


class ChangeClass(StrEnum):
    """How dangerous a change is, the worst first; the values are the words of `--allow`."""

    DELETE = "delete"
    RE_CREATE = "re-create"
    CREATE_RECORD = "create-record"
    UNLINK = "unlink"
    DISABLE = "disable"
    REMAP = "remap"
    RESCHEDULE = "reschedule"
    CREATE = "create"
    CONFIGURE = "configure"
    ENABLE = "enable"
    RENAME = "rename"


class PlanStatus(StrEnum):
    """How a merchant stands, as of its plan; in the order of a summary. `STATUS_MEANINGS` says what each one means."""

    CHANGE = "change"
    WAITING = "waiting"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    DRIFTED = "drifted"
    IN_SYNC = "in-sync"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is to change.

    why  set where nobody changed the manifest and its value means another one now (a zone's offset, say)
    """

    field: str
    live: Value
    wanted: Value
    direction: Direction
    why: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One write to come. `classes` has every class of its fields, the worst first."""

    kind: ChangeKind
    classes: tuple[ChangeClass, ...]
    fields: tuple[FieldChange, ...] = ()


class Actor(StrEnum):
    """Who must act on a finding. The values are what JSON, the database and metrics have."""

    NOBODY = "nobody"
    APPLY = "apply"
    MERCHANT = "merchant"
    CODAT = "service"
    OPERATOR = "us"


class CheckedPart(StrEnum):
    """What a pass may have checked of one merchant; `model.finding_evidence` has which findings rest on which.

    COMPANY             the company itself: by its id, or by its row in the listing
    NAMES               what else has its name: a complete listing
    COMMERCE_CONNECTION, ACCOUNTING_CONNECTION   its connections
    REFERENCE_DATA      whether there is anything to choose from
    DATA_AGE            how old that is
    PULLS               how the pull of each data type went
    BOOKS               which books are linked
    MAPPING             the document field by field: mapping, schedule, switch
    SYNC                how the latest sync went
    ACCOUNT             the account's own settings, all that are declared
    EVERYTHING          nothing that was asked for could not be read
    """

    COMPANY = "company"
    NAMES = "names"
    COMMERCE_CONNECTION = "commerce"
    ACCOUNTING_CONNECTION = "connection"
    REFERENCE_DATA = "data"
    DATA_AGE = "age"
    PULLS = "pulls"
    BOOKS = "books"
    MAPPING = "mapping"
    SYNC = "sync"
    ACCOUNT = "account"
    EVERYTHING = "whole"


_HINDERS_NOBODY = (LAST_SYNC_FAILED, SYNC_OVERDUE, "consumer-unproven", "consumer-replaced")

RECHECK_UNREAD_AFTER = timedelta(seconds=15)
RECHECK_WAITING_AFTER = timedelta(minutes=1)
"""How soon a look may be worth while for what waits for a pull or a consent; for all merchants it costs one listing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One drift or problem.

    cause        what happened
    remedy       what to do: steps, a line each, to paste from. A command begins with `merchantctl`, a value follows
                 `write PATH: `; both end with the line, at a semicolon, or (a value) where a bracket explains it
    actor        who must act: the merchant (consent), Codat (a pull), the operator (a manifest, the account), apply
                 (the plan has the change), or nobody (worth knowing)
    link         the address to send to the merchant, where that is the remedy
    since        when it was first seen; from the history
    affected_merchants   those that a finding about the fleet is about; its `merchant` is empty then
    manifest     where the field is declared, as in `manifests/acme.yaml:7:5`
    occurrences  how often it came within 30 days, this time included; from the history
    recheck_after  when another look may find it gone, where that is to be expected without anybody's doing
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
    affected_merchants: tuple[str, ...] = ()
    manifest: str | None = None
    occurrences: int | None = None
    recheck_after: timedelta | None = None

    def __post_init__(self) -> None:
        # Names and Codat's words are part of these sentences. Escaped here, no output format has to do it.
        object.__setattr__(self, "cause", escape_control(self.cause))
        object.__setattr__(self, "remedy", "\n".join(map(escape_control, self.remedy.split("\n"))))

    @property
    def one_line_remedy(self) -> str:
        """The remedy on one line."""
        return self.remedy.replace("\n", "; ")

    @property
    def waits_for(self) -> Actor:
        """Who must act before all can be as declared: nobody for a past sync, or a secret that is still to be copied,
        whoever may act on it."""
        return Actor.NOBODY if self.code in _HINDERS_NOBODY else self.actor

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.merchant, self.code, self.field or "")


READY_CONDITION = "Ready"
"""The condition whether everything is set for syncs: linked on both sides, configured and switched on."""

SYNCING_CONDITION = "Syncing"
"""The condition whether sales arrive in the books: False where the last sync failed or is overdue."""


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One step on a merchant's way to syncing; a merchant meets them in order."""

    type: str
    status: ConditionStatus
    reason: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataAge:
    """How old the reference data is that a plan rests on.

    last_pulled_at     when Codat last read anything of the books (API notes 3.2); None where it does not say
    pulled_at_by_type  by data type its last successful pull, where the data status was read; None = never
    """

    last_pulled_at: datetime | None
    pulled_at_by_type: Mapping[str, datetime | None] = field(default_factory=dict)

    @property
    def oldest_pulled_at(self) -> datetime | None:
        """When the oldest part was pulled, as far as it is known."""
        pulled = [pulled_at for pulled_at in self.pulled_at_by_type.values() if pulled_at]
        return min(pulled) if pulled else self.last_pulled_at


@dataclass(frozen=True, slots=True)
class SyncSchedule:
    """When Codat begins syncs, as of the live configuration."""

    frequency: str | None
    hour_utc: int | None
    starts_at: datetime | None

    def next_sync(self, now: datetime) -> datetime | None:
        """When the next is due; None where the schedule does not tell: only of a daily one is the day known."""
        if self.frequency != "Daily" or self.hour_utc is None:
            return None
        after = max(now, self.starts_at) if self.starts_at else now
        due = after.astimezone(UTC).replace(hour=self.hour_utc, minute=0, second=0, microsecond=0)
        return due if due > after else due + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one merchant.

    Its findings are for people. Whatever a run does next rests on the other fields.

    held_changes      changes that are shown and not written, and `hold`, the reason
    company_id        the company of the changes; None when it is to be created
    replaced_connections  ids of those that `policy.replaceConnection` has replaced: they go once the new one is linked
    adopts            the company was found by its name, and is not bound yet
    is_removal        carrying it out takes the merchant down for good and leaves a tombstone
    configured        live is configured
    resolved_values   every declared field's desired value, resolved: what «last applied» becomes once all is well
    later_values      what its first configuration will set once the merchant has come that far: as declared, since a
                      reference is looked up in options that are not there yet
    differences       by declared field that differs live, who moved; not a selection whose option is gone, since what
                      we set still counts as set
    observed_values   the live values of the declared fields, where the configuration is to change
    document_changes  by field, what its change does to the document, by JSON pointer: (value before, value after) as
                      JSON text; recorded for a rollout, which may have to restore it
    fingerprint       sha256 of what it rests on (company name, connections, live values of declared fields, resolved
                      ids): a saved plan holds for a merchant as long as this stays the same
    ignored           code and field of the findings that `policy.ignore` hides: those fields were not compared
    renamed_from      the name under which the merchant is recorded until this plan is carried out
    last_sync         the latest sync, as it was read last; None = never read
    schedule          when syncs are due; None where no configuration was read
    checked_parts     what of the merchant was checked: a finding that rests on anything else may still be there
    data_age          of the reference data; None where none was read
    """

    merchant: str
    status: PlanStatus
    changes: tuple[Change, ...] = ()
    held_changes: tuple[Change, ...] = ()
    hold: Hold | None = None
    findings: tuple[Finding, ...] = ()
    conditions: tuple[Condition, ...] = ()
    company_id: str | None = None
    connection_id: str | None = None
    replaced_connections: tuple[str, ...] = ()
    adopts: bool = False
    is_removal: bool = False
    configured: bool = False
    resolved_values: dict[str, Value] = field(default_factory=dict)
    later_values: Mapping[str, Value | Ref] = field(default_factory=dict)
    differences: Mapping[str, Direction] = field(default_factory=dict)
    observed_values: dict[str, Value] = field(default_factory=dict)
    document_changes: Mapping[str, Mapping[str, tuple[str | None, str | None]]] = field(default_factory=dict)
    fingerprint: str = ""
    ignored: tuple[tuple[str, str], ...] = ()
    renamed_from: str | None = None
    last_sync: LastSync | None = None
    schedule: SyncSchedule | None = None
    checked_parts: frozenset[CheckedPart] = frozenset()

    @property
    def is_closed(self) -> bool:
        """Whether nothing at all may be written to the merchant for now, as while it is suspended."""
        return self.hold is not None and bool(self.hold.closed_word)

    @property
    def ready_condition(self) -> Condition | None:
        return next((condition for condition in self.conditions if condition.type == READY_CONDITION), None)

    @property
    def first_unmet_condition(self) -> Condition | None:
        """The first condition that is not met, None when all are."""
        for condition in self.conditions:
            # A last sync that was never read keeps nothing waiting.
            sync_not_read = condition.type == SYNCING_CONDITION and condition.status is ConditionStatus.UNKNOWN
            if condition.status is not ConditionStatus.TRUE and not sync_not_read:
                return condition
        return None

    def has_recent_sync_failure(self, now: datetime) -> bool:
        """Whether the last sync failed, and was read recently enough to count."""
        failed = any(finding.code == LAST_SYNC_FAILED for finding in self.findings)
        return failed and self.last_sync is not None and self.last_sync.was_read_recently(now)

    @property
    def has_unread(self) -> bool:
        """Whether something about this merchant could not be read."""
        return self.status is PlanStatus.UNKNOWN or any(finding.code == "unknown" for finding in self.findings)

    data_age: DataAge | None = None
