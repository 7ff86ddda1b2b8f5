"""Who is to be looked at once more after a pass, and in how many seconds. Pure.

the pass did not get through   those it was about: when the service said, else
could not be read              the merchant        ┐
waits for data, for consent    the merchant        ├ as long again as it has been so: twice the wait each time,
begun: a company or connection the merchant        ┘ from the first wait in the table up to an hour
failed for now                 the merchant, when its quarantine ends
all others                     nobody: the next look at everyone, or a webhook, comes by itself
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from controller.model.plan import ChangeKind, Plan
from controller.runtime.passes import Pass

FIRST_WAITS = {
    "unknown": timedelta(seconds=15),
    "data-not-pulled": timedelta(minutes=1),
    "connection-pending": timedelta(minutes=1),
}
"""By the code of what a merchant waits for. Asking about all that are not Linked costs one listing."""

AFTER_A_SETBACK = timedelta(seconds=5)
LONGEST = timedelta(hours=1)
_BEGINNINGS = (ChangeKind.CREATE_COMPANY, ChangeKind.CREATE_CONNECTION)


def again(done: Pass, failing_since: datetime | None, quarantined: Mapping[str, datetime]) -> dict[str, float]:
    """Seconds by key. `quarantined` says until when a merchant that failed is left alone."""
    looks = dict.fromkeys(done.keys, _before_repeating(done, failing_since)) if done.cut_short else {}
    for plan in done.plans:
        wait = _wait(plan, done.ended, quarantined.get(plan.merchant))
        if wait is not None:
            looks.setdefault(plan.merchant, wait.total_seconds())
    return looks


def _before_repeating(done: Pass, failing_since: datetime | None) -> float:
    wait = done.retry_at - done.ended if done.retry_at else doubled(failing_since, done.ended, AFTER_A_SETBACK)
    return max(wait, AFTER_A_SETBACK).total_seconds()


def doubled(since: datetime | None, now: datetime, first: timedelta) -> timedelta:
    """As long again as it has been so already."""
    return min(LONGEST, max(first, now - since)) if since else first


def _wait(plan: Plan, now: datetime, until: datetime | None) -> timedelta | None:
    return min(_waits(plan, now, until), default=None)


def _waits(plan: Plan, now: datetime, until: datetime | None) -> Iterator[timedelta]:
    if until:
        yield max(until - now, timedelta())
    if any(change.kind in _BEGINNINGS for change in plan.changes):
        yield FIRST_WAITS["connection-pending"]
    for finding in plan.findings:
        if finding.code in FIRST_WAITS:
            yield doubled(finding.since, now, FIRST_WAITS[finding.code])
