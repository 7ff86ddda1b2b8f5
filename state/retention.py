"""Retention: which rows are deleted by age and which stay, decided here for every table.

A deleted row is older than the caller's limit, over, and nothing refers to it. What is open, bound, held or parked
stays however old it is. Few rows are deleted in one transaction, so that nobody waits long for the one writer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Table,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
    union,
    union_all,
)

from state.database import Database
from state.tables import (
    UtcTime,
    account,
    account_settings,
    applied,
    budget_shares,
    conditions,
    controllers,
    declarations,
    declared_fleet,
    due,
    due_takers,
    events,
    hooks,
    inbox,
    intents,
    locks,
    manual_syncs,
    merchants,
    occurrences,
    proven_deliveries,
    pulls,
    pushed_connections,
    pushed_records,
    quarantine,
    renames,
    report_deliveries,
    revisions,
    rollout_merchants,
    rollouts,
    runs,
    samples,
    seen,
    seen_fleet,
    syncs,
    told,
    upload_leases,
    uploads,
    verdicts,
    writes,
)

MIN_RETENTION = timedelta(days=30)
"""Nothing younger may be deleted: the change limits look back 24 hours, and counts of findings 30 days."""

EXPIRY_BATCH_SIZE = 500
"""Rows deleted in one transaction, at most."""

_BEFORE = bindparam("before", type_=UtcTime())
"""The age limit."""
_ENDED: BindParameter[str] = bindparam("ended", expanding=True)
"""The states of an ended rollout."""

REASONS_WITHOUT_EXPIRY: Mapping[Table, str] = {
    merchants: "bindings, and tombstones of removals that are not to be carried out again",
    applied: "last applied values, a row each merchant: the third side of the diff",
    quarantine: "a row each merchant; deleted when it succeeds",
    verdicts: "a row each merchant",
    told: "what was announced and still stands; deleted when it is over",
    conditions: "a row each merchant",
    seen: "a row each merchant; deleted by a pass over all merchants when the manifest is gone",
    seen_fleet: "one row",
    budget_shares: "a row each process, and for a minute what was given back: `state.request_budget`",
    pushed_records: "a row each record that Codat has: one that is forgotten would be sent again",
    pushed_connections: "at most a few rows a company; deleted when one of its connections is gone",
    upload_leases: "at most three rows a company",
    due: "a row each merchant that waits for a look",
    due_takers: "a row each process; deleted when it ends or another finds it dead: `state.due`",
    controllers: "a row each process; deleted a day after its last sign of life: `state.controllers`",
    samples: "thinned with age, to one a day in the end: `state.samples`",
    renames: "deleted when the manifest's `renamedFrom` is",
    declarations: "a row each merchant; deleted once it was taken down",
    declared_fleet: "one row",
    account: "one row",
    account_settings: "a row each setting of the account that is or was declared",
    locks: "a row for each lock",
    inbox: "closed deliveries are deleted after some days, by a pass over all merchants: `state.inbox`",
}
"""Tables without expiry, and why they do not grow with time."""


_MEMBERS = rollout_merchants.alias()
_IS_OVER = (
    rollouts.c.state.in_(_ENDED)
    & (rollouts.c.since < _BEFORE)
    & ~exists().where(_MEMBERS.c.rollout_id == rollouts.c.id, _MEMBERS.c.held)
)
"""Rollouts that ended before then and hold no merchant any more."""

_NAMED_RUNS = union(
    *(
        select(column).where(column.is_not(None))
        for column in (occurrences.c.found_run, occurrences.c.tried_run, occurrences.c.gone_run)
    )
)
"""Runs that a row of `occurrences` refers to: shown with the finding, so they stay as long as it does."""

_LATER_DELIVERIES = report_deliveries.alias()
_IS_OF_AN_EARLIER_TIME = exists().where(
    _LATER_DELIVERIES.c.report == report_deliveries.c.report,
    _LATER_DELIVERIES.c.due_at > report_deliveries.c.due_at,
)
"""Deliveries of a report that was due again since. Without those of its last time, however long ago that was, it would
be taken for a new one, of which nothing is sent before the next time; or that time for one that nobody has sent."""

EXPIRED_ROWS_BY_TABLE: Mapping[Table, ColumnElement[bool]] = {
    events: events.c.at < _BEFORE,
    occurrences: occurrences.c.gone_at < _BEFORE,
    intents: intents.c.closed_at < _BEFORE,
    hooks: hooks.c.gone_at < _BEFORE,
    proven_deliveries: proven_deliveries.c.last_at < _BEFORE,
    writes: writes.c.at < _BEFORE,
    syncs: syncs.c.read_at < _BEFORE,
    revisions: revisions.c.ended_at < _BEFORE,
    pulls: pulls.c.asked_at < _BEFORE,
    report_deliveries: (report_deliveries.c.due_at < _BEFORE) & _IS_OF_AN_EARLIER_TIME,
    uploads: uploads.c.closed_at < _BEFORE,
    manual_syncs: manual_syncs.c.closed_at < _BEFORE,
    runs: (runs.c.started_at < _BEFORE) & runs.c.id.not_in(_NAMED_RUNS),
    rollout_merchants: rollout_merchants.c.rollout_id.in_(select(rollouts.c.id).where(_IS_OVER)),
    rollouts: _IS_OVER & ~exists().where(rollout_merchants.c.rollout_id == rollouts.c.id),
}
"""Rows that expire, by table. An open row has NULL in these columns, and NULL is never older than the limit."""

_TABLES_WITH_EXPIRED_ROWS = union_all(
    *(
        select(literal(number)).where(select(*table.primary_key).where(is_over).exists())
        for number, (table, is_over) in enumerate(EXPIRED_ROWS_BY_TABLE.items())
    )
)
"""Their places in that table of tables: one statement, since there mostly are none."""

_CREATED_AT: Mapping[Table, Column[datetime]] = {
    events: events.c.at,
    occurrences: occurrences.c.found_at,
    intents: intents.c.begun_at,
    hooks: hooks.c.begun_at,
    proven_deliveries: proven_deliveries.c.first_at,
    writes: writes.c.at,
    syncs: syncs.c.read_at,
    pulls: pulls.c.asked_at,
    report_deliveries: report_deliveries.c.due_at,
    uploads: uploads.c.begun_at,
    manual_syncs: manual_syncs.c.begun_at,
    runs: runs.c.started_at,
    rollouts: rollouts.c.started_at,
    revisions: revisions.c.at,
    inbox: inbox.c.received_at,
    samples: samples.c.at,
}
"""The column that says when a row was made."""


async def delete_expired_batch(database: Database, before: datetime, ended_states: Collection[str]) -> int:
    """Delete up to EXPIRY_BATCH_SIZE rows that are over and older than `before`; returns how many, 0 = none is left.

    ended_states  those of a rollout that has ended
    """
    values = {"before": before, "ended": list(ended_states)}
    # Looked for in a reading transaction, for which no writer has to wait: mostly there is nothing to delete.
    async with database.reading() as transaction:
        places = (await transaction.execute(_TABLES_WITH_EXPIRED_ROWS, values)).scalars().all()
        if not places:
            return 0
        table, is_over = list(EXPIRED_ROWS_BY_TABLE.items())[min(places)]
        key = list(table.primary_key)
        rows = (await transaction.execute(select(*key).where(is_over).limit(EXPIRY_BATCH_SIZE), values)).all()
    key_expression = key[0] if len(key) == 1 else tuple_(*key)
    is_selected = key_expression.in_([row[0] if len(key) == 1 else tuple(row) for row in rows])
    # The condition once more: a row may have been changed between the two transactions.
    async with database.writing() as transaction:
        return await transaction.execute_and_count(delete(table).where(is_selected, is_over), values)


@dataclass(frozen=True, slots=True)
class TableSize:
    """How many rows a table has, and when its oldest was made; None where the table does not say."""

    name: str
    rows: int
    oldest: datetime | None


async def load_table_sizes(database: Database) -> tuple[TableSize, ...]:
    """Sizes of the tables that have rows, the largest first."""
    sizes = []
    async with database.reading() as transaction:
        for table in (*EXPIRED_ROWS_BY_TABLE, *REASONS_WITHOUT_EXPIRY):
            created_at = _CREATED_AT.get(table)
            columns = [func.count()] if created_at is None else [func.count(), func.min(created_at)]
            rows, *oldest = (await transaction.execute(select(*columns).select_from(table))).one()
            if rows:
                sizes.append(TableSize(table.name, rows, oldest[0] if oldest else None))
    return tuple(sorted(sizes, key=lambda size: -size.rows))
