"""What is wrong with the shape of one manifest, in words, with the path to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails, SchemaValidator, ValidationError

from controller.desired.schema import MANIFEST_KINDS, PATTERN_REMEDIES
from controller.untrusted_text import mask_passwords


class SchemaProblem(NamedTuple):
    """Something wrong with a manifest's shape: where (keys and indexes), what, and what to do.

    at_key  the key itself is wrong, not the value under it
    """

    path: tuple[str | int, ...]
    what: str
    remedy: str
    at_key: bool = False


Path = tuple[str | int, ...]
SourceText = Callable[[Path], str | None]
"""The value at a path as its file has it (`0205` where YAML reads 205); None for text, and where it is not known."""


@cache
def _validator(kind: str) -> SchemaValidator:
    """Made by the first manifest of its kind; not at all where every manifest is known from an earlier run."""
    return SchemaValidator(MANIFEST_KINDS[kind])


def find_schema_problems(
    kind: str, manifest: Any, source_text: SourceText = lambda path: None
) -> Iterator[SchemaProblem]:
    """Everything that is wrong with one document, given as plain values. `kind` is a key of MANIFEST_KINDS."""
    try:
        _validator(kind).validate_python(manifest)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            text = source_text(details["loc"])
            problem = _problem(kind, details, text)
            if text and details["type"] in _TEXT_EXPECTED:
                problem = _with_quoting_remedy(kind, manifest, problem, text)
            yield problem


_TEXT_EXPECTED = ("string_type", "literal_error")


def _with_quoting_remedy(kind: str, manifest: Any, problem: SchemaProblem, text: str) -> SchemaProblem:
    """The problem of a number or a word where text is expected: quote it, if as text it would be valid."""
    try:
        _validator(kind).validate_python(_with_text_at(manifest, problem.path, text))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if details["loc"][: len(problem.path)] == problem.path:
                return problem._replace(remedy=_problem(kind, details, text).remedy)
    return problem._replace(remedy=f'quote it: "{text}"')


def _with_text_at(value: Any, path: Path, text: str) -> Any:
    """The same plain values, with this text at the path."""
    if not path:
        return text
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: _with_text_at(value[key], tuple(rest), text)}
    return [_with_text_at(item, tuple(rest), text) if index == key else item for index, item in enumerate(value)]


def _problem(kind: str, error: ErrorDetails, text: str | None) -> SchemaProblem:
    path, context = error["loc"], error.get("ctx", {})
    if path and path[-1] == "[key]":
        what, remedy = f"{path[-2]!r} cannot stand here", _pattern_remedy(context)
        return SchemaProblem(path[:-1], context.get("what", what), context.get("remedy", remedy), at_key=True)
    match error["type"]:
        case "manifest":
            return SchemaProblem(path, context["what"], context["remedy"])
        case "missing":
            return SchemaProblem(path[:-1], f"{_dotted_path(path)} is missing", "add it")
        case "extra_forbidden":
            return SchemaProblem(path, *_describe_unknown_key(kind, path), at_key=True)
        case "string_pattern_mismatch":
            return SchemaProblem(
                path,
                f"{mask_passwords(repr(error['input']))} does not fit {_dotted_path(path)}",
                _pattern_remedy(context),
            )
        case "literal_error":
            return SchemaProblem(path, *_describe_unknown_word(path, error, text))
        case _:
            return SchemaProblem(path, *_describe_wrong_type(path, error, text))


def _describe_unknown_key(kind: str, path: Path) -> tuple[str, str]:
    key = str(path[-1])
    if key == "code":
        return "only accounts have a code (API notes 4.3)", "use id or name"
    if key == "create":
        return "only accounts can be created in the books (API notes 3.11)", "add it there by hand; then refresh"
    if key == "<<":
        return "'<<' merges nothing here: manifests are YAML 1.2", "use a profile"
    known = {word.lower(): word for word in _keys_at(kind, path[:-1])}
    nearest = get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    where = _dotted_path(path[:-1]) or "a manifest"
    if nearest:
        remedy = f"did you mean {known[nearest[0]]!r}?"
    else:
        remedy = f"known here: {', '.join(known.values()) or 'nothing'}"
    return f"unknown key {key!r} in {where}", remedy


def _keys_at(kind: str, path: Path) -> list[str]:
    """The keys that the schema has at a path."""
    shape: Mapping[str, Any] = MANIFEST_KINDS[kind]
    for key in path:
        below = shape["fields"][key]["schema"] if "fields" in shape else None
        shape = below or shape.get("items_schema") or shape["values_schema"]
        while "schema" in shape:  # a rule of its own, or null beside it
            shape = shape["schema"]
    return list(shape["fields"])


def _describe_unknown_word(path: Path, error: ErrorDetails, text: str | None) -> tuple[str, str]:
    expected = str(error["ctx"]["expected"]).replace("'", "")
    return f"{_dotted_path(path)} cannot be {_format_value(error['input'], text)}", f"write {expected}"


def _describe_wrong_type(path: Path, error: ErrorDetails, text: str | None) -> tuple[str, str]:
    given, name = error["input"], _dotted_path(path) or "a manifest"
    if given is None:
        remedy = (
            "leave it out: what is not declared is not managed" if len(path) > 1 and path[0] == "spec" else "fill it in"
        )
        return f"{name} cannot be null", remedy
    context = error.get("ctx", {})
    match error["type"]:
        case "greater_than_equal":
            remedy = f"write a whole number, at least {context['ge']}"
        case "less_than_equal":
            remedy = f"write a whole number, at most {context['le']}"
        case "string_too_long":
            remedy = f"write at most {context['max_length']} characters"
        case other:
            remedy = _TYPE_REMEDIES.get(other, error["msg"])
    return f"{name} cannot be {_format_value(given, text)}", remedy


_TYPE_REMEDIES = {
    "string_type": "write text",
    "bool_type": "write true or false",
    "int_type": "write a whole number",
    "list_type": "write a list, such as [Location]",
    "dict_type": "write a mapping (key: value)",
    "string_too_short": "write at least one character",
    "too_short": "name at least one",
    "too_long": "name fewer",
}


def _pattern_remedy(context: Mapping[str, Any]) -> str:
    return PATTERN_REMEDIES.get(str(context.get("pattern")), "write text")


def _format_value(value: Any, text: str | None = None) -> str:
    match value:
        case _ if text is not None and not isinstance(value, str):
            return text if len(text) <= 60 else f"{text[:57]}..."
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


def _dotted_path(path: Path) -> str:
    return ".".join(str(key) for key in path)
