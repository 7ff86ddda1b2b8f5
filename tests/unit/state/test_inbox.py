"""Webhook deliveries: heard once, not lost by a crash, closed by a look."""

from datetime import UTC, datetime, timedelta

import pytest

from state import DeliveryReceipt, ReceivedDelivery, Store, open_state

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def delivery(number: int = 1, company: str | None = "company-1", at: datetime = NOON) -> ReceivedDelivery:
    return ReceivedDelivery(f"msg_{number}", "connection.connected", company, at)


@pytest.fixture
async def bound(store: Store) -> Store:
    await store.bindings.bind_company("acme", company_id="company-1", company_name="acme")
    return store


async def test_a_delivery_names_the_merchant_that_is_bound_to_its_company(bound: Store) -> None:
    assert await bound.inbox.save_and_schedule_looks(delivery()) == DeliveryReceipt(True, ("acme",))


async def test_a_repetition_is_known_and_its_merchant_still_waits(bound: Store) -> None:
    await bound.inbox.save_and_schedule_looks(delivery())
    assert await bound.inbox.save_and_schedule_looks(delivery()) == DeliveryReceipt(False, ("acme",))
    assert await bound.inbox.load_waiting_merchants() == ("acme",)


async def test_a_repetition_after_the_look_is_about_nobody(bound: Store) -> None:
    await bound.inbox.save_and_schedule_looks(delivery())
    await bound.inbox.close_deliveries({"acme"}, received_until=NOON, at=NOON)
    assert await bound.inbox.save_and_schedule_looks(delivery()) == DeliveryReceipt(False, ())
    assert await bound.inbox.load_waiting_merchants() == ()


@pytest.mark.parametrize("company", ["somebody-elses", None])
async def test_one_about_no_merchant_of_ours_is_remembered_and_closed(bound: Store, company: str | None) -> None:
    assert await bound.inbox.save_and_schedule_looks(delivery(company=company)) == DeliveryReceipt(True, ())
    assert await bound.inbox.load_waiting_merchants() == ()
    assert await bound.inbox.save_and_schedule_looks(delivery(company=company)) == DeliveryReceipt(False, ())


async def test_a_merchant_that_was_taken_down_is_not_looked_at_again(bound: Store) -> None:
    await bound.inbox.save_and_schedule_looks(delivery())
    await bound.bindings.retire("acme", NOON)
    assert await bound.inbox.load_waiting_merchants() == ()
    assert await bound.inbox.save_and_schedule_looks(delivery(2)) == DeliveryReceipt(True, ())


async def test_a_look_at_all_but_one_leaves_that_ones_open(bound: Store) -> None:
    await bound.inbox.save_and_schedule_looks(delivery())
    await bound.inbox.close_deliveries(None, excluding=["acme", "nobody"], received_until=NOON, at=NOON)
    assert await bound.inbox.load_waiting_merchants() == ("acme",)
    await bound.inbox.close_deliveries(None, excluding=["nobody"], received_until=NOON, at=NOON)
    assert await bound.inbox.load_waiting_merchants() == ()


async def test_what_came_during_a_pass_stays_open(bound: Store) -> None:
    await bound.inbox.save_and_schedule_looks(delivery(1, at=NOON))
    await bound.inbox.save_and_schedule_looks(delivery(2, at=NOON + timedelta(seconds=1)))
    await bound.inbox.close_deliveries(None, received_until=NOON, at=NOON + timedelta(minutes=1))
    assert await bound.inbox.load_waiting_merchants() == ("acme",)
    assert (await bound.inbox.save_and_schedule_looks(delivery(1))).merchants == ()


async def test_a_look_at_some_merchants_leaves_the_others_open(bound: Store) -> None:
    await bound.bindings.bind_company("beta", company_id="company-2", company_name="beta")
    await bound.inbox.save_and_schedule_looks(delivery(1))
    await bound.inbox.save_and_schedule_looks(delivery(2, company="company-2"))
    await bound.inbox.close_deliveries([f"m-{n}" for n in range(700)] + ["acme"], received_until=NOON, at=NOON)
    assert await bound.inbox.load_waiting_merchants() == ("beta",)


async def test_open_deliveries_outlive_the_process(url: str) -> None:
    async with open_state(url) as before:
        await before.bindings.bind_company("acme", company_id="company-1", company_name="acme")
        await before.inbox.save_and_schedule_looks(delivery())
    async with open_state(url) as after:
        assert await after.inbox.load_waiting_merchants() == ("acme",)


async def test_what_was_closed_long_ago_is_forgotten_after_a_look_at_everyone(bound: Store) -> None:
    await bound.inbox.save_and_schedule_looks(delivery())
    await bound.inbox.close_deliveries(None, received_until=NOON, at=NOON)
    later = NOON + timedelta(days=8)
    await bound.inbox.close_deliveries(None, received_until=later, at=later)
    assert await bound.inbox.save_and_schedule_looks(delivery(at=later)) == DeliveryReceipt(True, ("acme",))
