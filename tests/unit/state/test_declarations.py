"""What was declared of each merchant, as of the last load of the manifests that was carried out."""

from dataclasses import replace
from datetime import UTC, datetime

from state import DeclaredRow, Store

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ACME = DeclaredRow("acme", "a.yaml", "1", True, "a.yaml", "1", came=1)
BAKERY = replace(ACME, merchant="bakery", file="b.yaml", digest="9")


async def test_a_load_that_is_the_recorded_one_reads_only_who_went_and_who_came_then(store: Store) -> None:
    went, newcomer = replace(ACME, went=2), replace(ACME, merchant="x", came=2)
    assert await store.declarations.save_if_digest_is([went, newcomer, BAKERY], [], "load 2", expected_digest="")
    assert set((await store.declarations.load_all_or_departed_if_same("load 2")).rows) == {"acme", "x"}
    other = await store.declarations.load_all_or_departed_if_same("load 3")
    assert (other.digest, set(other.rows)) == ("load 2", {"acme", "x", "bakery"})
    assert other.rows["acme"] == went


async def test_a_load_that_another_run_has_passed_by_is_not_recorded(store: Store) -> None:
    await store.declarations.save_if_digest_is([ACME], [], "new", expected_digest="")
    assert not await store.declarations.save_if_digest_is([BAKERY], ["acme"], "old", expected_digest="older")
    assert set((await store.declarations.load_all_or_departed_if_same("")).rows) == {"acme"}


async def test_who_was_renamed_is_compared_anew_and_who_was_forgotten_came_when_it_came(store: Store) -> None:
    await store.declarations.save_if_digest_is([ACME, BAKERY], [], "load", expected_digest="")
    for name in ("acme", "bakery"):
        await store.bindings.bind_company(name, company_id=name, company_name=name)
    await store.merchants.forget("bakery")
    await store.merchants.rename("acme", "acme-coffee", at=NOON)
    recorded = await store.declarations.load_all_or_departed_if_same("load")
    assert recorded.digest == ""
    assert recorded.rows == {"acme-coffee": replace(ACME, merchant="acme-coffee"), "bakery": BAKERY}
