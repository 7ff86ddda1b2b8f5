"""What became of a merchant's references when they were looked up in the merchant's own books, nothing planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.model.merchant import Origin
from controller.model.observed import Unread
from controller.model.values import Option


@dataclass(frozen=True, slots=True)
class Misfit:
    """A declared reference without a single answer, and where it is written.

    kind        "unresolved" (no option matches), "ambiguous" (several do), "not-offered" (no such row or rate)
    wish        as the manifest says it: `name 'Tips payable'`
    candidates  the nearest options, or those that match
    """

    origin: Origin
    field: str
    kind: str
    wish: str
    candidates: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Every reference was looked up; these have no single answer."""

    misfits: tuple[Misfit, ...] = ()


@dataclass(frozen=True, slots=True)
class TooEarly:
    """There is nothing to look in yet: the company, the consent or the data is still to come."""

    why: str


Lookup = LookedUp | TooEarly | Unread


@dataclass(frozen=True, slots=True)
class FleetLookup:
    """By merchant, in the order of their names."""

    answers: Mapping[str, Lookup]

    @property
    def complete(self) -> bool:
        return not any(isinstance(each, Unread) for each in self.answers.values())

    @property
    def misfits(self) -> bool:
        return any(isinstance(each, LookedUp) and each.misfits for each in self.answers.values())
