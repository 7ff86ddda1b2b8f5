"""What one manifest declares, and how manifests lie on each other: later wins, provenance stays. Pure.

    root of the `extends` chain … → profile → merchant

Mappings merge key by key; a reference, a list and a scalar are replaced whole. Everything is kept by field path,
so that «merge» is a union of paths and «not managed» is a path that is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from controller.desired.document import TAX_RATES, Document
from controller.desired.schema import canonical_rate
from controller.model.merchant import Origin
from controller.model.values import LOCAL_TIME, SYNC_HOUR, Declared, account_key, tax_rate_path

T = TypeVar("T")

TIME_ZONE = "schedule.timeZone"
INSTEAD = {SYNC_HOUR: (LOCAL_TIME, TIME_ZONE), LOCAL_TIME: (SYNC_HOUR,)}
"""A later layer that says the hour in one way does not mean the other way of an earlier layer."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Manifests on each other: the winning value by field path, and the manifests from the lowest to the highest."""

    values: Mapping[str, Declared] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()

    @property
    def origins(self) -> Origins:
        return Origins(self.documents)

    def blame(self, *paths: str) -> Origin:
        """Of values that do not go together, where the one of the highest layer stands: that one is to be mended."""
        order, origins = [each.manifest for each in self.documents], self.origins
        return max((origins[path][-1] for path in paths), key=lambda origin: order.index(origin.manifest))


class Origins(Mapping[str, tuple[Origin, ...]]):
    """Who wrote each field path, the winning one last. Few are ever asked, so it is worked out when asked for."""

    def __init__(self, documents: tuple[Document, ...]) -> None:
        self._documents = documents

    @cached_property
    def _by_path(self) -> dict[str, tuple[Origin, ...]]:
        found: dict[str, tuple[Origin, ...]] = {}
        for document in self._documents:
            for word in document.unmanaged:
                found = _without(found, word.text)
            lower = frozenset(found)
            for path in document.places:
                for other in _displaced(path, lower, document.places):
                    found[path] = (*found.get(path, ()), *found.pop(other))
                found[path] = (*found.get(path, ()), document.origin(path))
        return found

    def __getitem__(self, path: str) -> tuple[Origin, ...]:
        return self._by_path[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_path)

    def __len__(self) -> int:
        return len(self._by_path)


def declared(document: Document) -> Layers:
    """What one manifest says of its own."""
    return Layers(document.values, (document,))


def stacked(lower: Layers, upper: Layers) -> Layers:
    """`upper` on `lower`."""
    if not lower.documents:
        return upper
    values = dict(lower.values)
    for path, value in upper.values.items():
        for other in _displaced(path, lower.values, upper.values):
            del values[other]
        values[path] = value
    return Layers(values, (*lower.documents, *upper.documents))


def without(layers: Layers, path: str) -> Layers | None:
    """`layers` with nothing declared at this path or below it; None when nothing was."""
    values = _without(layers.values, path)
    return Layers(values, layers.documents) if len(values) < len(layers.values) else None


def _without(by_path: Mapping[str, T], path: str) -> dict[str, T]:
    return {each: value for each, value in by_path.items() if not _is_at_or_below(each, path)}


def _displaced(path: str, lower: Collection[str], upper: Collection[str]) -> tuple[str, ...]:
    """What an upper layer's path takes the place of, besides itself: account keys are compared without case."""
    if path in INSTEAD:
        return tuple(other for other in INSTEAD[path] if other in lower and other not in upper)
    if path in lower or not account_key(path):
        return ()
    return tuple(other for other in lower if other.lower() == path.lower())


def _is_at_or_below(path: str, ancestor: str) -> bool:
    mine, theirs = _comparable(path), _comparable(ancestor)
    return mine == theirs or mine.startswith((f"{theirs}.", f"{theirs}["))


def _comparable(path: str) -> str:
    """One spelling for the ways to write a path: taxRates.20 and taxRates["20.0"] are taxRates["20"]."""
    if path.startswith((f"{TAX_RATES}.", f"{TAX_RATES}[")):
        rate = path[len(TAX_RATES) :].strip(".[]\"'")
        if rate.replace(".", "", 1).isdecimal():
            return tax_rate_path(canonical_rate(rate))
    return path.lower() if account_key(path) else path
