"""Names in the state: moved all at once or not at all, and one company for one merchant."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import Column, MetaData, Table, event, insert, update

from state import MemberRow, ProcessIdentity, Store, open_state
from state.errors import CompanyTaken, MerchantTaken, NameInRollout, UnknownMerchant
from state.tables import merchants, renames
from tests.unit.state.older_states import make_older_state

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOMEBODY = ProcessIdentity("host", 1, "mark", "merchantctl rollout")


async def bound(store: Store, **companies: str) -> None:
    for merchant, company in companies.items():
        await store.bindings.bind_company(merchant, company_id=company, company_name=company)


async def companies(store: Store) -> dict[str, str | None]:
    return {name: memory.company_id for name, memory in (await store.records.load()).items()}


@pytest.mark.parametrize(
    ("moves", "after"),
    [
        ({"b": "a"}, {"b": "1"}),
        ({"b": "a", "a": "b"}, {"a": "2", "b": "1"}),
        ({"b": "a", "c": "b", "d": "c"}, {"b": "1", "c": "2", "d": "3"}),
        ({"b": "a", "c": "b", "a": "c"}, {"a": "3", "b": "1", "c": "2"}),
    ],
)
async def test_renames_are_one_permutation(store: Store, moves: dict[str, str], after: dict[str, str]) -> None:
    await bound(
        store, **{name: number for name, number in {"a": "1", "b": "2", "c": "3"}.items() if name in moves.values()}
    )
    await store.merchants.rename_many(moves, at=NOON)
    assert await companies(store) == after
    assert await store.merchants.load_renames() == moves


async def test_a_fleet_is_renamed_in_a_few_statements_a_table_and_not_in_one_a_merchant(store: Store) -> None:
    """Nobody else writes meanwhile: a whole fleet took a minute."""
    await bound(store, **{f"m{number}": str(number) for number in range(30)})
    executions = list[str]()
    engine = store._database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: executions.append(arguments[2]))
    await store.merchants.rename_many({f"m{number + 1}": f"m{number}" for number in range(30)}, at=NOON)
    assert await companies(store) == {f"m{number + 1}": str(number) for number in range(30)}
    assert len([each for each in executions if each.startswith("UPDATE")]) < 100


async def test_a_rename_made_since_it_was_looked_which_are_to_be_forgotten_stays(store: Store) -> None:
    await bound(store, a="1")
    await store.merchants.rename_many({"b": "a"}, at=NOON)
    async with store._database.writing() as transaction:
        forgetting = asyncio.create_task(store.merchants.forget_renames(kept={}))
        await asyncio.sleep(0.05)  # it has read by now what was renamed, and waits for its turn to write
        await transaction.execute(update(renames).values(renamed_from="c"))
    await forgetting
    assert await store.merchants.load_renames() == {"b": "c"}


async def test_a_permutation_with_one_name_that_cannot_move_moves_nothing(store: Store) -> None:
    await bound(store, a="1", b="2", c="3")
    before = await store.export()
    with pytest.raises(MerchantTaken):
        await store.merchants.rename_many({"d": "a", "b": "c"}, at=NOON)
    with pytest.raises(UnknownMerchant):
        await store.merchants.rename_many({"d": "a", "e": "nobody"}, at=NOON)
    members = [MemberRow("c", 1, "d", "ahead")]
    await store.rollouts.begin("spring", {}, members, SOMEBODY, NOON)
    with pytest.raises(NameInRollout, match="spring"):
        await store.merchants.rename_many({"d": "a", "e": "c"}, at=NOON, blocking_states=["running"])
    exported = await store.export()
    assert exported["tables"]["merchants"] == before["tables"]["merchants"]


async def test_a_rename_that_was_made_is_made_again_only_where_the_new_name_has_nothing(store: Store) -> None:
    """A run that went by the manifests before it has bound a company to the old name since."""
    intent = await store.intents.begin("a", "company", name="a", company_id=None, platform=None, at=NOON)
    assert await store.merchants.rename_many({"b": "a"}, at=NOON) == {"b": "a"}
    assert await store.merchants.rename_many({"b": "a"}, at=NOON) == {}
    await store.intents.close(intent.id, outcome="not done", at=NOON)
    await bound(store, a="2")
    assert await store.merchants.rename_many({"b": "a"}, at=NOON) == {"b": "a"}
    await bound(store, a="3")
    assert await store.merchants.rename_many({"b": "a"}, at=NOON) == {}
    assert await companies(store) == {"a": "3", "b": "2"}


async def test_a_create_that_is_not_settled_keeps_its_name_from_others(store: Store) -> None:
    await bound(store, a="1")
    await store.intents.begin("b", "company", name="b", company_id=None, platform=None, at=NOON)
    with pytest.raises(MerchantTaken):
        await store.merchants.rename_many({"b": "a"}, at=NOON)


async def test_a_company_is_never_bound_to_two(store: Store) -> None:
    await bound(store, a="1")
    with pytest.raises(CompanyTaken, match="merchantctl state mv a b"):
        await store.bindings.bind_company("b", company_id="1", company_name="1")
    intent = await store.intents.begin("b", "company", name="b", company_id=None, platform=None, at=NOON)
    with pytest.raises(CompanyTaken):
        await store.intents.settle_company(intent.id, "b", company_id="1", company_name="1", at=NOON)
    assert await companies(store) == {"a": "1", "b": None}


async def test_a_merchant_that_was_taken_down_gives_its_company_up(store: Store) -> None:
    await bound(store, a="1")
    await store.bindings.retire("a", NOON)
    await store.bindings.bind_company("b", company_id="1", company_name="1")
    await store.bindings.unretire("a")
    assert await companies(store) == {"a": None, "b": "1"}


async def test_an_older_state_that_binds_a_company_twice_is_opened_and_says_so(url: str) -> None:
    """Nobody knows here whose it is: both keep it and are marked; whoever was taken down gives it up."""
    rows = [
        {"merchant": name, "company_id": company, "retired_at": at}
        for name, company, at in (
            *(("a", "1", None), ("b", "1", None), ("c", "2", None), ("gone", "2", NOON), ("x", "3", None)),
            *(("old", "4", NOON.replace(hour=1)), ("older", "4", NOON.replace(hour=2))),
        )
    ]
    columns = ("merchant", "company_id", "retired_at")
    before = Table("merchants", MetaData(), *(Column(name, merchants.c[name].type) for name in columns))
    await make_older_state(url, BEFORE, lambda connection: connection.execute(insert(before), rows))
    async with open_state(url) as store:
        assert await companies(store) == {
            "a": "1", "b": "1", "c": "2", "gone": None, "x": "3", "old": None, "older": "4",
        }  # fmt: skip
        assert {name for name, memory in (await store.records.load()).items() if memory.contested} == {"a", "b"}
        await store.merchants.forget("b")
        assert not any(memory.contested for memory in (await store.records.load()).values())
        with pytest.raises(CompanyTaken):
            await store.bindings.bind_company("b", company_id="1", company_name="1")


BEFORE = "0007"
"""The step before the one that is looked at."""
