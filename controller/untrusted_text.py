"""Text that came from outside, made harmless where it enters a sentence.

Names, error texts, file names and keys come from strangers: a line break in one would forge a line of a report, a
control character would steer a terminal, a right-to-left sign would turn the rest of the line around, and a line that
begins with `::` is a command to the CI that shows it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_COMMANDS = re.compile(r"^(\s*):(?=:)|#(?=#(?:\[|vso\[))")
"""How GitHub's and Azure's runners know a command: at the beginning of a line, or anywhere in it."""

_PASSWORDS = re.compile(
    r"(postgres[a-z]*(?:\+[a-z_]+)?://[^\s/@:\[]*):(?!\d{1,5}/)[^\s\"]+(?=@)"
    r"|(://[^\s/@:\[]*):(?:[^\s/\"]+(?=@)|(?!\d{1,5}/)[^\s@\"]+(?=@))"
    r"|(://)[^\s/@:]{20,}(?=@)"
    r"|([?&](?:[a-z_]*(?:password|passwd|token|secret|signature|api[_-]?key)|pass|passfile|sig|key|code)=)[^\s&'\"]+",
    re.IGNORECASE,
)
"""In any URL: `user:password@`, with `@` or `/` in the password, too; `token@`, which is longer than a name; what
PostgreSQL takes as a parameter, and what others do."""

_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]|#(?=#(?:\\[|vso\\[))"
)
"""What JSON may hold as it is, though a terminal, an editor or a CI obeys it."""


def escape_control(text: str) -> str:
    """The text on one line, what cannot be printed spelt out (`\\n`, `\\x1b`, `\\u202e`), and no command to a CI."""
    if text.isprintable():
        return _COMMANDS.sub(_escape_ci_command, text) if ":" in text or "#" in text else text
    shown = "".join(each if each.isprintable() else _escape_character(each) for each in text)
    return _COMMANDS.sub(_escape_ci_command, shown)


def _escape_character(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _escape_ci_command(found: re.Match[str]) -> str:
    return f"{found[1]}\\x3a" if found[1] is not None else "\\x23"


_WEB_ADDRESS = re.compile(r"https?://[^\s<>|\\\"'`]+")


def is_web_address(text: str | None) -> bool:
    """Whether a link that came from outside may be followed or printed as it is: http(s), in signs that no page, table
    or terminal reads as anything else."""
    return text is not None and text.isprintable() and _WEB_ADDRESS.fullmatch(text) is not None


def mask_passwords(text: str) -> str:
    """The text with the passwords of all URLs in it masked."""
    return _PASSWORDS.sub(_mask_match, text)


def _mask_match(found: re.Match[str]) -> str:
    of_state, of_other, before_token, parameter = found.groups()
    user = of_state or of_other
    return f"{user}:***" if user else f"{before_token or parameter}***"


def dump_json(document: Any) -> str:
    """JSON for people and programs: indented, names as they are written, no character in it that steers a terminal."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def unknown_merchant_text(name: str, known_names: Iterable[str]) -> str:
    """That no merchant has the name, with the one that was meant, perhaps, or else where they are listed."""
    from difflib import get_close_matches

    similar = get_close_matches(name, sorted(known_names), n=1)
    hint = f". Did you mean {similar[0]!r}?" if similar else "; merchantctl status lists them"
    return f"no merchant is called {name!r}{hint}"
