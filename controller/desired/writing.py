"""Manifests as YAML text that people like to read, and that `source` reads back as the same values.

A mapping of at most three plain values stands on one line, a larger one and `spec` on a line each; text is quoted
where YAML, of either version, might take it for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.desired.schema import API_VERSION

Place = tuple[str, ...]
"""The keys from `spec` down to a value."""

_ON_ONE_LINE = 3
_WIDTH = 100
_PLAIN = re.compile(r"([A-Za-z]|[0-9]+[ %])[A-Za-z0-9 &'()%+./_-]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest to be written.

    notes   comment lines above it
    asides  a comment beside the value at a place
    """

    kind: str
    name: str
    spec: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    asides: Mapping[Place, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The manifest as plain values, as `source` would read it."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"name": self.name},
            "spec": dict(self.spec),
        }


def yaml_text(manifests: Iterable[Manifest]) -> str:
    """The documents of one file."""
    return "---\n".join(_document(each) for each in manifests)


def _document(manifest: Manifest) -> str:
    lines = [f"# {_comment(note)}" for note in manifest.notes]
    for key, value in manifest.values.items():
        lines += _entry(key, value, (), manifest.asides if key == "spec" else {})
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, way: Place, asides: Mapping[Place, str]) -> Iterator[str]:
    """The lines of one key; `way` is where its mapping stands, from the document down."""
    indent = "  " * len(way)
    line = f"{indent}{_scalar(key)}: {_flow(value)}"
    if _fits(value, line) and (way or key != "spec"):
        aside = asides.get((*way, key)[1:])
        yield line + (f"  # {_comment(aside)}" if aside else "")
        return
    yield f"{indent}{_scalar(key)}:"
    if isinstance(value, list):
        yield from (f"{indent}  - {_scalar(each)}" for each in value)
        return
    for inner, below in value.items():
        yield from _entry(inner, below, (*way, key), asides)


def _fits(value: Any, line: str) -> bool:
    """Whether a value stands on the line of its key: text does however long it is, and so does what is empty."""
    if not value or not isinstance(value, Mapping | list):
        return True
    if isinstance(value, list):
        return len(line) <= _WIDTH
    small = len(value) <= _ON_ONE_LINE and not any(isinstance(each, Mapping) for each in value.values())
    return small and len(line) <= _WIDTH


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
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
    return _text(value)


def _text(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not text.endswith(" ") and text.lower() not in _NO_TEXT
    if plain or _DATE.fullmatch(text):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _comment(text: str) -> str:
    """On one line: names come from strangers."""
    return "".join(each if each.isprintable() else " " for each in text)
