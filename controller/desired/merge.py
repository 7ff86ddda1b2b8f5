"""How manifests lie on each other: the upper layer wins, and where each value came from stays known. Pure.

    root of the `extends` chain … → profile → merchant

Mappings merge key by key; a reference, a list and a scalar are replaced as a whole. Everything is kept by field path,
so that «merge» is a union of paths and «not managed» is a path that is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import TypeVar

from controller.desired.parsed_manifest import TAX_RATES_PATH, ParsedManifest
from controller.model.desired import Origin
from controller.model.field_values import (
    LOCAL_TIME_PATH,
    SYNC_HOUR_PATH,
    DeclaredValue,
    canonical_tax_rate,
    split_account_path,
    tax_rate_path,
)
from controller.quick_dataclasses import dataclass

T = TypeVar("T")

TIME_ZONE_PATH = "schedule.timeZone"
EXCLUDED_PATHS = {SYNC_HOUR_PATH: (LOCAL_TIME_PATH, TIME_ZONE_PATH), LOCAL_TIME_PATH: (SYNC_HOUR_PATH,)}
"""By path, those of lower layers that it replaces: the sync hour can be declared in two ways, the upper one wins."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Merged manifests: the winning value by field path, and the manifests from the lowest to the highest."""

    values: Mapping[str, DeclaredValue] = field(default_factory=dict)
    manifests: tuple[ParsedManifest, ...] = ()

    @property
    def origins(self) -> Origins:
        return Origins(self.manifests)

    def highest_origin(self, *paths: str) -> Origin:
        """Of values that contradict each other, the place of the one in the highest layer: the one to correct."""
        order, origins = [manifest.title for manifest in self.manifests], self.origins
        return max((origins[path][-1] for path in paths), key=lambda origin: order.index(origin.manifest))


class Origins(Mapping[str, tuple[Origin, ...]]):
    """Where each field path is declared, the winning layer last. Computed on first use: few merchants need it."""

    def __init__(self, documents: tuple[ParsedManifest, ...]) -> None:
        self._documents = documents

    @cached_property
    def _by_path(self) -> dict[str, tuple[Origin, ...]]:
        origins: dict[str, tuple[Origin, ...]] = {}
        for document in self._documents:
            for unmanaged in document.unmanaged:
                origins = _without_path_and_below(origins, unmanaged.text)
            lower = frozenset(origins)
            for path in document.positions:
                # What another spelling or the other way to declare the hour had is the history of this path.
                for other in _replaced_paths(path, lower, document.positions):
                    origins[path] = (*origins.get(path, ()), *origins.pop(other))
                origins[path] = (*origins.get(path, ()), document.origin(path))
        return origins

    def __getitem__(self, path: str) -> tuple[Origin, ...]:
        return self._by_path[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_path)

    def __len__(self) -> int:
        return len(self._by_path)


def own_layer(document: ParsedManifest) -> Layers:
    """What one manifest itself declares."""
    return Layers(document.values, (document,))


def merge_layers(lower: Layers, upper: Layers) -> Layers:
    """`upper` over `lower`: its values win."""
    if not lower.manifests:
        return upper
    values = dict(lower.values)
    for path, value in upper.values.items():
        for other in _replaced_paths(path, lower.values, upper.values):
            del values[other]
        values[path] = value
    return Layers(values, (*lower.manifests, *upper.manifests))


def without_path(layers: Layers, path: str) -> Layers | None:
    """`layers` with nothing declared at this path or below it; None when nothing was."""
    values = _without_path_and_below(layers.values, path)
    return Layers(values, layers.manifests) if len(values) < len(layers.values) else None


def _without_path_and_below(by_path: Mapping[str, T], path: str) -> dict[str, T]:
    removed = comparable_path(path)
    below = (f"{removed}.", f"{removed}[")
    return {
        other: value
        for other, value in by_path.items()
        if (comparable := comparable_path(other)) != removed and not comparable.startswith(below)
    }


def _replaced_paths(path: str, lower: Collection[str], upper: Collection[str]) -> tuple[str, ...]:
    """The lower layer's paths, other than itself, that an upper layer's path replaces."""
    if path in EXCLUDED_PATHS:
        return tuple(other for other in EXCLUDED_PATHS[path] if other in lower and other not in upper)
    if path in lower or not split_account_path(path):
        return ()
    # Account keys are compared without case.
    return tuple(other for other in lower if other.lower() == path.lower())


def comparable_path(path: str) -> str:
    """One spelling for the ways to write a path: taxRates.20 and taxRates["20.0"] are taxRates["20"]."""
    if path.startswith((f"{TAX_RATES_PATH}.", f"{TAX_RATES_PATH}[")):
        rate = path[len(TAX_RATES_PATH) :].strip(".[]\"'")
        if rate.replace(".", "", 1).isdecimal():
            return tax_rate_path(canonical_tax_rate(rate))
    return path.lower() if split_account_path(path) else path
