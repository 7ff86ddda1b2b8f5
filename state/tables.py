"""The tables, as SQLAlchemy knows them, and as a new state gets them. How long rows of each stay is decided in
`retention.py`; the indexes over a part of a table are in `partial_indexes.py`.

merchants    one row per merchant ever touched: its ids at Codat, and its tombstone
applied      last applied values of each merchant: the third side of the diff
intents      creates that were begun; open while `closed_at` is null
occurrences  drift ledger: one row for each time that a finding came; open while `gone_at` is null
runs         what was started, when, and how it ended
events       what happened to a merchant in a run
writes       how many changes of each class a run made, and whether a person had confirmed them: the rolling window of
             the change limits
quarantine   merchants not to be tried again before `until`, or before their `key` changes
verdicts     in-sync cache: the key under which a merchant was last found in sync
syncs        cache: the latest sync of each merchant, as last read
manual_syncs what `sync` has switched off to synchronise by hand; open while `closed_at` is null
pulls        when a refresh of a merchant's reference data was requested last
inbox        webhook deliveries; open while `handled_at` is null
rollouts     bulk changes in waves: spec and state of each
rollout_merchants   what a rollout did to which merchant; other runs do not write to it while it is `held`
locks        at most two rows: the command and the controller that may write to Codat (`database.LockKind`); with
             `ended_at`, whose lock was ended by hand and when
renames      by new name, the name that a merchant's rows had before they were renamed
declarations    what was declared of each merchant last, and with which change of the manifests it came and went
declared_fleet  at most one row: the digest of the load that `declarations` is of
told         what was announced and still stands
conditions   since when each condition of a merchant has its status
seen         how each merchant stood at the last look at it
seen_fleet   at most one row: what the last look at everyone said of the fleet as a whole
due          who is to be looked at, when, how urgently; `taken_by`: who looks at it now
due_takers   the queues of the `run` processes, each with its last sign of life
controllers  the `run` processes that work on this state, each with its last sign of life
revisions    which revision of the manifests is in force, was, or waits for a decision
report_deliveries   which scheduled report went where for which time, and what failed
budget_shares   how many requests a minute each process of this state may send
samples      how the fleet stood every few minutes: numbers only, thinned with age
hooks        rules and webhook consumers of the account that are ours, also those whose create was begun
proven_deliveries   which webhook events came, proven by which key: first and last
account_settings   last applied values of the account's own settings
account      at most one row: the Codat account and base URL that everything above belongs to
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, Boolean, Column, DateTime, Dialect, Index, Integer, MetaData, String, Table, false
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database. A naive datetime raises ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite has no time zones: what it returns is naive, and UTC as it was written.
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
    Column("contested", Boolean),
    Column("left_at", UtcTime),
    Index(None, "company_id"),
)
"""`contested`: set by a migration where two merchants had one company; else NULL."""

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
    Column("key", String),
    Column("missed_at", UtcTime),
    Index(None, "closed_at"),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("merchant", String, nullable=False),
    Column("code", String, nullable=False),
    Column("field", String, nullable=False),
    Column("direction", String),
    Column("live", JSON(none_as_null=True)),
    Column("wanted", JSON(none_as_null=True)),
    Column("cause", String),
    Column("wish", String),
    Column("found_at", UtcTime, nullable=False),
    Column("found_run", Integer),
    Column("last_seen", UtcTime, nullable=False),
    Column("tried_run", Integer),
    Column("gone_at", UtcTime),
    Column("gone_run", Integer),
    Column("how", String),
    Column("now_wanted", JSON(none_as_null=True)),
    Column("told", String, nullable=False),
    Column("told_from", UtcTime),
    Column("moves", JSON(none_as_null=True)),
    Index(None, "merchant"),
    Index(None, "found_at"),
    Index(None, "gone_at"),
)
"""`told`: what was announced of it; `told_from`: since when a process has claimed to announce it.
`moves`: each later value that it had while it was open, as {at, run, live, wanted}."""

told = Table(
    "told",
    metadata,
    Column("topic", String, primary_key=True),
    Column("identity", String, primary_key=True),
    Column("since", UtcTime, nullable=False),
)

conditions = Table(
    "conditions",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("standing", String, nullable=False),
    Column("since", JSON, nullable=False),
)

seen = Table(
    "seen",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("seen_at", UtcTime, nullable=False),
    Column("plan", String, nullable=False),
    Column("outcome", String, nullable=False),
    Index(None, "seen_at"),
)

seen_fleet = Table(
    "seen_fleet",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("plan", String, nullable=False),
)

controllers = Table(
    "controllers",
    metadata,
    Column("host", String, primary_key=True),
    Column("pid", Integer, primary_key=True, autoincrement=False),
    Column("started", String, primary_key=True),
    Column("alive_at", UtcTime, nullable=False),
    Column("revision", String, nullable=False),
    Column("report_only", Boolean, nullable=False),
    Column("failure", String),
)

revisions = Table(
    "revisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("git_commit", String),
    Column("source", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("by", String, nullable=False),
    Column("ended_at", UtcTime),
    Index(None, "status"),
)

budget_shares = Table(
    "budget_shares",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("holder", String, nullable=False),
    Column("granted", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("until", UtcTime, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("company_id", String, nullable=False),
    Column("data_type", String, nullable=False),
    Column("records", Integer, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("content", JSON(none_as_null=True)),
    Column("dataset_id", String),
    Column("status", String, nullable=False),
    Column("message", String, nullable=False),
    Column("closed_at", UtcTime),
    Index(None, "company_id"),
    Index(None, "closed_at"),
    sqlite_autoincrement=True,  # `pushed_records` name an upload: the number of one that has expired is not given anew
)
"""`content`: [record id, kind, hash] of its records, until the answer is there."""

pushed_records = Table(
    "pushed_records",
    metadata,
    Column("company_id", String, primary_key=True),
    Column("data_type", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("upload_id", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""`kind`: of a transaction its type, since a fee bears the id of its payment; `digest`: empty = deleted."""

