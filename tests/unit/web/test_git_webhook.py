"""Who may tell of a push: whoever knows the secret, in the words of each host."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from starlette.datastructures import Headers

from controller.web.git_webhook import is_proven_push

SECRET, BODY = b"agreed", b'{"ref": "refs/heads/main"}'
SIGNATURE = hmac.new(SECRET, BODY, sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "proven"),
    [
        ({"X-Hub-Signature-256": f"sha256={SIGNATURE}"}, True),
        ({"X-Gitea-Signature": SIGNATURE}, True),
        ({"X-Gitlab-Token": "agreed"}, True),
        ({"X-Hub-Signature-256": f"sha256={SIGNATURE[:-1]}0"}, SIGNATURE.endswith("0")),
        ({"X-Hub-Signature-256": "sha256="}, False),
        ({"X-Gitlab-Token": "agreed "}, False),
        ({"X-Gitlab-Token": "\u00e9"}, False),
        ({}, False),
    ],
)
def test_a_push_is_proven_by_its_signature_or_by_the_secret(headers: dict[str, str], proven: bool) -> None:
    assert is_proven_push(SECRET, Headers(headers), SIGNATURE) is proven
