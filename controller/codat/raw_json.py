"""A configuration document as JSON that can be changed in one place and stays the same in every other.

Numbers are kept as the text they came in: a float would round them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

JsonObject = dict[str, Any]

_quote = json.encoder.encode_basestring_ascii
"""`json.dumps` looks through its eleven arguments first, which counts where it is asked for every text."""


class VerbatimNumber(str):
    """A number as the text that it came in."""

    __slots__ = ()


def parse_object(document: bytes) -> JsonObject:
    """The document as plain values. ValueError when it is not one JSON object."""
    root = parse_value(document)
    if not isinstance(root, dict):
        raise ValueError("not a JSON object")
    return root


def serialise(node: object) -> bytes:
    """The inverse of `parse_value`, without spaces."""
    return _to_text(node).encode("ascii")


def ensure_object(node: JsonObject, *keys: str) -> JsonObject:
    """The object at these keys; each that is absent or null is created, empty.

    ValueError where something else stands: it is not ours to replace.
    """
    for key in keys:
        if node.get(key) is None:
            node[key] = {}
        if not isinstance(node[key], dict):
            raise ValueError(f"{key} is no object")
        node = node[key]
    return node


def parse_value(text: str | bytes) -> Any:
    """Any JSON as plain values, numbers as `VerbatimNumber`. ValueError when it is none."""
    return json.loads(text, parse_float=VerbatimNumber, parse_int=VerbatimNumber, parse_constant=_refuse_constant)


def differences_by_pointer(before: JsonObject, after: JsonObject) -> dict[str, tuple[str | None, str | None]]:
    """By JSON pointer of the smallest parts that differ: (before, after) as JSON text, None where there is nothing.

    A list is one part. Of an object that is new, its fields are parts and so is itself, so that undo can remove it.
    """
    differences: dict[str, tuple[str | None, str | None]] = {}
    for key in dict.fromkeys((*before, *after)):
        pointer, old, new = "/" + _escape_pointer(key), before.get(key), after.get(key)
        if isinstance(new, dict):
            inner = differences_by_pointer(old if isinstance(old, dict) else {}, new)
            differences |= {pointer + inner_pointer: pair for inner_pointer, pair in inner.items()}
        if not (isinstance(old, dict) and isinstance(new, dict)):
            texts = _text_at(before, key), _text_at(after, key)
            if texts[0] != texts[1]:
                differences[pointer] = texts
    return differences


def values_by_pointer(
    before: JsonObject, after: JsonObject, parent: str, names: Iterable[str]
) -> dict[str, tuple[str | None, str | None]]:
    """As `differences_by_pointer`, for these keys of one object, whether they differ or not; empty where it is none."""
    old, new = before.get(parent), after.get(parent)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return {}
    prefix = f"/{_escape_pointer(parent)}/"
    return {prefix + _escape_pointer(name): (_text_at(old, name), _text_at(new, name)) for name in names}


def pointer_keys(pointer: str) -> list[str]:
    """A JSON pointer's keys (RFC 6901)."""
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def _escape_pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _text_at(node: JsonObject, key: str) -> str | None:
    return _to_text(node[key]) if key in node else None


def _to_text(node: object) -> str:
    if isinstance(node, str):
        return str(node) if isinstance(node, VerbatimNumber) else _quote(node)
    if isinstance(node, dict):
        return "{" + ",".join([f"{_quote(key)}:{_to_text(value)}" for key, value in node.items()]) + "}"
    if isinstance(node, (list, tuple)):
        return "[" + ",".join([_to_text(each) for each in node]) + "]"
    return json.dumps(node)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
