"""How a rollout is told, and the exit code that it ends with."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.model.rollout import MemberState, Rollout, RolloutMember, RolloutSpec, RolloutState
from controller.reporting.rollout import next_steps, rollout_exit_code, rollout_json, rollout_text

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DONE, FAILED, AHEAD, KEPT = MemberState.DONE, MemberState.FAILED, MemberState.PENDING, MemberState.NOT_REVERTED


def rollout(state: RolloutState, *waves: tuple[MemberState, ...], wave: int = 1, **more: Any) -> Rollout:
    members = tuple(
        RolloutMember(f"m{number}{place}", number, "", each, "refused" if each in (FAILED, KEPT) else "")
        for number, states in enumerate(waves, 1)
        for place, each in enumerate(states)
    )
    terms = RolloutSpec(("1", "100%"), **more)
    return Rollout(1, "spring", state, "", NOON, NOON, terms, wave, None, members)


def test_a_rollout_is_told_wave_by_wave_with_its_troubles_and_the_next_step() -> None:
    told = rollout_text(rollout(RolloutState.PAUSED, (DONE, FAILED), (AHEAD,) * 3))
    assert told.splitlines() == [
        "spring  paused since 2026-11-22 12:00 UTC",
        "  WAVE  MERCHANTS  DONE  FAILED  LEFT  TO APPLY  UNDONE  KEPT",
        "  1     2          1     1       -     -         -       -     in hand",
        "  2     3          -     -       3     -         -       -",
        "m11  failed  refused",
        "> merchantctl rollout resume spring goes on where it stands; whoever failed is tried again",
        "> merchantctl rollout abort spring leaves everyone as they are; undo puts back what it changed",
    ]


def test_of_many_troubles_some_are_told_and_the_json_has_all() -> None:
    many = rollout(RolloutState.PAUSED, (FAILED,) * 30)
    assert "and 10 more: -o json lists all" in rollout_text(many)
    assert len(rollout_json(many)["merchants"]) == 30


@pytest.mark.parametrize("state", RolloutState)
def test_every_state_can_be_told(state: RolloutState) -> None:
    assert state.value in rollout_text(rollout(state, (DONE,)))
    assert all("spring" in step or "manifests" in step for step in next_steps(rollout(state, (DONE,))))


def failed_when_written(state: RolloutState) -> Rollout:
    stands = rollout(state, (FAILED,))
    return replace(stands, members=(replace(stands.members[0], changed={"enabled": {"wrote": True}}),))


@pytest.mark.parametrize(
    ("stands", "signal", "code"),
    [
        (rollout(RolloutState.DONE, (DONE,)), None, 0),
        (rollout(RolloutState.DONE, (DONE, FAILED), max_failures=1), None, 3),
        (rollout(RolloutState.PAUSED, (DONE,), (AHEAD,), wave=2, step=True), None, 0),
        (rollout(RolloutState.PAUSED, (FAILED,), (AHEAD,), step=True), None, 3),
        (rollout(RolloutState.PAUSED, (DONE,), (AHEAD,)), None, 3),
        (rollout(RolloutState.ABORTED, (DONE,), (AHEAD,)), None, 3),
        (rollout(RolloutState.UNDONE, (MemberState.UNDONE,)), None, 0),
        (rollout(RolloutState.UNDONE, (MemberState.UNDONE, FAILED)), None, 0),
        (failed_when_written(RolloutState.UNDONE), None, 3),
        (rollout(RolloutState.UNDONE, (KEPT,)), None, 3),
        (rollout(RolloutState.UNDOING, (DONE,)), None, 3),
        (rollout(RolloutState.PAUSED, (DONE,), (AHEAD,)), 2, 130),
    ],
)
def test_the_exit_code_says_whether_it_came_to_its_end(stands: Rollout, signal: int | None, code: int) -> None:
    assert rollout_exit_code(stands, signal) == code
