"""A merchant that a dead `sync` left switched off is looked at within seconds, once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from controller.daemon.jobs.abandoned_sync_watcher import AbandonedSyncWatcher
from controller.daemon.workqueue import Lane, WorkQueue
from state import ProcessIdentity, open_state

US = ProcessIdentity.current("merchantctl sync")


class AskedQueue(WorkQueue):
    """Notes who is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.urgent: list[str] = []

    def add(self, keys: Iterable[str], after_s: float = 0, lane: Lane = Lane.RETRY) -> None:
        self.urgent += keys if lane is Lane.EVENT else []


async def test_who_was_left_is_asked_for_once_and_who_is_synchronised_just_now_is_not(tmp_path: Path) -> None:
    queue = AskedQueue()
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        for name, owner in (("alive", US), ("dead", replace(US, pid=2**22 + 1))):
            at = datetime.now(UTC)
            await store.manual_syncs.begin(name, name, was_enabled=True, previous_sync=None, owner=owner, at=at)
        watcher = AbandonedSyncWatcher(store, queue)
        for _ in range(2):
            await watcher.enqueue_abandoned()
    assert queue.urgent == ["dead"]
