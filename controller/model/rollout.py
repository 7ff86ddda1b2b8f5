"""A bulk change in waves: how it was started, where it stands, and what it did to which merchant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.model.report import FleetPlan
from controller.quick_dataclasses import dataclass


class RolloutState(StrEnum):
    """The state of a rollout. One that is running or paused is active: there is at most one such."""

    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


ACTIVE_ROLLOUT_STATES = (RolloutState.RUNNING, RolloutState.PAUSED)
ENDED = (RolloutState.ABORTED, RolloutState.DONE, RolloutState.UNDONE)


class MemberState(StrEnum):
    """How far the rollout is with one merchant. The values are those in the database.

    PENDING       not reached yet
    IN_PROGRESS   its former values are recorded, and it may have been written
    DONE          as desired
    FAILED        could not be written or read, is blocked, or is not as the rollout left it
    DEFERRED      waits for somebody, or needs what a rollout does not do: apply sees to it
    UNDONE        its former values were restored
    NOT_REVERTED  not restored: somebody has changed since what the rollout wrote
    """

    PENDING = "ahead"
    IN_PROGRESS = "begun"
    DONE = "done"
    FAILED = "failed"
    DEFERRED = "left"
    UNDONE = "undone"
    NOT_REVERTED = "kept"


UNFINISHED_STATES = (MemberState.PENDING, MemberState.IN_PROGRESS, MemberState.FAILED)
"""Members that a wave still has to write; when a wave is resumed, those that failed are tried again."""


@dataclass(frozen=True, slots=True)
class RolloutSpec:
    """How a rollout was started.

    waves         the values of `--wave`
    soak          seconds between the last write of a wave and the check of its merchants
    max_failures  failures that are tolerated in one wave
    step          pause after every wave
    allow         the limits that were lifted
    """

    waves: tuple[str, ...]
    soak: float = 0
    max_failures: int = 0
    step: bool = False
    allow: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> RolloutSpec:
        return cls(**{**spec, "waves": tuple(spec["waves"]), "allow": tuple(spec["allow"])})


@dataclass(frozen=True, slots=True)
class RolloutMember:
    """One merchant of a rollout.

    digest   of what it was desired to be at the rollout's start
    changed  by field path {"before": …, "wrote": …, "stood": …}, as JSON; `stood` has the document's former values by
             JSON pointer, and is missing in rollouts of older versions
    """

    merchant: str
    wave: int
    digest: str
    state: MemberState = MemberState.PENDING
    reason: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout.

    current_wave  from 1; once it is written, it is watched until `soak_until`
    orphaned      its state is running, and no process that lives carries it out
    """

    id: int
    name: str
    state: RolloutState
    reason: str
    since: datetime
    started_at: datetime
    spec: RolloutSpec
    current_wave: int
    soak_until: datetime | None
    members: tuple[RolloutMember, ...] = field(repr=False)
    orphaned: bool = False

    @property
    def wave_count(self) -> int:
        return max((member.wave for member in self.members), default=0)

    def members_of_wave(self, wave: int, *states: MemberState) -> tuple[RolloutMember, ...]:
        """The merchants of a wave, of these states where some are named."""
        return tuple(
            member for member in self.members if member.wave == wave and (not states or member.state in states)
        )


@dataclass(frozen=True, slots=True)
class RolloutPreview:
    """What a rollout would do, before anybody agreed to it.

    plan          of its merchants alone, after the limits
    waves         merchants by wave, in order
    not_included  what the plan of everyone in scope has besides, and a rollout does not do, in sentences
    """

    name: str
    plan: FleetPlan
    waves: tuple[tuple[str, ...], ...] = field(repr=False)
    not_included: tuple[str, ...] = ()
