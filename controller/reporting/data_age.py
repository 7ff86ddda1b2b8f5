"""How old the reference data is that a report judged: Codat re-reads a merchant's books only when asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from controller.model.plan import DataAge
from controller.model.report import FleetPlan
from controller.reporting.formatting import clean, format_count, format_iso, format_time

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def fleet_data_age_text(plan: FleetPlan) -> str:
    """`Judged on data pulled between 2 hours and 9 days ago; not known for 1 merchant.` Empty where none was judged."""
    ages = _oldest_pulls(plan)
    known = sorted(plan.made_at - each for each in ages if each)
    unknown = len(ages) - len(known)
    if not known:
        return "Judged on data of unknown age." if unknown else ""
    newest, oldest = format_age(known[0]), format_age(known[-1])
    span = f"{oldest} ago" if newest == oldest else f"between {newest} and {oldest} ago"
    rest = f"; not known for {format_count(unknown, 'merchant')}" if unknown else ""
    return f"Judged on data pulled {span}{rest}."


def fleet_data_age_json(plan: FleetPlan) -> dict[str, Any]:
    """Of everyone that was judged: the oldest and the newest data, and for how many nobody knows."""
    ages = _oldest_pulls(plan)
    known = [each for each in ages if each]
    return {
        "oldest": format_iso(min(known, default=None)),
        "newest": format_iso(max(known, default=None)),
        "unknown": len(ages) - len(known),
    }


def data_age_json(data: DataAge | None) -> dict[str, Any] | None:
    """One merchant's: null where nothing of its books was looked at; `types` where the data status was asked for."""
    if data is None:
        return None
    types = (
        {"types": {name: format_iso(at) for name, at in data.pulled_at_by_type.items()}}
        if data.pulled_at_by_type
        else {}
    )
    return {"lastSync": format_iso(data.last_pulled_at)} | types


def oldest_data_rows(plan: FleetPlan) -> list[tuple[str, str, str]]:
    """Merchant, how long ago its oldest data was pulled, and which type that is; the oldest first."""
    judged = [(each.data_age.oldest_pulled_at, each) for each in plan.plans if each.data_age]
    judged.sort(key=lambda pair: (pair[0] is not None, pair[0] or plan.made_at, pair[1].merchant))
    return [(clean(each.merchant), _ago(oldest, plan.made_at), _oldest_type(each.data_age)) for oldest, each in judged]


def format_age(age: timedelta) -> str:
    """`1 minute`, `90 minutes`, `2 hours`, `9 days`; a clock that is ahead of ours counts as just now."""
    if age < 2 * _HOUR:
        return format_count(max(1, age // _MINUTE), "minute")
    return format_count(age // _HOUR, "hour") if age < 2 * _DAY else format_count(age // _DAY, "day")


def data_age_text(data: DataAge) -> str:
    """`data pulled 2026-11-20 10:00 UTC`"""
    return f"data pulled {format_time(data.oldest_pulled_at)}" if data.oldest_pulled_at else "data of unknown age"


def _oldest_pulls(plan: FleetPlan) -> list[datetime | None]:
    return [each.data_age.oldest_pulled_at for each in plan.plans if each.data_age]


def _ago(at: datetime | None, now: datetime) -> str:
    return f"{format_age(now - at)} ago" if at else "unknown"


def _oldest_type(data: DataAge | None) -> str:
    if data is None or not data.pulled_at_by_type:
        return ""
    never = [name for name, at in data.pulled_at_by_type.items() if at is None]
    return (
        f"never: {', '.join(never)}"
        if never
        else min(data.pulled_at_by_type, key=lambda name: str(data.pulled_at_by_type[name]))
    )
