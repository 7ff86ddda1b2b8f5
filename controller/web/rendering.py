"""Render templates: all values are escaped, nothing is loaded from other sites, and no site may frame a page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from controller.model.merchant_status import STATUS_MEANINGS, MerchantStatus, not_applied_reason
from controller.model.plan import PlanStatus
from controller.reporting.data_age import format_age
from controller.reporting.formatting import CHANGE_LABELS, clean, format_time, format_value
from controller.reporting.text import limit_exceeded_text
from controller.untrusted_text import is_web_address

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


def render_page(template: str, status_code: int = 200, **content: Any) -> Response:
    """A response with this template, rendered with `content`."""
    html = _TEMPLATES.get_template(template).render(**content)
    return Response(html, status_code, _HEADERS, media_type="text/html")


async def stylesheet(_request: Request) -> Response:
    """GET /style.css."""
    return _serve_file("style.css", "text/css")


async def refresh_script(_request: Request) -> Response:
    """GET /refresh.js."""
    return _serve_file("refresh.js", "text/javascript")


def merchant_path(name: str) -> str:
    """The path of a merchant's page."""
    return f"/merchants/{quote(name, safe='')}"


def _serve_file(name: str, media_type: str) -> Response:
    headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response((_FOLDER / name).read_bytes(), headers=headers, media_type=media_type)


def _time_until_text(at: datetime, now: datetime) -> str:
    return f"in {format_age(at - now)}" if at > now else "now"


def _safe_link(link: str | None) -> str:
    """The link, if it is one of the web; else empty: `javascript:` and the like are never followed."""
    return link if link and is_web_address(link) else ""


def _tone_class(status: PlanStatus | MerchantStatus) -> str:
    """The class of style.css that colours a status."""
    return f"tone-{STATUS_MEANINGS[MerchantStatus(status.value)].tone}"


def _clean_for_display(value: Any) -> Any:
    """A value as shown: names come from strangers, so invisible and direction-changing characters are escaped."""
    return value if isinstance(value, Markup) else clean(str(value))


def _template_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_clean_for_display,
    )
    environment.filters |= {
        "timestamp": format_time,
        "ago": lambda at, now: f"{format_age(now - at)} ago",
        "until": _time_until_text,
        "value": format_value,
        "merchant_path": merchant_path,
        "query": urlencode,
        "safe_link": _safe_link,
        "limit_exceeded": limit_exceeded_text,
        "not_applied_reason": not_applied_reason,
        "tone": _tone_class,
    }
    environment.globals |= {"CHANGES": CHANGE_LABELS}
    return environment


_TEMPLATES = _template_environment()
