"""The drift ledger: first seen, last seen, gone."""

import tempfile
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from state import FindingRow, Store, open_state

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
RENAMED = FindingRow("acme", "company-renamed")
DELETED = FindingRow("acme", "account-deleted", "mapping.sales.accounts.refund")


async def test_a_finding_keeps_the_moment_it_was_first_seen(store: Store):
    assert await store.note_findings([RENAMED], judged=["acme"], at=NOON) == {RENAMED.key: NOON}
    assert await store.note_findings([RENAMED, DELETED], judged=["acme"], at=LATER) == {
        RENAMED.key: NOON,
        DELETED.key: LATER,
    }
    oldest, _ = await store.findings_of("acme")
    assert (oldest.first_seen, oldest.last_seen, oldest.cleared_at) == (NOON, LATER, None)


async def test_a_finding_that_a_judged_merchant_no_longer_shows_is_gone(store: Store):
    await store.note_findings([RENAMED, DELETED], judged=["acme"], at=NOON)
    await store.note_findings([DELETED], judged=["acme"], at=LATER)
    assert await store.first_seen() == {DELETED.key: NOON}
    cleared = {row.code: row.cleared_at for row in await store.findings_of("acme")}
    assert cleared == {"company-renamed": LATER, "account-deleted": None}


async def test_a_merchant_nobody_looked_at_keeps_its_findings(store: Store):
    await store.note_findings([RENAMED], judged=["acme"], at=NOON)
    await store.note_findings([], judged=["bakery"], at=LATER)
    assert await store.first_seen(["acme"]) == {RENAMED.key: NOON}
    assert await store.first_seen(["bakery"]) == {}


async def test_a_finding_that_comes_back_begins_anew(store: Store):
    await store.note_findings([RENAMED], judged=["acme"], at=NOON)
    await store.note_findings([], judged=["acme"], at=NOON)
    assert await store.note_findings([RENAMED], judged=["acme"], at=LATER) == {RENAMED.key: LATER}
    (row,) = await store.findings_of("acme")
    assert row.cleared_at is None


async def test_the_same_finding_seen_twice_in_one_look_is_one(store: Store):
    assert await store.note_findings([RENAMED, RENAMED], judged=["acme"], at=NOON) == {RENAMED.key: NOON}


LOOKS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.frozensets(st.sampled_from(["x", "y"]))), min_size=1, max_size=6
)


@settings(deadline=None, max_examples=30)
@given(LOOKS)
async def test_the_ledger_agrees_with_a_replay_of_all_looks(looks: list[dict[str, frozenset[str]]]):
    """Per look, the judged merchants with what each showed: open is what showed at a merchant's last look."""
    expected: dict[tuple[str, str, str], datetime] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with open_state(f"sqlite:///{folder}/s.db") as store:
            for hour, look in enumerate(looks):
                at = NOON + timedelta(hours=hour)
                seen = {(merchant, code, "") for merchant, codes in look.items() for code in codes}
                expected = {key: since for key, since in expected.items() if key[0] not in look or key in seen}
                expected = dict.fromkeys(seen, at) | expected
                noted = await store.note_findings([FindingRow(*key) for key in seen], judged=look, at=at)
                assert noted == {key: expected[key] for key in seen}
            assert await store.first_seen() == expected
