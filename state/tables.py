"""The tables, as SQLAlchemy knows them. `migrations/` makes them; a test asserts that the two agree.

merchants    one row per merchant we have ever touched: its ids over there, and its tombstone
applied      what we set last on each: the third leg of the diff
intents      creates begun; open while `closed_at` is null
findings     drift ledger: one row per (merchant, code, field); open while `cleared_at` is null
runs         what was started, when, and how it ended
events       what happened to a merchant in a run
writes       how many changes of each class a run made: the rolling window of the safety limits
quarantine   merchants not to be tried again before `until`, or before their `key` changes
verdicts     memo: the key under which a merchant was last seen in sync
syncs        how each merchant's latest sync stood when it was last read
pulls        whose reference data was asked for, and when
inbox        webhook deliveries; open while `handled_at` is null
rollouts     bulk changes in waves: what each was told, and where it stands
rollout_merchants   what a rollout did to whom; others leave a merchant alone while it is `held`
lock         at most one row: who may write over there
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, Boolean, Column, DateTime, Dialect, Index, Integer, MetaData, String, Table
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An instant. Aware both ways, UTC in the database; a naive datetime is a fault of the caller."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

merchants = Table(
    "merchants",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("company_id", String),
    Column("company_name", String),
    Column("connection_id", String),
    Column("configured_at", UtcTime),
    Column("retired_at", UtcTime),
    Index(None, "company_id"),
)

applied = Table(
    "applied",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("fields", JSON, nullable=False),
    Column("deletion", String, nullable=False),
    Column("at", UtcTime, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("merchant", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("company_id", String),
    Column("platform", String),
    Column("begun_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("outcome", String),
    Index(None, "closed_at"),
)

findings = Table(
    "findings",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("first_seen", UtcTime, nullable=False),
    Column("last_seen", UtcTime, nullable=False),
    Column("cleared_at", UtcTime),
    Index(None, "cleared_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("verb", String, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("exit_code", Integer),
    Column("summary", JSON(none_as_null=True)),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("merchant", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "merchant"),
)

writes = Table(
    "writes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("change_class", String, nullable=False),
    Column("count", Integer, nullable=False),
    Index(None, "at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("until", UtcTime),
    Column("tries", Integer, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("key", String, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", String, primary_key=True),
    Column("received_at", UtcTime, nullable=False),
    Column("event", String, nullable=False),
    Column("company_id", String),
    Column("handled_at", UtcTime),
    Index(None, "handled_at"),
)

syncs = Table(
    "syncs",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("code", Integer),
    Column("message", String, nullable=False),
    Column("ran_at", UtcTime),
    Column("since", UtcTime, nullable=False),
    Column("read_at", UtcTime, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("terms", JSON, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("soak_until", UtcTime),
    Column("owner", String, nullable=False),
    Index(None, "name", unique=True),
)

rollout_merchants = Table(
    "rollout_merchants",
    metadata,
    Column("rollout_id", Integer, primary_key=True, autoincrement=False),
    Column("merchant", String, primary_key=True),
    Column("wave", Integer, nullable=False),
    Column("digest", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("changed", JSON, nullable=False),
    Column("held", Boolean, nullable=False),
    Index(None, "merchant"),
    Index(None, "held"),
)

pulls = Table(
    "pulls",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("asked_at", UtcTime, nullable=False),
)

lock = Table(
    "lock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String, nullable=False),
    Column("command", String, nullable=False),
    Column("since", UtcTime, nullable=False),
)
