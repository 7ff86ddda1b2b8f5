"""What is remembered of a rollout, and who may turn it: taken up again, paused, aborted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from controller.model.desired import DesiredMerchant
from controller.model.errors import LockedByOtherRun, MerchantctlError
from controller.model.rollout import (
    ACTIVE_ROLLOUT_STATES,
    UNFINISHED_STATES,
    Rollout,
    RolloutState,
)
from controller.reconcile.load_rollout import load_rollout_of_row
from controller.reporting.formatting import format_list
from state import ProcessIdentity, RolloutRow, Store


async def load_rollout(store: Store, name: str | None) -> Rollout:
    """That rollout, or the newest. Raises MerchantctlError where there is none."""
    return await load_rollout_of_row(store, await _load_row(store, name))


async def pause_rollout(store: Store, name: str | None, at: datetime) -> Rollout:
    """The process that carries it out notices between two merchants. Raises MerchantctlError where none runs."""
    return await _stop_by_hand(store, name, (RolloutState.RUNNING,), RolloutState.PAUSED, at)


async def abort_rollout(store: Store, name: str | None, at: datetime) -> Rollout:
    """No further wave; what is done stays. Raises MerchantctlError where it is over already."""
    return await _stop_by_hand(store, name, ACTIVE_ROLLOUT_STATES, RolloutState.ABORTED, at)


async def _stop_by_hand(
    store: Store, name: str | None, from_states: tuple[RolloutState, ...], state: RolloutState, at: datetime
) -> Rollout:
    row = await _load_row(store, name)
    turned = await store.rollouts.compare_and_set(
        row.id, if_state_in=from_states, state=state.value, reason=f"{state} by hand", since=at
    )
    rollout = await load_rollout(store, row.name)
    if not turned:
        raise MerchantctlError(
            f"{describe_position(rollout)}, so it cannot be {state}; merchantctl rollout status says more"
        )
    return rollout


async def claim_and_resume_rollout(
    store: Store,
    name: str | None,
    wanted: Mapping[str, DesiredMerchant],
    owner: ProcessIdentity,
    max_failures: int | None,
    at: datetime,
) -> Rollout:
    """A rollout that stands, in this process's hands; it tolerates `max_failures` a wave from now on, where given.

    Raises LockedByOtherRun where a process that lives carries it out, and MerchantctlError where it is over or where
    the manifests ask for something else than at its start.
    """
    row = await _load_row(store, name)
    rollout = await load_rollout_of_row(store, row)
    _refuse_if_over(rollout)
    # One that was paused was told to stop, be it at its last request or standing still: it has no say any more.
    if not await store.rollouts.acquire_claim(by_force=rollout.state is not RolloutState.RUNNING):
        who = row.owner
        raise LockedByOtherRun(
            f"rollout {rollout.name} is carried out by `{who.command}` (pid {who.pid} on {who.host}). "
            f"To take it from there: merchantctl rollout pause {rollout.name}, then resume"
        )
    try:
        _refuse_if_manifests_changed(rollout, wanted)
        terms = rollout.spec if max_failures is None else replace(rollout.spec, max_failures=max_failures)
        running = {"state": RolloutState.RUNNING.value, "reason": "", "since": at, "terms": asdict(terms)}
        if not await store.rollouts.compare_and_set(
            row.id, if_state_in=[*ACTIVE_ROLLOUT_STATES], if_owner=row.owner, owner=owner, **running
        ):
            raise LockedByOtherRun(
                f"somebody else has just taken up rollout {rollout.name}; merchantctl rollout status shows how far"
            )
        return await load_rollout(store, row.name)
    except BaseException:
        # A process that lives on would keep everybody else from it, without carrying it out.
        await store.rollouts.give_back_claim()
        raise


def _refuse_if_over(rollout: Rollout) -> None:
    if rollout.state not in ACTIVE_ROLLOUT_STATES:
        raise MerchantctlError(f"{describe_position(rollout)}: merchantctl rollout start begins another one")


def _refuse_if_manifests_changed(rollout: Rollout, wanted: Mapping[str, DesiredMerchant]) -> None:
    """Only those that are still to come: what else is declared by now is not this rollout's business."""
    waves = (each for each in rollout.members if each.wave >= rollout.current_wave and each.state in UNFINISHED_STATES)
    moved = [each.merchant for each in waves if _digest(wanted.get(each.merchant)) != each.digest]
    if moved:
        raise MerchantctlError(
            f"the manifests ask for something else than when rollout {rollout.name} began, of "
            f"{format_list(moved)}. Put "
            f"them back, or: merchantctl rollout abort {rollout.name}, then start one with the new manifests"
        )


def _digest(wanted: DesiredMerchant | None) -> str | None:
    return wanted.digest if wanted else None


def describe_position(rollout: Rollout) -> str:
    """`rollout spring is paused at wave 2 of 4`"""
    return f"rollout {rollout.name} is {rollout.state} at wave {rollout.current_wave} of {rollout.wave_count}"


async def _load_row(store: Store, name: str | None) -> RolloutRow:
    row = await store.rollouts.load(name)
    if row is None:
        which = f"no rollout is called {name!r}" if name else "there was no rollout yet"
        raise MerchantctlError(f"{which}; merchantctl rollout start begins one")
    return row
