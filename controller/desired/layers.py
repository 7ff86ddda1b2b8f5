"""What one manifest declares, and how manifests lie on each other: later wins, provenance stays. Pure.

    root of the `extends` chain … → profile → merchant

Mappings merge key by key; a reference, a list and a scalar are replaced whole. Everything is kept by field path,
so that «merge» is a union of paths and «not managed» is a path that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from controller.desired.schema import MERCHANT, canonical_rate
from controller.desired.source import Node, Position
from controller.model.merchant import Complaint, Origin
from controller.model.values import (
    COMPANY_NAME,
    CUSTOMER,
    LOCAL_TIME,
    SUPPLIER,
    SYNC_HOUR,
    Declared,
    Ref,
    account_key,
    tax_rate_path,
)

TIME_ZONE = "schedule.timeZone"
_TAX_RATES = "mapping.sales.taxRates"
_DECLARING = ("company", "connection", "enabled", "schedule", "mapping", "policy")
INSTEAD = {SYNC_HOUR: (LOCAL_TIME, TIME_ZONE), LOCAL_TIME: (SYNC_HOUR,)}
"""A later layer that says the hour in one way does not mean the other way of an earlier layer."""


@dataclass(frozen=True, slots=True)
class Document:
    """One manifest whose shape is sound, and the file it stands in."""

    file: str
    kind: str
    name: str
    node: Node

    @property
    def named(self) -> Node:
        """Where its name is written."""
        return self.node.children["metadata"].children["name"]

    @property
    def manifest(self) -> str:
        return f"{self.kind} {self.name}"

    def origin(self, position: Position) -> Origin:
        return Origin(self.file, position.line, position.column, self.manifest)

    def complaint(self, node: Node, what: str, remedy: str) -> Complaint:
        return Complaint(self.file, *node.position, what, remedy)


@dataclass(frozen=True, slots=True)
class Layers:
    """Manifests on each other: the winning value by field path, and who wrote each, the winning one last.

    order  the manifests from the lowest layer to the highest
    """

    values: Mapping[str, Declared] = field(default_factory=dict)
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def blame(self, *paths: str) -> Origin:
        """Of values that do not go together, where the one of the highest layer stands: that one is to be mended."""
        return max((self.origins[path][-1] for path in paths), key=lambda origin: self.order.index(origin.manifest))


def declared(document: Document) -> Layers:
    """What one manifest says of its own. A merchant's company is called as the merchant, unless it says otherwise."""
    values: dict[str, Declared] = {}
    origins: dict[str, tuple[Origin, ...]] = {}
    spec = document.node.get("spec")
    for path, node in _leaves(spec) if spec else ():
        values[path] = _value(node)
        origins[path] = (document.origin(node.position),)
    if document.kind == MERCHANT and COMPANY_NAME not in values:
        values[COMPANY_NAME] = document.name
        origins[COMPANY_NAME] = (document.origin(document.named.position),)
    return Layers(values, origins, (document.manifest,))


def stacked(lower: Layers, upper: Layers) -> Layers:
    """`upper` on `lower`."""
    if not lower.order:
        return upper
    values, origins = dict(lower.values), dict(lower.origins)
    for path, value in upper.values.items():
        for other in _displaced(path, values):
            values.pop(other, None)
            origins[path] = (*origins.get(path, ()), *origins.pop(other, ()))
        values[path] = value
        origins[path] = (*origins.get(path, ()), *upper.origins[path])
    return Layers(values, origins, (*lower.order, *upper.order))


def without(layers: Layers, path: str) -> Layers | None:
    """`layers` with nothing declared at this path or below it; None when nothing was."""
    gone = {each for each in layers.values if _is_at_or_below(each, path)}
    if not gone:
        return None
    values = {each: value for each, value in layers.values.items() if each not in gone}
    origins = {each: origin for each, origin in layers.origins.items() if each not in gone}
    return Layers(values, origins, layers.order)


def _leaves(parent: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    for key, child in parent.children.items():
        if not prefix and key not in _DECLARING:
            continue
        path = tax_rate_path(canonical_rate(key)) if prefix == _TAX_RATES else f"{prefix}.{key}" if prefix else key
        if child.is_mapping and not _is_reference(prefix, path):
            yield from _leaves(child, path)
        else:
            yield path, child


def _is_reference(prefix: str, path: str) -> bool:
    return prefix == _TAX_RATES or prefix.endswith(".accounts") or path in (CUSTOMER, SUPPLIER)


def _value(node: Node) -> Declared:
    value = node.value
    if isinstance(value, dict):
        ((by, text),) = value.items()
        return Ref(by, text)
    return tuple(value) if isinstance(value, list) else value


def _displaced(path: str, lower: Mapping[str, Declared]) -> tuple[str, ...]:
    """What an upper layer's path takes the place of, besides itself: account keys are compared without case."""
    if path in INSTEAD:
        return tuple(other for other in INSTEAD[path] if other in lower)
    if path in lower or not account_key(path):
        return ()
    return tuple(other for other in lower if other.lower() == path.lower())


def _is_at_or_below(path: str, ancestor: str) -> bool:
    mine, theirs = _comparable(path), _comparable(ancestor)
    return mine == theirs or mine.startswith((f"{theirs}.", f"{theirs}["))


def _comparable(path: str) -> str:
    """One spelling for the ways to write a path: taxRates.20 and taxRates["20.0"] are taxRates["20"]."""
    if path.startswith((f"{_TAX_RATES}.", f"{_TAX_RATES}[")):
        rate = path[len(_TAX_RATES) :].strip(".[]\"'")
        if rate.replace(".", "", 1).isdecimal():
            return tax_rate_path(canonical_rate(rate))
    return path.lower() if account_key(path) else path
