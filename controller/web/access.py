"""Access to the pages: allowed names in `Host`, a token, or a header that an authenticating proxy sets.

There is no login of our own. Pages show names, findings and the consent links of merchants, so beyond loopback the port
opens only with a token or behind a guard that the user names (`check_exposure`).
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from dataclasses import field
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.model.errors import UsageError
from controller.quick_dataclasses import dataclass

UNAUTHENTICATED_PATHS = frozenset({"/webhooks", "/webhooks/", "/webhooks/git", "/healthz", "/readyz"})
"""Webhooks are authenticated by their signatures; health says nothing about merchants."""

_PATHS_FOR_ANY_HOST = UNAUTHENTICATED_PATHS | {"/metrics"}
"""Metrics name no merchant, and collectors reach them under host names of all kinds."""

_FOREIGN_HOST = (
    "This page is not served under that name: open it by 127.0.0.1 or localhost, let the proxy in front send such a\n"
    "name as Host, or list the name in MERCHANTCTL_WEB_HOSTS.\n"
)
_TOKEN_REQUIRED = "Wanted: the token of MERCHANTCTL_WEB_TOKEN, as a bearer token or as the password of any user.\n"
_PROXY_REQUIRED = "This port takes requests only from the proxy in front of it, which names who asks.\n"


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """What a request for a page must present.

    token  as `Authorization: Bearer`, or as the password of HTTP Basic, which browsers ask for by themselves
    guard  `header:NAME`: a proxy in front sets this header; `network`: something else guards the port; None: no guard
    hosts  allowed `Host` names in lower case; on loopback its own names always are. () = any, on other addresses
    """

    token: str | None = field(default=None, repr=False)
    guard: str | None = None
    hosts: tuple[str, ...] = ()

    @property
    def guard_header(self) -> str | None:
        """The header that proves that a request came through the proxy; None where there is no such guard."""
        return self.guard.removeprefix("header:") if self.guard and self.guard.startswith("header:") else None


def check_exposure(host: str, access: AccessPolicy) -> None:
    """Raises UsageError where a port beyond loopback would show pages to anyone."""
    if is_loopback(host) or access.token or access.guard:
        return
    raise UsageError(
        f"listening on {host} would show the pages, consent links among them, to anyone who reaches it. "
        "Set MERCHANTCTL_WEB_TOKEN to a long random word; or name what guards the port: "
        "--web-guard header:X-Forwarded-User for a proxy that sets this header, --web-guard network for anything else"
    )


def is_loopback(host: str) -> bool:
    """Whether this address or name can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class AccessMiddleware:
    """Refuses requests for another host name, and requests for pages without the token or the proxy's header."""

    def __init__(self, app: ASGIApp, access: AccessPolicy) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if request.url.path not in _PATHS_FOR_ANY_HOST and not self._is_allowed_host(request):
            return PlainTextResponse(_FOREIGN_HOST, 421)
        if request.url.path in UNAUTHENTICATED_PATHS:
            return None
        header = self._access.guard_header
        if header and not request.headers.get(header):
            return PlainTextResponse(_PROXY_REQUIRED, 403)
        if self._access.token and not _presents_token(self._access.token, request.headers.get("authorization", "")):
            return PlainTextResponse(
                _TOKEN_REQUIRED, 401, {"WWW-Authenticate": 'Basic realm="merchantctl", charset="UTF-8"'}
            )
        return None

    def _is_allowed_host(self, request: Request) -> bool:
        server = request.scope.get("server")
        on_loopback = server is not None and is_loopback(server[0])
        # DNS rebinding: a stranger's page, open in a browser on this machine, can point its own name at this port and
        # read the pages. On loopback the name is therefore always checked, else only where names are configured.
        if not on_loopback and not self._access.hosts:
            return True
        try:
            name = (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").lower()
        except ValueError:
            return False
        return name in self._access.hosts or (on_loopback and is_loopback(name))


def _presents_token(token: str, authorization: str) -> bool:
    """Whether an `Authorization` header holds the token; the comparison takes constant time."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            presented = value.strip().encode()
        case "basic":
            try:
                presented = b64decode(value.strip(), validate=True).partition(b":")[2]
            except ValueError:
                return False
        case _:
            return False
    return hmac.compare_digest(presented, token.encode())
