"""Values, counts and instants in the words of people, safe to print whatever the API holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from controller.model.field_values import LOCAL_TIME_PATH, PLATFORM_PATH, SYNC_HOUR_PATH, Option, Ref, Value
from controller.model.plan import Actor, ChangeKind, Direction, FieldChange, Finding
from controller.model.platforms import platform_name
from controller.untrusted_text import escape_control

CHANGE_LABELS = {
    ChangeKind.CREATE_COMPANY: ("+", "create the company"),
    ChangeKind.CREATE_CONNECTION: ("+", "create the accounting connection"),
    ChangeKind.CREATE_ACCOUNT: ("+", "create an account in the merchant's books"),
    ChangeKind.RENAME_COMPANY: ("~", "rename the company"),
    ChangeKind.SET_CONFIGURATION: ("~", "set the configuration"),
    ChangeKind.UNLINK_CONNECTION: ("-", "unlink the accounting connection"),
    ChangeKind.DELETE_CONNECTION: ("-", "delete the connection that was replaced"),
    ChangeKind.DELETE_COMPANY: ("-", "delete the company"),
    ChangeKind.SET_FLOW_TEXT: ("~", "set text of the Sync Flow"),
    ChangeKind.SET_VISIBLE_ACCOUNTS: ("~", "set the rows that the Sync Flow shows"),
    ChangeKind.SET_PROFILE: ("~", "set the profile"),
    ChangeKind.SET_DATA_TYPES: ("~", "set what is pulled when"),
    ChangeKind.CREATE_RULE: ("+", "create the legacy rule"),
    ChangeKind.CREATE_CONSUMER: ("+", "create the webhook consumer"),
    ChangeKind.DELETE_CONSUMER: ("-", "delete the webhook consumer that was replaced"),
}

DIRECTIONS = {
    Direction.DRIFT: "changed outside merchantctl",
    Direction.PENDING: "changed in the manifest",
    Direction.CONFLICT: "changed on both sides",
}
"""Who changed a field, compared with what was applied last. JSON has the words of `Direction` itself."""

ACTOR_WORDS = {
    Actor.OPERATOR: "our side",
    Actor.MERCHANT: "the merchant",
    Actor.CODAT: "Codat",
    Actor.APPLY: "merchantctl apply",
    Actor.NOBODY: "nobody",
}
"""Who must act, in a sentence."""

clean = escape_control

_HOURS = (SYNC_HOUR_PATH, LOCAL_TIME_PATH)


def format_value(value: Value | Ref, field: str | None = None) -> str:
    """What stands at a field, or should: `Sales (200)`, `[Location, Item]`, `2026-12-01 00:00 UTC`, `09:00 UTC`.

    None is `(unset)`; a platform is called as manifests call it; a reference that has no answer yet is as it was
    written: `code 200`.
    """
    if field == PLATFORM_PATH and isinstance(value, str):
        return clean(platform_name(value) or value)
    if field in _HOURS and isinstance(value, int):
        return f"{value:02}:00 UTC"
    match value:
        case None:
            return "(unset)"
        case bool():
            return "true" if value else "false"
        case Option():
            return _option_words(value)
        case Ref(by=by, value=text):
            return clean(f"{by} {text}")
        case datetime():
            return format_time(value)
        case tuple():
            return clean("[" + ", ".join(value) + "]")
    return clean(str(value))


def _option_words(option: Option) -> str:
    if not option.name:
        return clean(option.code or option.id)
    return clean(f"{option.name} ({option.code})" if option.code else option.name)


def format_iso(at: datetime | None) -> str | None:
    """ISO 8601 UTC to the second, for programs."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def finding_label(finding: Finding) -> str:
    """`mapping-changed (changed outside merchantctl)`"""
    return f"{finding.code} ({DIRECTIONS[finding.direction]})" if finding.direction else finding.code


def direction_words(change: FieldChange) -> str:
    """Who changed a field; nothing for one that is set for the first time, where it goes without saying."""
    is_first = change.live is None and change.direction is Direction.PENDING
    return "" if is_first else DIRECTIONS[change.direction]


def format_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_count(number: int, one: str, many: str | None = None) -> str:
    """`1 merchant`, `2,000 merchants`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def format_list(words: Sequence[str], most: int = 5) -> str:
    """`a, b, c and 12 more`."""
    shown = ", ".join(clean(word) for word in words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most:,} more"


def cut_text(text: str, most: int) -> str:
    """The text, its end left out where it is longer than `most` characters: `the beginning of it…`."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def format_minutes(minutes: float) -> str:
    if minutes < 1:
        return "under a minute"
    return (
        f"about {format_count(round(minutes), 'minute')}"
        if minutes < 120
        else f"about {format_count(round(minutes / 60), 'hour')}"
    )


def align_columns(rows: Sequence[Sequence[str]], indent: str, gap: str = "  ", width: int | None = None) -> list[str]:
    """The rows as lines, every column but the last as wide as its widest cell; colour takes no room.

    One long name widens nobody else's row: a cell beyond `WIDEST` only moves what stands to the right of it. Where a
    row is wider than `width`, a terminal's, long cells of the table are shortened in their middle.
    """
    if not rows:
        return []
    if width is not None and any(_row_width(row, indent, gap) > width for row in rows):
        rows = [[*(_shorten_cell(cell) for cell in row[:-1]), row[-1]] for row in rows]
    widths = [
        max((width for row in rows if (width := _shown_width(row[i])) <= WIDEST), default=WIDEST)
        for i in range(len(rows[0]))
    ]
    return [indent + gap.join(map(_pad_cell, row, widths)).rstrip() for row in rows]


def _row_width(row: Sequence[str], indent: str, gap: str) -> int:
    return len(indent) + sum(map(_shown_width, row)) + len(gap) * (len(row) - 1)


def _shorten_cell(cell: str) -> str:
    """`franchise-uk-l…n-high-street-0001`: names differ at both ends. A coloured cell is a short word."""
    if len(cell) <= SHORT_CELL or "\x1b" in cell:
        return cell
    half = SHORT_CELL // 2
    return f"{cell[: half - 1]}…{cell[-half:]}"


SHORT_CELL = 32
"""Characters to which a cell is shortened where its row is too wide for the terminal."""
WIDEST = 48
"""Characters of a cell that a column makes room for."""
_COLOUR = re.compile(r"\x1b\[[0-9]+m")


def _shown_width(cell: str) -> int:
    return len(_COLOUR.sub("", cell)) if "\x1b" in cell else len(cell)


def _pad_cell(cell: str, width: int) -> str:
    return cell + " " * (width - _shown_width(cell))
