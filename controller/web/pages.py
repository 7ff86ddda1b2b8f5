"""Templates into answers: everything is escaped, nothing foreign is loaded, nobody may frame a page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from controller.reporting.freshness import age_words
from controller.reporting.standing import reason
from controller.reporting.text import excess_words
from controller.reporting.words import CHANGES, clean, moment, value_words

_FOLDER = Path(__file__).parent / "templates"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page(template: str, status: int = 200, **content: Any) -> Response:
    """A rendered template."""
    html = _TEMPLATES.get_template(template).render(**content)
    return Response(html, status, _HEADERS, media_type="text/html")


async def style(request: Request) -> Response:
    return _file("style.css", "text/css")


async def script(request: Request) -> Response:
    return _file("refresh.js", "text/javascript")


def merchant_path(name: str) -> str:
    return f"/merchants/{quote(name, safe='')}"


def _file(name: str, media_type: str) -> Response:
    headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response((_FOLDER / name).read_bytes(), headers=headers, media_type=media_type)


def _ago(at: datetime, now: datetime) -> str:
    return f"{age_words(now - at)} ago"


def _until(at: datetime, now: datetime) -> str:
    return f"in {age_words(at - now)}" if at > now else "now"


def _safe_link(link: str | None) -> str:
    """Nothing but the web is followed."""
    return link if link and link.startswith(("https://", "http://")) else ""


def _shown(value: Any) -> Any:
    """Names come from strangers: no sign is let through that hides, or turns a line around."""
    return value if isinstance(value, Markup) else clean(str(value))


def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )
    environment.filters |= {
        "moment": moment,
        "ago": _ago,
        "until": _until,
        "value": value_words,
        "merchant_path": merchant_path,
        "query": urlencode,
        "safe_link": _safe_link,
        "excess": excess_words,
        "why": reason,
    }
    environment.globals |= {"CHANGES": CHANGES}
    return environment


_TEMPLATES = _templates()
