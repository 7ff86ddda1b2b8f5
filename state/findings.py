"""The drift ledger: every occurrence of a finding, with its values, when it came, and when and how it ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, insert, select, tuple_, update

from state.async_engine import AsyncConnection
from state.database import Database
from state.tables import occurrences

FindingKey = tuple[str, str, str]
"""(merchant, code, field); the field is empty where a finding has none."""

MAX_MERCHANTS_IN_QUERY = 500
"""For more merchants than this all rows are read: databases limit the parameters of a query."""

MAX_MOVES_KEPT = 50
"""The newest values of an open finding; where two fight over it, it ends and comes anew each time."""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as a run saw it; values as JSON.

    wish     what the manifest says about it, as text that differs whenever that differs
    is_news  it is to be announced
    """

    merchant: str
    code: str
    field: str = ""
    direction: str | None = None
    live: Any = None
    wanted: Any = None
    cause: str | None = None
    wish: str | None = None
    is_news: bool = False

    @property
    def key(self) -> FindingKey:
        return (self.merchant, self.code, self.field)


@dataclass(frozen=True, slots=True)
class FindingEnding:
    """The end of an open finding.

    how         a word of the caller's
    run         the run that ended it
    now_wanted  the desired value at its end
    at          when it ended; None = at the time of the look
    """

    key: FindingKey
    how: str
    run: int | None = None
    now_wanted: Any = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    """One occurrence of a finding.

    tried_run   the run that wrote what should end it, and has not seen that it did
    gone_at     None while it is open; a finding that comes back is another occurrence
    how         how it ended; None in rows of an earlier version
    now_wanted  the desired value when it ended
    moves       each later value that it had while it was open, the oldest first: {at, run, live, wanted}
    """

    id: int
    merchant: str
    code: str
    field: str
    direction: str | None
    live: Any
    wanted: Any
    cause: str | None
    wish: str | None
    found_at: datetime
    found_run: int | None
    last_seen: datetime
    tried_run: int | None
    gone_at: datetime | None
    gone_run: int | None
    how: str | None
    now_wanted: Any
    moves: Any = None

    @property
    def key(self) -> FindingKey:
        return (self.merchant, self.code, self.field)

    def live_or_wanted_differs_from(self, seen: FindingRow) -> bool:
        """Whether the finding, seen again, has another value than when it was seen last."""
        moves = self.moves if isinstance(self.moves, list) else []
        last = moves[-1] if moves and isinstance(moves[-1], dict) else {"live": self.live, "wanted": self.wanted}
        return not (_is_same_value(last.get("live"), seen.live) and _is_same_value(last.get("wanted"), seen.wanted))


