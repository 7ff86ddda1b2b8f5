"""One manifest, flat: what it says by field path, and where each word of it stands. Pure.

All that later steps need of a manifest is here, so the tree that the parser made can go, file by file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern
from typing import Any, Literal, NamedTuple

from controller.desired.schema import MERCHANT, canonical_rate, is_rate
from controller.desired.source import Node, Position
from controller.model.merchant import Complaint, Origin
from controller.model.values import COMPANY_NAME, CUSTOMER, SUPPLIER, Declared, Ref, tax_rate_path

TAX_RATES = "mapping.sales.taxRates"
_DECLARING = ("company", "connection", "enabled", "schedule", "mapping", "policy")
_BUILDS_ON = ("profile", "extends")

UNREADABLE: Declared = ()
"""Stands for a value that has a complaint of its own: it is there, and breaks no rule."""


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
    sound      False where something is wrong with it: it becomes no merchant, and the rest of it is checked
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


def flat(file: str, kind: str, name: Word, node: Node, wrong: Collection[int] = ()) -> Document:
    """A manifest that has a spec; `wrong` are the `id`s of the nodes in it that have a complaint of their own."""
    spec, labels = node.children["spec"], node.get("metadata", "labels")
    leaves = dict(_leaves(spec))
    values = {path: UNREADABLE if id(leaf) in wrong else declared(leaf.value) for path, leaf in leaves.items()}
    places: dict[str, Sequence[int]] = {path: leaf.position for path, leaf in leaves.items()}
    if kind == MERCHANT and COMPANY_NAME not in values:
        values[COMPANY_NAME], places[COMPANY_NAME] = name
    unmanaged, bases = spec.get("unmanaged"), [spec.get(key) for key in _BUILDS_ON]
    return Document(
        file,
        kind,
        *name,
        base=next((Word(each.value, each.position) for each in bases if each and id(each) not in wrong), None),
        unmanaged=tuple(Word(each.value, each.position) for each in unmanaged.items if id(each) not in wrong)
        if unmanaged
        else (),
        labels=labels.value if labels else {},
        values=values,
        places=places,
        sound=not wrong,
    )


def _leaves(parent: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    for key, child in parent.children.items():
        if not prefix and key not in _DECLARING:
            continue
        path = _path(prefix, key)
        if child.is_mapping and not _is_reference(prefix, path):
            yield from _leaves(child, path)
        else:
            yield intern(path), child


def _path(prefix: str, key: str) -> str:
    if prefix == TAX_RATES and is_rate(key):
        return tax_rate_path(canonical_rate(key))
    return f"{prefix}.{key}" if prefix else key


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
