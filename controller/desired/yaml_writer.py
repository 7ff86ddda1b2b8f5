"""Manifests as YAML text that people like to read, and that `yaml_reader` reads back as the same values.

A mapping of at most three plain values stands on one line, a larger one and `spec` on a line each; text is quoted
where YAML, of either version, might take it for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from controller.desired.schema import API_VERSION
from controller.model.yaml_snippets import YAML_KEYWORDS
from controller.quick_dataclasses import dataclass
from controller.untrusted_text import escape_control

SpecPath = tuple[str, ...]
"""The keys from `spec` down to a value."""

_MAX_KEYS_ON_ONE_LINE = 3
_MAX_WIDTH = 100
_PLAIN = re.compile(r"([A-Za-z]|[0-9]+[ %])[A-Za-z0-9 &'()%+./_-]*")
_LOOKS_LIKE_A_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest to be written.

    header_comments  comment lines above it
    comments         by path, a comment beside the value
    metadata         what it has beside the name
    """

    kind: str
    name: str
    spec: Mapping[str, Any]
    header_comments: tuple[str, ...] = ()
    comments: Mapping[SpecPath, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def as_dict(self) -> dict[str, Any]:
        """The manifest as plain values, as `yaml_reader` would read it."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"name": self.name, **self.metadata},
            "spec": dict(self.spec),
        }


def yaml_text(manifests: Iterable[NewManifest]) -> str:
    """The documents of one file."""
    return "---\n".join(map(_document_text, manifests))


def comment_lines(manifest: NewManifest) -> list[str]:
    """The comment lines above it, one line each whatever is in them."""
    return [f"# {escape_control(comment)}" for comment in manifest.header_comments]


def spec_entry_lines(manifest: NewManifest, key: str) -> list[str]:
    """The lines of one key of its `spec`, indented as below `spec:`."""
    return list(_entry_lines(key, manifest.spec[key], ("spec",), manifest.comments))


def flow_text(value: Any) -> str:
    """A value on one line."""
    return _flow(value)


def block_lines(key: str, value: Any, column: int) -> list[str]:
    """The lines of a key of a mapping whose keys begin at this column."""
    return [" " * column + line for line in _entry_lines(key, value, (), {})]


def _document_text(manifest: NewManifest) -> str:
    lines = comment_lines(manifest)
    for key, value in manifest.as_dict.items():
        lines += _entry_lines(key, value, (), manifest.comments if key == "spec" else {})
    return "\n".join(lines) + "\n"


def _entry_lines(key: str, value: Any, parents: SpecPath, comments: Mapping[SpecPath, str]) -> Iterator[str]:
    """The lines of one key; `parents` are the keys from the document down to its mapping."""
    indent = "  " * len(parents)
    line = f"{indent}{_scalar(key)}: {_flow(value)}"
    if _fits_on_one_line(value, line) and (parents or key != "spec"):
        comment = comments.get((*parents, key)[1:])
        # Names in comments come from strangers: a line break in one would be manifest text.
        yield line + (f"  # {escape_control(comment)}" if comment else "")
        return
    yield f"{indent}{_scalar(key)}:"
    if isinstance(value, list):
        yield from (f"{indent}  - {_scalar(item)}" for item in value)
        return
    for child_key, child in value.items():
        yield from _entry_lines(child_key, child, (*parents, key), comments)


def _fits_on_one_line(value: Any, line: str) -> bool:
    """Whether a value goes on the line of its key; text always does, however long, and so does what is empty."""
    if not value or not isinstance(value, Mapping | list):
        return True
    if isinstance(value, list):
        return len(line) <= _MAX_WIDTH
    small = len(value) <= _MAX_KEYS_ON_ONE_LINE and not any(isinstance(item, Mapping) for item in value.values())
    return small and len(line) <= _MAX_WIDTH


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _quoted_if_needed(value)


def _quoted_if_needed(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not text.endswith(" ") and text.lower() not in YAML_KEYWORDS
    if plain or _LOOKS_LIKE_A_DATE.fullmatch(text):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(map(_escape_character, text)) + '"'


def _escape_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"
