"""`state show|mv|rm|export|import`, and what they must never do."""

from datetime import UTC, datetime

import pytest

from state import Event, FindingRow, MemberRow, Owner, Store, SyncRow, open_state
from state.errors import MerchantTaken, UnknownMerchant, UnusableExport

NOON = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)
SOMEBODY = Owner("host", 1, "mark", "merchantctl rollout")


async def fill(store: Store, merchant: str = "acme") -> None:
    run = await store.begin_run("apply", NOON)
    await store.bind(merchant, company_id=f"c-{merchant}", company_name=merchant)
    await store.record_applied(merchant, {"enabled": True}, deletion="Disable", at=NOON)
    await store.begin_intent(merchant, "connection", name=merchant, company_id="c", platform="gbol", at=NOON)
    await store.note_findings([FindingRow(merchant, "company-renamed")], judged=[merchant], at=NOON)
    await store.quarantine(merchant, key="k", reason="r", until=NOON, tries=1)
    await store.note_events(run, [Event(NOON, run, merchant, "done", {"n": [1, None]})])
    await store.note_writes(run, {"create": 1}, NOON)
    await store.end_run(run, 0, {"writes": 1}, NOON)
    await store.remember_verdicts({merchant: "v"})
    await store.note_syncs([SyncRow(merchant, 2000, "", NOON, NOON, NOON)])
    await store.note_pulls([merchant], NOON)
    await store.begin_rollout(f"of {merchant}", {"soak": 0}, [MemberRow(merchant, 1, "d", "done")], SOMEBODY, NOON)


async def test_show_tells_all_that_is_remembered_of_one_merchant(store: Store):
    await fill(store)
    await fill(store, "bakery")
    shown = await store.show("acme")
    assert {table: len(rows) for table, rows in shown.items()} == {
        "merchants": 1, "applied": 1, "intents": 1, "findings": 1, "quarantine": 1, "syncs": 1,
        "pulls": 1, "rollout_merchants": 1,
    }  # fmt: skip
    assert shown["merchants"][0]["company_id"] == "c-acme"
    assert shown["applied"][0] == {
        "merchant": "acme", "fields": {"enabled": True}, "deletion": "Disable", "at": NOON.isoformat(),
    }  # fmt: skip


async def test_a_renamed_merchant_takes_everything_along(store: Store):
    await fill(store)
    before = await store.recall()
    await store.note_findings([FindingRow("acme-coffee", "company-missing")], judged=["acme-coffee"], at=NOON)
    await store.rename_merchant("acme", "acme-coffee")
    after = await store.recall()
    assert set(after) == {"acme-coffee"}
    assert after["acme-coffee"].company_id == before["acme"].company_id
    assert after["acme-coffee"].applied == {"enabled": True}
    assert [intent.merchant for intent in await store.open_intents()] == ["acme-coffee"]
    assert set(await store.first_seen()) == {("acme-coffee", "company-renamed", "")}
    assert set(await store.quarantined()) == {"acme-coffee"}
    assert set(await store.syncs()) == {"acme-coffee"}
    assert [hold.merchant for hold in await store.rollout_holds()] == ["acme-coffee"]
    assert len(await store.history("acme-coffee")) == 1


async def test_a_rename_never_runs_over_another_merchant(store: Store):
    await fill(store)
    await fill(store, "bakery")
    before = await store.export()
    with pytest.raises(MerchantTaken, match="bakery"):
        await store.rename_merchant("acme", "bakery")
    with pytest.raises(UnknownMerchant, match="nobody"):
        await store.rename_merchant("nobody", "somebody")
    assert await store.export() == before


async def test_a_forgotten_merchant_leaves_its_history_and_the_others(store: Store):
    await fill(store)
    await fill(store, "bakery")
    await store.forget("acme")
    assert set(await store.recall()) == {"bakery"}
    assert set(await store.verdicts()) == {"bakery"}
    assert len(await store.history("acme")) == 1
    with pytest.raises(UnknownMerchant, match="acme"):
        await store.forget("acme")
    with pytest.raises(UnknownMerchant, match="acme"):
        await store.show("acme")


async def test_an_export_fills_an_empty_state_with_the_same(url: str, tmp_path):
    async with open_state(f"sqlite:///{tmp_path}/old.db") as old:
        await fill(old)
        await fill(old, "bakery")
        exported, memories = await old.export(), await old.recall()
    async with open_state(url) as new:
        await new.import_(exported)
        assert await new.export() == exported
        assert (await new.recall()).keys() == memories.keys()
        assert await new.open_intents() == tuple(i for m in memories.values() for i in m.intents)
        assert await new.begin_run("plan", NOON) == 3


async def test_an_import_into_a_state_in_use_changes_nothing(store: Store):
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
async def test_what_is_no_export_is_refused_whole(store: Store, document):
    with pytest.raises(UnusableExport):
        await store.import_(document)
    assert await store.list_bindings() == ()
