"""How the merchant's last sync went: what Codat said of it, which fields that is about, and who must act.

A reading may be a day old, and a corrected mapping shows only in the next sync. So a failed sync blocks nobody and
changes no status: it has a finding, the condition Syncing, and it counts for the exit code of `drift`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import datetime

from controller.model.field_values import (
    CUSTOMER_PATH,
    FREQUENCY_PATH,
    START_DATE_PATH,
    SUPPLIER_PATH,
    SYNC_HOUR_PATH,
    Option,
    account_path,
    ref_kind,
    resolve_live_path,
)
from controller.model.observed import Configuration, LastSync
from controller.model.plan import SYNCING_CONDITION, Actor, Condition, ConditionStatus, Finding, SyncSchedule
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED, SYNC_OVERDUE
from controller.planning.context import PlanningContext
from controller.planning.remedies import command_line, refresh_command, write_value_remedy
from controller.quick_dataclasses import dataclass

OVERDUE_REMEDY = "ask Codat's support why none has run"
MAX_DAYS_WITHOUT_SYNC = {"Daily": 2, "Monthly": 33}
"""Days without a sync that are too many: one period of the schedule, and a day of delay at Codat."""


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """What a status code means, who must act, and how. `{name}` is the merchant's."""

    meaning: str
    actor: Actor
    remedy: str


_DISCONNECTED = SyncFailure(
    "the company or its connection was gone, or access was revoked",
    Actor.MERCHANT,
    "it is linked at present: should the next sync end so too, have the merchant authorise again: "
    "merchantctl link {name}",
)
_SERVICE_FAILED = SyncFailure(
    "Codat failed",
    Actor.CODAT,
    "the next sync tries the whole period again; should it fail so too, ask Codat's support",
)
_NOT_ACCEPTED = SyncFailure(
    "the configuration is not accepted",
    Actor.OPERATOR,
    "mend what the message names, in the manifest or in the books; the next sync tries the whole period again",
)
SYNC_FAILURES = {
    4000: _NOT_ACCEPTED,
    4040: _DISCONNECTED,
    4220: _DISCONNECTED,
    4260: SyncFailure(
        "the subscription of the accounting software has expired", Actor.MERCHANT, "have the merchant renew it"
    ),
    5000: _SERVICE_FAILED,
    5080: SyncFailure(
        "it would book what is booked already",
        Actor.OPERATOR,
        "compare what was synchronised before: merchantctl sync {name} --status; then begin where that ends",
    ),
    5120: SyncFailure(
        "the commerce data could not be processed",
        Actor.OPERATOR,
        "look at what was uploaded for that period: orders, payments and transactions, all three; then upload it again",
    ),
    5130: SyncFailure(
        "the books did not take the data",
        Actor.CODAT,
        "the next sync tries the whole period again; should it fail so too, ask Codat's support with the message",
    ),
}
"""By the code of a sync. Another code counts as 4000 or 5000, by its class."""


def last_sync_findings(context: PlanningContext) -> Iterator[Finding]:
    """A finding where the last sync failed or is overdue; none for a merchant that is not to sync."""
    live, sync = context.observed.configuration, context.recorded.last_sync
    if sync is None or context.is_to_be_taken_down or not isinstance(live, Configuration):
        return
    if not (live.configured and live.enabled):
        return
    if sync.failed:
        yield _failed_sync_finding_with_fields(context, sync, live)
    elif (schedule := sync_schedule_of(live)) and was_overdue_when_read(sync, schedule):
        yield _overdue_finding(context, sync, str(schedule.frequency))


def syncing_condition(
    sync: LastSync | None, ready: Condition, findings: tuple[Finding, ...], now: datetime
) -> Condition:
    """Whether sales arrive in the books; Ready says only that everything is set for it."""
    if ready.status is not ConditionStatus.TRUE:
        return Condition(SYNCING_CONDITION, ConditionStatus.UNKNOWN, ready.reason)
    codes = (finding.code for finding in findings)
    reason = next((code for code in codes if code in (LAST_SYNC_FAILED, SYNC_OVERDUE)), None)
    if sync is None:
        return Condition(SYNCING_CONDITION, ConditionStatus.UNKNOWN, "the last sync was not read yet")
    if not sync.was_read_recently(now):
        return Condition(
            SYNCING_CONDITION, ConditionStatus.UNKNOWN, f"not read since {sync.read_at:%Y-%m-%d %H:%M} UTC"
        )
    if reason:
        return Condition(SYNCING_CONDITION, ConditionStatus.FALSE, reason)
    if not sync.code:
        return Condition(SYNCING_CONDITION, ConditionStatus.UNKNOWN, "no sync yet")
    return Condition(SYNCING_CONDITION, ConditionStatus.TRUE)


def sync_schedule_of(live: object) -> SyncSchedule | None:
    """Live's schedule; None where no configuration was read."""
    if not isinstance(live, Configuration):
        return None
    frequency, hour, start = (live.values.get(path) for path in (FREQUENCY_PATH, SYNC_HOUR_PATH, START_DATE_PATH))
    return SyncSchedule(
        frequency if isinstance(frequency, str) else None,
        hour if isinstance(hour, int) else None,
        start if isinstance(start, datetime) else None,
    )


