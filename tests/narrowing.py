"""What a test knows of a value, and its type does not say. A test that is wrong about it fails, and shows the value."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """The value, which is not None."""
    assert value is not None
    return value


def expect(kind: type[T], value: object) -> T:
    """The value, which is one of that kind."""
    assert isinstance(value, kind), value
    return value
