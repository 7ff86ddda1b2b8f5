"""Classes that JSON is read into. Their annotations say what each field holds; pydantic's engine checks and fills them.

    class CompanyJson(WireModel):
        id: str                                             in the JSON `id`: required, a text
        last_sync: str | None = None                        in the JSON `lastSync`: may be absent or null
        rows: list[TolerantRow[RowJson]] | None = None      read one by one: an unexpected one spoils no other

Only the engine, `pydantic_core`: pydantic itself, which makes such classes of any Python type, takes as long to import
as a whole `validate` may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, get_args, get_origin

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from controller.quick_dataclasses import dataclass

T = TypeVar("T")


class WireModel:
    """Unknown fields are ignored. Subclasses are written in a module whose annotations are no strings.

    NAMES  the names of fields that are not those of the attributes in camel case
    """

    # As the engine fills them: beside the fields it notes which of them were given.
    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")

    NAMES: ClassVar[Mapping[str, str]] = {}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    @classmethod
    def model_validate_json(cls, body: bytes | str) -> Self:
        """Read from JSON. ValidationError for JSON of another form, and for what is no whole JSON."""
        return validator_of(cls).validate_json(body)  # type: ignore[no-any-return]

    @classmethod
    def model_validate(cls, value: object) -> Self:
        """Read from a value that was JSON. ValidationError for another form."""
        return validator_of(cls).validate_python(value)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class UnexpectedRow:
    """A row in a form that we do not know. `why` begins with the place in the row, as a JSON path."""

    raw_row: object
    why: str

    def get(self, key: str) -> object:
        """A field as it came; None where there is none, or the row is no JSON object."""
        return self.raw_row.get(key) if isinstance(self.raw_row, dict) else None


if TYPE_CHECKING:
    TolerantRow: TypeAlias = T | UnexpectedRow
else:
    TolerantRow = Annotated[T, UnexpectedRow]


_VALIDATORS: dict[object, SchemaValidator] = {}


def validator_of(hint: Any) -> SchemaValidator:
    """Reads what an annotation says. Made by the first answer that needs it: most commands read few models."""
    if hint not in _VALIDATORS:
        _VALIDATORS[hint] = SchemaValidator(_schema_of(hint))
    return _VALIDATORS[hint]


_PLAIN_SCHEMAS: Mapping[Any, CoreSchema] = {
    str: core_schema.str_schema(),
    int: core_schema.int_schema(),
    bool: core_schema.bool_schema(),
    object: core_schema.any_schema(),
}


def _schema_of(hint: Any) -> CoreSchema:
    """What may stand where an annotation says so."""
    if hint in _PLAIN_SCHEMAS:
        return _PLAIN_SCHEMAS[hint]
    if isinstance(hint, type) and issubclass(hint, WireModel):
        fields = {
            attribute: core_schema.model_field(
                core_schema.with_default_schema(_schema_of(annotation), default=getattr(hint, attribute))
                if hasattr(hint, attribute)
                else _schema_of(annotation),
                validation_alias=_json_key(hint, attribute),
            )
            for attribute, annotation in hint.__annotations__.items()
        }
        return core_schema.model_schema(hint, core_schema.model_fields_schema(fields))
    match get_origin(hint), get_args(hint):
        case origin, (inner, end) if origin is UnionType and end is NoneType:
            return core_schema.nullable_schema(_schema_of(inner))
        case origin, (inner, _) if origin is Annotated:
            row = _schema_of(inner)
            # As a union, a row that can be read costs no call of Python: one document has hundreds.
            unexpected = core_schema.no_info_plain_validator_function(partial(_unexpected_row, inner))
            return core_schema.union_schema([row, unexpected], mode="left_to_right")
        case origin, (inner,) if origin is list:
            return core_schema.list_schema(_schema_of(inner))
        case origin, (_, inner) if origin is dict:
            return core_schema.dict_schema(core_schema.str_schema(), _schema_of(inner))
    raise TypeError(f"{hint} cannot be the type of a field")


def _unexpected_row(hint: Any, row: object) -> UnexpectedRow:
    try:
        validator_of(hint).validate_python(row)
    except ValidationError as error:
        return UnexpectedRow(row, describe_validation_error(error))
    raise AssertionError(f"{hint} was refused, and can be read")


def describe_validation_error(error: ValidationError) -> str:
    """The first problem and its place, in one line without any of the values."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{json_path(first['loc'])}: {str(first['msg']).lower()}".removeprefix(": ")


def json_path(steps: Sequence[int | str]) -> str:
    """`.dataConnections[1].id`"""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def annotations_by_json_key(model: type[WireModel]) -> dict[str, Any]:
    """By key in the JSON, the annotation of what is read from there."""
    return {_json_key(model, attribute): hint for attribute, hint in model.__annotations__.items()}


def _json_key(model: type[WireModel], attribute: str) -> str:
    first, *rest = attribute.split("_")
    return model.NAMES.get(attribute, first + "".join(map(str.capitalize, rest)))
