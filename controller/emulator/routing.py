"""From method and path to who answers: a tree of path segments, fixed ones before parameters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answerer = Callable[[Request], Awaitable[Response]]
CONTROLS = "/_emulator/"


@dataclass(frozen=True, slots=True)
class Place:
    """One method on one path template, and on which surface of the service it lies."""

    surface: str
    template: str
    names: tuple[str, ...]
    answerer: Answerer


@dataclass(frozen=True, slots=True)
class Found:
    """A place, with what the path held where the template has parameters."""

    place: Place
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class NoPlace:
    """Nobody answers; `allowed` are the methods that the path would have."""

    allowed: tuple[str, ...]


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    places: dict[str, Place] = field(default_factory=dict)


class Router:
    """All routes of all surfaces; a trailing slash makes no difference."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, surface: str, routes: Iterable[Route]) -> None:
        """Enter routes; those below `/_emulator/` are controls, whoever brings them.

        A method and path that has a place already is a mistake of ours: ValueError.
        """
        for route in routes:
            node, names = self._root, []
            for segment in _segments(route.path):
                if segment.startswith("{"):
                    names.append(segment[1:-1])
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.fixed.setdefault(segment, _Node())
            here = "control" if route.path.startswith(CONTROLS) else surface
            place = Place(here, route.path, tuple(names), cast(Answerer, route.endpoint))
            for method in (route.methods or set()) - {"HEAD"}:
                if method in node.places:
                    raise ValueError(f"two routes for {method} {route.path}")
                node.places[method] = place

    def find(self, method: str, path: str) -> Found | NoPlace:
        """Who answers `method` on `path`."""
        values: list[str] = []
        node = _descend(self._root, _segments(path), 0, values)
        if node is None:
            return NoPlace(())
        place = node.places.get(method)
        if place is None:
            return NoPlace(tuple(sorted(node.places)))
        return Found(place, dict(zip(place.names, values, strict=True)))


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _descend(node: _Node, segments: list[str], at: int, values: list[str]) -> _Node | None:
    if at == len(segments):
        return node if node.places else None
    segment = segments[at]
    fixed = node.fixed.get(segment)
    if fixed and (found := _descend(fixed, segments, at + 1, values)):
        return found
    if node.variable is None or not segment:
        return None
    values.append(segment)
    found = _descend(node.variable, segments, at + 1, values)
    if found is None:
        values.pop()
    return found
