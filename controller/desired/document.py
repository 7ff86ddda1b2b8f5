"""One manifest, flat: what it says by field path, and where each word of it stands. Pure.

All that later steps need of a manifest is here, so the tree that the parser made can go, file by file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern
from typing import Any, Literal, NamedTuple

from controller.desired.schema import MERCHANT, canonical_rate
from controller.desired.source import Node, Position
from controller.model.merchant import Complaint, Origin
from controller.model.values import COMPANY_NAME, CUSTOMER, SUPPLIER, Declared, Ref, tax_rate_path

TAX_RATES = "mapping.sales.taxRates"
_DECLARING = ("company", "connection", "enabled", "schedule", "mapping", "policy")
_BUILDS_ON = ("profile", "extends")


class Word(NamedTuple):
    """A text, and where it stands."""

    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class Document:
    """One manifest, and the file it stands in. A merchant's company bears its name, unless it says otherwise.

    named      where its name is written
    base       the profile that it builds on
    unmanaged  the paths that a merchant un-declares
    values     what it declares, by field path; `places` say in which line and column
    sound      False where something is wrong with it: only who it is counts then
    """

    file: str
    kind: str
    name: str
    named: Position
    base: Word | None = None
    unmanaged: tuple[Word, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Declared] = field(default_factory=dict)
    places: Mapping[str, Sequence[int]] = field(default_factory=dict)
    sound: bool = True

    @property
    def manifest(self) -> str:
        return f"{self.kind} {self.name}"

    def origin(self, path: str) -> Origin:
        """Where it declares this path."""
        line, column = self.places[path]
        return Origin(self.file, line, column, self.manifest)

    def complaint(self, position: Position, what: str, remedy: str) -> Complaint:
        return Complaint(self.file, *position, what, remedy)


def flat(file: str, kind: str, name: Word, node: Node) -> Document:
    """A manifest whose shape is sound."""
    spec, labels = node.children["spec"], node.get("metadata", "labels")
    leaves = dict(_leaves(spec))
    values = {path: declared(leaf.value) for path, leaf in leaves.items()}
    places: dict[str, Sequence[int]] = {path: leaf.position for path, leaf in leaves.items()}
    if kind == MERCHANT and COMPANY_NAME not in values:
        values[COMPANY_NAME], places[COMPANY_NAME] = name
    unmanaged = spec.get("unmanaged")
    return Document(
        file,
        kind,
        *name,
        base=next((Word(each.value, each.position) for key in _BUILDS_ON if (each := spec.get(key))), None),
        unmanaged=tuple(Word(each.value, each.position) for each in unmanaged.items) if unmanaged else (),
        labels=labels.value if labels else {},
        values=values,
        places=places,
    )


def _leaves(parent: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    for key, child in parent.children.items():
        if not prefix and key not in _DECLARING:
            continue
        path = tax_rate_path(canonical_rate(key)) if prefix == TAX_RATES else f"{prefix}.{key}" if prefix else key
        if child.is_mapping and not _is_reference(prefix, path):
            yield from _leaves(child, path)
        else:
            yield intern(path), child


def _is_reference(prefix: str, path: str) -> bool:
    return prefix == TAX_RATES or prefix.endswith(".accounts") or path in (CUSTOMER, SUPPLIER)


def declared(value: Any) -> Declared:
    """A plain value of a sound manifest as what it means: a mapping that is left in one is a reference."""
    if isinstance(value, dict):
        ((by, text),) = value.items()
        return _ref(by, text)
    return tuple(value) if isinstance(value, list) else value


@lru_cache(10_000)
def _ref(by: Literal["id", "code", "name"], text: str) -> Ref:
    """Profiles and merchants say the same few references over and over: one value each."""
    return Ref(by, text)
