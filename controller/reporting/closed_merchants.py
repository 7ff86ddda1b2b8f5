"""That a merchant is closed to all writes, as every report says it: counted in text, by its word in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.model.holds import CLOSED_WORDS, Hold, count_closed_by_word
from controller.reporting.formatting import format_iso


def closed_counts_text(holds: Iterable[Hold | None], *, infix: str = "") -> str:
    """`, 3 of them suspended`, to go on with in a sentence; empty where nobody is closed."""
    return "".join(f", {number:,} {infix}{word}" for word, number in count_closed_by_word(holds).items() if number)


def closed_json(hold: Hold | None) -> dict[str, Any]:
    """`{"suspended": {"reason": …, "until": …}}`; empty while the merchant is open."""
    if hold is None or not hold.closed_word:
        return {}
    return {hold.closed_word: {"reason": hold.reason, "until": format_iso(hold.until)}}


def closed_flags_json(hold: Hold | None) -> dict[str, bool]:
    """`{"suspended": false}`, for a row that says so of everyone."""
    return {word: hold is not None and hold.closed_word == word for word in CLOSED_WORDS}
