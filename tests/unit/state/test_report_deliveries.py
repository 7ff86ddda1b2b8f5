"""A scheduled report goes once to each destination, whichever process sends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from state import DeliveryKey, Store

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAIL = DeliveryKey("finance", NOON, "mail")


async def test_of_several_who_want_to_deliver_one_may(store: Store) -> None:
    claimed = await asyncio.gather(*(store.report_deliveries.claim(MAIL, NOON) for _ in range(5)))
    assert sorted(claimed) == [False, False, False, False, True]


async def test_another_destination_and_another_time_are_other_deliveries(store: Store) -> None:
    assert await store.report_deliveries.claim(MAIL, NOON)
    assert await store.report_deliveries.claim(DeliveryKey("finance", NOON, "folder"), NOON)
    assert await store.report_deliveries.claim(DeliveryKey("finance", NOON + MINUTE, "mail"), NOON)
    assert await store.report_deliveries.load_last_due("finance") == NOON + MINUTE
    assert await store.report_deliveries.load_last_due("other") is None


async def test_what_failed_may_be_tried_again_when_it_is_time_and_what_was_delivered_never(store: Store) -> None:
    await store.report_deliveries.claim(MAIL, NOON)
    await store.report_deliveries.mark_failed(MAIL, "no answer", NOON + MINUTE)
    assert not await store.report_deliveries.claim(MAIL, NOON)
    assert await store.report_deliveries.claim(MAIL, NOON + MINUTE)
    await store.report_deliveries.mark_delivered(MAIL, NOON + MINUTE)
    assert not await store.report_deliveries.claim(MAIL, NOON + 60 * MINUTE)
    (row,) = await store.report_deliveries.load("finance", NOON)
    assert (row.attempts, row.delivered_at, row.failure) == (2, NOON + MINUTE, None)


async def test_what_was_put_off_before_the_clock_was_put_back_is_due(store: Store) -> None:
    await store.report_deliveries.claim(MAIL, NOON)
    await store.report_deliveries.mark_failed(MAIL, "no answer", NOON + 600 * MINUTE)
    assert not await store.report_deliveries.claim(MAIL, NOON, believed_until=NOON + 600 * MINUTE)
    assert await store.report_deliveries.claim(MAIL, NOON, believed_until=NOON + 240 * MINUTE)


async def test_what_must_not_be_tried_again_stays_failed(store: Store) -> None:
    await store.report_deliveries.claim(MAIL, NOON)
    await store.report_deliveries.mark_failed(MAIL, "refused", None)
    assert not await store.report_deliveries.claim(MAIL, NOON + 60 * MINUTE)
    (row,) = await store.report_deliveries.load("finance", NOON)
    assert (row.delivered_at, row.failure) == (None, "refused")


async def test_what_was_due_before_it_was_scheduled_is_nobodys_to_deliver(store: Store) -> None:
    await store.report_deliveries.mark_skipped(MAIL, NOON)
    await store.report_deliveries.mark_skipped(MAIL, NOON)
    assert not await store.report_deliveries.claim(MAIL, NOON)
