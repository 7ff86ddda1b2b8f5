"""How long a merchant that failed for now is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.reconcile.failure_policy import backoff


@pytest.mark.parametrize(("tries", "minutes"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10_000, 60)])
def test_the_wait_doubles_with_each_failure_up_to_an_hour(tries: int, minutes: int) -> None:
    assert backoff(tries) == timedelta(minutes=minutes)
