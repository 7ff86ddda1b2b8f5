"""What is wrong with the shape of one manifest, in words, with the path to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from controller.desired.schema import KINDS, PATTERN_WORDS

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {kind: TypeAdapter(shape) for kind, shape in KINDS.items()}


class Problem(NamedTuple):
    """Something wrong with a manifest's shape: the path of keys and indexes to it, in words, and what to do.

    `at_key`: it is the key itself that is wrong, not the value under it.
    """

    path: tuple[str | int, ...]
    what: str
    remedy: str
    at_key: bool = False


def problems(kind: str, manifest: Any) -> Iterator[Problem]:
    """Everything that is wrong with one document of this kind (a key of `KINDS`), as plain values."""
    try:
        _ADAPTERS[kind].validate_python(manifest)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            yield _problem(kind, each)


def _problem(kind: str, error: ErrorDetails) -> Problem:
    path, context = error["loc"], error.get("ctx", {})
    if path and path[-1] == "[key]":
        what, remedy = f"{path[-2]!r} cannot stand here", _fitting(context)
        return Problem(path[:-1], context.get("what", what), context.get("remedy", remedy), at_key=True)
    match error["type"]:
        case "manifest":
            return Problem(path, context["what"], context["remedy"])
        case "missing":
            return Problem(path[:-1], f"{_dotted(path)} is missing", "add it")
        case "extra_forbidden":
            return Problem(path, *_unknown_key(kind, path), at_key=True)
        case "string_pattern_mismatch":
            return Problem(path, f"{error['input']!r} does not fit {_dotted(path)}", _fitting(context))
        case "literal_error":
            return Problem(path, *_unknown_word(path, error))
        case _:
            return Problem(path, *_wrong_type(path, error))


def _unknown_key(kind: str, path: tuple[str | int, ...]) -> tuple[str, str]:
    key = str(path[-1])
    if key == "code":
        return "only accounts have a code (REFERENCE 4.3)", "use id or name"
    if key == "<<":
        return "'<<' merges nothing here: manifests are YAML 1.2", "use a profile"
    known = _keys_at(kind, path[:-1])
    near = get_close_matches(key.lower(), {word.lower(): word for word in known}, n=1, cutoff=0.6)
    meant = next((word for word in known if near and word.lower() == near[0]), None)
    where = _dotted(path[:-1]) or "a manifest"
    remedy = f"did you mean {meant!r}?" if meant else f"known here: {', '.join(known) or 'nothing'}"
    return f"unknown key {key!r} in {where}", remedy


def _keys_at(kind: str, path: tuple[str | int, ...]) -> list[str]:
    shape: Any = KINDS[kind]
    for key in path:
        if get_origin(shape) is dict:
            shape = _shape_of(get_args(shape)[1])
        else:
            shape = _shape_of(get_type_hints(shape).get(str(key)))
    return list(get_type_hints(shape)) if isinstance(shape, type) else []


def _shape_of(hint: Any) -> Any:
    """What a hint is about, without Annotated, NotRequired and `| None`."""
    if get_origin(hint) in (None, dict):
        return hint
    return _shape_of(get_args(hint)[0])


def _unknown_word(path: tuple[str | int, ...], error: ErrorDetails) -> tuple[str, str]:
    expected = str(error["ctx"]["expected"]).replace("'", "")
    return f"{_dotted(path)} cannot be {_shown(error['input'])}", f"write {expected}"


def _wrong_type(path: tuple[str | int, ...], error: ErrorDetails) -> tuple[str, str]:
    given, name = error["input"], _dotted(path) or "a manifest"
    if given is None:
        remedy = (
            "leave it out: what is not declared is not managed" if len(path) > 1 and path[0] == "spec" else "fill it in"
        )
        return f"{name} cannot be null", remedy
    remedy = _TYPES.get(error["type"], error["msg"])
    if error["type"] == "string_type" and isinstance(given, int | float):
        remedy = f'quote it: "{given}"'
    return f"{name} cannot be {_shown(given)}", remedy


_TYPES = {
    "string_type": "write text",
    "bool_type": "write true or false",
    "int_type": "write a whole number",
    "list_type": "write a list, such as [Location]",
    "dict_type": "write a mapping (key: value)",
    "greater_than_equal": "write a whole number from 0 to 23",
    "less_than_equal": "write a whole number from 0 to 23",
    "string_too_short": "write at least one character",
    "string_too_long": "write at most 500 characters",
}


def _fitting(context: Mapping[str, Any]) -> str:
    return PATTERN_WORDS.get(str(context.get("pattern")), "write text")


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(key) for key in path)
