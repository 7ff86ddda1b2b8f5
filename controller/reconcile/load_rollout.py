"""A rollout as it is recorded, with its members."""

from __future__ import annotations

from collections.abc import Iterable

from controller.model.rollout import MemberState, Rollout, RolloutMember, RolloutSpec, RolloutState
from state import MemberRow, RolloutRow, Store


async def load_newest_rollout(store: Store) -> Rollout | None:
    row = await store.rollouts.load()
    return await load_rollout_of_row(store, row) if row else None


async def load_rollout_of_row(store: Store, row: RolloutRow) -> Rollout:
    rows = await store.rollouts.load_members(row.id)
    return Rollout(
        id=row.id,
        name=row.name,
        state=RolloutState(row.state),
        reason=row.reason,
        since=row.since,
        started_at=row.started_at,
        spec=RolloutSpec.from_json(row.terms),
        current_wave=row.wave,
        soak_until=row.soak_until,
        orphaned=row.state == RolloutState.RUNNING and not await store.rollouts.is_claim_held(),
        members=tuple(_members(rows)),
    )


def _members(rows: Iterable[MemberRow]) -> Iterable[RolloutMember]:
    for row in rows:
        yield RolloutMember(row.merchant, row.wave, row.digest, MemberState(row.state), row.reason, row.changed)
