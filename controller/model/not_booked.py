"""Whose sales do not arrive in the books at present, by cause and by who must act. Pure.

NotBooked       one merchant: why, since when, when a sync succeeded last, when the next is due
NotBookedGroup  those of whom the same is to be said, and who wait for the same people
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from controller.model.plan import Actor, Finding
from controller.model.statement_groups import ACTORS_BY_URGENCY, without_name_and_ids
from controller.quick_dataclasses import dataclass


class NotBookedReason(StrEnum):
    """FAILED   the latest sync failed
    OVERDUE  none ran when one was due
    STOPPED  it was synchronised once, and Codat begins no more syncs: switched off, unlinked, gone
    """

    FAILED = "failed"
    OVERDUE = "overdue"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class NotBooked:
    """One merchant.

    finding          cause, remedy, who must act; its `since`: when the first of the failed syncs in a row ran, when the
                     last ran, or when what stopped them was seen first
    last_success_at  None where no success was read yet
    next_sync_at     as the live schedule has it; None where none is due, or only the frequency is known
    read_at          when its latest sync was read
    """

    finding: Finding
    reason: NotBookedReason
    last_success_at: datetime | None
    next_sync_at: datetime | None
    frequency: str | None
    read_at: datetime

    @property
    def merchant(self) -> str:
        return self.finding.merchant


@dataclass(frozen=True, slots=True)
class NotBookedGroup:
    """Merchants with one cause, by name; never none."""

    merchants: tuple[NotBooked, ...]

    @property
    def example(self) -> NotBooked:
        return self.merchants[0]

    @property
    def since(self) -> datetime | None:
        """When it began, for the first of them."""
        return min((each.finding.since for each in self.merchants if each.finding.since), default=None)


def group_not_booked(merchants: Iterable[NotBooked]) -> tuple[NotBookedGroup, ...]:
    """By cause and by who must act; that of most merchants first. Names and ids in a cause make no difference."""
    alike: dict[tuple[str, ...], list[NotBooked]] = defaultdict(list)
    for each in sorted(merchants, key=lambda each: each.merchant):
        found = each.finding
        texts = (without_name_and_ids(text, each.merchant) for text in (found.cause, found.remedy))
        alike[each.reason, found.actor, found.code, found.field or "", *texts].append(each)
    groups = [NotBookedGroup(tuple(some)) for some in alike.values()]
    return tuple(sorted(groups, key=lambda group: (-len(group.merchants), group.example.merchant)))


def count_not_booked_by_reason(groups: Iterable[NotBookedGroup]) -> Mapping[NotBookedReason, int]:
    """How many merchants by reason, in the order of the reasons."""
    counts = Counter(each.reason for group in groups for each in group.merchants)
    return {reason: counts[reason] for reason in NotBookedReason if counts[reason]}


def count_not_booked_by_actor(groups: Iterable[NotBookedGroup]) -> Mapping[Actor, int]:
    """How many merchants wait for whom; those who must be asked first come first."""
    counts = Counter(each.finding.actor for group in groups for each in group.merchants)
    return {actor: counts[actor] for actor in (*ACTORS_BY_URGENCY, Actor.NOBODY) if counts[actor]}
