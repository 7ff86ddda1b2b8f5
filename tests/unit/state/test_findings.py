"""The drift ledger: first seen, last seen, gone."""

import tempfile
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from state import FindingEnding, FindingRow, Store, open_state

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
RENAMED = FindingRow("acme", "company-renamed")
DELETED = FindingRow("acme", "account-deleted", "mapping.sales.accounts.refund")


async def found_at(store: Store, merchants: Collection[str] | None = None) -> dict[tuple[str, str, str], datetime]:
    """By key when each finding was found that stands open."""
    return {row.key: row.found_at for row in await store.findings.load_open(merchants)}


async def test_a_finding_keeps_the_moment_it_was_first_seen(store: Store) -> None:
    assert await store.findings.record([RENAMED], gone=(), at=NOON) == {RENAMED.key: NOON}
    assert await store.findings.record([RENAMED, DELETED], gone=(), at=LATER) == {
        RENAMED.key: NOON,
        DELETED.key: LATER,
    }
    oldest, _ = await store.findings.load_occurrences("acme")
    assert (oldest.found_at, oldest.last_seen, oldest.gone_at) == (NOON, LATER, None)


async def test_what_is_gone_is_cleared_and_nothing_else(store: Store) -> None:
    await store.findings.record([RENAMED, DELETED], gone=(), at=NOON)
    await store.findings.record(
        [DELETED], gone=[FindingEnding(RENAMED.key, "somebody"), FindingEnding(("acme", "never", ""), "left")], at=LATER
    )
    assert await found_at(store) == {DELETED.key: NOON}
    assert (await found_at(store, ["acme"]), await found_at(store, ["bakery"])) == (
        {DELETED.key: NOON},
        {},
    )
    cleared = {row.code: row.gone_at for row in await store.findings.load_occurrences("acme")}
    assert cleared == {"company-renamed": LATER, "account-deleted": None}


async def test_a_finding_that_comes_back_begins_anew(store: Store) -> None:
    await store.findings.record([RENAMED], gone=(), at=NOON)
    await store.findings.record([], gone=[FindingEnding(RENAMED.key, "somebody")], at=NOON)
    assert await store.findings.record([RENAMED], gone=(), at=LATER) == {RENAMED.key: LATER}
    first, second = await store.findings.load_occurrences("acme")
    assert (first.found_at, first.gone_at, first.how) == (NOON, NOON, "somebody")
    assert (second.found_at, second.gone_at) == (LATER, None)


async def test_who_has_a_finding_of_a_code_is_known(store: Store) -> None:
    await store.findings.record([RENAMED, FindingRow("bakery", "data-pull-failed")], gone=(), at=NOON)
    assert await store.findings.load_merchants_with_open_finding("data-pull-failed") == ("bakery",)
    await store.findings.record([], gone=[FindingEnding(("bakery", "data-pull-failed", ""), "passed")], at=LATER)
    assert await store.findings.load_merchants_with_open_finding("data-pull-failed") == ()


async def test_the_same_finding_seen_twice_in_one_look_is_one(store: Store) -> None:
    assert await store.findings.record([RENAMED, RENAMED], gone=(), at=NOON) == {RENAMED.key: NOON}


LOOKS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.frozensets(st.sampled_from(["x", "y"]))), min_size=1, max_size=6
)


@settings(deadline=None, max_examples=30)
@given(LOOKS)
async def test_the_ledger_agrees_with_a_replay_of_all_looks(looks: list[dict[str, frozenset[str]]]) -> None:
    """Per look, the judged merchants with what each showed: open is what showed at a merchant's last look."""
    expected: dict[tuple[str, str, str], datetime] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with open_state(f"sqlite:///{folder}/s.db") as store:
            for hour, look in enumerate(looks):
                at = NOON + timedelta(hours=hour)
                seen = {(merchant, code, "") for merchant, codes in look.items() for code in codes}
                expected = {key: since for key, since in expected.items() if key[0] not in look or key in seen}
                expected = dict.fromkeys(seen, at) | expected
                gone = [
                    FindingEnding(key, "somebody")
                    for key in await found_at(store)
                    if key[0] in look and key not in seen
                ]
                noted = await store.findings.record([FindingRow(*key) for key in seen], gone=gone, at=at)
                assert noted == {key: expected[key] for key in seen}
            assert await found_at(store) == expected


# Each time that one comes -------------------------------------------------------------------------------

OFF = FindingRow("acme", "sync-disabled", "enabled", "drift", False, True, "switched off", "true", is_news=True)


