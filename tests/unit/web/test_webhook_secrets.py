"""Secrets as they are set."""

import pytest

from controller.model.errors import UsageError
from controller.web.context import WebhookSecrets, parse_webhook_secrets


def test_several_signing_secrets_are_separated_by_spaces_or_commas_and_header_values_by_lines() -> None:
    secrets = parse_webhook_secrets("whsec_b25l, whsec_dHdv\nb25l", "Bearer one\n\n Basic two \n")
    assert secrets == WebhookSecrets((b"one", b"two", b"one"), (b"Bearer one", b"Basic two"))


def test_what_is_not_set_is_no_secret() -> None:
    assert not parse_webhook_secrets(None, None)
    assert not parse_webhook_secrets(" ", "\n")
    assert parse_webhook_secrets(None, "Bearer x")


def test_a_secret_may_come_without_its_padding() -> None:
    assert parse_webhook_secrets("whsec_b25lcw", None).signing == (b"ones",)


@pytest.mark.parametrize("wrong", ["whsec_", "whsec_###", "whsec_b25l whsec_b", "a-secret-of-another-kind!"])
def test_a_secret_that_is_none_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_webhook_secrets(wrong, None)
    assert "###" not in str(refused.value)
    assert "another-kind" not in str(refused.value)


def test_no_secret_is_in_a_repr() -> None:
    assert "one" not in repr(parse_webhook_secrets("whsec_b25l", "Bearer one"))
