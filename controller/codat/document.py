"""A configuration document as JSON that can be changed in one place and stays the same in every other.

Numbers are kept as the very text they came in: a float would round them.
"""

from __future__ import annotations

import json
from typing import Any

Node = dict[str, Any]


class Verbatim(str):
    """A number, in the digits that it came in."""

    __slots__ = ()


def parse(document: bytes) -> Node:
    """The document as plain values. ValueError when it is not one JSON object."""
    root = json.loads(document, parse_float=Verbatim, parse_int=Verbatim, parse_constant=_refuse)
    if not isinstance(root, dict):
        raise ValueError("not a JSON object")
    return root


def serialise(node: Any) -> bytes:
    return _text(node).encode("ascii")


def child(node: Node, *keys: str) -> Node:
    """The object below these keys; the least that can hold a field is made where it is absent or null."""
    for key in keys:
        if not isinstance(node.get(key), dict):
            node[key] = {}
        node = node[key]
    return node


def _text(node: Any) -> str:
    if isinstance(node, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_text(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list | tuple):
        return "[" + ",".join(map(_text, node)) + "]"
    return str(node) if isinstance(node, Verbatim) else json.dumps(node)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
