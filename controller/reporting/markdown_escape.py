"""Foreign text in Markdown as itself: no link, no mention, no entity, no end of a code span."""

from __future__ import annotations

import re

from controller.untrusted_text import escape_control

_SPECIAL = str.maketrans({**{sign: f"\\{sign}" for sign in r"\`*_[]<>|~$"}, "&": "&amp;"})
_WITHIN_REFERENCES = re.compile(
    r"(?<=@)|(?<=#)(?=\d)|(?<=\bGH-)(?=\d)|(?<=:)(?=//)|(?<=\bwww\.)|(?<=:)(?=[a-z0-9_+-]+:)", re.IGNORECASE
)
"""Places within what GitHub turns into a mention, the link to an issue, a link or an emoji."""


def escape_markdown(text: str) -> str:
    """The text as itself, whatever signs of Markdown are in it."""
    return _WITHIN_REFERENCES.sub("<!-- -->", escape_control(text).translate(_SPECIAL))


def code_span(text: str) -> str:
    """A command to copy. What no code span can hold is escaped text."""
    return escape_markdown(text) if "`" in text or text != escape_control(text) else f"`{text}`"
