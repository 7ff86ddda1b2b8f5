"""Values, counts and instants in the words of people, safe to print whatever the API holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from controller.model.plan import ChangeKind, Finding
from controller.model.values import LOCAL_TIME, SYNC_HOUR, Option, Ref, Value

CHANGES = {
    ChangeKind.CREATE_COMPANY: ("+", "create the company"),
    ChangeKind.CREATE_CONNECTION: ("+", "create the accounting connection"),
    ChangeKind.RENAME_COMPANY: ("~", "rename the company"),
    ChangeKind.SET_CONFIGURATION: ("~", "set the configuration"),
    ChangeKind.UNLINK_CONNECTION: ("-", "unlink the accounting connection"),
    ChangeKind.DELETE_COMPANY: ("-", "delete the company"),
}


def clean(text: str) -> str:
    """The text on one line, without what would steer a terminal: names come from strangers."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


_HOURS = (SYNC_HOUR, LOCAL_TIME)


def value_words(value: Value | Ref, field: str | None = None) -> str:
    """What stands at a field, or should: `Sales (200)`, `[Location, Item]`, `2026-12-01 00:00 UTC`, `09:00 UTC`.

    None is `nothing`; a reference that has no answer yet is as it was written: `code 200`.
    """
    if field in _HOURS and isinstance(value, int):
        return f"{value:02}:00 UTC"
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case Option():
            return _option_words(value)
        case Ref(by, text):
            return clean(f"{by} {text}")
        case datetime():
            return moment(value)
        case tuple():
            return clean("[" + ", ".join(value) + "]")
    return clean(str(value))


def _option_words(option: Option) -> str:
    if not option.name:
        return clean(option.code or option.id)
    return clean(f"{option.name} ({option.code})" if option.code else option.name)


def instant(at: datetime | None) -> str | None:
    """ISO 8601 UTC to the second, for programs."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def finding_words(finding: Finding) -> str:
    """`mapping-changed (drift)`"""
    return f"{finding.code} ({finding.direction.value})" if finding.direction else finding.code


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 merchant`, `2,000 merchants`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: Sequence[str], most: int = 5) -> str:
    """`a, b, c and 12 more`."""
    shown = ", ".join(clean(word) for word in words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most:,} more"


def minutes_words(minutes: float) -> str:
    if minutes < 1:
        return "under a minute"
    return (
        f"about {count(round(minutes), 'minute')}" if minutes < 120 else f"about {count(round(minutes / 60), 'hour')}"
    )


def columns(rows: Sequence[Sequence[str]], indent: str, gap: str = "  ") -> list[str]:
    """The rows as lines, every column but the last as wide as its widest cell; colour takes no room."""
    if not rows:
        return []
    widths = [max(_shown_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [indent + gap.join(map(_padded, row, widths)).rstrip() for row in rows]


_COLOUR = re.compile(r"\x1b\[[0-9]+m")


def _shown_width(cell: str) -> int:
    return len(_COLOUR.sub("", cell)) if "\x1b" in cell else len(cell)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _shown_width(cell))
