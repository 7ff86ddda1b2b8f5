"""Which revision of the manifests is in force for all processes of this state, and which one waits for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select, update

from state.database import Database
from state.tables import revisions


class RevisionStatus(StrEnum):
    """IN_FORCE  at most one: what the controllers keep the fleet at
    HELD      at most one: what no controller takes by itself; a person releases or rejects it
    RELEASED  a person has: the next controller that sees it takes it
    REJECTED  a person does not want it; a newer one is taken as usual
    PAST      another one took its place
    """

    IN_FORCE = "in-force"
    HELD = "held"
    RELEASED = "released"
    REJECTED = "rejected"
    PAST = "past"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision.

    digest      a hash of all that the manifests declare; "" of a held one that nobody has read yet
    git_commit  where they come from a Git repository
    source      the folder or the Git address that they were read from
    """

    digest: str
    git_commit: str | None
    source: str


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """A revision, how it stands, why, since when, and by whom."""

    id: int
    revision: Revision
    status: RevisionStatus
    reason: str
    at: datetime
    by: str


class Revisions:
    """The revisions of this state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, status: RevisionStatus) -> RevisionRow | None:
        """The latest that stands so."""
        query = select(revisions).where(revisions.c.status == status.value).order_by(revisions.c.id.desc()).limit(1)
        async with self._database.reading() as transaction:
            row = (await transaction.execute(query)).one_or_none()
        if row is None:
            return None
        revision = Revision(row.digest, row.git_commit, row.source)
        return RevisionRow(row.id, revision, RevisionStatus(row.status), row.reason, row.at, row.by)

    async def was_in_force(self, digest: str) -> bool:
        """Whether manifests with this digest were in force before those that are."""
        query = select(revisions.c.id).where(
            revisions.c.status == RevisionStatus.PAST.value, revisions.c.digest == digest
        )
        async with self._database.reading() as transaction:
            return await transaction.scalar(query.limit(1)) is not None

    async def put_in_force(self, revision: Revision, *, instead_of: int | None, at: datetime, by: str) -> bool:
        """Put a revision in force in the place of the one with that number (None: of none); False where another
        process was quicker. Whatever was held for a decision is decided by that."""
        async with self._database.writing() as transaction:
            current = await transaction.scalar(
                select(revisions.c.id).where(revisions.c.status == RevisionStatus.IN_FORCE.value)
            )
            if current != instead_of:
                return False
            decided = (RevisionStatus.IN_FORCE, RevisionStatus.HELD, RevisionStatus.RELEASED)
            await transaction.execute(
                update(revisions)
                .where(revisions.c.status.in_([each.value for each in decided]))
                .values(status=RevisionStatus.PAST.value, ended_at=at)
            )
            await transaction.execute(
                insert(revisions).values(_revision_columns(revision, RevisionStatus.IN_FORCE, "", at, by))
            )
            return True

    async def hold(self, revision: Revision, *, reason: str, at: datetime, by: str) -> bool:
        """Hold a revision for a decision, in the place of one that was held before; False where that, or a person's
        decision about it, is recorded already."""
        known = (RevisionStatus.HELD, RevisionStatus.RELEASED, RevisionStatus.REJECTED)
        async with self._database.writing() as transaction:
            same = (revisions.c.git_commit == revision.git_commit) & (revisions.c.digest == revision.digest)
            is_known = select(revisions.c.id).where(same, revisions.c.status.in_([each.value for each in known]))
            if await transaction.scalar(is_known.limit(1)) is not None:
                return False
            await transaction.execute(
                update(revisions)
                .where(revisions.c.status == RevisionStatus.HELD.value)
                .values(status=RevisionStatus.PAST.value, ended_at=at)
            )
            await transaction.execute(
                insert(revisions).values(_revision_columns(revision, RevisionStatus.HELD, reason, at, by))
            )
            return True

    async def drop_held(self, *, at: datetime) -> bool:
        """What is held needs no decision any more; False where nothing was held."""
        async with self._database.writing() as transaction:
            is_held = revisions.c.status == RevisionStatus.HELD.value
            statement = update(revisions).where(is_held).values(status=RevisionStatus.PAST.value, ended_at=at)
            return await transaction.execute_and_count(statement) > 0

    async def decide(self, id_: int, status: RevisionStatus, *, at: datetime, by: str) -> bool:
        """Release or reject the held revision of that number; False where it is held no longer."""
        ended = at if status is RevisionStatus.REJECTED else None
        async with self._database.writing() as transaction:
            is_held = (revisions.c.id == id_) & (revisions.c.status == RevisionStatus.HELD.value)
            statement = update(revisions).where(is_held).values(status=status.value, at=at, by=by, ended_at=ended)
            return await transaction.execute_and_count(statement) == 1


def _revision_columns(
    revision: Revision, status: RevisionStatus, reason: str, at: datetime, by: str
) -> dict[str, object]:
    return {
        "digest": revision.digest,
        "git_commit": revision.git_commit,
        "source": revision.source,
        "status": status.value,
        "reason": reason,
        "at": at,
        "by": by,
    }
