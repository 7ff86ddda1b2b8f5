"""The body of an answer, cleaned of what cannot be stored or printed, and read row by row.

A lone surrogate (`"\\ud800"`) can be neither printed nor stored, a NUL not in PostgreSQL: both become `\\ufffd` here,
before anything else sees the text. A row in a form that we do not know is an `UnexpectedRow`; the others are read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import TypeVar

from pydantic_core import ValidationError

from controller.codat.wire_model import (
    TolerantRow,
    UnexpectedRow,
    WireModel,
    describe_validation_error,
    validator_of,
)

_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|u0000|.)", re.DOTALL
)
_LONE_ESCAPE_LENGTH = len(rb"\ud800")


def sanitize_json(body: bytes) -> bytes:
    """The same JSON as UTF-8, in which every string can be stored and printed."""
    if not body.isascii():
        body = body.removeprefix(codecs.BOM_UTF8).decode(errors="replace").encode()
    # Most bodies have no such escape, and searching for one is much faster than going through all.
    return _ESCAPE.sub(_storable_escape, body) if _UNSTORABLE.search(body) else body


def sanitize_text(text: str) -> str:
    """The same for text that is no JSON, as the message of a library's exception."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _storable_escape(escape: re.Match[bytes]) -> bytes:
    """`\\ufffd` for a lone surrogate and a NUL; a surrogate pair (twice as long) and `\\n` (shorter) stay."""
    return rb"\ufffd" if len(escape[0]) == _LONE_ESCAPE_LENGTH else escape[0]


class UnreadableAnswer(ValueError):
    """An answer that is JSON, but of a form that we do not know: a retry would bring the same."""


T = TypeVar("T")
M = TypeVar("M", bound=WireModel)


def parse_answer(model: type[M], body: bytes) -> M:
    """The answer as `model`. UnreadableAnswer for JSON of another form, ValueError for what is no whole JSON."""
    return _sanitize_and_parse(model.model_validate_json, body)


def parse_rows(model: type[M], body: bytes) -> dict[str, M | UnexpectedRow]:
    """A JSON object whose values are rows, each read on its own. Errors as of `parse_answer`."""
    validator = validator_of(dict[str, TolerantRow[model]])  # type: ignore[valid-type]
    rows: dict[str, M | UnexpectedRow] = _sanitize_and_parse(validator.validate_json, body)
    return rows


def _sanitize_and_parse(parse: Callable[[bytes], T], body: bytes) -> T:
    problem = ""
    try:
        return parse(sanitize_json(body))
    except ValidationError as error:
        # Without a place in the document it is the JSON itself that is broken: cut short, or a gateway's page.
        problem = describe_validation_error(error) if error.errors(include_input=False)[0]["loc"] else ""
    # Raised outside of `except`: the engine's error quotes values of the body, and must not be its context.
    raise UnreadableAnswer(problem) if problem else ValueError("not what was asked for")


def problem_at(place: str, problem: str) -> str:
    """`results[3].id: missing`: a problem that itself begins with a path, or none, behind the place of its row."""
    return place + (problem if problem.startswith((".", "[")) else f": {problem}")