pushed_connections = Table(
    "pushed_connections",
    metadata,
    Column("company_id", String, primary_key=True),
    Column("connection_id", String, primary_key=True),
    sqlite_with_rowid=False,
)
"""The linked connections that a company's `pushed_records` were sent beside: what was sent goes with one of them."""

upload_leases = Table(
    "upload_leases",
    metadata,
    Column("company_id", String, primary_key=True),
    Column("data_type", String, primary_key=True),
    Column("token", String, nullable=False),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String, nullable=False),
    Column("command", String, nullable=False),
    Column("until", UtcTime, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("at", UtcTime, primary_key=True),
    Column("counts", JSON, nullable=False),
)

report_deliveries = Table(
    "report_deliveries",
    metadata,
    Column("report", String, primary_key=True),
    Column("due_at", UtcTime, primary_key=True),
    Column("destination", String, primary_key=True),
    Column("claimed_at", UtcTime),
    Column("attempts", Integer, nullable=False),
    Column("retry_at", UtcTime),
    Column("delivered_at", UtcTime),
    Column("failure", String),
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
    Column("whose", String),
    Column("host", String),
    Column("revision", String),
    Index(None, "started_at"),
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
    Index(None, "at"),
)

writes = Table(
    "writes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("change_class", String, nullable=False),
    Column("count", Integer, nullable=False),
    Column("confirmed", Boolean, nullable=False, server_default=false()),
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
    Column("detail", String),
    Column("failing_since", UtcTime),
    Column("last_success_at", UtcTime),
)

manual_syncs = Table(
    "manual_syncs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("merchant", String, nullable=False),
    Column("company_id", String, nullable=False),
    Column("was_enabled", Boolean, nullable=False),
    Column("previous_sync", String),
    Column("begun_at", UtcTime, nullable=False),
    Column("requested_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("closed_at", UtcTime),
    Column("outcome", String),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String, nullable=False),
    Column("command", String, nullable=False),
    Column("alive_until", UtcTime, nullable=False),
    Index(None, "closed_at"),
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

locks = Table(
    "locks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String, nullable=False),
    Column("command", String, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
)

due = Table(
    "due",
    metadata,
    Column("key", String, primary_key=True),
    Column("lane", Integer, nullable=False),
    Column("due_at", UtcTime),
    Column("asked_at", UtcTime, nullable=False),
    Column("taken_by", String),
    Column("taken_lane", Integer),
    Index(None, "due_at"),
    Index(None, "taken_by"),
)
"""`due_at`, `asked_at`, `lane`: of the next look; `due_at` is NULL while one is under way and no other was asked for.
`taken_lane`: of the look under way."""

due_takers = Table(
    "due_takers",
    metadata,
    Column("id", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String, nullable=False),
    Column("alive_at", UtcTime, nullable=False),
)

renames = Table(
    "renames",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("renamed_from", String, nullable=False),
    Column("at", UtcTime, nullable=False),
)

declarations = Table(
    "declarations",
    metadata,
    Column("merchant", String, primary_key=True),
    Column("file", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("first_file", String, nullable=False),
    Column("first_digest", String, nullable=False),
    Column("came", Integer, nullable=False),
    Column("went", Integer),
    Column("released", Boolean, nullable=False),
    Index(None, "came"),
    Index(None, "went"),
)

declared_fleet = Table(
    "declared_fleet",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("digest", String, nullable=False),
)

hooks = Table(
    "hooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("declared", JSON, nullable=False),
    Column("known_ids", JSON, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("remote_id", String),
    Column("replaced_at", UtcTime),
    Column("gone_at", UtcTime),
)

proven_deliveries = Table(
    "proven_deliveries",
    metadata,
    Column("event", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
)

account_settings = Table(
    "account_settings",
    metadata,
    Column("path", String, primary_key=True),
    Column("declared", JSON(none_as_null=True)),
    Column("stored", JSON(none_as_null=True)),
    Column("at", UtcTime, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("base_url", String, nullable=False),
    Column("client_id", String),
    Column("key_hash", String, nullable=False),
    Column("since", UtcTime, nullable=False),
)
