"""Secrets as they are set."""

import pytest

from controller.model.errors import UsageError
from controller.web.ports import Secrets, secrets_of


def test_several_signing_secrets_are_separated_by_spaces_or_commas_and_header_values_by_lines():
    secrets = secrets_of("whsec_b25l, whsec_dHdv\nb25l", "Bearer one\n\n Basic two \n")
    assert secrets == Secrets((b"one", b"two", b"one"), (b"Bearer one", b"Basic two"))


def test_what_is_not_set_is_no_secret():
    assert not secrets_of(None, None)
    assert not secrets_of(" ", "\n")
    assert secrets_of(None, "Bearer x")


def test_a_secret_may_come_without_its_padding():
    assert secrets_of("whsec_b25lcw", None).signing == (b"ones",)


@pytest.mark.parametrize("wrong", ["whsec_", "whsec_###", "whsec_b25l whsec_b", "a-secret-of-another-kind!"])
def test_a_secret_that_is_none_is_refused_and_not_shown(wrong):
    with pytest.raises(UsageError) as refused:
        secrets_of(wrong, None)
    assert "###" not in str(refused.value)
    assert "another-kind" not in str(refused.value)


def test_no_secret_is_in_a_repr():
    assert "one" not in repr(secrets_of("whsec_b25l", "Bearer one"))