def _failed_sync_finding_with_fields(context: PlanningContext, sync: LastSync, live: Configuration) -> Finding:
    text = f"{sync.message}\n{sync.detail}"
    failure, paths = _failure_of(sync), fields_in_message(text, live)
    cause = _failure_words(sync, failure)
    cause += [f"it is about {', '.join(_describe_field_with_selection(path, live) for path in paths)}"] if paths else []
    remedy, actor = failure.remedy.format(name=shlex.quote(context.desired.name)), failure.actor
    if not paths and _NAMES_ONE_RECORD.search(text):
        cause += ["what it names is not selected any more"]
        remedy, actor = "wait for the next sync: it shows whether that was all", Actor.CODAT
    if paths and failure.actor is Actor.OPERATOR:
        other = write_value_remedy(context, paths[0], paths[0], live, live.values.get(paths[0]))
        remedy = (
            f"restore it in the books; then {refresh_command(context)}\n"
            f"or {other}\n"
            f"where it is declared: {command_line('explain', context.desired.name, paths[0])}"
        )
    return context.finding(
        LAST_SYNC_FAILED, "; ".join(cause), remedy, actor, field=paths[0] if len(paths) == 1 else None
    )


def without_sync_time(cause: str, sync: LastSync) -> str:
    """The cause of a failed sync but for when it ran, in which merchants differ whose syncs fail alike."""
    return cause.replace(_sync_time_text(sync), "", 1)


def failed_sync_finding(merchant: str, sync: LastSync) -> Finding:
    """What a failed sync says by itself: which fields it is about, only the merchant's document tells."""
    failure = _failure_of(sync)
    cause, remedy = "; ".join(_failure_words(sync, failure)), failure.remedy.format(name=shlex.quote(merchant))
    return Finding(LAST_SYNC_FAILED, merchant, cause, remedy, failure.actor)


def _failure_words(sync: LastSync, failure: SyncFailure) -> list[str]:
    message = f": {sync.message}" if sync.message else ""
    words = [f"the sync{_sync_time_text(sync)} ended with {sync.code}, {failure.meaning}{message}"]
    return words + ([sync.detail] if sync.detail and sync.detail != sync.message else [])


def _sync_time_text(sync: LastSync) -> str:
    return f" of {sync.ran_at:%Y-%m-%d %H:%M} UTC" if sync.ran_at else ""


def _failure_of(sync: LastSync) -> SyncFailure:
    code = sync.code or 0
    # One code for every bad configuration; only the message tells that a connection is gone.
    if code == 4000 and "two valid data connections" in sync.message:
        return _DISCONNECTED
    return SYNC_FAILURES.get(code, _SERVICE_FAILED if code >= 5000 else _NOT_ACCEPTED)


def fields_in_message(text: str, live: Configuration) -> tuple[str, ...]:
    """The mapping's fields, by live's path, that a sync's message is about; empty where it does not tell.

    By section and account key where it names them, else by the id of what is selected there, else, where it names no
    id, by the only field of that kind.
    """
    by_key = (account_path(_SECTIONS[word.lower()], key) for word, key in _ACCOUNT_IN_MESSAGE.findall(text))
    found = {place for path in by_key if (place := resolve_live_path(live.values, path))}
    kinds = {kind for kind, word in _KIND_WORDS.items() if word in text.lower()}
    if not found:
        found = {
            path
            for path, value in live.values.items()
            if isinstance(value, Option) and ref_kind(path) in kinds and _has_word(text, value.id)
        }
    if not found and not _NAMES_ONE_RECORD.search(text) and kinds and kinds <= _ONLY_FIELD.keys():
        found = {_ONLY_FIELD[kind] for kind in kinds}
    return tuple(sorted(found))


_ACCOUNT_IN_MESSAGE = re.compile(r"\b(sales|payment|fee)s? account (\w+) - ", re.IGNORECASE)
_NAMES_ONE_RECORD = re.compile(
    r"\b(account|customer|supplier|tax rate) (?!is |does )\S+ (is not|does not)", re.IGNORECASE
)
_SECTIONS = {"sales": "sales", "payment": "payments", "fee": "fees"}
_KIND_WORDS = {"account": "account", "customer": "customer", "supplier": "supplier", "tax-rate": "tax rate"}
_ONLY_FIELD = {"customer": CUSTOMER_PATH, "supplier": SUPPLIER_PATH}


def _has_word(text: str, id_: str) -> bool:
    """Whether the text has the id as a word of its own: ids of tax rates may be as short as a number."""
    return bool(id_) and re.search(rf"(?<![\w-]){re.escape(id_)}(?![\w-])", text) is not None


def _describe_field_with_selection(path: str, live: Configuration) -> str:
    value = live.values.get(path)
    return f"{path} ({value.name or value.id})" if isinstance(value, Option) else path


def was_overdue_when_read(sync: LastSync, schedule: SyncSchedule) -> bool:
    """Whether it was overdue when it was read; what has happened since then is not known."""
    max_days, start = MAX_DAYS_WITHOUT_SYNC.get(str(schedule.frequency)), schedule.starts_at
    if max_days is None:
        return False
    # No sync is due before the start date, so the days count from there.
    has_just_started = start is not None and (sync.read_at - start).days < max_days
    return sync.days_without_sync >= max_days and not has_just_started


def _overdue_finding(context: PlanningContext, sync: LastSync, frequency: str) -> Finding:
    last, days = sync.ran_at or sync.first_read_at, sync.days_without_sync
    fact = "the last sync ran" if sync.ran_at else "there was none by"
    cause = f"{fact} {last:%Y-%m-%d %H:%M} UTC, and none in the {days} days since, though the schedule is {frequency}"
    return context.finding(SYNC_OVERDUE, cause, OVERDUE_REMEDY, Actor.CODAT)
