"""Findings that come back again and again: who undoes whose change, by the recorded history. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from shlex import quote

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.drift import is_drift_code
from controller.model.field_values import ENABLED_PATH
from controller.model.finding_evidence import Ended
from controller.model.plan import Actor, Direction, Finding
from controller.quick_dataclasses import dataclass

FLAPPING_CODE = "flapping"
WITHIN, LEAST = timedelta(days=1), 3
"""A finding flaps that came LEAST times within WITHIN."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a finding came.

    by        who corrected it, as a person reads it; empty where that was not one of our runs
    revision  of the manifests of that run
    live      the value that somebody had set, in words
    """

    at: datetime
    direction: Direction | None
    ended: Ended | None = None
    by: str = ""
    revision: str = ""
    live: str = ""


def find_flapping(merchant: str, code: str, field: str | None, occurrences: Sequence[Occurrence]) -> Finding | None:
    """A finding that this one flaps, and who undoes whose change; None where it came too seldom.

    occurrences  those of a day

    A change of the manifests that a run carries out does not count, unless runs of different manifests undo each
    other's changes.
    """
    drifts = [time for time in occurrences if is_drift_code(code, time.direction)]
    if len(drifts) >= LEAST:
        return _flapping_finding(merchant, code, field, drifts, _who_and_remedy(merchant, code, field, drifts))
    corrected = [time for time in occurrences if time.ended is Ended.MENDED and time.revision]
    revisions = [time.revision for time in corrected]
    swings = sum(one != other for one, other in pairwise(revisions))
    # Of one commit after another each is carried out once. Only where one comes back that another had replaced are
    # there two who do not know of each other.
    comes_back = any(now in revisions[:place] for place, (one, now) in enumerate(pairwise(revisions)) if now != one)
    if swings < LEAST - 1 or not comes_back:
        return None
    runs = sorted({f"{time.by} from manifests {time.revision[:12]}" for time in corrected})
    cause = f"runs of different manifests set each other back: {' and '.join(runs)}"
    remedy = "let one of them go, or give both the same manifests"
    return _flapping_finding(merchant, code, field, corrected, (cause, remedy))


def _flapping_finding(
    merchant: str, code: str, field: str | None, times: Sequence[Occurrence], who_and_remedy: tuple[str, str]
) -> Finding:
    who, remedy = who_and_remedy
    last_times = ", ".join(f"{time.at:%H:%M}" for time in times[-10:])
    cause = f"{code} came {len(times)} times within a day (last at {last_times} UTC): {who}"
    return Finding(FLAPPING_CODE, merchant, cause, remedy, Actor.NOBODY, field=field or None)


def _who_and_remedy(merchant: str, code: str, field: str | None, times: Sequence[Occurrence]) -> tuple[str, str]:
    """Who changes it at Codat and which runs correct it, and the remedy."""
    values = [value for value, _ in Counter(time.live for time in times if time.live).most_common(3)]
    to = f" (to {' and '.join(values)})" if values else ""
    corrections = Counter(time.by for time in times if time.ended is Ended.MENDED and time.by)
    by = ", ".join(
        f"{run} {number} times" if number > 1 else f"{run} once" for run, number in sorted(corrections.items())
    )
    whoever = "in the portal" if merchant == ACCOUNT_NAME else "the merchant in the portal or the Sync Flow"
    them = f"somebody at Codat moves it{to}: {whoever}, or another program"
    who = f"{them}; put back by {by}" if by else f"{them}, and moves it back"
    if merchant == ACCOUNT_NAME:
        return who, (
            f"find out who it is: merchantctl history {quote(merchant)}\n"
            "or leave it to them: remove it from its SyncFlow, or write there policy: {drift: Report}"
        )
    find_out, leave = (
        f"find out who it is: merchantctl history {quote(merchant)}",
        _leave_unmanaged_remedy(code, field or ""),
    )
    return who, f"{find_out}\nor leave it to them: in the manifest of {merchant} write {leave}" if leave else find_out


def _leave_unmanaged_remedy(code: str, field: str) -> str:
    """What to write in a manifest so that no run undoes the change; empty where none undoes it, as of a connection."""
    if field.startswith(("mapping.", "schedule.")) or field == ENABLED_PATH:
        return f"unmanaged: ['{field}']; where it says that itself, delete it"
    return "policy: {drift: Report}" if code in ("company-renamed", "company-missing") else ""