async def test_a_time_that_it_came_keeps_values_runs_and_how_it_went(store: Store) -> None:
    first, second = await store.runs.begin("run", NOON, user="svc", host="a"), await store.runs.begin("apply", LATER)
    await store.findings.record([OFF], at=NOON, run=first)
    ending = FindingEnding(OFF.key, "mended", second, {"id": "x"}, LATER)
    await store.findings.record([], gone=[ending], at=LATER, run=second)
    (row,) = await store.findings.load_occurrences("acme")
    assert (row.direction, row.live, row.wanted, row.cause, row.wish) == ("drift", False, True, "switched off", "true")
    assert (row.found_at, row.found_run, row.gone_at, row.gone_run) == (NOON, first, LATER, second)
    assert (row.how, row.now_wanted) == ("mended", {"id": "x"})
    assert {number: each.user for number, each in (await store.runs.load_authors([first, None, 77])).items()} == {
        first: "svc"
    }


async def test_what_is_found_and_put_right_in_one_run_came_and_went(store: Store) -> None:
    await store.findings.record([OFF], gone=[FindingEnding(OFF.key, "mended", 1, at=LATER)], at=NOON, run=1)
    (row,) = await store.findings.load_occurrences("acme")
    assert (row.found_at, row.gone_at, row.how) == (NOON, LATER, "mended")
    assert await found_at(store) == {}


async def test_the_run_that_may_have_put_it_right_is_noted(store: Store) -> None:
    await store.findings.record([OFF], tried=[OFF.key], at=NOON, run=5)
    await store.findings.record([], tried=[RENAMED.key], at=NOON, run=6)
    (row,) = await store.findings.load_open()
    assert (row.tried_run, row.gone_at) == (5, None)


async def test_who_moved_may_be_known_otherwise_later(store: Store) -> None:
    pending = FindingRow("acme", "mapping-changed", "mapping.sales.sync", "pending", True, False)
    await store.findings.record([pending], at=NOON)
    await store.findings.record([FindingRow(*pending.key, "conflict", None, False, is_news=True)], at=LATER)
    (row,) = await store.findings.load_open(["acme"])
    assert (row.found_at, row.direction, row.live) == (NOON, "conflict", None)


async def test_what_moved_before_it_was_known_otherwise_stays_and_is_told_once(store: Store) -> None:
    drift = FindingRow("acme", "mapping-changed", "schedule.syncHourUtc", "drift", 1, 0)
    await store.findings.record([drift], at=NOON)
    await store.findings.record([FindingRow(*drift.key, "drift", 2, 0)], at=LATER, run=7)
    for _ in range(2):
        await store.findings.record([FindingRow(*drift.key, "conflict", 3, 5)], at=LATER, run=8)
    (row,) = await store.findings.load_open(["acme"])
    assert (row.direction, row.live, row.wanted) == ("conflict", 1, 0)
    assert [(move["run"], move["live"], move["wanted"]) for move in row.moves] == [(7, 2, 0), (8, 3, 5)]


async def test_how_often_each_came_is_counted_from_a_moment_on(store: Store) -> None:
    for hour in range(4):
        at = NOON + timedelta(hours=hour)
        await store.findings.record([OFF], gone=[FindingEnding(OFF.key, "mended", at=at)], at=at)
    await store.findings.record([RENAMED], at=NOON)
    assert await store.findings.count_occurrences(["acme"], LATER) == {OFF.key: 3}
    assert await store.findings.count_occurrences(["bakery"], NOON) == {}
    assert [each.found_at for each in await store.findings.load_recurring(LATER, 3)] == [
        NOON + timedelta(hours=n) for n in (1, 2, 3)
    ]
    assert await store.findings.load_recurring(LATER, 4) == ()


async def test_the_past_goes_with_the_name_and_stays_when_the_rest_is_forgotten(store: Store) -> None:
    await store.bindings.bind_company("acme", company_id="1", company_name="acme")
    await store.bindings.bind_company("other", company_id="2", company_name="other")
    await store.findings.record([OFF, FindingRow("other", "data-stale")], at=NOON)
    await store.merchants.forget("other")
    await store.merchants.rename("acme", "other", at=LATER)
    assert [(each.code, each.how) for each in await store.findings.load_occurrences("other")] == [
        ("sync-disabled", None),
        ("data-stale", "left"),
    ]


async def test_an_export_of_an_earlier_version_is_read(store: Store, tmp_path: Path) -> None:
    await store.bindings.bind_company("acme", company_id="1", company_name="acme")
    document = await store.export()
    del document["tables"]["occurrences"]
    times = {"first_seen": NOON.isoformat(), "last_seen": LATER.isoformat(), "cleared_at": None}
    document["tables"]["findings"] = [{"merchant": "acme", "code": "data-stale", "field": "", **times}]
    async with open_state(f"sqlite:///{tmp_path}/new.db") as new:
        await new.import_(document)
        assert await found_at(new) == {("acme", "data-stale", ""): NOON}
