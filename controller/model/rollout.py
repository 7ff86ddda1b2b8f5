"""A bulk change in waves: what it was told, where it stands, and what it did to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.model.report import FleetPlan


class RolloutState(StrEnum):
    """Where a rollout stands. One that is running or paused is under way: there is one such at a time."""

    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


UNDER_WAY = (RolloutState.RUNNING, RolloutState.PAUSED)


class MemberState(StrEnum):
    """How far the rollout is with one merchant.

    ahead    not reached yet
    begun    what it stood at is noted, and it may have been written
    done     as wanted
    failed   could not be written or read, is blocked, or is not as it was left
    left     waits for somebody, or needs what a rollout does not do: apply sees to it
    undone   put back
    kept     not put back: somebody has changed since what the rollout wrote
    """

    AHEAD = "ahead"
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    LEFT = "left"
    UNDONE = "undone"
    KEPT = "kept"


TO_DO = (MemberState.AHEAD, MemberState.BEGUN, MemberState.FAILED)
"""What a wave has before it; of one that is in hand again, those that failed are tried again."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rollout was told at its start.

    waves         the words of `--wave`
    soak          seconds from the last write of a wave to another look at it
    max_failures  so many of one wave are tolerated
    step          every wave ends with a pause
    allow         the limits that were lifted
    """

    waves: tuple[str, ...]
    soak: float = 0
    max_failures: int = 0
    step: bool = False
    allow: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, terms: Mapping[str, Any]) -> Terms:
        return cls(**{**terms, "waves": tuple(terms["waves"]), "allow": tuple(terms["allow"])})


@dataclass(frozen=True, slots=True)
class Member:
    """One merchant of a rollout. `changed`: by field path {"before": …, "wrote": …}, as JSON."""

    merchant: str
    wave: int
    digest: str
    state: MemberState = MemberState.AHEAD
    reason: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout.

    wave        the one in hand, from 1; it is watched until `soak_until` once it is written
    forsaken    it is said to run, and its process is known to be dead
    """

    id: int
    name: str
    state: RolloutState
    reason: str
    since: datetime
    started_at: datetime
    terms: Terms
    wave: int
    soak_until: datetime | None
    members: tuple[Member, ...] = field(repr=False)
    forsaken: bool = False

    @property
    def waves(self) -> int:
        return max((each.wave for each in self.members), default=0)

    def of_wave(self, wave: int, *states: MemberState) -> tuple[Member, ...]:
        """The merchants of a wave, of these states where some are named."""
        return tuple(each for each in self.members if each.wave == wave and (not states or each.state in states))


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a rollout would do, before anybody agreed to it.

    plan     of its population alone, judged as a whole
    waves    names in the order in which they go
    left     what else the plan of everyone in scope holds and a rollout does not do, in sentences
    """

    name: str
    plan: FleetPlan
    waves: tuple[tuple[str, ...], ...] = field(repr=False)
    left: tuple[str, ...] = ()
