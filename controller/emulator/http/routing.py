"""Find the handler for method and path: a tree of path segments, in which fixed segments go before parameters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]
CONTROLS_PREFIX = "/_emulator/"


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One method on one path template; `surface` is `api`, `page` or `control`."""

    surface: str
    template: str
    parameter_names: tuple[str, ...]
    handler: Handler


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A route that matches, with the values of its path parameters."""

    entry: RouteEntry
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """No route matches; `allowed` are the methods of the path, if it exists at all."""

    allowed: tuple[str, ...]


@dataclass(slots=True)
class _RouteNode:
    fixed: dict[str, _RouteNode] = field(default_factory=dict)
    parameter: _RouteNode | None = None
    entries: dict[str, RouteEntry] = field(default_factory=dict)


class Router:
    """All routes of all surfaces; a trailing slash makes no difference."""

    def __init__(self) -> None:
        self._root = _RouteNode()

    def add(self, surface: str, routes: Iterable[Route]) -> None:
        """Add routes; those below `/_emulator/` are controls, whatever `surface` says.

        Raises ValueError for a method and path that is routed already.
        """
        for route in routes:
            node, names = self._root, []
            for segment in _segments(route.path):
                if segment.startswith("{"):
                    names.append(segment[1:-1])
                    node.parameter = node.parameter or _RouteNode()
                    node = node.parameter
                else:
                    node = node.fixed.setdefault(segment, _RouteNode())
            entry_surface = "control" if route.path.startswith(CONTROLS_PREFIX) else surface
            entry = RouteEntry(entry_surface, route.path, tuple(names), cast(Handler, route.endpoint))
            for method in (route.methods or set()) - {"HEAD"}:
                if method in node.entries:
                    raise ValueError(f"two routes for {method} {route.path}")
                node.entries[method] = entry

    def find(self, method: str, path: str) -> RouteMatch | NoRoute:
        """The route for `method` on `path`."""
        values: list[str] = []
        node = _find_node(self._root, _segments(path), 0, values)
        if node is None:
            return NoRoute(())
        entry = node.entries.get(method)
        if entry is None:
            return NoRoute(tuple(sorted(node.entries)))
        return RouteMatch(entry, dict(zip(entry.parameter_names, values, strict=True)))


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _find_node(node: _RouteNode, segments: list[str], depth: int, values: list[str]) -> _RouteNode | None:
    if depth == len(segments):
        return node if node.entries else None
    segment = segments[depth]
    fixed = node.fixed.get(segment)
    if fixed and (found := _find_node(fixed, segments, depth + 1, values)):
        return found
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    found = _find_node(node.parameter, segments, depth + 1, values)
    if found is None:
        values.pop()
    return found
