"""`dataclass` of the standard library, quicker to make where it is frozen and has slots.

The standard one writes six methods of each class as source text and compiles them, some 0.4 ms for each class: with a
hundred classes a sixth of a `plan`. Here only `__init__` is compiled, and the others are inherited. What comes out
behaves the same, as a test compares. `field`, `fields`, `replace` and `asdict` are those of `dataclasses`.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **options):
        """As `dataclasses.dataclass`."""

        def decorate(cls):
            if options == {"frozen": True, "slots": True} and cls.__bases__ == (object,):
                return _make_frozen_with_slots(cls)
            return dataclasses.dataclass(cls, **options)

        return decorate(cls) if cls else decorate


class _Frozen:
    """_shown     the fields that the repr shows
    _compared  the values that decide on equality
    """

    __slots__ = ()
    _shown: tuple[str, ...]
    _compared: attrgetter[object]

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._shown)})"

    def __eq__(self, other: object) -> bool:
        return self._compared(self) == self._compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self) -> int:
        return hash(self._compared(self))

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self) -> list[object]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]  # type: ignore[arg-type]

    def __setstate__(self, state: list[object]) -> None:
        for field, value in zip(dataclasses.fields(self), state, strict=True):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, value)


def _make_frozen_with_slots(cls: type) -> type:
    # Without a docstring, dataclasses would look through the class once more to write one.
    cls.__doc__ = cls.__doc__ or cls.__name__
    dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    fields = dataclasses.fields(cls)
    names = [field.name for field in fields]
    compared = [field.name for field in fields if field.compare]
    body = {name: value for name, value in vars(cls).items() if name not in {*names, "__dict__", "__weakref__"}}
    body |= {
        "__slots__": tuple(names),
        "__init__": _compile_init(cls, fields),
        "_shown": tuple(field.name for field in fields if field.repr),
        # Of one name alone it would get a value, and no tuple.
        "_compared": attrgetter(*compared) if len(compared) > 1 else attrgetter(*compared, "__class__"),
    }
    with_slots = type(cls)(cls.__name__, (_Frozen,), body)
    with_slots.__qualname__ = cls.__qualname__
    return with_slots


def _compile_init(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> Any:
    known: dict[str, Any] = {"_set": object.__setattr__, "_absent": dataclasses.MISSING}
    parameters, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameters.append(f"{name}=_absent")
            value = f"_make_{name}() if {name} is _absent else {name}"
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), known)
    known["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"  # for Python's complaint of a missing argument
    return known["__init__"]
