"""Creates begun: known until their end is known."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from state import Intent, SeenCompanies, Store
from state.errors import CompanyBeingCreated

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def begin(store: Store, merchant: str = "acme", kind: str = "company") -> int:
    intent = await store.intents.begin(merchant, kind, name="Acme", company_id=None, platform=None, at=NOON)
    return intent.id


async def test_an_intent_is_open_until_it_is_closed(store: Store) -> None:
    first, second = await begin(store), await begin(store, "bakery")
    assert [intent.id for intent in await store.intents.load_open()] == [first, second]
    await store.intents.close(first, outcome="not done", at=NOON)
    assert [intent.merchant for intent in await store.intents.load_open()] == ["bakery"]


async def test_an_intent_says_how_to_know_the_child_again(store: Store) -> None:
    begun = await store.intents.begin("acme", "connection", name="Acme", company_id="c-1", platform="gbol", at=NOON)
    assert begun == Intent(begun.id, "acme", "connection", "Acme", "c-1", "gbol", NOON, begun.key)
    assert await store.intents.load_open() == (begun,)


async def test_each_intent_names_its_request_as_no_other_state_would(store: Store) -> None:
    """Two states on one account count from one both: a number would be taken for the other's request."""
    for _ in range(2):
        await begin(store)
    keys = {intent.key for intent in await store.intents.load_open()}
    assert len(keys) == 2
    assert {len(str(key)) for key in keys} == {36}


@pytest.mark.parametrize(
    ("closed_at", "outcome", "is_refused"),
    [
        (None, "", True),
        (NOON, "done", True),
        (NOON - timedelta(seconds=1), "done", False),
        (NOON, "not done", False),
    ],
)
async def test_a_company_that_may_be_there_unseen_is_created_for_nobody_else(
    store: Store, closed_at: datetime | None, outcome: str, *, is_refused: bool
) -> None:
    number = await begin(store, "acme")
    if closed_at:
        await store.intents.close(number, outcome=outcome, at=closed_at)

    async def create(merchant: str, name: str = "Acme") -> None:
        await store.intents.begin(
            merchant, "company", name=name, company_id=None, platform=None, at=NOON, seen=SeenCompanies(NOON)
        )

    await create("carl", "Carl")
    with pytest.raises(CompanyBeingCreated, match="for acme") if is_refused else nullcontext():
        await create("bakery")
    if is_refused:
        await create("acme")


async def test_the_first_look_in_vain_is_the_one_that_is_remembered(store: Store) -> None:
    number = await begin(store)
    for minutes in (1, 2):
        await store.intents.mark_missed(number, NOON + timedelta(minutes=minutes))
    (intent,) = await store.intents.load_open()
    assert intent.missed_at == NOON + timedelta(minutes=1)


async def test_a_company_is_bound_and_its_intent_closed_in_one(store: Store) -> None:
    number = await begin(store)
    await store.intents.settle_company(number, "acme", company_id="c-1", company_name="Acme", at=NOON)
    memory = (await store.records.load())["acme"]
    assert (memory.company_id, memory.company_name, memory.intents) == ("c-1", "Acme", ())


async def test_a_connection_is_bound_and_its_intent_closed_in_one(store: Store) -> None:
    await store.bindings.bind_company("acme", company_id="c-1", company_name="Acme")
    number = await begin(store, kind="connection")
    await store.intents.settle_connection(number, "acme", connection_id="k-1", at=NOON)
    memory = (await store.records.load())["acme"]
    assert (memory.company_id, memory.connection_id, memory.intents) == ("c-1", "k-1", ())


async def test_a_closed_intent_stays_as_it_was_closed(store: Store) -> None:
    number = await begin(store)
    await store.intents.close(number, outcome="done", at=NOON)
    await store.intents.close(number, outcome="not done", at=NOON)
    (row,) = (await store.merchants.load_rows("acme"))["intents"]
    assert row["outcome"] == "done"