class Findings:
    """The findings of all merchants, open and ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        seen: Iterable[FindingRow],
        *,
        gone: Iterable[FindingEnding] = (),
        tried: Collection[FindingKey] = (),
        at: datetime,
        run: int | None = None,
    ) -> dict[FindingKey, datetime]:
        """Record the findings of one look, all in one commit.

        seen   the findings of the look: a new one gets a row, an open one is updated
        gone   endings of open findings, also of some that are among `seen`
        tried  keys of open findings that this run wrote to

        Returns by key when each of `seen` was found: `at`, if it is new.
        """
        seen_by_key, endings = {row.key: row for row in seen}, tuple(gone)
        if not seen_by_key and not endings and not tried:
            return {}
        merchants = {key[0] for key in (*seen_by_key, *(ending.key for ending in endings), *tried)}
        open_query = _select_occurrences(merchants, _IS_OPEN)
        async with self._database.writing() as transaction:
            open_rows = {row.key: row for row in await _read_occurrences(transaction, open_query)}
            continuing = {key: row for key, row in open_rows.items() if key in seen_by_key}
            if continuing:
                ids = [{"row_id": row.id} for row in continuing.values()]
                await transaction.execute(_UPDATE_BY_ID.values(last_seen=at), ids)
            for key, row in seen_by_key.items():
                # Another direction: who changed the value is seen differently now, say because somebody set to a third
                # value what the manifest asked for. The occurrence stays the same, its story is corrected.
                if key in continuing and continuing[key].direction != row.direction:
                    await _correct_occurrence(transaction, continuing[key], row, at, run)
                elif key in continuing and (moves := _extend_moves_if_changed(continuing[key], row, at, run)):
                    await transaction.execute(_UPDATE_BY_ID.values(moves=moves), {"row_id": continuing[key].id})
            new_rows = [_new_columns(row, at, run) for key, row in seen_by_key.items() if key not in continuing]
            if new_rows:
                await transaction.execute(insert(occurrences), new_rows)
                # Read again for the ids of the new rows: they may be among `gone` and `tried`.
                open_rows = {row.key: row for row in await _read_occurrences(transaction, open_query)}
            await _end_occurrences(
                transaction, [(open_rows[ending.key].id, ending) for ending in endings if ending.key in open_rows], at
            )
            tried_ids = [{"row_id": open_rows[key].id} for key in tried if key in open_rows]
            if tried_ids:
                await transaction.execute(_UPDATE_BY_ID.values(tried_run=run), tried_ids)
        return {key: continuing[key].found_at if key in continuing else at for key in seen_by_key}

    async def load_open(self, merchants: Collection[str] | None = None) -> tuple[OccurrenceRow, ...]:
        """The open findings of these merchants (None: all)."""
        async with self._database.reading() as transaction:
            return await _read_occurrences(transaction, _select_occurrences(merchants, _IS_OPEN))

    async def load_open_or_ended_since(self, since: datetime) -> tuple[OccurrenceRow, ...]:
        """The open findings of all merchants, and those that ended after that instant; the oldest first."""
        async with self._database.reading() as transaction:
            return await _read_occurrences(
                transaction, _select_occurrences(None, _IS_OPEN | (occurrences.c.gone_at > since))
            )

    async def load_occurrences(self, merchant: str) -> tuple[OccurrenceRow, ...]:
        """All occurrences of a merchant's findings, open and ended, the oldest first."""
        async with self._database.reading() as transaction:
            return await _read_occurrences(transaction, _select_occurrences([merchant]))

    async def count_occurrences(self, merchants: Collection[str], since: datetime) -> dict[FindingKey, int]:
        """By key how often each finding of these merchants came since then; there may be those of others too."""
        if not merchants:
            return {}
        columns = (occurrences.c.merchant, occurrences.c.code, occurrences.c.field)
        query = select(*columns, func.count()).where(occurrences.c.found_at >= since).group_by(*columns)
        if len(merchants) <= MAX_MERCHANTS_IN_QUERY:
            query = query.where(occurrences.c.merchant.in_(merchants))
        async with self._database.reading() as transaction:
            rows = await transaction.execute(query)
            return {(merchant, code, field): int(number) for merchant, code, field, number in rows}

    async def load_recurring(
        self, since: datetime, min_count: int, merchants: Collection[str] | None = None
    ) -> tuple[OccurrenceRow, ...]:
        """All occurrences since then of findings that came at least `min_count` times, the oldest first; of these
        merchants (None: of all), and there may be those of others too."""
        columns = (occurrences.c.merchant, occurrences.c.code, occurrences.c.field)
        is_recent = occurrences.c.found_at >= since
        recurring_keys = select(*columns).where(is_recent).group_by(*columns).having(func.count() >= min_count)
        async with self._database.reading() as transaction:
            return await _read_occurrences(
                transaction, _select_occurrences(merchants, is_recent, tuple_(*columns).in_(recurring_keys))
            )

    async def load_merchants_with_open_finding(self, code: str) -> tuple[str, ...]:
        """The merchants with an open finding of that code."""
        async with self._database.reading() as transaction:
            rows = await transaction.execute(select(occurrences.c.merchant).where(_IS_OPEN, occurrences.c.code == code))
            return tuple(rows.scalars())


async def end_findings_of(transaction: AsyncConnection, merchant: str, at: datetime, how: str) -> None:
    """End all open findings of a merchant, within the caller's transaction."""
    statement = update(occurrences).where(_IS_OPEN, occurrences.c.merchant == merchant)
    await transaction.execute(statement.values(gone_at=at, how=how))


