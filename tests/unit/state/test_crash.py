"""Killed at any moment, and asked by many at once: nothing that was promised is lost, nothing is half there."""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from state import AppliedRow, FindingRow, ProcessIdentity, Store, open_state
from tests.processes import PythonProcess

SOURCE = Path(__file__).parents[3]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

PROVISION = """
import asyncio, json, sys
from datetime import UTC, datetime
from state import AppliedRow, ProcessIdentity, open_state
async def main():
    at = datetime.now(UTC)
    async with open_state(sys.argv[1]) as store:
        await store.lock.acquire(ProcessIdentity.current("apply"), timeout_s=0)
        print(json.dumps("ready"), flush=True)
        for n in range(10_000):
            name = f"m-{n}"
            intent = await store.intents.begin(name, "company", name=name, company_id=None, platform=None, at=at)
            print(json.dumps(["begun", name]), flush=True)
            await store.intents.settle_company(intent.id, name, company_id=f"c-{n}", company_name=name, at=at)
            print(json.dumps(["bound", name]), flush=True)
            await store.applied.save_many([AppliedRow(f"{name}/{k}", {"n": n}, "Retain", at) for k in range(5)])
asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_promised_before_a_kill_is_there_after_it(url: str, seed: int) -> None:
    """Each line that the child printed came after a commit: all of them must hold, and every commit whole."""
    promised = killed_after(url, lines=random.Random(seed).randrange(2, 60))
    begun = {name for what, name in promised if what == "begun"}
    bound = {name for what, name in promised if what == "bound"}
    async with open_state(url) as store:
        # A server takes a moment to notice that the connection of the dead one has ended.
        await store.lock.acquire(ProcessIdentity.current("apply"), timeout_s=60)
        memories = await store.records.load()
    open_ones = {name for name, memory in memories.items() if memory.intents}
    bound_ones = {name for name, memory in memories.items() if memory.company_id}
    assert bound <= bound_ones
    assert begun <= open_ones | bound_ones
    assert not open_ones & bound_ones
    groups = [name.partition("/")[0] for name in memories if "/" in name]
    assert all(groups.count(name) == 5 for name in groups)


def killed_after(url: str, lines: int) -> list[list[str]]:
    child = PythonProcess([sys.executable, "-c", PROVISION, url], cwd=SOURCE, stdout=subprocess.PIPE)
    assert child.stdout
    read = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().splitlines(keepends=True)
    assert child.wait() == -signal.SIGKILL
    whole = [line for line in read + rest if line.endswith("\n")]
    return [json.loads(line) for line in whole[1:]]


async def test_many_callers_at_once_each_get_their_commit(store: Store) -> None:
    async def one(n: int) -> None:
        name = f"m-{n}"
        intent = await store.intents.begin(name, "company", name=name, company_id=None, platform=None, at=NOON)
        assert name in await store.records.load([name])
        await store.intents.settle_company(intent.id, name, company_id=f"c-{n}", company_name=name, at=NOON)
        await store.applied.save(name, {"n": n}, deletion="Retain", at=NOON)
        await store.findings.record([FindingRow(name, "x")], gone=(), at=NOON)

    await asyncio.gather(*(one(n) for n in range(60)))
    memories = await store.records.load()
    assert {name: (memory.company_id, memory.applied["n"]) for name, memory in memories.items()} == {
        f"m-{n}": (f"c-{n}", n) for n in range(60)
    }
    assert await store.intents.load_open() == ()
    assert len(await store.findings.load_open()) == 60


async def test_cancelled_callers_leave_a_state_that_works(store: Store) -> None:
    async def bind(n: int) -> None:
        await store.intents.settle_company(n, f"m-{n}", company_id=f"c-{n}", company_name="n", at=NOON)

    tasks = [asyncio.create_task(bind(n)) for n in range(50)]
    for task in tasks:
        await asyncio.sleep(0.002)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.bindings.bind_company("after", company_id="c", company_name="n")
    assert "after" in await store.records.load()


async def test_a_reader_waits_for_no_writer(tmp_path: Path) -> None:
    """A plan may recall while an apply is in the middle of a commit."""
    url = f"sqlite:///{tmp_path}/state.db"
    async with open_state(url) as store:
        await store.bindings.bind_company("acme", company_id="c", company_name="n")
        writer = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        async with open_state(url) as plan:
            assert set(await plan.records.load()) == {"acme"}
        assert set(await store.records.load()) == {"acme"}
        noting = asyncio.create_task(store.findings.record([FindingRow("acme", "x")], gone=(), at=NOON))
        await asyncio.sleep(0.1)
        assert not noting.done()
        writer.execute("COMMIT")
        writer.close()
        assert await noting == {("acme", "x", ""): NOON}


async def test_a_commit_that_fails_leaves_nothing_of_itself(store: Store) -> None:
    await store.applied.save_many([AppliedRow("a", {"n": 1}, "Retain", NOON)])
    with pytest.raises(TypeError):
        await store.applied.save_many(
            [AppliedRow("a", {"n": 2}, "Retain", NOON), AppliedRow("b", {"n": 1j}, "Retain", NOON)]
        )
    assert {name: memory.applied for name, memory in (await store.records.load()).items()} == {"a": {"n": 1}}
