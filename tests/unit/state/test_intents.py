"""Creates begun: known until their end is known."""

from datetime import UTC, datetime

from state import Intent, Store

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def begin(store: Store, merchant: str = "acme", kind: str = "company") -> int:
    return await store.begin_intent(merchant, kind, name="Acme", company_id=None, platform=None, at=NOON)


async def test_an_intent_is_open_until_it_is_closed(store: Store):
    first, second = await begin(store), await begin(store, "bakery")
    assert [intent.id for intent in await store.open_intents()] == [first, second]
    await store.close_intent(first, outcome="not done", at=NOON)
    assert [intent.merchant for intent in await store.open_intents()] == ["bakery"]


async def test_an_intent_says_how_to_know_the_child_again(store: Store):
    number = await store.begin_intent("acme", "connection", name="Acme", company_id="c-1", platform="gbol", at=NOON)
    assert await store.open_intents() == (Intent(number, "acme", "connection", "Acme", "c-1", "gbol", NOON),)


async def test_a_company_is_bound_and_its_intent_closed_in_one(store: Store):
    number = await begin(store)
    await store.settle_company(number, "acme", company_id="c-1", company_name="Acme", at=NOON)
    memory = (await store.recall())["acme"]
    assert (memory.company_id, memory.company_name, memory.intents) == ("c-1", "Acme", ())


async def test_a_connection_is_bound_and_its_intent_closed_in_one(store: Store):
    await store.bind("acme", company_id="c-1", company_name="Acme")
    number = await begin(store, kind="connection")
    await store.settle_connection(number, "acme", connection_id="k-1", at=NOON)
    memory = (await store.recall())["acme"]
    assert (memory.company_id, memory.connection_id, memory.intents) == ("c-1", "k-1", ())


async def test_a_closed_intent_stays_as_it_was_closed(store: Store):
    number = await begin(store)
    await store.close_intent(number, outcome="done", at=NOON)
    await store.close_intent(number, outcome="not done", at=NOON)
    (row,) = (await store.show("acme"))["intents"]
    assert row["outcome"] == "done"
