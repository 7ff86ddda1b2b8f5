"""Calls of somebody else, injected into a call: before it is carried out, or after that and before its answer.

call ─▶ arrives ─▶ injected «before» ─▶ carried out ─▶ injected «after» ─▶ answered

An injection names the call that triggers it, and the calls to make: of the API, as another client makes them, or
controls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from controller.emulator.controls.faults import matches_call, read_whole_number, require_matchable
from controller.emulator.http.routing import RouteMatch, Router
from controller.emulator.service.errors import ApiError

INJECTION_MOMENTS = ("before", "after")
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

Dispatch = Callable[[Request, RouteMatch], Awaitable[Response]]
"""Runs the handler of a route for a request."""


@dataclass(frozen=True, slots=True)
class InjectedCall:
    """One call that somebody else makes. `{companyId}` and the like are taken from the triggering call."""

    method: str
    path: str
    body: Any = None

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "path": self.path, "body": self.body}


@dataclass(slots=True)
class CallInjection:
    """Calls to make at calls that match: after `skip` of them, at the next `times`."""

    match: str
    calls: tuple[InjectedCall, ...]
    when: str = "before"
    skip: int = 0
    times: int = 1

    def to_json(self) -> dict[str, Any]:
        calls_json = [call.to_json() for call in self.calls]
        return {"match": self.match, "when": self.when, "skip": self.skip, "times": self.times, "calls": calls_json}


@dataclass(slots=True)
class CallInjections:
    """The open injections, oldest first, and the calls that were made: method, path, status."""

    open: list[CallInjection] = field(default_factory=list)
    done: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"open": [injection.to_json() for injection in self.open], "done": self.done}

    def take_matching(self, method: str, template: str, path: str) -> list[CallInjection]:
        """The injections that this call triggers; counts down `skip` and `times` of those that match."""
        due = []
        for injection in tuple(self.open):
            if not matches_call(injection.match, method, template, path):
                continue
            if injection.skip:
                injection.skip -= 1
                continue
            due.append(injection)
            injection.times -= 1
            if not injection.times:
                self.open.remove(injection)
        return due

    async def make_calls(
        self, injections: list[CallInjection], when: str, request: Request, router: Router, dispatch: Dispatch
    ) -> None:
        """Make the injected calls of a phase (`before` or `after`), one after another; records their statuses."""
        for call in [call for injection in injections if injection.when == when for call in injection.calls]:
            path = _fill_path(call.path, request.path_params)
            match = router.find(call.method, path.partition("?")[0])
            assert isinstance(match, RouteMatch), "`ordered` lets nothing else in"
            response = await dispatch(_build_request(request.scope, call, path, match), match)
            self.done.append({"method": call.method, "path": path, "status": response.status_code})


def parse_injection(body: Mapping[str, Any], router: Router) -> CallInjection:
    """The injection in the body of `POST /_emulator/meanwhile`. Raises ApiError 400 that says what is wrong."""
    match, when, calls = body.get("match"), body.get("when", "before"), body.get("calls")
    require_matchable(match, router)
    if when not in INJECTION_MOMENTS:
        raise ApiError(400, f'"when" is one of {", ".join(INJECTION_MOMENTS)}; got {when!r}')
    if not isinstance(calls, list) or not calls:
        raise ApiError(400, '"calls" is a list of {"method", "path", "body"}, one at least')
    injected = tuple(_parse_call(call, router) for call in calls)
    return CallInjection(
        str(match),
        injected,
        when,
        read_whole_number(body, "skip", 0, least=0),
        read_whole_number(body, "times", 1, least=1),
    )


def _parse_call(call: Any, router: Router) -> InjectedCall:
    method, path = (call.get("method"), call.get("path")) if isinstance(call, dict) else (None, None)
    if method in _METHODS and isinstance(path, str):
        match = router.find(method, path.partition("?")[0])
        if isinstance(match, RouteMatch) and match.entry.surface in ("api", "control"):
            return InjectedCall(method, path, call.get("body"))
    raise ApiError(400, f"a call has a method and a path of the API or of a control; got {call!r}")


def _fill_path(path: str, parameters: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: parameters.get(name[1], name[0]), path)


def _build_request(original_scope: Scope, call: InjectedCall, path: str, match: RouteMatch) -> Request:
    """A request as if it came over the network from this machine, past the check of the key."""
    path, _, query = path.partition("?")
    body = b"" if call.body is None else json.dumps(call.body).encode()
    scope: Scope = {
        "type": "http",
        "app": original_scope["app"],
        "method": call.method,
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "client": ("127.0.0.1", 0),
        "path_params": match.parameters,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)
