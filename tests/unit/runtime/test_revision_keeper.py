"""Which manifests are in force: the rules, and several processes of one state that follow them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.revision_keeper import RevisionKeeper, Standing, judge_revision
from controller.desired.git_source import CommitOrder
from state import ProcessIdentity, Revision, RevisionStatus, Store, open_state
from tests.unit.runtime.test_revision import MERCHANT

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
OLD, NEW = Revision("old", None, "/a"), Revision("new", None, "/b")


def standing(own: Revision, in_force: Revision | None, order: CommitOrder | None = None, **facts: bool) -> Standing:
    usual = {"stood_on_it": False, "is_news": False, "others_keep_it": False, "was_in_force": False}
    given = usual | facts
    return judge_revision(
        own,
        in_force,
        order=order,
        stood_on_it=given["stood_on_it"],
        is_news=given["is_news"],
        others_keep_it=given["others_keep_it"],
        was_in_force=given["was_in_force"],
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (CommitOrder.NEWER, Standing.TAKE),
        (CommitOrder.SAME, Standing.SAME),
        (CommitOrder.OLDER, Standing.HOLD),
        (CommitOrder.NEITHER, Standing.HOLD),
    ],
)
def test_commits_go_by_their_history_whatever_else_is_known(order: CommitOrder, expected: Standing) -> None:
    for facts in product((True, False), repeat=3):
        names = ("stood_on_it", "is_news", "others_keep_it")
        assert standing(NEW, OLD, order, **dict(zip(names, facts, strict=True))) is expected


def test_of_two_folders_the_one_that_changed_is_the_newer() -> None:
    assert standing(NEW, None) is Standing.TAKE
    assert standing(OLD, OLD) is Standing.SAME
    assert standing(NEW, OLD, stood_on_it=True, is_news=True, others_keep_it=True) is Standing.TAKE
    assert standing(NEW, OLD, is_news=True, others_keep_it=True) is Standing.REPORT_ONLY, "a stale machine that begins"


def test_a_new_version_takes_over_once_the_process_of_the_old_one_is_gone() -> None:
    """A rolling deployment with the manifests in the image: the new process begins while the old one lives."""
    assert standing(NEW, OLD, is_news=True, others_keep_it=True) is Standing.REPORT_ONLY
    assert standing(NEW, OLD, others_keep_it=False) is Standing.TAKE


def test_a_machine_left_behind_never_brings_back_what_was_in_force_before() -> None:
    assert standing(OLD, NEW, others_keep_it=False, was_in_force=True) is Standing.REPORT_ONLY


class Machine:
    """A process with a folder of its own on a shared state."""

    def __init__(self, store: Store, folder: Path, name: str, *merchants: str) -> None:
        self.folder, self.name, self.store = folder / name, name, store
        self.folder.mkdir()
        self.write(*merchants)
        self.watcher = ManifestWatcher(self.folder)
        self.keeper = RevisionKeeper(
            store, self.watcher, None, str(self.folder), name, (name, 1), lambda: NOON, before_taking=self.beat
        )

    def write(self, *merchants: str) -> None:
        for each in merchants:
            (self.folder / f"{each}.yaml").write_text(MERCHANT % each)

    async def beat(self) -> None:
        process = ProcessIdentity(self.name, 1, "mark", "run")
        revision = self.watcher.fleet.digest
        await self.store.controllers.record_alive(process, NOON, revision=revision, report_only=False, failure=None)

    async def look(self) -> bool:
        """Whether it may write."""
        await self.watcher.reload_if_changed()
        await self.watcher.reload_if_changed()
        await self.keeper.update()
        await self.beat()
        return self.keeper.report_only_reason is None


async def test_two_machines_never_set_each_other_back(tmp_path: Path) -> None:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        one, other = Machine(store, tmp_path, "one", "ann"), Machine(store, tmp_path, "other", "ann")
        assert (await one.look(), await other.look()) == (True, True), "the same manifests from two folders"
        one.write("bob")
        assert (await one.look(), await other.look()) == (True, False), "the other has not been brought up to date yet"
        assert not await other.look()
        other.write("bob")
        assert (await other.look(), await one.look()) == (True, True)
        (one.folder / "bob.yaml").unlink()
        assert (await one.look(), await other.look()) == (True, False), "a revert is a change like any other"
        late = Machine(store, tmp_path, "late", "ann", "bob")
        assert not await late.look(), "a machine that begins with old manifests waits"
        in_force = await store.revisions.load(RevisionStatus.IN_FORCE)
        assert in_force
        assert in_force.by == "one"
