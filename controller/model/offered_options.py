"""What a merchant's books offer for each field of the mapping: values that are computed, printed and searched."""

from __future__ import annotations

from datetime import datetime

from controller.model.field_values import Option, RefKind
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OfferedOption:
    """One record of the books.

    reference    how a manifest means it: `{code: "200"}`; by id where code and name are not unique
    selected_in  the fields of the live document that have selected it
    declared_in  the declared fields whose references lead to it
    """

    option: Option
    reference: str
    selected_in: tuple[str, ...] = ()
    declared_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedField:
    """One field, and what can stand there.

    path      as the manifest writes it, where it is declared; else live's own
    kind      what its reference points at; None where it takes words
    selected  the live selection, or word
    declared  what the manifest says, as it would write it; empty where it says nothing
    options   of a reference, all of them, or those that were searched for
    words     of a field that takes words
    offered   how many there are, whatever was searched for
    """

    path: str
    kind: RefKind | None
    selected: str
    declared: str
    options: tuple[OfferedOption, ...]
    words: tuple[str, ...]
    offered: int


@dataclass(frozen=True, slots=True)
class OfferedOptions:
    """What one merchant's books offer. `pulled_at`: when Codat last read them, where it says so."""

    merchant: str
    fields: tuple[OfferedField, ...]
    pulled_at: datetime | None = None
