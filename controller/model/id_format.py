"""What an id from outside must look like before it enters a URL path: with `..` it would be another request.

Codat's ids are UUIDs; a little more is let through, since it may use other ids one day.
"""

from __future__ import annotations

import re
from typing import TypeGuard

_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)


def has_id_format(text: object) -> TypeGuard[str]:
    """Whether this can be the id of a company, connection, dataset or platform: no dot, slash, blank or control."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None
