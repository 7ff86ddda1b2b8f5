"""The query language, ordering and paging that every list endpoint shares (REFERENCE 1.6 to 1.8)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from controller.emulator.clock import instant
from controller.emulator.errors import ApiError
from controller.emulator.query_fields import QUERYABLE, TAGS, FieldType

Item = dict[str, Any]
Predicate = Callable[[Item], bool]

QUERY_LIMIT = 2048
PAGE_SIZE_LIMIT = 5000
DEFAULT_PAGE_SIZE = 100
_INT32_MAX = 2**31 - 1

MALFORMED = "Error parsing query - Malformed query."

# expression = group { "||" group } ; group = term { "&&" term } ; term = clause | "{" expression "}"
_TOKENS = re.compile(r"(&&|\|\||[{}])")
_CLAUSE = re.compile(
    r"\s*(?P<property>[A-Za-z_][\w.-]*)\s*(?P<operator>!=|>=|<=|=|~|>|<)\s*(?P<value>[^\s=~<>].*)", re.DOTALL
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_BINDING = {"||": 1, "&&": 2}

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "~": operator.contains,
}
_ORDERED = ("=", "!=", ">", "<", ">=", "<=")
_OPERATORS: Mapping[FieldType, Sequence[str]] = {
    "text": ("=", "!=", "~"),
    "elements": ("=", "!=", "~"),
    "number": _ORDERED,
    "date": _ORDERED,
    "flag": ("=", "!="),
}


def page(items: Sequence[Item], params: Mapping[str, str], path: str, kind: str) -> Item:
    """One page of `items` in the envelope of REFERENCE 1.6.

    `path` is the canonical path for `_links`, `kind` the noun of `query_fields.QUERYABLE`.
    Without `query` and `orderBy` the items are only measured and sliced, never looked at.
    Raises ApiError 400 for bad numbers, a malformed query or an unknown property.
    """
    number = _whole(params, "page", 1, _INT32_MAX)
    size = _whole(params, "pageSize", DEFAULT_PAGE_SIZE, PAGE_SIZE_LIMIT)
    chosen = ordered(matching(items, params.get("query", ""), kind), params.get("orderBy", ""), kind)
    first = (number - 1) * size
    return {
        "results": list(chosen[first : first + size]),
        "pageNumber": number,
        "pageSize": size,
        "totalResults": len(chosen),
        "_links": _links(params, path, number, size, len(chosen)),
    }


def matching(items: Sequence[Item], expression: str, kind: str) -> Sequence[Item]:
    """The items for which `expression` holds; all of them when it is blank."""
    if not expression.strip():
        return items
    holds = compiled(expression, kind)
    return [item for item in items if holds(item)]


def by_tags(companies: Sequence[Item], expression: str) -> Sequence[Item]:
    """The companies whose tags satisfy `key=value`, `key!=value` or `key~value` (REFERENCE 3.1 #2, later)."""
    if not expression.strip():
        return companies
    holds = compiled(expression, TAGS)
    return [company for company in companies if holds(company.get("tags") or {})]


def ordered(items: Sequence[Item], order_by: str, kind: str) -> Sequence[Item]:
    """The items by one field, `-field` for descending; rows without a value count as lowest."""
    if not order_by.strip():
        return items
    descending = order_by.strip().startswith("-")
    name = order_by.strip().lstrip("-+")
    field_type = _field_type(name, kind)
    if field_type == "elements":
        raise _unresolved(name, kind)
    steps = name.split(".")

    def rank(item: Item) -> tuple[bool, Any]:
        value = _comparable(_reach(item, steps), field_type)
        return (value is not None, value if value is not None else 0)

    return sorted(items, key=rank, reverse=descending)


def compiled(expression: str, kind: str) -> Predicate:
    """`expression` as a test of one item. Raises ApiError 400 as REFERENCE 1.7 prints it."""
    if len(expression) >= QUERY_LIMIT:
        raise _malformed()
    program = list(_postfix(_decoded(expression), kind))

    def holds(item: Item) -> bool:
        stack: list[bool] = []
        for step in program:
            if isinstance(step, str):
                right, left = stack.pop(), stack.pop()
                stack.append(left and right if step == "&&" else left or right)
            else:
                stack.append(step(item))
        return stack.pop()

    return holds


def _decoded(expression: str) -> str:
    """Some published samples are encoded twice: `enabled%253Dtrue`."""
    return unquote(expression) if "%3d" in expression.lower() else expression


def _postfix(expression: str, kind: str) -> Iterator[Predicate | str]:
    """Clauses and joiners in the order a stack evaluates them (no recursion: braces nest at will)."""
    waiting: list[str] = []
    wants_clause = True
    for token in filter(str.strip, _TOKENS.split(expression)):
        if wants_clause != (token == "{" or token not in ("&&", "||", "}")):
            raise _malformed()
        if token == "{":
            waiting.append(token)
        elif token == "}":
            yield from _until_brace(waiting)
        elif token in _BINDING:
            yield from _stronger(waiting, _BINDING[token])
            waiting.append(token)
            wants_clause = True
        else:
            yield _clause(token, kind)
            wants_clause = False
    if wants_clause or "{" in waiting:
        raise _malformed()
    yield from reversed(waiting)


def _until_brace(waiting: list[str]) -> Iterator[str]:
    while waiting and waiting[-1] != "{":
        yield waiting.pop()
    if not waiting:
        raise _malformed()
    waiting.pop()


def _stronger(waiting: list[str], binding: int) -> Iterator[str]:
    while waiting and _BINDING.get(waiting[-1], 0) >= binding:
        yield waiting.pop()


def _clause(text: str, kind: str) -> Predicate:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise _malformed()
    sign = found["operator"]
    field_type = _field_type(found["property"], kind)
    if sign not in _OPERATORS[field_type]:
        raise _malformed()
    wanted = _operand(found["value"].strip(), field_type)
    steps = found["property"].split(".")
    if field_type == "elements":
        return _about_elements(steps[0], steps[1:], sign, wanted)
    return _about_value(steps, field_type, sign, wanted)


def _about_value(steps: list[str], field_type: FieldType, sign: str, wanted: Any) -> Predicate:
    compare = _COMPARISONS[sign]

    def holds(item: Item) -> bool:
        value = _comparable(_reach(item, steps), field_type)
        return compare(value, wanted) if value is not None else sign == "!="

    return holds


def _about_elements(array: str, steps: list[str], sign: str, wanted: Any) -> Predicate:
    """`=` and `~` hold if any element matches, `!=` if none is equal (REFERENCE 1.7)."""
    same = _about_value(steps, "text", "~" if sign == "~" else "=", wanted)
    return lambda item: any(map(same, item.get(array) or ())) != (sign == "!=")


def _field_type(name: str, kind: str) -> FieldType:
    field_type = "text" if kind == TAGS else QUERYABLE[kind].get(name)
    if field_type is None:
        raise _unresolved(name, kind)
    return field_type


def _reach(item: Any, steps: list[str]) -> Any:
    for step in steps:
        item = item.get(step) if isinstance(item, Mapping) else None
    return item


def _operand(text: str, field_type: FieldType) -> Any:
    """What the caller wrote after the operator, read as the property's type."""
    if field_type == "number" and _NUMBER.fullmatch(text):
        return float(text)
    if field_type == "flag" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if field_type == "date" and (moment := _instant(text)):
        return moment
    if field_type in ("text", "elements"):
        return text.casefold()
    raise _malformed()


def _comparable(value: Any, field_type: FieldType) -> Any:
    if value is None:
        return None
    if field_type == "date":
        return _instant(value)
    return value if field_type in ("number", "flag") else str(value).casefold()


def _instant(text: str) -> datetime | None:
    """A date in any form of REFERENCE 1.5; None when it is none."""
    try:
        return instant(text)
    except ValueError:
        return None


def _whole(params: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = params.get(name, "")
    if text == "":
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= most:
        raise ApiError(400, "Error processing request - not valid.", "PublicApi")
    return int(text)


def _links(params: Mapping[str, str], path: str, number: int, size: int, total: int) -> Item:
    others = "".join(
        f"&{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in params.items()
        if name not in ("page", "pageSize")
    )

    def link(to: int) -> Item:
        return {"href": f"{path}?page={to}&pageSize={size}{others}"}

    links = {"self": {"href": path}, "current": link(number)}
    if number * size < total:
        links["next"] = link(number + 1)
    if number > 1:
        links["previous"] = link(number - 1)
    return links


def _malformed() -> ApiError:
    return ApiError(400, MALFORMED, "ClientsApi")


def _unresolved(name: str, kind: str) -> ApiError:
    return ApiError(400, f"Error parsing query - Could not resolve property {name} on {kind}", "PullApi")
