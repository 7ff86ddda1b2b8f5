"""What comes out is what the standard library makes of the same class."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import Any

import pytest

from controller import quick_dataclasses

Decorator = Callable[..., Any]


def classes_made_by(dataclass: Decorator) -> dict[str, Any]:
    """Of every kind that there is."""

    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    @dataclass(frozen=True, slots=True)
    class One:
        value: float

    @dataclass(frozen=True, slots=True)
    class Many:
        """With a docstring."""

        name: str
        secret: str = field(repr=False)
        number: int = 7
        labels: list[str] = field(default_factory=list, compare=False)

        @property
        def title(self) -> str:
            return f"{self.name} {self.number}"

    @dataclass(frozen=True, slots=True)
    class Checked:
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ValueError(f"{self.number} is negative")

    return {each.__name__: each for each in (Nothing, One, Many, Checked)}


OURS, STANDARD = classes_made_by(quick_dataclasses.dataclass), classes_made_by(dataclasses.dataclass)
BOTH = pytest.mark.parametrize("made", [OURS, STANDARD], ids=["ours", "standard"])


@quick_dataclasses.dataclass(frozen=True, slots=True)
class Pickled:
    """Pickle asks for a class by its module and name."""

    name: str
    labels: list[str] = field(default_factory=list, compare=False)


@pytest.mark.parametrize("name", OURS)
def test_the_classes_look_alike(name: str) -> None:
    ours, standard = OURS[name], STANDARD[name]
    for look in (
        lambda cls: [(each.name, each.type, each.repr, each.compare) for each in fields(cls)],
        lambda cls: list(inspect.signature(cls).parameters),
        lambda cls: [each.default is inspect.Parameter.empty for each in inspect.signature(cls).parameters.values()],
        lambda cls: (cls.__slots__, cls.__match_args__, cls.__qualname__, cls.__module__),
    ):
        assert look(ours) == look(standard)
    assert ours.__bases__ != standard.__bases__, "these are made by us"


@BOTH
def test_instances_show_compare_and_count_alike(made: dict[str, Any]) -> None:
    many = made["Many"]("a", "s", labels=["x"])
    assert repr(many) == "classes_made_by.<locals>.Many(name='a', number=7, labels=['x'])"
    assert repr(made["Nothing"]()) == "classes_made_by.<locals>.Nothing()"
    assert many == made["Many"]("a", "s", 7, ["y"])
    assert many != made["Many"]("b", "s")
    assert many != ("a", "s", 7)
    assert len({many, made["Many"]("a", "s"), made["Many"]("a", "t")}) == 2
    assert made["Nothing"]() == made["Nothing"]()
    assert made["One"](1) == made["One"](1.0)
    assert len({made["One"](1), made["One"](1.0), made["Checked"](1)}) == 2


@BOTH
def test_instances_are_frozen_and_have_no_room_for_more(made: dict[str, Any]) -> None:
    many = made["Many"]("a", "s")
    for name in ("name", "more"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(many, name, "b")
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del many.name
    assert not hasattr(many, "__dict__")
    assert many.title == "a 7"


@BOTH
def test_instances_are_copied_and_replaced_alike(made: dict[str, Any]) -> None:
    many = made["Many"]("a", "s", labels=["x"])
    changed = replace(many, name="b")
    assert (changed.name, changed.secret, changed.labels) == ("b", "s", ["x"])
    assert asdict(many) == {"name": "a", "secret": "s", "number": 7, "labels": ["x"]}
    assert copy.copy(many).labels is many.labels
    assert copy.deepcopy(many).labels is not many.labels
    assert made["Many"]("a", "s").labels is not made["Many"]("a", "s").labels


@BOTH
def test_what_a_class_checks_is_checked_and_what_it_needs_is_named(made: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="-1 is negative"):
        made["Checked"](-1)
    with pytest.raises(ValueError, match="-2 is negative"):
        replace(made["Checked"](1), number=-2)
    with pytest.raises(TypeError, match=r"Many\.__init__\(\) missing 1 required positional argument: 'secret'"):
        made["Many"]("a")


def test_an_instance_goes_through_pickle() -> None:
    again = pickle.loads(pickle.dumps(Pickled("a", ["x"])))
    assert (again, again.labels) == (Pickled("a"), ["x"])


def test_all_others_are_those_of_the_standard_library() -> None:
    @quick_dataclasses.dataclass
    class Changing:
        number: int

    @quick_dataclasses.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        number: int

    changing = Changing(1)
    changing.number = 2
    assert Ordered(1) < Ordered(changing.number)
