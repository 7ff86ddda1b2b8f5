"""One manifest by field path: what it declares, and where each value stands in its file. Pure.

All that later steps need of a manifest is here, so that the parser's tree of each file can be freed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from sys import intern
from typing import Any, Literal, NamedTuple

from controller.desired.schema import ACCOUNT_KINDS, MERCHANT_KIND
from controller.desired.schema_checks import is_tax_rate
from controller.desired.yaml_reader import Position, YamlNode
from controller.model.desired import Diagnostic, Origin
from controller.model.field_values import (
    COMPANY_NAME_PATH,
    CUSTOMER_PATH,
    SUPPLIER_PATH,
    DeclaredValue,
    NewAccount,
    Ref,
    canonical_tax_rate,
    tax_rate_path,
)
from controller.quick_dataclasses import dataclass

TAX_RATES_PATH = "mapping.sales.taxRates"
_DECLARING_KEYS = ("company", "connection", "enabled", "schedule", "mapping", "policy", "suspend")
_BASE_KEYS = ("profile", "extends")

INVALID_VALUE: DeclaredValue = ()
"""Stands for a value that has a diagnostic of its own: it is declared, and breaks no further rule."""


class LocatedText(NamedTuple):
    """A text with its position in the file."""

    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class ParsedManifest:
    """One manifest and the file it is in. A merchant's company has its name, unless it declares another.

    name_position  where its name is written
    base_profile   the profile that it builds on
    renamed_from   the name that a merchant had before
    unmanaged      the paths that a merchant un-declares
    values         what it declares, by field path
    positions      by field path (line, column)
    is_valid       False where something is wrong with it: it is checked further, and becomes no merchant
    """

    file: str
    kind: str
    name: str
    name_position: Position
    base_profile: LocatedText | None = None
    unmanaged: tuple[LocatedText, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, DeclaredValue] = field(default_factory=dict)
    positions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    is_valid: bool = True
    renamed_from: LocatedText | None = None

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"

    def origin(self, path: str) -> Origin:
        """Where it declares this path."""
        line, column = self.positions[path]
        return Origin(self.file, line, column, self.title)

    def diagnostic_at(self, position: Position, what: str, remedy: str) -> Diagnostic:
        return Diagnostic(self.file, *position, what, remedy)


def flatten(
    file: str, kind: str, name: LocatedText, node: YamlNode, invalid_ids: Collection[int] = ()
) -> ParsedManifest:
    """The manifest of a document with a spec. `invalid_ids`: the `id`s of its nodes that have a diagnostic already."""
    spec, labels = node.children["spec"], node.get("metadata", "labels")
    leaves = dict(_leaves_without_references(spec) if kind in ACCOUNT_KINDS else _leaves_with_references(spec))
    values = {
        path: INVALID_VALUE if id(leaf) in invalid_ids else to_declared_value(leaf.value)
        for path, leaf in leaves.items()
    }
    positions: dict[str, Sequence[int]] = {path: leaf.position for path, leaf in leaves.items()}
    if kind == MERCHANT_KIND and COMPANY_NAME_PATH not in values:
        values[COMPANY_NAME_PATH], positions[COMPANY_NAME_PATH] = name
    renamed_from = node.get("metadata", "renamedFrom")

    def located(child: YamlNode) -> LocatedText:
        return LocatedText(child.value, child.position)

    bases = (base for key in _BASE_KEYS if (base := spec.get(key)) and id(base) not in invalid_ids)
    unmanaged = spec.get("unmanaged")
    return ParsedManifest(
        file,
        kind,
        *name,
        base_profile=next(map(located, bases), None),
        unmanaged=tuple(located(path) for path in unmanaged.items if id(path) not in invalid_ids) if unmanaged else (),
        labels=labels.value if labels else {},
        values=values,
        positions=positions,
        is_valid=not invalid_ids,
        renamed_from=located(renamed_from) if renamed_from and id(renamed_from) not in invalid_ids else None,
    )


def _leaves_without_references(parent: YamlNode, prefix: str = "") -> Iterator[tuple[str, YamlNode]]:
    """Each declared value of a document that has no references, by path."""
    for key, child in parent.children.items():
        path = f"{prefix}.{key}" if prefix else key
        if child.is_mapping:
            yield from _leaves_without_references(child, path)
        else:
            yield path, child


def _leaves_with_references(parent: YamlNode, prefix: str = "") -> Iterator[tuple[str, YamlNode]]:
    """Each declared value by field path; a reference is one value."""
    for key, child in parent.children.items():
        if not prefix and key not in _DECLARING_KEYS:
            continue
        path = _field_path(prefix, key)
        if child.is_mapping and not _is_reference(prefix, path):
            yield from _leaves_with_references(child, path)
        else:
            yield intern(path), child


def _field_path(prefix: str, key: str) -> str:
    if prefix == TAX_RATES_PATH and is_tax_rate(key):
        return tax_rate_path(canonical_tax_rate(key))
    return f"{prefix}.{key}" if prefix else key


def _is_reference(prefix: str, path: str) -> bool:
    return prefix == TAX_RATES_PATH or prefix.endswith(".accounts") or path in (CUSTOMER_PATH, SUPPLIER_PATH)


def to_declared_value(value: Any) -> DeclaredValue:
    """A plain value of a valid manifest; what is still a mapping is a reference."""
    if isinstance(value, dict):
        new = value.get("create")
        ((by, text),) = ((key, text) for key, text in value.items() if key != "create")
        if new is None:
            return _shared_ref(by, text)
        named = {**new, by: text}
        return Ref(by, text, NewAccount(named["name"], named.get("code"), new["type"], new.get("description")))
    return tuple(value) if isinstance(value, list) else value


@lru_cache(10_000)
def _shared_ref(by: Literal["id", "code", "name"], text: str) -> Ref:
    """The manifests of a fleet repeat a few references thousands of times: one object for each."""
    return Ref(by, text)
