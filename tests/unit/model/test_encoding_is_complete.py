"""Whatever a plan, an outcome or a fleet may hold can be kept: a new type of a field has to be made known."""

from __future__ import annotations

import sys
import types
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin

import pytest

from controller.model import encoding
from controller.model.desired import Diagnostic
from controller.model.plan import Plan
from controller.model.report import FleetPlan, Outcome

KEPT_ELSEWHERE = {Diagnostic: "what is wrong with manifests is not kept: whoever looks reads them"}


def types_within(hint: Any) -> set[type]:
    """All classes of ours that a value of this type may hold."""
    found: set[type] = set()
    seen: set[Any] = set()
    todo = [hint]
    while todo:
        each = todo.pop()
        if each in seen:
            continue
        seen.add(each)
        if get_origin(each) in (Union, types.UnionType, tuple, frozenset, dict) or get_args(each):
            todo.extend(argument for argument in get_args(each) if argument is not Ellipsis)
        elif isinstance(each, type) and (is_dataclass(each) or issubclass(each, Enum)):
            found.add(each)
            if is_dataclass(each):
                scope = vars(sys.modules[each.__module__])
                todo.extend(eval(str(field.type), scope) for field in fields(each))
    return found


@pytest.mark.parametrize("root", [Plan, FleetPlan, Outcome], ids=str)
def test_every_type_in_it_is_known_to_the_encoding(root: Any) -> None:
    unknown = types_within(root) - set(encoding.encodable_types()) - KEPT_ELSEWHERE.keys()
    assert {each.__name__ for each in unknown} == set()
