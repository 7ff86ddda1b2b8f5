"""What became of a merchant's references when they were looked up in its own books, without a plan."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model.desired import Origin
from controller.model.field_values import Option
from controller.model.observed import Unread
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnresolvedReference:
    """A declared reference without a single answer, and where it is declared.

    kind             "unresolved" (no option matches), "ambiguous" (several do), "not-offered" (no such row or rate),
                     "refused" (each has its answer, and Codat would not accept them together), "to-create" (an account
                     that the books lack, and that the manifest has created)
    reference        as the manifest has it: `name 'Tips payable'`; of what is refused, why
    candidates       the options that resemble it, or that match; `candidate_texts` as they can be pasted
    name_difference  how options differ from it that a reader would take for the same
    """

    origin: Origin
    field: str
    kind: str
    reference: str
    candidates: tuple[Option, ...] = ()
    candidate_texts: tuple[str, ...] = ()
    name_difference: str = ""


@dataclass(frozen=True, slots=True)
class CheckedReferences:
    """Every reference was looked up; `unresolved` have no single answer."""

    unresolved: tuple[UnresolvedReference, ...] = ()


@dataclass(frozen=True, slots=True)
class NotYetCheckable:
    """There is nothing to look them up in yet: the company, the consent or the data is still to come."""

    why: str


ReferenceCheck = CheckedReferences | NotYetCheckable | Unread


@dataclass(frozen=True, slots=True)
class FleetReferenceCheck:
    """By merchant, in the order of their names."""

    checks: Mapping[str, ReferenceCheck]

    @property
    def is_complete(self) -> bool:
        return not any(isinstance(check, Unread) for check in self.checks.values())

    @property
    def has_unresolved(self) -> bool:
        return any(isinstance(check, CheckedReferences) and check.unresolved for check in self.checks.values())
