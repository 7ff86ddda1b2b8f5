"""The query language, ordering and paging that every list endpoint shares (API notes 1.6 to 1.8)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from controller.emulator.http.query_fields import QUERYABLE, TAG_KIND, FieldType
from controller.emulator.service.clock import parse_timestamp
from controller.emulator.service.errors import ApiError

Item = dict[str, Any]
Predicate = Callable[[Item], bool]

MAX_QUERY_LENGTH = 2048
MAX_PAGE_SIZE = 5000
DEFAULT_PAGE_SIZE = 100
_INT32_MAX = 2**31 - 1

MALFORMED_QUERY_TEXT = "Error parsing query - Malformed query."

# expression = group { "||" group } ; group = term { "&&" term } ; term = clause | "{" expression "}"
_TOKENS = re.compile(r"(&&|\|\||[{}])")
_CLAUSE = re.compile(
    r"\s*(?P<property>[A-Za-z_][\w.-]*)\s*(?P<operator>!=|>=|<=|=|~|>|<)\s*(?P<value>[^\s=~<>].*)", re.DOTALL
)
_DECIMAL_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_PRECEDENCE = {"||": 1, "&&": 2}

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "~": operator.contains,
}
_ORDERING_OPERATORS = ("=", "!=", ">", "<", ">=", "<=")
_OPERATORS: Mapping[FieldType, Sequence[str]] = {
    "text": ("=", "!=", "~"),
    "elements": ("=", "!=", "~"),
    "number": _ORDERING_OPERATORS,
    "date": _ORDERING_OPERATORS,
    "flag": ("=", "!="),
}


def queried_page_json(
    items: Sequence[Item],
    params: Mapping[str, str],
    path: str,
    kind: str,
    *,
    max_page_size: int | None = None,
    is_ordered: bool = False,
) -> Item:
    """One page of `items` in the envelope of API notes 1.6; no page is longer than `max_page_size`, whatever was asked.

    `path` is the canonical path for `_links`, `kind` the noun of `query_fields.QUERYABLE`.
    Without `query` and `orderBy` the items are only measured and sliced, never looked at.
    Raises ApiError 400 for bad numbers, a malformed query or an unknown property.
    """
    number = _parse_whole_number(params, "page", 1, _INT32_MAX)
    size = min(
        _parse_whole_number(params, "pageSize", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE), max_page_size or MAX_PAGE_SIZE
    )
    order_by = "" if is_ordered else params.get("orderBy", "")
    matching = sort_items(filter_items(items, params.get("query", ""), kind), order_by, kind)
    first = (number - 1) * size
    return {
        "results": list(matching[first : first + size]),
        "pageNumber": number,
        "pageSize": size,
        "totalResults": len(matching),
        "_links": _page_links(params, path, number, size, len(matching)),
    }


def filter_items(items: Sequence[Item], expression: str, kind: str) -> Sequence[Item]:
    """The items for which `expression` holds; all of them when it is blank."""
    if not expression.strip():
        return items
    matches = compile_query(expression, kind)
    return [item for item in items if matches(item)]


def filter_by_tags(companies: Sequence[Item], expression: str) -> Sequence[Item]:
    """The companies whose tags satisfy `key=value`, `key!=value` or `key~value` (API notes 3.1 #2, later)."""
    if not expression.strip():
        return companies
    matches = compile_query(expression, TAG_KIND)
    return [company for company in companies if matches(company.get("tags") or {})]


def sort_items(items: Sequence[Item], order_by: str, kind: str) -> Sequence[Item]:
    """The items by one field, `-field` for descending; rows without a value count as lowest."""
    if not order_by.strip():
        return items
    descending = order_by.strip().startswith("-")
    name = order_by.strip().lstrip("-+")
    field_type = _field_type(name, kind)
    if field_type == "elements":
        raise _unknown_property(name, kind)
    steps = name.split(".")

    def rank(item: Item) -> tuple[bool, Any]:
        value = _comparable(_value_at(item, steps), field_type)
        return (value is not None, value if value is not None else 0)

    return sorted(items, key=rank, reverse=descending)


def compile_query(expression: str, kind: str) -> Predicate:
    """`expression` as a test of one item. Raises ApiError 400 as API notes 1.7 prints it."""
    if len(expression) >= MAX_QUERY_LENGTH:
        raise _malformed_query()
    program = list(_postfix(_undo_double_encoding(expression), kind))

    def matches(item: Item) -> bool:
        stack: list[bool] = []
        for step in program:
            if isinstance(step, str):
                right, left = stack.pop(), stack.pop()
                stack.append(left and right if step == "&&" else left or right)
            else:
                stack.append(step(item))
        return stack.pop()

    return matches


def _undo_double_encoding(expression: str) -> str:
    """Some published samples are encoded twice: `enabled%253Dtrue`."""
    return unquote(expression) if "%3d" in expression.lower() else expression


def _postfix(expression: str, kind: str) -> Iterator[Predicate | str]:
    """Clauses and joiners in the order a stack evaluates them (no recursion: braces nest at will)."""
    operators: list[str] = []
    wants_clause = True
    for token in filter(str.strip, _TOKENS.split(expression)):
        if wants_clause != (token == "{" or token not in ("&&", "||", "}")):
            raise _malformed_query()
        if token == "{":
            operators.append(token)
        elif token == "}":
            yield from _pop_until_brace(operators)
        elif token in _PRECEDENCE:
            yield from _pop_stronger(operators, _PRECEDENCE[token])
            operators.append(token)
            wants_clause = True
        else:
            yield _parse_clause(token, kind)
            wants_clause = False
    if wants_clause or "{" in operators:
        raise _malformed_query()
    yield from reversed(operators)


def _pop_until_brace(operators: list[str]) -> Iterator[str]:
    while operators and operators[-1] != "{":
        yield operators.pop()
    if not operators:
        raise _malformed_query()
    operators.pop()


def _pop_stronger(operators: list[str], binding: int) -> Iterator[str]:
    while operators and _PRECEDENCE.get(operators[-1], 0) >= binding:
        yield operators.pop()


def _parse_clause(text: str, kind: str) -> Predicate:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise _malformed_query()
    sign = match["operator"]
    field_type = _field_type(match["property"], kind)
    if sign not in _OPERATORS[field_type]:
        raise _malformed_query()
    wanted = _parse_operand(match["value"].strip(), field_type)
    steps = match["property"].split(".")
    if field_type == "elements":
        return _elements_predicate(steps[0], steps[1:], sign, wanted)
    return _value_predicate(steps, field_type, sign, wanted)


def _value_predicate(steps: list[str], field_type: FieldType, operator_: str, wanted: Any) -> Predicate:
    compare = _COMPARISONS[operator_]

    def matches(item: Item) -> bool:
        value = _comparable(_value_at(item, steps), field_type)
        return compare(value, wanted) if value is not None else operator_ == "!="

    return matches


def _elements_predicate(array: str, steps: list[str], sign: str, wanted: Any) -> Predicate:
    """`=` and `~` hold if any element matches, `!=` if none is equal (API notes 1.7)."""
    matches_element = _value_predicate(steps, "text", "~" if sign == "~" else "=", wanted)
    return lambda item: any(map(matches_element, item.get(array) or ())) != (sign == "!=")


def _field_type(name: str, kind: str) -> FieldType:
    field_type = "text" if kind == TAG_KIND else QUERYABLE[kind].get(name)
    if field_type is None:
        raise _unknown_property(name, kind)
    return field_type


def _value_at(item: Any, steps: list[str]) -> Any:
    for step in steps:
        item = item.get(step) if isinstance(item, Mapping) else None
    return item


def _parse_operand(text: str, field_type: FieldType) -> Any:
    """What the caller wrote after the operator, read as the property's type."""
    if field_type == "number" and _DECIMAL_NUMBER.fullmatch(text):
        return float(text)
    if field_type == "flag" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if field_type == "date" and (date := _parse_date(text)):
        return date
    if field_type in ("text", "elements"):
        return text.casefold()
    raise _malformed_query()


def _comparable(value: Any, field_type: FieldType) -> Any:
    if value is None:
        return None
    if field_type == "date":
        return _parse_date(value)
    return value if field_type in ("number", "flag") else str(value).casefold()


def _parse_date(text: str) -> datetime | None:
    """A date in any form of API notes 1.5; None when it is none."""
    try:
        return parse_timestamp(text)
    except ValueError:
        return None


def _parse_whole_number(params: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    text = params.get(name, "")
    if text == "":
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= maximum:
        raise ApiError(400, "Error processing request - not valid.", "PublicApi")
    return int(text)


def _page_links(params: Mapping[str, str], path: str, number: int, size: int, total: int) -> Item:
    other_parameters = "".join(
        f"&{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in params.items()
        if name not in ("page", "pageSize")
    )

    def link(page: int) -> Item:
        return {"href": f"{path}?page={page}&pageSize={size}{other_parameters}"}

    links = {"self": {"href": path}, "current": link(number)}
    if number * size < total:
        links["next"] = link(number + 1)
    if number > 1:
        links["previous"] = link(number - 1)
    return links


def _malformed_query() -> ApiError:
    return ApiError(400, MALFORMED_QUERY_TEXT, "ClientsApi")


def _unknown_property(name: str, kind: str) -> ApiError:
    return ApiError(400, f"Error parsing query - Could not resolve property {name} on {kind}", "PullApi")
