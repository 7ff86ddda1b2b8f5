"""Rate-limit headers in every spelling that may come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from controller.codat.error_mapping import retry_after_seconds
from controller.codat.quota_headers import Quota, seconds_until
from tests.narrowing import present

NOW = datetime(2023, 5, 1, 12, 0, tzinfo=UTC)
DATE = {"date": format_datetime(NOW, usegmt=True)}


@pytest.mark.parametrize(
    "text",
    [
        "2023-05-01T12:00:30Z",
        "2023-05-01T12:00:30.0000000Z",
        "2023-05-01T14:00:30+02:00",
        "2023-05-01T12:00:30",
        "Mon, 01 May 2023 12:00:30 GMT",
        "1682942430",
        "30",
        "30.0",
    ],
)
def test_a_reset_is_read_in_every_format_and_by_the_clock_of_the_service(text: str) -> None:
    assert seconds_until(text, DATE) == 30


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "2023-99-01T00:00:00Z", "Mon, 99 May", "٣"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert seconds_until(text, DATE) is None or text == "٣"


@pytest.mark.parametrize("text", ["-5", "2023-05-01T11:00:00Z"])
def test_what_is_past_is_now(text: str) -> None:
    assert seconds_until(text, DATE) == 0


def test_headers_without_a_number_of_requests_left_are_no_quota() -> None:
    assert Quota.from_headers({}) is None
    assert Quota.from_headers({"x-rate-limit-remaining": "many"}) is None
    assert Quota.from_headers({"x-rate-limit-remaining": "-1"}) is None


def test_a_quota_is_told_in_our_own_time() -> None:
    headers = {"x-rate-limit-remaining": "7", "x-rate-limit-limit": "1000", "x-rate-limit-reset": "60"}
    quota = present(Quota.from_headers(headers))
    assert (quota.limit, quota.remaining) == (1000, 7)
    assert abs(present(quota.resets_at) - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=5)
    assert 55 < quota.seconds_until_reset <= 60


def test_a_quota_that_does_not_say_when_it_ends_has_no_seconds_left() -> None:
    assert present(Quota.from_headers({"x-rate-limit-remaining": "7"})).seconds_until_reset == 0


def test_retry_after_is_seconds_or_a_date_or_nothing() -> None:
    assert retry_after_seconds({"retry-after": "7"}) == 7
    assert retry_after_seconds({"retry-after": "Mon, 01 May 2023 12:00:30 GMT", **DATE}) == 30
    assert retry_after_seconds({"retry-after": "later"}) is None
    assert retry_after_seconds({}) is None
