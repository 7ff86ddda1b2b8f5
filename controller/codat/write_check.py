"""Compares a document that was sent with what Codat stored: the undeclared parts must have come through. Pure.

Not compared are options and labels, which Codat makes (API notes 4.2), and the fields that we changed ourselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.codat.raw_json import JsonObject, parse_object
from controller.quick_dataclasses import dataclass

SERVER_MANAGED_KEYS = frozenset(
    {"companyId", "accountingSoftwareCompanyName", "configured", "required", "labelText", "descriptionText"}
)

MAX_SECTION_DEPTH = 3
"""configuration.sales.taxRates is a section; below it are single rates, which come and go with the books."""


@dataclass(frozen=True, slots=True)
class UnexpectedChanges:
    """Wire paths of values that we sent unchanged, and that Codat lost (`dropped`) or altered (`changed`)."""

    dropped: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def find_unexpected_changes(fresh: bytes, sent: bytes, found: bytes) -> UnexpectedChanges:
    """`sent` was made from `fresh` by changing the declared fields; `found` was read after it was accepted."""
    before, ours, stored = (dict(_compared_leaves(parse_object(document))) for document in (fresh, sent, found))
    untouched = {path: value for path, value in ours.items() if path in before and before[path] == value}
    lost = [path for path, value in untouched.items() if value is not None and stored.get(path) is None]
    # An object that was empty is no leaf any more once Codat has put something into it: the rows of books just pulled.
    dropped = [path for path in lost if not (ours[path] == {} and any(each.startswith(f"{path}.") for each in stored))]
    altered = [path for path, value in untouched.items() if stored.get(path) not in (None, value)]
    return UnexpectedChanges(tuple(sorted(dropped)), tuple(sorted(altered)))


def section_paths(document: bytes) -> frozenset[str]:
    """Wire paths of the document's sections, MAX_SECTION_DEPTH deep. ValueError for what is no JSON object."""
    return frozenset(_iter_section_paths(parse_object(document)))


def _iter_section_paths(node: JsonObject, parents: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict) and len(parents) < MAX_SECTION_DEPTH:
            yield ".".join((*parents, key))
            yield from _iter_section_paths(value, (*parents, key))


def _compared_leaves(node: JsonObject, parents: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """(wire path, value) of everything that is not Codat's own; an empty object and a list are values."""
    for key, value in node.items():
        # `accountOptions` is Codat's offer, `selectedGroupByOptions` is a selection.
        if key in SERVER_MANAGED_KEYS or (key.endswith("Options") and not key.startswith("selected")):
            continue
        if isinstance(value, dict) and value:
            yield from _compared_leaves(value, (*parents, key))
        else:
            yield ".".join((*parents, key)), value
