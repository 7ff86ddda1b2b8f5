"""What is remembered of a rollout, and who may turn it: taken up again, paused, aborted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from controller.model.errors import Locked, MerchantctlError
from controller.model.merchant import Wanted
from controller.model.rollout import TO_DO, UNDER_WAY, Member, MemberState, Rollout, RolloutState, Terms
from controller.reconcile.survey import now
from controller.reporting.words import listed
from state import MemberRow, Owner, RolloutRow, Store


async def newest(store: Store) -> Rollout | None:
    row = await store.rollout()
    return await _whole(store, row) if row else None


async def found(store: Store, name: str | None) -> Rollout:
    """That rollout, or the newest. Raises MerchantctlError where there is none."""
    return await _whole(store, await _row(store, name))


async def pause(store: Store, name: str | None) -> Rollout:
    """The process that carries it out notices between two merchants. Raises MerchantctlError where none runs."""
    return await _stopped(store, name, (RolloutState.RUNNING,), RolloutState.PAUSED)


async def abort(store: Store, name: str | None) -> Rollout:
    """No further wave; what is done stays. Raises MerchantctlError where it is over already."""
    return await _stopped(store, name, UNDER_WAY, RolloutState.ABORTED)


async def _stopped(store: Store, name: str | None, of: tuple[RolloutState, ...], state: RolloutState) -> Rollout:
    row = await _row(store, name)
    turned = await store.turn_rollout(row.id, of=of, state=state.value, reason=f"{state} by hand", since=now())
    rollout = await found(store, row.name)
    if not turned:
        raise MerchantctlError(f"{told(rollout)}, so it cannot be {state}; merchantctl rollout status says more")
    return rollout


async def taken_up(
    store: Store, name: str | None, wanted: Mapping[str, Wanted], owner: Owner, max_failures: int | None
) -> Rollout:
    """A rollout that stands, in this process's hands; it tolerates `max_failures` a wave from now on, where given.

    Raises Locked where another process may still carry it out, and MerchantctlError where it is over or where the
    manifests ask for something else than at its start.
    """
    row = await _row(store, name)
    rollout = await _whole(store, row)
    _refuse_what_is_over(rollout)
    _refuse_other_hands(rollout, row.owner)
    _refuse_other_wishes(rollout, wanted)
    terms = rollout.terms if max_failures is None else replace(rollout.terms, max_failures=max_failures)
    running = {"state": RolloutState.RUNNING.value, "reason": "", "since": now(), "terms": asdict(terms)}
    if not await store.turn_rollout(row.id, of=[*UNDER_WAY], of_owner=row.owner, owner=owner, **running):
        raise Locked(
            f"somebody else has just taken up rollout {rollout.name}; merchantctl rollout status shows how far"
        )
    return await found(store, row.name)


def _refuse_what_is_over(rollout: Rollout) -> None:
    if rollout.state not in UNDER_WAY:
        raise MerchantctlError(f"{told(rollout)}: merchantctl rollout start begins another one")


def _refuse_other_hands(rollout: Rollout, owner: Owner) -> None:
    if rollout.state is RolloutState.RUNNING and not owner.is_dead():
        raise Locked(
            f"rollout {rollout.name} is carried out by `{owner.command}` (pid {owner.pid} on {owner.host}). If you "
            f"know that it is dead: merchantctl rollout pause {rollout.name}, then resume"
        )


def _refuse_other_wishes(rollout: Rollout, wanted: Mapping[str, Wanted]) -> None:
    """Only those that are still to come: what else is declared by now is not this rollout's business."""
    waves = (each for each in rollout.members if each.wave >= rollout.wave and each.state in TO_DO)
    moved = [each.merchant for each in waves if _digest(wanted.get(each.merchant)) != each.digest]
    if moved:
        raise MerchantctlError(
            f"the manifests ask for something else than when rollout {rollout.name} began, of {listed(moved)}. Put "
            f"them back, or: merchantctl rollout abort {rollout.name}, then start one with the new manifests"
        )


def _digest(wanted: Wanted | None) -> str | None:
    return wanted.digest if wanted else None


def told(rollout: Rollout) -> str:
    """`rollout spring is paused at wave 2 of 4`"""
    return f"rollout {rollout.name} is {rollout.state} at wave {rollout.wave} of {rollout.waves}"


async def _row(store: Store, name: str | None) -> RolloutRow:
    row = await store.rollout(name)
    if row is None:
        which = f"no rollout is called {name!r}" if name else "there was no rollout yet"
        raise MerchantctlError(f"{which}; merchantctl rollout start begins one")
    return row


async def _whole(store: Store, row: RolloutRow) -> Rollout:
    rows = await store.rollout_merchants(row.id)
    return Rollout(
        id=row.id,
        name=row.name,
        state=RolloutState(row.state),
        reason=row.reason,
        since=row.since,
        started_at=row.started_at,
        terms=Terms.of_json(row.terms),
        wave=row.wave,
        soak_until=row.soak_until,
        forsaken=row.state == RolloutState.RUNNING and row.owner.is_dead(),
        members=tuple(_members(rows)),
    )


def _members(rows: Iterable[MemberRow]) -> Iterable[Member]:
    for row in rows:
        yield Member(row.merchant, row.wave, row.digest, MemberState(row.state), row.reason, row.changed)
