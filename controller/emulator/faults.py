"""Faults that a test asks for: lost, cut, late, wrong and old answers to chosen calls.

request ──> drop | status        nothing is done
        ──> done ──> lose-answer | truncate | garbage | status (done: true) | delay
        ──> done on an earlier version of the world (stale)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.emulator.errors import ApiError

KINDS = ("lose-answer", "drop", "status", "delay", "truncate", "garbage", "stale")
STALE_FOR = 5.0
"""How old, in emulated seconds, the last write may be for `stale` to answer from before it."""

_TEXTS = {
    401: "Unauthorized",
    402: "Payment Required",
    403: "You are using an outdated API key or a key not associated with that resource.",
    404: "NotFound",
    409: "The data set has not been requested.",
    429: "You have made too many requests in a given amount of time; please retry later.",
    500: "There is a problem with our server. Please try again later.",
    503: "The Codat API is temporarily offline for maintenance. Please try again later.",
}


@dataclass(slots=True)
class Fault:
    """One order: what to do to the next `times` calls that match."""

    match: str
    do: str
    times: int = 1
    code: int = 500
    retry_after: str | None = None
    ms: int = 0
    done: bool = False
    """With `status`: the work is done before the error is answered."""

    def shown(self) -> dict[str, Any]:
        view: dict[str, Any] = {"match": self.match, "do": self.do, "times": self.times}
        if self.do == "status":
            view |= {"code": self.code, "retryAfter": self.retry_after, "done": self.done}
        if self.do == "delay":
            view["ms"] = self.ms
        return view

    def error(self) -> ApiError:
        """What a `status` fault answers."""
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return ApiError(self.code, _TEXTS.get(self.code, "Error processing request - not valid."), headers=headers)


@dataclass(slots=True)
class Faults:
    """The orders still open, oldest first."""

    open: list[Fault] = field(default_factory=list)

    def take(self, method: str, template: str, path: str) -> Fault | None:
        """The first order that matches this call, one time fewer."""
        if not self.open:
            return None
        names = {_plain(f"{method} {template}"), _plain(f"{method} {path}")}
        for fault in self.open:
            if _plain(fault.match) in names:
                fault.times -= 1
                if fault.times == 0:
                    self.open.remove(fault)
                return fault
        return None


def ordered(order: Mapping[str, Any]) -> Fault:
    """A fault from the body of `POST /_emulator/faults`. Raises ApiError 400 that says what is wrong."""
    match, do = order.get("match"), order.get("do")
    if not isinstance(match, str) or not re.fullmatch(r"[A-Z]+ /\S*", match):
        raise ApiError(400, f'"match" is a method and a path, like "GET /companies/{{companyId}}"; got {match!r}')
    if do not in KINDS:
        raise ApiError(400, f'"do" is one of {", ".join(KINDS)}; got {do!r}')
    if do == "stale" and not match.startswith("GET "):
        raise ApiError(400, f"only a GET can be stale; {match!r} would be done on a world that is gone")
    retry_after = order.get("retryAfter")
    return Fault(
        match=match,
        do=do,
        times=_whole(order, "times", 1, least=1),
        code=_whole(order, "code", 500, least=400),
        retry_after=None if retry_after is None else str(retry_after),
        ms=_whole(order, "ms", 0, least=0),
        done=order.get("done") is True,
    )


def _whole(order: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    value = order.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ApiError(400, f'"{name}" is a whole number of at least {least}; got {value!r}')
    return value


def _plain(match: str) -> str:
    """Parameter names and a trailing slash make no difference."""
    return re.sub(r"\{[^}]*\}", "{}", match).rstrip("/")
