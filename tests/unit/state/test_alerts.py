"""What is to be announced is announced once, whoever does it and whoever dies meanwhile."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import update

from state import FindingEnding, FindingRow, Store
from state.alerts import CLAIM_LEASE
from state.tables import occurrences
from tests.unit.state.test_findings import LATER, NOON

OFF = FindingRow("acme", "sync-disabled", "enabled", "drift", False, True, is_news=True)


async def claimed(store: Store, at: datetime = NOON) -> list[tuple[str, bool, str | None]]:
    return [(each.occurrence.code, each.is_new, each.occurrence.how) for each in await store.alerts.claim_due(at)]


async def test_an_alert_is_claimed_once_and_is_not_due_again_once_confirmed(store: Store) -> None:
    await store.findings.record([OFF, FindingRow("acme", "data-stale")], at=NOON)
    due = await store.alerts.claim_due(NOON)
    assert [each.occurrence.code for each in due] == ["sync-disabled"]
    assert await claimed(store) == []
    await store.alerts.mark_announced(due)
    assert await claimed(store, NOON + 2 * CLAIM_LEASE) == []


async def test_an_alert_given_back_or_left_by_a_dead_process_is_due_again(store: Store) -> None:
    await store.findings.record([OFF], at=NOON)
    await store.alerts.give_back(await store.alerts.claim_due(NOON))
    assert await claimed(store) == [("sync-disabled", True, None)]
    assert await claimed(store, NOON + CLAIM_LEASE - timedelta(seconds=1)) == []
    assert await claimed(store, NOON + CLAIM_LEASE + timedelta(seconds=1)) == [("sync-disabled", True, None)]


async def test_whoever_finds_that_another_was_quicker_claims_nothing(store: Store) -> None:
    await store.findings.record([OFF], at=NOON)
    async with store._database.writing() as transaction:
        slower = asyncio.create_task(claimed(store))
        await asyncio.sleep(0.05)  # it has read by now that something is due, and waits for its turn to write
        await transaction.execute(update(occurrences).values(told_from=NOON))
    assert await slower == []


async def test_an_alert_left_by_a_dead_process_is_due_though_the_clock_was_put_back_since(store: Store) -> None:
    await store.findings.record([OFF], at=NOON)
    await store.alerts.claim_due(NOON)
    assert await claimed(store, NOON - CLAIM_LEASE) == [], "another machine's clock may be behind"
    assert await claimed(store, NOON - timedelta(hours=1)) == [("sync-disabled", True, None)]


async def test_the_end_of_an_announced_finding_is_due(store: Store) -> None:
    await store.findings.record([OFF], at=NOON)
    await store.alerts.mark_announced(await store.alerts.claim_due(NOON))
    await store.findings.record([], gone=[FindingEnding(OFF.key, "somebody")], at=LATER)
    due = await store.alerts.claim_due(LATER)
    assert [(each.is_new, each.occurrence.how) for each in due] == [(False, "somebody")]
    await store.alerts.mark_announced(due)
    assert await claimed(store, LATER + 2 * CLAIM_LEASE) == []


async def test_a_finding_that_came_and_ended_unannounced_is_one_alert(store: Store) -> None:
    await store.findings.record([OFF], gone=[FindingEnding(OFF.key, "mended", at=LATER)], at=NOON)
    due = await store.alerts.claim_due(LATER)
    assert [(each.is_new, each.occurrence.how) for each in due] == [(True, "mended")]
    await store.alerts.mark_announced(due)
    assert await claimed(store, LATER + 2 * CLAIM_LEASE) == []


async def test_a_finding_that_ends_while_it_is_announced_is_due_again(store: Store) -> None:
    await store.findings.record([OFF], at=NOON)
    due = await store.alerts.claim_due(NOON)
    await store.findings.record([], gone=[FindingEnding(OFF.key, "somebody")], at=LATER)
    await store.alerts.mark_announced(due)
    assert await claimed(store, LATER) == [("sync-disabled", False, "somebody")]


async def test_standing_topics_are_kept_until_they_are_over(store: Store) -> None:
    failed, limit = ("failure acme", "503"), ("limit", "disable")
    await store.alerts.update_standing_topics([failed, limit], (), NOON)
    await store.alerts.update_standing_topics([limit], [failed], LATER)
    assert await store.alerts.load_standing_topics() == {limit}
