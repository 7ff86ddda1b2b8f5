"""A push to the manifests' repository: what GitHub, GitLab, Gitea or Forgejo posts makes `run` fetch at once.

answer  when
202     proven; the branch is fetched now, whatever the delivery says of it
401     not proven by the secret
404     no secret is set, or the manifests are in no repository
408     the body was not completed
413     longer than any delivery
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from hashlib import sha256

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from controller.web.context import WebContext
from controller.web.webhook import read_body_within_limit

MAX_PUSH_BYTES = 25_000_000
"""The longest delivery of a push: GitHub's own limit."""


async def receive_push(request: Request) -> Response:
    """POST /webhooks/git."""
    context: WebContext = request.app.state.web_context
    if not context.git_secret or context.request_fetch is None:
        return PlainTextResponse("no secret for pushes is set here, or the manifests are in no repository\n", 404)
    # Nothing of the body is kept: it is not read for what it says, and hundreds at once would fill the memory.
    signature = hmac.new(context.git_secret, digestmod=sha256)
    try:
        async with asyncio.timeout(context.body_timeout_s):
            if not await read_body_within_limit(request, MAX_PUSH_BYTES, signature.update):
                return PlainTextResponse("too large for a push\n", 413)
    except (ClientDisconnect, TimeoutError):
        return PlainTextResponse("the body did not come to its end\n", 408)
    if not is_proven_push(context.git_secret, request.headers, signature.hexdigest()):
        return PlainTextResponse("neither a signature by the secret nor the secret itself\n", 401)
    context.request_fetch()
    return PlainTextResponse("accepted\n", 202)


def is_proven_push(secret: bytes, headers: Mapping[str, str], expected_signature: str) -> bool:
    """Whether the sender knows the secret. All comparisons take constant time.

    expected_signature  HMAC-SHA256 of the body with the secret, as hexadecimal digits

    `X-Hub-Signature-256` (GitHub, Forgejo), `X-Gitea-Signature`: that signature; `X-Gitlab-Token`: the secret.
    """
    given = headers.get("x-hub-signature-256", "").removeprefix("sha256=") or headers.get("x-gitea-signature", "")
    token = headers.get("x-gitlab-token", "").encode()
    return hmac.compare_digest(given.encode(), expected_signature.encode()) or hmac.compare_digest(token, secret)
