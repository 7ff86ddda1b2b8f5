"""Store values in normalised form, by the settings `tidyNames`, `sortLists` and `lowerWords`.

The API notes leave open whether Codat does so; a client must cope with either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.emulator.service.configuration_document import (
    FREQUENCIES,
    GROUP_BY,
    GROUPING_PERIODS,
    INVOICE_STATUSES,
    Document,
)
from controller.emulator.service.world import EmulatorSettings

_WORD_FIELDS = ("selectedFrequency", "selectedGroupingPeriod", "selectedInvoiceStatus")
_SORTED_LIST_FIELDS = ("selectedGroupByOptions",)
_OPTION_SPELLING = {word.lower(): word for word in (*FREQUENCIES, *GROUPING_PERIODS, *INVOICE_STATUSES, *GROUP_BY)}


def normalise_name(text: str, settings: EmulatorSettings) -> str:
    """A company name as it is stored."""
    return " ".join(text.split()) if settings.tidy_names else text


def to_option_spelling(chosen: Mapping[str, Any], settings: EmulatorSettings) -> Document:
    """The values as the options spell them, for validation, where `lowerWords` makes their case irrelevant."""
    if not settings.lower_words:
        return {**chosen}
    return _map_fields(chosen, lambda word: _OPTION_SPELLING.get(word.lower(), word), sort=False)


def to_stored_form(chosen: Mapping[str, Any], settings: EmulatorSettings) -> Document:
    """The values as they are stored once a document was accepted."""
    spell = str.lower if settings.lower_words else str
    return _map_fields(chosen, spell, sort=settings.sort_lists)


def _map_fields(node: Mapping[str, Any], spell: Callable[[str], str], *, sort: bool) -> Document:
    return {field: _map_value(field, value, spell, sort) for field, value in node.items()}


def _map_value(field: str, value: Any, spell: Callable[[str], str], sort: bool) -> Any:
    if isinstance(value, Mapping):
        return _map_fields(value, spell, sort=sort)
    if field in _WORD_FIELDS and isinstance(value, str):
        return spell(value)
    if field in _SORTED_LIST_FIELDS and isinstance(value, list):
        spelled = [spell(item) if isinstance(item, str) else item for item in value]
        return sorted(spelled, key=str) if sort else spelled
    return value
