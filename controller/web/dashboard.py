"""The first page: the whole fleet in numbers, who must act, what drifted last, and the list of merchants."""

from __future__ import annotations

from dataclasses import asdict, fields

from starlette.requests import Request
from starlette.responses import Response

from controller.model.errors import UsageError
from controller.model.plan import Actor
from controller.reporting.standing import Standing
from controller.web.board import Asked, Board, Sheet, chosen, sheet
from controller.web.health import running_version
from controller.web.pages import page
from controller.web.ports import Window

ACTORS = {
    Actor.US: "Our side",
    Actor.MERCHANT: "Merchants",
    Actor.SERVICE: "The service",
    Actor.APPLY: "The next apply",
    Actor.NOBODY: "Nobody",
}
"""Who must act, as a heading."""


MEANING = {
    Standing.FAILED: "a write did not succeed",
    Standing.BLOCKED: "our side must mend something first",
    Standing.UNKNOWN: "could not be read",
    Standing.CHANGE: "the next apply has something to do",
    Standing.WAITING: "for the merchant's consent, or for data",
    Standing.DONE: "created or severed in the last pass; the next look tells how it stands",
    Standing.IN_SYNC: "live is as declared",
}


async def show(request: Request) -> Response:
    """GET /, with `state`, `code`, `actor`, `drift`, `label`, `name` and `page`."""
    window: Window = request.app.state.window
    latest = window.latest()
    seen, asked = request.app.state.boards.of(latest), _asked(request)
    listed, complaint = _listed(seen, asked, _page(request))
    return page(
        "dashboard.html",
        400 if complaint else 200,
        latest=latest,
        now=window.now(),
        not_ready=window.ready(),
        board=seen,
        asked=asked,
        sheet=listed,
        complaint=complaint,
        links=_Links(asked),
        STANDINGS=tuple(Standing),
        MEANING=MEANING,
        ACTORS=ACTORS,
        version=running_version(),
        webhooks=bool(window.secrets),
    )


def _listed(seen: Board, asked: Asked, number: int) -> tuple[Sheet, str]:
    """The part of the list that was asked for, and what is wrong with the question."""
    try:
        return sheet(chosen(seen.rows, asked), number), ""
    except UsageError as error:
        return sheet((), 1), str(error)


def _asked(request: Request) -> Asked:
    return Asked(**{each.name: request.query_params.get(each.name, "").strip()[:200] for each in fields(Asked)})


def _page(request: Request) -> int:
    number = request.query_params.get("page", "1")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1


class _Links:
    """Addresses of the same page, asked otherwise."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def only(self, **words: str) -> dict[str, str]:
        """That and nothing else."""
        return _said(Asked(**words))

    def at(self, number: int) -> dict[str, str]:
        """The same list, another page of it."""
        return _said(self._asked) | {"page": str(number)}


def _said(asked: Asked) -> dict[str, str]:
    return {key: value for key, value in asdict(asked).items() if value}
