"""What a merchant's books offer for each field of the mapping, and what of it is used. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.model.desired import DesiredMerchant
from controller.model.field_values import DeclaredValue, Option, Ref, Value, ref_kind, resolve_live_path
from controller.model.observed import Configuration
from controller.model.offered_options import OfferedField, OfferedOption, OfferedOptions
from controller.model.yaml_snippets import option_as_yaml, value_as_yaml
from controller.planning.resolve import resolve_fields


def list_offered_options(
    desired: DesiredMerchant,
    live: Configuration,
    now: datetime,
    *,
    field: str | None = None,
    search: str = "",
    pulled_at: datetime | None = None,
) -> OfferedOptions:
    """The fields of the live document at or below `field` that offer a choice, with the options that match `search`.

    search  words; each must be a part of the id, code or name, whatever its case and accents
    """
    declared = {resolve_live_path(live.values, path): path for path in desired.fields}
    resolved = resolve_fields(desired.fields, live, now).values
    selected_in = _fields_by_option(live.values)
    declared_in = _fields_by_option(resolved)
    fields = []
    for live_path in sorted({*live.options, *(path for path, words in live.allowed_words.items() if words)}):
        path = declared.get(live_path) or live_path
        if field is not None and not _is_at_or_below(path, field):
            continue
        options = live.options.get(live_path, ())
        shown = tuple(
            OfferedOption(
                option,
                option_as_yaml(option, among=options),
                tuple(declared.get(each) or each for each in selected_in.get((ref_kind(live_path), option.id), ())),
                declared_in.get((ref_kind(live_path), option.id), ()),
            )
            for option in options
            if _contains_all_words(" ".join(filter(None, (option.id, option.code, option.name))), search)
        )
        words = live.allowed_words.get(live_path, ())
        words_shown = tuple(word for word in words if _contains_all_words(word, search))
        fields.append(
            OfferedField(
                path,
                ref_kind(live_path),
                _selection_as_yaml(live.values.get(live_path), options),
                _declared_as_yaml(desired.fields.get(path)),
                shown,
                words_shown,
                len(options) or len(words),
            )
        )
    return OfferedOptions(desired.name, tuple(fields), pulled_at)


def _fields_by_option(values: Mapping[str, Value]) -> dict[tuple[object, str], tuple[str, ...]]:
    """By kind and id, the fields that have this selection."""
    fields: dict[tuple[object, str], tuple[str, ...]] = {}
    for path, value in sorted(values.items()):
        if isinstance(value, Option):
            key = (ref_kind(path), value.id)
            fields[key] = (*fields.get(key, ()), path)
    return fields


def _is_at_or_below(path: str, field: str) -> bool:
    """taxRates.20 is taxRates["20"], and keys of accounts compare without case."""
    own, asked = (each.replace('["', ".").replace('"]', "").lower() for each in (path, field))
    return own == asked or own.startswith(f"{asked}.")


def _contains_all_words(text: str, search: str) -> bool:
    plain = _fold_case_and_accents(text)
    return all(word in plain for word in _fold_case_and_accents(search).split())


def _fold_case_and_accents(text: str) -> str:
    """Without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _selection_as_yaml(value: Value, options: Iterable[Option]) -> str:
    if isinstance(value, Option):
        offered = tuple(options)
        known = next((option for option in offered if option.id == value.id), value)
        return option_as_yaml(known, among=offered)
    return value_as_yaml(value) or ""


def _declared_as_yaml(declared: DeclaredValue) -> str:
    if isinstance(declared, Ref):
        return option_as_yaml(Option(**{"id": "", declared.by: declared.value}), declared.by)
    return str(declared) if isinstance(declared, str) else ""
