"""Faults that a test injects: lost, truncated, late, wrong and stale answers to chosen calls.

request ──> drop | status        nothing is done
        ──> done ──> lose-answer | truncate | garbage | status (done: true) | delay
        ──> done on an earlier version of the world (stale)
        ──> lost or a gateway's error, and done only later (complete-late)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.emulator.http.routing import RouteMatch, Router
from controller.emulator.service.errors import OUTDATED_KEY, ApiError

FAULT_KINDS = ("lose-answer", "drop", "status", "delay", "truncate", "garbage", "stale", "complete-late")
STALE_WINDOW_S = 5.0
"""How old, in emulated seconds, the last write may be for `stale` to answer from before it."""

_TEXT_BY_STATUS = {
    401: "Unauthorized",
    402: "Payment Required",
    403: OUTDATED_KEY,
    404: "NotFound",
    409: "The data set has not been requested.",
    429: "You have made too many requests in a given amount of time; please retry later.",
    500: "There is a problem with our server. Please try again later.",
    503: "The Codat API is temporarily offline for maintenance. Please try again later.",
}


@dataclass(slots=True)
class InjectedFault:
    """A fault for the next `times` calls that match, after `skip` of them."""

    match: str
    do: str
    times: int = 1
    skip: int = 0
    code: int | None = None
    retry_after: str | None = None
    ms: int = 0
    done: bool = False
    """With `status`: the call is carried out before the error is answered."""
    html: bool = False
    """With `status`: the answer is the HTML page of a gateway, not an error of the API."""
    seconds: float = 0.0
    """With `complete-late`: the call is carried out after so many seconds of the emulated clock."""

    def to_json(self) -> dict[str, Any]:
        view: dict[str, Any] = {"match": self.match, "do": self.do, "times": self.times, "skip": self.skip}
        if self.do == "status":
            view |= {"code": self.status, "retryAfter": self.retry_after, "done": self.done, "html": self.html}
        if self.do == "delay":
            view["ms"] = self.ms
        if self.do == "complete-late":
            view |= {"seconds": self.seconds, "code": self.code}
        return view

    @property
    def status(self) -> int:
        return self.code or 500

    def error(self) -> ApiError:
        """What a `status` fault answers."""
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        text = _TEXT_BY_STATUS.get(self.status, "Error processing request - not valid.")
        return ApiError(self.status, text, headers=headers)


@dataclass(slots=True)
class InjectedFaults:
    """The open faults, oldest first."""

    open: list[InjectedFault] = field(default_factory=list)

    def take_matching(self, method: str, template: str, path: str) -> InjectedFault | None:
        """The fault for this call, if any; counts down its `times`, and `skip` of those that let it pass."""
        for fault in tuple(self.open):
            if not matches_call(fault.match, method, template, path):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times == 0:
                self.open.remove(fault)
            return fault
        return None


def matches_call(match: str, method: str, template: str, path: str) -> bool:
    """Whether `match` is this call's method and path template, or its method and concrete path."""
    return _normalise_match(match) in (_normalise_match(f"{method} {template}"), _normalise_match(f"{method} {path}"))


def require_matchable(match: Any, router: Router) -> None:
    """Raises ApiError 400 for what no call of the API could ever match."""
    if not isinstance(match, str) or not re.fullmatch(r"[A-Z]+ /\S*", match):
        raise ApiError(400, f'"match" is a method and a path, like "GET /companies/{{companyId}}"; got {match!r}')
    method, path = match.split(" ", 1)
    route = router.find(method, path)
    if not isinstance(route, RouteMatch) or route.entry.surface != "api":
        raise ApiError(400, f"No call of the API is {match!r}: method and path template, or a path.")


def parse_fault(body: Mapping[str, Any], router: Router) -> InjectedFault:
    """A fault from the body of `POST /_emulator/faults`. Raises ApiError 400 that says what is wrong."""
    match, do = str(body.get("match")), body.get("do")
    require_matchable(body.get("match"), router)
    if do not in FAULT_KINDS:
        raise ApiError(400, f'"do" is one of {", ".join(FAULT_KINDS)}; got {do!r}')
    if do == "stale" and not match.startswith("GET "):
        raise ApiError(400, f"only a GET can be stale; {match!r} would be done on a world that is gone")
    seconds = body.get("seconds", 0)
    if do == "complete-late" and (match.startswith("GET ") or not isinstance(seconds, int | float) or seconds <= 0):
        raise ApiError(400, f'what completes late is a change, and "seconds" later; got {match!r}, {seconds!r}')
    retry_after = body.get("retryAfter")
    return InjectedFault(
        match=match,
        do=do,
        times=read_whole_number(body, "times", 1, least=1),
        skip=read_whole_number(body, "skip", 0, least=0),
        code=read_whole_number(body, "code", 500, least=400) if "code" in body else None,
        retry_after=None if retry_after is None else str(retry_after),
        ms=read_whole_number(body, "ms", 0, least=0),
        done=body.get("done") is True,
        html=body.get("html") is True,
        seconds=float(seconds) if do == "complete-late" else 0.0,
    )


def read_whole_number(body: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ApiError(400, f'"{name}" is a whole number of at least {least}; got {value!r}')
    return value


def _normalise_match(match: str) -> str:
    """Parameter names and a trailing slash make no difference."""
    return re.sub(r"\{[^}]*\}", "{}", match).rstrip("/")
