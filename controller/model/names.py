"""Company names as the service stores them."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile(r"[^A-Za-z0-9\s\-'&@.,?!]", re.ASCII)


def strip_name(name: str) -> str:
    """The name without the characters that the service silently removes (REFERENCE 3.1); may become empty.

    Nothing is trimmed or collapsed: the service does neither. Whitespace is that of ASCII, as the letters are.
    Two names that strip to the same text are one.
    """
    return _FORBIDDEN.sub("", name)
