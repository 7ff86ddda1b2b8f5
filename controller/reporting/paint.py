"""Colour for a terminal, or none."""

from __future__ import annotations

from controller.model.merchant_status import STATUS_MEANINGS
from controller.quick_dataclasses import dataclass

_CODES = {"good": "32", "change": "33", "wait": "33", "bad": "31", "quiet": "2", "strong": "1", "link": "36"}

STYLE_BY_WORD = {
    **{state.value: meaning.tone for state, meaning in STATUS_MEANINGS.items()},
    "drift": "bad",
    "conflict": "bad",
    "pending": "change",
    "+": "good",
    "~": "change",
    "-": "bad",
    "True": "good",
    "False": "bad",
    "Unknown": "change",
}
"""How a word of the subject looks."""


@dataclass(frozen=True, slots=True)
class Paint:
    """`paint("bad", text)` is the text in red; without colour it is the text.

    width  columns of the terminal, into which tables are shortened; None = it is no terminal, and nothing is
    """

    colour: bool = False
    width: int | None = None

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def colour_word(self, word: str) -> str:
        """A state, direction or sign in its own colour."""
        return self(STYLE_BY_WORD[word], word) if word in STYLE_BY_WORD else word


WITHOUT_COLOUR = Paint()
