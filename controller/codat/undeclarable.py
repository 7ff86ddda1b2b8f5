"""What stands in a configuration document and no key of a manifest stands for. Pure.

Such a part is never compared. Every write sends it back as it came (`document_edit.write_fields`): it is only told of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from types import NoneType
from typing import Any, get_args, get_origin

from controller.codat import wire
from controller.codat.answer_parsing import sanitize_json
from controller.codat.wire_model import WireModel, annotations_by_json_key

NO_KEY_REASON = "no key of a manifest stands for it"

_CODATS_OWN = frozenset(("labelText", "descriptionText", "required"))
"""Captions and the like, beside lists of options: Codat makes them, so they are nobody's choice (API notes 4.2)."""


def find_undeclarable_parts(document: bytes) -> dict[str, dict[str, object]]:
    """By the JSON path of the part, what is set in it: by JSON path, the value.

    A part is the largest that no manifest has anything of: `configuration.newPayments`. One in which nothing is
    chosen (null, false and empty alike) is none. The document is one that `from_wire.read_configuration` reads.
    """
    root = json.loads(sanitize_json(document), parse_int=_number, parse_float=_number, parse_constant=str)
    parts = _parts_not_in_model(root, wire.ConfigurationJson, "")
    set_in = {path: dict(_chosen_values(value, path)) for path, value in parts}
    return {path: values for path, values in set_in.items() if values}


def _number(text: str) -> int | float | str:
    """The number; its text where none can hold it: what is only told of has to be no more than JSON."""
    try:
        number = int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:  # beyond so many digits Python makes no int of it
        return text
    return number if isinstance(number, int) or isfinite(number) else text


def _parts_not_in_model(node: object, hint: Any, path: str) -> Iterator[tuple[str, object]]:
    """What of the node the annotation's classes do not read. A list is read whole: it holds options or words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if not isinstance(node, dict):
        return
    if isinstance(hint, type) and issubclass(hint, WireModel):
        known = annotations_by_json_key(hint)
        for key, value in node.items():
            if key not in known:
                yield _child_path(path, key), value
            else:
                yield from _parts_not_in_model(value, known[key], _child_path(path, key))
    elif origin is dict:
        for key, value in node.items():
            yield from _parts_not_in_model(value, arguments[1], _child_path(path, key))
    elif inner := next((each for each in arguments if each is not NoneType), None):
        yield from _parts_not_in_model(node, inner, path)


def _chosen_values(node: object, path: str) -> Iterator[tuple[str, object]]:
    key = path.rpartition(".")[2]
    if key in _CODATS_OWN or (key.endswith("Options") and not key.startswith("selected")):
        return
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _chosen_values(value, _child_path(path, name))
    elif node is not None and node is not False and node not in ("", []):
        yield path, node


def _child_path(path: str, key: str) -> str:
    """The JSON path of a key; one with dots in it stands in brackets, as in field paths."""
    name = f'["{key}"]' if "." in key else key
    return f"{path}{name}" if not path or name.startswith("[") else f"{path}.{name}"
