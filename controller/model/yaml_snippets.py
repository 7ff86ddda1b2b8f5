"""Values and references as YAML text that can be pasted into a manifest, whatever is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from controller.model.field_values import Option, Ref, Value, ref_to_manifest

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
YAML_KEYWORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML, of version 1.1 or 1.2, does not take for text."""

ReferenceKey = Literal["id", "code", "name"]


def quote_yaml(text: str) -> str:
    """Text between double quotes, which JSON and YAML read alike."""
    return json.dumps(text, ensure_ascii=False)


def quote_yaml_if_needed(text: str) -> str:
    """A word as it is, anything else in quotes."""
    return text if _WORD.fullmatch(text) and text.lower() not in YAML_KEYWORDS else quote_yaml(text)


def value_as_yaml(value: Value) -> str | None:
    """A live value as a manifest declares it; None for what it cannot declare (an instant, or that nothing is set)."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Option():
            return option_as_yaml(value)
        case str():
            return quote_yaml_if_needed(value)
        case tuple():
            return "[" + ", ".join(map(quote_yaml_if_needed, value)) + "]"
    return None


def option_as_yaml(option: Option, by: ReferenceKey | None = None, among: Collection[Option] = ()) -> str:
    """`{code: "205"}`: by that key, else by another that is unique `among` the options; by id where none is."""
    keys: tuple[ReferenceKey, ...] = ("code", "name")
    if by:
        keys = () if by == "id" else (by, *keys)
    for key in keys:
        text = getattr(option, key)
        if text and sum(getattr(other, key) == text for other in among) <= 1:
            return f"{{{key}: {quote_yaml(text)}}}"
    return f"{{id: {quote_yaml(option.id)}}}"


def ref_as_yaml(ref: Ref) -> str:
    """A declared reference: `{code: "610", create: {name: "Card clearing", type: "Asset.Current"}}`."""

    def mapping(entries: Mapping[str, Any]) -> str:
        texts = (
            f"{key}: {mapping(value) if isinstance(value, dict) else quote_yaml(value)}"
            for key, value in entries.items()
        )
        return "{" + ", ".join(texts) + "}"

    return mapping(ref_to_manifest(ref))


def describe_option(
    option: Option, by: ReferenceKey | None = None, among: Collection[Option] = (), selected: Option | None = None
) -> str:
    """The reference, and in brackets what else a person knows it by: `{code: "205"} (Sales returns, Nominal)`.

    Options of the same name are told apart by their kind, and by which of them is selected now.
    """
    reference = option_as_yaml(option, by, among)
    key = reference[1:].partition(":")[0]
    same_name = sum((other.name or "").casefold() == (option.name or "").casefold() for other in among)
    details = (
        None if key == "name" else option.name,
        f"code {option.code}" if option.code and key != "code" else None,
        option.kind if same_name > 1 else None,
        "selected now" if selected is not None and selected.id == option.id else None,
    )
    text = ", ".join(detail for detail in details if detail)
    return f"{reference} ({text})" if text else reference
