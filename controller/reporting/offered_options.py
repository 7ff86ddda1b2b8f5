"""What a merchant's books offer: a line a field, or all options of the fields that were asked for; and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Any

from controller.model.field_values import value_to_json
from controller.model.offered_options import OfferedField, OfferedOption, OfferedOptions
from controller.reporting.formatting import align_columns, clean, format_count, format_iso, format_time
from controller.reporting.paint import WITHOUT_COLOUR, Paint


def offered_fields_text(offered: OfferedOptions, paint: Paint = WITHOUT_COLOUR) -> str:
    """`mapping.sales.accounts.card  {code: "610"}  {code: "610"}  43`"""
    rows = [
        (clean(each.path), clean(each.selected), clean(each.declared), f"{each.offered:,}") for each in offered.fields
    ]
    head = tuple(paint("strong", word) for word in ("FIELD", "SELECTED", "DECLARED", "OFFERED"))
    lines = align_columns([head, *rows], "") if rows else ["nothing is offered"]
    hint = f"All options of a field: merchantctl options {quote(offered.merchant)} FIELD; by words: --search TEXT"
    return "\n".join([*lines, "", *_age_lines(offered, paint), paint("quiet", clean(hint))])


def offered_options_text(offered: OfferedOptions, paint: Paint = WITHOUT_COLOUR) -> str:
    """The options, once for all fields that offer the same; what is not offered at all is left out."""
    groups: dict[tuple[object, ...], list[OfferedField]] = {}
    for field in offered.fields:
        if field.options or field.words:
            key = (field.kind, *(each.option.id for each in field.options), *field.words)
            groups.setdefault(key, []).append(field)
    lines = [line for fields in groups.values() for line in (*_group_lines(fields, paint), "")]
    return "\n".join([*(lines or ["nothing that is offered fits", ""]), *_age_lines(offered, paint)]).rstrip("\n")


def offered_options_json(offered: OfferedOptions) -> dict[str, Any]:
    """The fields, each with all that it offers."""
    return {
        "merchant": offered.merchant,
        "pulledAt": format_iso(offered.pulled_at),
        "fields": [
            {
                "field": field.path,
                "kind": field.kind.value if field.kind else None,
                "selected": field.selected or None,
                "declared": field.declared or None,
                "offered": field.offered,
                "words": list(field.words),
                "options": [_option_json(each) for each in field.options],
            }
            for field in offered.fields
        ],
    }


def _option_json(offered: OfferedOption) -> dict[str, Any]:
    return {
        **value_to_json(offered.option),
        "type": offered.option.kind,
        "reference": offered.reference,
        "selectedIn": list(offered.selected_in),
        "declaredIn": list(offered.declared_in),
    }


def _group_lines(fields: Sequence[OfferedField], paint: Paint) -> list[str]:
    first = fields[0]
    shown = len(first.options) or len(first.words)
    count = format_count(shown, "option") + (f" of {first.offered:,}" if shown < first.offered else "")
    title = [paint("strong", clean(", ".join(each.path for each in fields))) + paint("quiet", f"  ({count})")]
    if first.words:
        return [*title, *(f"  {clean(word)}" for word in first.words)]
    head = tuple(paint("quiet", word) for word in ("AS A MANIFEST HAS IT", "NAME", "CODE", "TYPE", "USED BY"))
    rows = [
        (
            clean(each.reference),
            clean(each.option.name or ""),
            clean(each.option.code or ""),
            clean(each.option.kind or ""),
            clean(_using_fields_text(each)),
        )
        for each in first.options
    ]
    return [*title, *align_columns([head, *rows], "  ")]


def _using_fields_text(offered: OfferedOption) -> str:
    """The fields that have it; those that the manifest wants it for, and that have another, are marked."""
    wanted = [f"{path} (declared)" for path in offered.declared_in if path not in offered.selected_in]
    return ", ".join([*offered.selected_in, *wanted])


def _age_lines(offered: OfferedOptions, paint: Paint) -> list[str]:
    if offered.pulled_at is None:
        return []
    command = f"merchantctl refresh --target {quote(offered.merchant)} --wait"
    words = f"As Codat read the books on {format_time(offered.pulled_at)}; to have them read again: {command}"
    return [paint("quiet", clean(words))]
