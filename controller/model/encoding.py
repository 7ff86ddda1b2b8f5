"""Values of the model as JSON, and back: for what one process keeps for another in the state. Pure.

A dataclass is an object that names its class and has the fields that differ from their defaults. What another version
wrote with classes or fields that this one does not have raises Unreadable: the reader does without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any

from controller.model.field_values import NewAccount, Option, Ref
from controller.model.holds import HeldBy, Hold
from controller.model.observed import LastSync
from controller.model.plan import (
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    CheckedPart,
    Condition,
    ConditionStatus,
    DataAge,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
    SyncSchedule,
)
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    LimitExceeded,
    Refusal,
    RequestEstimate,
    RetainedMerchant,
    Skipped,
    Unchanged,
)
from controller.model.run_policy import Scope

TYPE = "$type"

_DATACLASSES: Mapping[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        *(
            Plan,
            Change,
            FieldChange,
            Finding,
            Condition,
            Hold,
            DataAge,
            SyncSchedule,
            LastSync,
            Option,
            Ref,
            NewAccount,
        ),
        *(Unchanged, Applied, Failed, ChangedSincePlan, Skipped),
        *(FleetPlan, Refusal, LimitExceeded, RequestEstimate, RetainedMerchant, Scope),
    )
}
_ENUMS: Mapping[str, type[Enum]] = {
    cls.__name__: cls
    for cls in (*(Actor, ChangeClass, ChangeKind, CheckedPart, ConditionStatus, Direction, HeldBy, PlanStatus),)
}


def encodable_types() -> tuple[type[Any], ...]:
    """The classes whose values can be kept."""
    return (*_DATACLASSES.values(), *_ENUMS.values())


class Unreadable(ValueError):
    """The text is none that this version of the program writes."""


def encode(value: object) -> str:
    """JSON text; equal values have equal texts. TypeError for what is no value of the model."""
    return json.dumps(_encode_value(value), ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Any:
    """The value that was encoded. Raises Unreadable."""
    try:
        return _decode_value(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(str(error)) from error


def _encode_value(value: object) -> Any:
    match value:
        case Enum():
            return {TYPE: type(value).__name__, "value": value.value}
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {TYPE: "datetime", "value": value.isoformat()}
        case timedelta():
            return {TYPE: "timedelta", "seconds": value.total_seconds()}
        case tuple() | list():
            return [_encode_value(each) for each in value]
        case frozenset():
            return {TYPE: "frozenset", "items": sorted((_encode_value(each) for each in value), key=json.dumps)}
        case Mapping():
            return {
                TYPE: "mapping",
                "items": [[_encode_value(key), _encode_value(each)] for key, each in value.items()],
            }
    name = type(value).__name__
    if _DATACLASSES.get(name) is not type(value):
        raise TypeError(f"{name} is not kept")
    given = ((each, getattr(value, each), default) for each, default in _fields_with_defaults(name))
    return {TYPE: name} | {key: _encode_value(each) for key, each, default in given if each != default()}


def _decode_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode_value(each) for each in value)
    if not isinstance(value, dict):
        return value
    match value.pop(TYPE):
        case "datetime":
            return datetime.fromisoformat(value["value"])
        case "timedelta":
            return timedelta(seconds=value["seconds"])
        case "frozenset":
            return frozenset(_decode_value(each) for each in value["items"])
        case "mapping":
            return {_decode_value(key): _decode_value(each) for key, each in value["items"]}
        case name if name in _ENUMS:
            return _ENUMS[name](value["value"])
        case name:
            return _DATACLASSES[name](**{key: _decode_value(each) for key, each in value.items()})


@cache
def _fields_with_defaults(class_name: str) -> tuple[tuple[str, Callable[[], object]], ...]:
    return tuple((each.name, _default_factory(each)) for each in fields(_DATACLASSES[class_name]))


def _default_factory(field: Field[Any]) -> Callable[[], object]:
    return (lambda: field.default) if field.default_factory is MISSING else field.default_factory
