"""Time zones from the pinned `tzdata` package, and from nowhere else.

The standard library prefers what the host has installed: two machines with different rules would change a sync hour
back and forth for ever.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

TZDATA_VERSION: str = tzdata.IANA_VERSION
"""The release of the IANA database, as `2025b`: it is recorded with every hour that was computed by it."""

_NOT_ZONES = {"localtime", "Factory"}


@cache
def time_zone_names() -> frozenset[str]:
    """Every zone that a manifest may name."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - _NOT_ZONES


@cache
def time_zone(name: str) -> ZoneInfo:
    """The zone of this name. KeyError where the database has none."""
    if name not in time_zone_names():
        raise KeyError(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)