def _select_occurrences(merchants: Collection[str] | None, *conditions: ColumnElement[bool]) -> Select[Any]:
    query = select(*(occurrences.c[name] for name in FIELDS)).where(*conditions)
    if merchants is not None and len(merchants) <= MAX_MERCHANTS_IN_QUERY:
        query = query.where(occurrences.c.merchant.in_(merchants))
    return query.order_by(occurrences.c.id)


async def _read_occurrences(transaction: AsyncConnection, query: Select[Any]) -> tuple[OccurrenceRow, ...]:
    return tuple(OccurrenceRow(*row) for row in await transaction.execute(query))


def _new_columns(row: FindingRow, at: datetime, run: int | None) -> Mapping[str, Any]:
    return {
        "merchant": row.merchant,
        "code": row.code,
        "field": row.field,
        "direction": row.direction,
        "live": row.live,
        "wanted": row.wanted,
        "cause": row.cause,
        "wish": row.wish,
        "found_at": at,
        "found_run": run,
        "last_seen": at,
        "told": ANNOUNCE_DUE if row.is_news else ANNOUNCE_NEVER,
    }


def _extend_moves_if_changed(open_row: OccurrenceRow, row: FindingRow, at: datetime, run: int | None) -> list[Any]:
    """The moves of an open finding, this one among them; empty where the finding still has the value that it had."""
    if not open_row.live_or_wanted_differs_from(row):
        return []
    moves = open_row.moves if isinstance(open_row.moves, list) else []
    move = {"at": at.astimezone(UTC).isoformat(), "run": run, "live": row.live, "wanted": row.wanted}
    return [*moves, move][-MAX_MOVES_KEPT:]


def _is_same_value(stored: Any, seen: Any) -> bool:
    """Of a record of the books by its id: how it is called may be known at one look and not at another."""
    stored, seen = (each.get("id") or each if isinstance(each, dict) else each for each in (stored, seen))
    return bool(stored == seen)


async def _correct_occurrence(
    transaction: AsyncConnection, open_row: OccurrenceRow, row: FindingRow, at: datetime, run: int | None
) -> None:
    """Set direction and values of an open occurrence anew; announce it, if it is news now and was not before."""
    values: dict[str, Any] = {"direction": row.direction, "cause": row.cause}
    if not open_row.moves:
        values |= {"live": row.live, "wanted": row.wanted}
    # Set anew, the first value would stand before those that it had since, and the newest be told once more.
    elif moves := _extend_moves_if_changed(open_row, row, at, run):
        values["moves"] = moves
    await transaction.execute(update(occurrences).where(occurrences.c.id == open_row.id).values(values))
    if row.is_news:
        not_announced = (occurrences.c.id == open_row.id) & (occurrences.c.told == ANNOUNCE_NEVER)
        await transaction.execute(update(occurrences).where(not_announced).values(told=ANNOUNCE_DUE))


async def _end_occurrences(
    transaction: AsyncConnection, endings: Sequence[tuple[int, FindingEnding]], at: datetime
) -> None:
    rows = [
        {
            "row_id": row_id,
            "ended_at": ending.at or at,
            "ended_run": ending.run,
            "ended_how": ending.how,
            "wanted_then": ending.now_wanted,
        }
        for row_id, ending in endings
    ]
    if rows:
        statement = _UPDATE_BY_ID.values(
            gone_at=bindparam("ended_at"),
            gone_run=bindparam("ended_run"),
            how=bindparam("ended_how"),
            now_wanted=bindparam("wanted_then"),
        )
        await transaction.execute(statement, rows)


_IS_OPEN = occurrences.c.gone_at.is_(None)
_UPDATE_BY_ID = update(occurrences).where(occurrences.c.id == bindparam("row_id"))

FIELDS = tuple(OccurrenceRow.__dataclass_fields__)

ANNOUNCE_NEVER, ANNOUNCE_DUE, ANNOUNCED_FOUND, ANNOUNCED_GONE = "", "due", "found", "gone"
"""What was announced of an occurrence: nothing, and nothing is to be; nothing yet; that it came; that it ended."""
