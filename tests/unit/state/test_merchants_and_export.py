"""`state show|mv|rm|export|import`, and what they must never do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from state import EventRow, FindingRow, LastSyncRow, MemberRow, ProcessIdentity, Store, open_state
from state.errors import MerchantTaken, UnknownMerchant, UnusableExport

NOON = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)
SOMEBODY = ProcessIdentity("host", 1, "mark", "merchantctl rollout")


async def fill(store: Store, merchant: str = "acme") -> None:
    run = await store.runs.begin("apply", NOON)
    await store.bindings.bind_company(merchant, company_id=f"c-{merchant}", company_name=merchant)
    await store.applied.save(merchant, {"enabled": True}, deletion="Disable", at=NOON)
    await store.intents.begin(merchant, "connection", name=merchant, company_id="c", platform="gbol", at=NOON)
    await store.findings.record([FindingRow(merchant, "company-renamed")], gone=(), at=NOON)
    await store.quarantine.put(merchant, key="k", reason="r", until=NOON, tries=1)
    await store.runs.record_events(run, [EventRow(NOON, run, merchant, "done", {"n": [1, None]})])
    await store.runs.record_writes(run, {"create": 1}, NOON, confirmed=False)
    await store.runs.end(run, 0, {"writes": 1}, NOON)
    await store.in_sync_cache.save_keys({merchant: "v"})
    await store.last_syncs.save_if_newer([LastSyncRow(merchant, 2000, "", NOON, NOON, NOON)])
    await store.refresh_requests.save([merchant], NOON)
    await store.rollouts.begin(f"of {merchant}", {"soak": 0}, [MemberRow(merchant, 1, "d", "done")], SOMEBODY, NOON)


async def test_show_tells_all_that_is_remembered_of_one_merchant(store: Store) -> None:
    await fill(store)
    await fill(store, "bakery")
    shown = await store.merchants.load_rows("acme")
    assert {table: len(rows) for table, rows in shown.items()} == {
        "merchants": 1, "applied": 1, "intents": 1, "findings": 1, "quarantine": 1, "syncs": 1,
        "pulls": 1, "renames": 0, "rollout_merchants": 1, "manual_syncs": 0,
    }  # fmt: skip
    assert shown["merchants"][0]["company_id"] == "c-acme"
    assert shown["applied"][0] == {
        "merchant": "acme", "fields": {"enabled": True}, "deletion": "Disable", "at": NOON.isoformat(),
    }  # fmt: skip


async def test_a_renamed_merchant_takes_everything_along(store: Store) -> None:
    await fill(store)
    before = await store.records.load()
    await store.findings.record([FindingRow("acme-coffee", "company-missing")], gone=(), at=NOON)
    await store.merchants.rename("acme", "acme-coffee", at=NOON)
    after = await store.records.load()
    assert set(after) == {"acme-coffee"}
    assert after["acme-coffee"].company_id == before["acme"].company_id
    assert after["acme-coffee"].applied == {"enabled": True}
    assert [intent.merchant for intent in await store.intents.load_open()] == ["acme-coffee"]
    assert {row.key for row in await store.findings.load_open()} == {("acme-coffee", "company-renamed", "")}
    assert set(await store.quarantine.load()) == {"acme-coffee"}
    assert set(await store.last_syncs.load()) == {"acme-coffee"}
    assert [hold.merchant for hold in await store.rollouts.load_holds()] == ["acme-coffee"]
    assert len(await store.runs.load_events("acme-coffee")) == 1


async def test_a_rename_never_runs_over_another_merchant(store: Store) -> None:
    await fill(store)
    await fill(store, "bakery")
    before = await store.export()
    with pytest.raises(MerchantTaken, match="bakery"):
        await store.merchants.rename("acme", "bakery", at=NOON)
    with pytest.raises(UnknownMerchant, match="nobody"):
        await store.merchants.rename("nobody", "somebody", at=NOON)
    assert await store.export() == before


async def test_a_forgotten_merchant_leaves_its_history_and_the_others(store: Store) -> None:
    await fill(store)
    await fill(store, "bakery")
    await store.merchants.forget("acme", despite_open_work=True)
    assert set(await store.records.load()) == {"bakery"}
    assert set(await store.in_sync_cache.load_keys()) == {"bakery"}
    assert len(await store.runs.load_events("acme")) == 1
    with pytest.raises(UnknownMerchant, match="acme"):
        await store.merchants.forget("acme")
    with pytest.raises(UnknownMerchant, match="acme"):
        await store.merchants.load_rows("acme")


async def test_an_export_fills_an_empty_state_with_the_same(url: str, tmp_path: Path) -> None:
    async with open_state(f"sqlite:///{tmp_path}/old.db") as old:
        await fill(old)
        await fill(old, "bakery")
        exported, memories = await old.export(), await old.records.load()
    async with open_state(url) as new:
        await new.import_(exported)
        assert await new.export() == exported
        assert (await new.records.load()).keys() == memories.keys()
        assert await new.intents.load_open() == tuple(i for m in memories.values() for i in m.intents)
        assert await new.runs.begin("plan", NOON) == 3


async def test_an_export_of_before_writes_said_who_confirmed_them_is_still_taken(tmp_path: Path, store: Store) -> None:
    """They go on counting: nobody knows who had asked for them."""
    await fill(store)
    document = await store.export()
    for row in document["tables"]["writes"]:
        del row["confirmed"]
    async with open_state(f"sqlite:///{tmp_path / 'other.db'}") as other:
        await other.import_(document)
        assert await other.runs.count_unconfirmed_writes(NOON) == {"create": 1}


def of_version_1(**tables: Any) -> dict[str, Any]:
    return {"kind": "State", "schemaVersion": 1, "tables": tables}


def merchant(name: str | None, **columns: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("company_id", "company_name", "connection_id", "configured_at", "retired_at"))
    return {"merchant": name} | empty | columns


RUN = {"id": 1, "verb": "plan", "started_at": "2026-01-01T00:00:00+00:00", "ended_at": None, "exit_code": 0}
RUN |= {"summary": None}


@pytest.mark.parametrize(
    ("tables", "place", "what"),
    [
        (
            {"merchants": [merchant("a", company_id="x"), merchant("b"), merchant("c", company_id="x")]},
            "tables.merchants[2].company_id",
            "'x' is bound to the merchant 'a' already (tables.merchants[0])",
        ),
        (
            {"merchants": [merchant("a", connection_id="x"), merchant("b", connection_id="x")]},
            "tables.merchants[1].connection_id",
            "bound to the merchant 'a' already",
        ),
        (
            {"merchants": [merchant("a"), merchant("a")]},
            "tables.merchants[1].merchant",
            "in tables.merchants[0] already",
        ),
        ({"merchants": [merchant("a", configured_at="2026-01-01T00:00:00")]}, ".configured_at", "has no time zone"),
        ({"merchants": [merchant("a", configured_at="0001-01-01T00:00:00+14:00")]}, ".configured_at", "no instant"),
        ({"merchants": [merchant("a", configured_at=5)]}, "tables.merchants[0].configured_at", "no instant"),
        ({"merchants": [merchant("a", company_id=5)]}, "tables.merchants[0].company_id", "5 is no text"),
        ({"merchants": [merchant("a\0")]}, "tables.merchants[0].merchant", "cannot be stored"),
        ({"merchants": [merchant("\ud800")]}, "tables.merchants[0].merchant", "cannot be stored"),
        ({"merchants": [merchant(None)]}, "tables.merchants[0].merchant", "may not be null"),
        ({"merchants": [merchant("a"), {"merchant": "b"}]}, "tables.merchants[1].company_id", "missing"),
        ({"merchants": [merchant("a", colour="red")]}, "tables.merchants[0].colour", "no such column"),
        ({"merchant": [merchant("a")]}, "tables.merchant", "no such table"),
        ({"runs": [RUN | {"id": 2**31}]}, "tables.runs[0].id", "no whole number"),
        ({"runs": [RUN | {"exit_code": 10**5000}]}, "tables.runs[0].exit_code", "very many digits"),
        ({"runs": [RUN | {"exit_code": True}]}, "tables.runs[0].exit_code", "no whole number"),
        (
            {"runs": [RUN | {"summary": {"a": [1, float("nan")]}}]},
            "tables.runs[0].summary['a'][1]",
            "no number in JSON",
        ),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place_in_the_file(
    store: Store, tables: dict[str, Any], place: str, what: str
) -> None:
    with pytest.raises(UnusableExport) as refused:
        await store.import_(of_version_1(**tables))
    assert place in str(refused.value)
    assert what in str(refused.value)
    assert all(rows == [] for rows in (await store.export())["tables"].values())


async def test_a_merchant_that_was_taken_down_claims_no_company(store: Store) -> None:
    retired = merchant("old", company_id="x", retired_at="2026-01-01T00:00:00Z")
    await store.import_(of_version_1(merchants=[retired, merchant("new", company_id="x")]))
    assert set(await store.records.load()) == {"old", "new"}


async def test_an_import_into_a_state_in_use_changes_nothing(store: Store) -> None:
    await fill(store)
    before = await store.export()
    with pytest.raises(UnusableExport, match="not empty"):
        await store.import_(before)
    assert await store.export() == before


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "Plan", "schemaVersion": 1, "tables": {}},
        {"kind": "State", "schemaVersion": 2, "tables": {}},
        {"kind": "State", "schemaVersion": 1, "tables": []},
        {"kind": "State", "schemaVersion": 1, "tables": {"merchants": [{"merchant": "a"}]}},
        {"kind": "State", "schemaVersion": 1, "tables": {"merchants": ["a"]}},
        {"kind": "State", "schemaVersion": 1, "tables": {"verbs": [], "merchants": 5}},
    ],
)
async def test_what_is_no_export_is_refused_whole(store: Store, document: dict[str, Any]) -> None:
    with pytest.raises(UnusableExport):
        await store.import_(document)
    assert await store.bindings.load() == ()
