"""Which manifests are in force: the rules, and several processes of one state that follow them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.revision_keeper import RevisionKeeper, Standing, judge_revision
from controller.desired.git_source import CommitOrder, GitSource
from controller.git_address import parse_git_address
from state import ProcessIdentity, Revision, RevisionStatus, Store, open_state
from state.errors import StateProblem
from tests.git_repository import GitRepository
from tests.unit.daemon.test_manifest_watcher import MERCHANT

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


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Machine:
    """A process with a folder of its own on a shared state."""

    def __init__(self, store: Store, folder: Path, name: str, *merchants: str, clock: Clock | None = None) -> None:
        self.folder, self.name, self.store, self.clock = folder / name, name, store, clock or Clock()
        self.folder.mkdir()
        self.write(*merchants)
        self.watcher = ManifestWatcher(self.folder)
        self.keeper = RevisionKeeper(
            store, self.watcher, None, str(self.folder), name, (name, 1), self.clock, before_taking=self.beat
        )

    def write(self, *merchants: str) -> None:
        for each in merchants:
            (self.folder / f"{each}.yaml").write_text(MERCHANT % each)

    async def beat(self) -> None:
        process = ProcessIdentity(self.name, 1, "mark", "run")
        revision = self.watcher.fleet.digest
        await self.store.controllers.record_alive_and_prune(
            process, self.clock(), revision=revision, report_only=False, failure=None
        )

    async def look(self) -> bool:
        """Whether it may write."""
        await self.watcher.reload_if_changed()
        await self.watcher.reload_if_changed()
        await self.keeper.update_revision_in_force()
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


async def test_of_two_machines_that_change_at_once_the_one_that_is_too_late_writes_nothing(tmp_path: Path) -> None:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        one, other = Machine(store, tmp_path, "one", "ann"), Machine(store, tmp_path, "other", "ann")
        assert (await one.look(), await other.look()) == (True, True)

        async def let_the_other_be_quicker() -> None:
            other.keeper.before_taking = other.beat
            one.write("bob")
            assert await one.look()
            await other.beat()

        other.keeper.before_taking = let_the_other_be_quicker
        other.write("cat")
        assert not await other.look(), "what is in force now is the other one's"
        assert await one.look()


async def test_a_comparison_that_the_state_cuts_short_leaves_nothing_behind(tmp_path: Path) -> None:
    """A machine that was left behind, and whose folder changes then, never was at what it has just read."""
    database, elsewhere = tmp_path / "state.db", tmp_path / "elsewhere"
    async with open_state(f"sqlite:///{database}") as store:
        one, other = Machine(store, tmp_path, "one", "ann"), Machine(store, tmp_path, "other", "ann")
        assert (await one.look(), await other.look()) == (True, True)
        one.write("bob")
        assert await one.look()
        other.write("cat")
        asked = 0

        def clock_of_a_machine_that_loses_the_state() -> datetime:
            nonlocal asked
            asked += 1
            if asked == 2:  # what is in force was read; who lives is asked next
                database.rename(elsewhere)
            return NOON

        other.keeper.now = clock_of_a_machine_that_loses_the_state
        with pytest.raises(StateProblem):
            await other.look()
        elsewhere.rename(database)
        assert not await other.look(), "it never stood on what the other one has put in force"


async def test_a_rollback_by_a_rolling_deployment_ends_with_the_older_manifests(tmp_path: Path) -> None:
    """The new process begins with what was in force before, while the old one lives for another minute."""
    clock = Clock()
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        first = Machine(store, tmp_path, "first", "ann", clock=clock)
        assert await first.look()
        first.write("bob")
        assert await first.look()
        rolled_back = Machine(store, tmp_path, "rolled-back", "ann", clock=clock)
        assert not await rolled_back.look()
        clock.now += timedelta(minutes=2)
        assert await rolled_back.look(), "nobody else is left"


async def test_a_machine_that_was_left_behind_for_long_brings_nothing_back(tmp_path: Path) -> None:
    clock = Clock()
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        one = Machine(store, tmp_path, "one", "ann", clock=clock)
        left_behind = Machine(store, tmp_path, "left-behind", "ann", clock=clock)
        assert await one.look()
        assert await left_behind.look()
        clock.now += timedelta(hours=1)
        one.write("bob")
        assert await one.look()
        assert not await left_behind.look()
        assert left_behind.keeper.leaves_to_others
        clock.now += timedelta(hours=1)
        assert not await left_behind.look(), "the other one is gone"
        assert not left_behind.keeper.leaves_to_others, "so it looks, and reports"


async def test_one_that_only_reports_records_nothing_by_other_manifests_than_those_kept(tmp_path: Path) -> None:
    clock = Clock()
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        keeping = Machine(store, tmp_path, "keeping", "ann", clock=clock)
        assert await keeping.look()
        trying = Machine(store, tmp_path, "trying", "ann", "bob", clock=clock)
        trying.keeper.proposes = False
        await trying.keeper.update_revision_in_force()
        assert "nothing is recorded" in str(trying.keeper.report_only_reason)
        clock.now += timedelta(hours=1)
        await trying.keeper.update_revision_in_force()
        assert trying.keeper.report_only_reason is None, "nobody keeps the fleet at others any more"
        in_force = await store.revisions.load(RevisionStatus.IN_FORCE)
        assert in_force
        assert in_force.by == "keeping"


async def test_a_sign_of_life_from_the_future_is_none(tmp_path: Path) -> None:
    """A process that died before the clock was put back five hours."""
    clock = Clock()
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        assert await Machine(store, tmp_path, "one", "ann", clock=clock).look()
        clock.now -= timedelta(hours=5)
        assert await Machine(store, tmp_path, "other", "bob", clock=clock).look()


@pytest.fixture
async def follower(tmp_path: Path) -> AsyncIterator[Follower]:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        yield Follower(store, tmp_path)


class Follower:
    """A process that follows a branch."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.clock = store, folder, Clock()
        self.repository = GitRepository(folder / "git")
        self.first = self.repository.commit({"ann.yaml": MERCHANT % "ann"})
        self.source = GitSource(parse_git_address(f"{self.repository.url}@main"), folder / "cache")
        self.keeper = self.started()

    def started(self) -> RevisionKeeper:
        commit = self.source.fetch_head()
        self.watcher = ManifestWatcher(self.source.check_out(commit), commit=commit)
        address = str(self.source.address)
        return RevisionKeeper(self.store, self.watcher, self.source, address, "me", ("me", 1), self.clock)

    async def poll(self) -> str | None:
        """Fetches and looks; the commit in force."""
        await self.keeper.follow_branch()
        for _ in range(2):
            await self.keeper.keep_checked_out()
            await self.watcher.reload_if_changed()
        await self.keeper.update_revision_in_force()
        in_force = await self.store.revisions.load(RevisionStatus.IN_FORCE)
        return in_force.revision.git_commit if in_force else None

    async def release(self) -> None:
        held = await self.store.revisions.load(RevisionStatus.HELD)
        assert held
        await self.store.revisions.decide(held.id, RevisionStatus.RELEASED, at=NOON, by="person")


async def test_pages_show_a_repository_that_is_reached_just_then(follower: Follower) -> None:
    """They are made in a thread of their own."""
    keeper = follower.keeper

    def now() -> datetime:
        keeper.unreachable = None
        return NOON

    keeper.unreachable, keeper.now = (NOON - timedelta(hours=1), "no route to host"), now
    assert "no route to host" in str(keeper.note)


async def test_a_released_commit_counts_though_another_came_on_top_of_it(follower: Follower) -> None:
    second = follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    assert await follower.poll() == second
    follower.repository.reset(follower.first)
    follower.repository.commit({"cid.yaml": MERCHANT % "cid"})
    assert await follower.poll() == second
    await follower.release()
    on_top = follower.repository.commit({"dan.yaml": MERCHANT % "dan"})
    assert await follower.poll() == on_top


async def test_a_held_commit_that_the_branch_has_left_again_is_no_question_any_more(follower: Follower) -> None:
    second = follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    assert await follower.poll() == second
    follower.repository.reset(follower.first)
    await follower.poll()
    assert "is older than" in str(follower.keeper.note)
    follower.repository.reset(second)
    with capture_logs() as log:
        assert await follower.poll() == second
    assert follower.keeper.note is None
    (withdrawn,) = [each for each in log if each["event"] == "held_revision_withdrawn"]
    assert (withdrawn["commit"], withdrawn["in_force"]) == (follower.first, second)


async def test_a_mirror_that_lags_behind_holds_nothing_and_a_commit_that_is_gone_is_held(follower: Follower) -> None:
    assert await follower.poll() == follower.first
    elsewhere = Revision("other", "f" * 40, str(follower.source.address))
    assert await follower.store.revisions.put_in_force(elsewhere, instead_of=1, at=NOON, by="another machine")
    await follower.keeper.update_revision_in_force()
    second = follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    assert await follower.poll() == elsewhere.git_commit
    assert await follower.store.revisions.load(RevisionStatus.HELD) is None
    follower.clock.now += timedelta(minutes=10)
    await follower.poll()
    assert f"{second[:12]} does not descend from ffffffffffff" in str(follower.keeper.note)
    await follower.release()
    assert await follower.poll() == second


async def test_one_that_begins_at_a_commit_beside_a_lost_one_can_be_released(follower: Follower) -> None:
    """The commit in force was thrown away by a forced push, and this machine never had it."""
    lost = Revision("other", "f" * 40, str(follower.source.address))
    assert await follower.store.revisions.put_in_force(lost, instead_of=None, at=NOON, by="another machine")
    assert await follower.poll() == lost.git_commit
    assert follower.keeper.report_only_reason
    await follower.poll()
    follower.clock.now += timedelta(minutes=10)
    await follower.poll()
    await follower.release()
    assert await follower.poll() == follower.first
    assert follower.keeper.report_only_reason is None


async def test_a_repository_that_stays_away_is_shown_after_a_while(follower: Follower) -> None:
    assert await follower.poll() == follower.first
    away = follower.repository.bare.rename(follower.folder / "away")
    await follower.poll()
    assert follower.keeper.note is None
    follower.clock.now += timedelta(minutes=20)
    assert await follower.poll() == follower.first
    assert "no newer manifests since 2026-11-28 12:00 UTC" in str(follower.keeper.note)
    away.rename(follower.repository.bare)
    await follower.poll()
    assert follower.keeper.note is None


class _UnreadableClone(GitSource):
    """Whose folders may not be looked into, or cannot, since no file descriptor is left."""

    def check_out(self, commit: str) -> Path:
        raise PermissionError(13, "Permission denied")


async def test_a_clone_that_may_not_be_looked_into_is_said_and_ends_nothing(follower: Follower) -> None:
    """A push that is told has it fetched by a task whose end would be that of the service."""
    assert await follower.poll() == follower.first
    follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    source = follower.keeper.source
    assert source
    follower.keeper.source = _UnreadableClone(source.address, source.folder)
    await follower.keeper.follow_branch()
    assert follower.keeper.unreachable
    assert "Permission denied" in follower.keeper.unreachable[1]


async def test_no_question_waits_for_a_clock_that_was_put_back(follower: Follower) -> None:
    assert await follower.poll() == follower.first
    lost = Revision("other", "f" * 40, str(follower.source.address))
    assert await follower.store.revisions.put_in_force(lost, instead_of=1, at=NOON, by="another machine")
    await follower.keeper.update_revision_in_force()
    follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    await follower.poll()
    follower.clock.now -= timedelta(hours=5)
    for _ in range(2):
        await follower.poll()
        follower.clock.now += timedelta(minutes=20)
    assert "does not descend from ffffffffffff" in str(follower.keeper.note)
    follower.repository.bare.rename(follower.folder / "away")
    await follower.poll()
    follower.clock.now -= timedelta(hours=5)
    await follower.poll()
    follower.clock.now += timedelta(minutes=20)
    await follower.poll()
    assert "no newer manifests since 2026-11-28 02:40 UTC" in str(follower.keeper.note)


async def test_a_cache_that_is_deleted_meanwhile_changes_nothing(follower: Follower) -> None:
    assert await follower.poll() == follower.first
    shutil.rmtree(follower.folder / "cache")
    assert await follower.poll() == follower.first
    assert follower.watcher.diagnostics == ()
    second = follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    assert await follower.poll() == second


class _HoldsFirstCheckout(ThreadPoolExecutor):
    """Does what is given to a thread at once, and tells of the first commit that it has checked out when told to."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held, self.result = Future[Any](), Path()
        self.has_held = asyncio.Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        result = fn(*args, **kwargs)
        if isinstance(result, Path) and not self.has_held.is_set():
            self.held, self.result = future, result
            self.has_held.set()
        else:
            future.set_result(result)
        return future


async def test_a_push_that_is_told_while_the_branch_is_fetched_by_the_clock_is_followed_in_the_end(
    follower: Follower,
) -> None:
    follower.repository.commit({"bob.yaml": MERCHANT % "bob"})
    with _HoldsFirstCheckout() as thread:
        asyncio.get_running_loop().set_default_executor(thread)
        by_clock = asyncio.create_task(follower.keeper.follow_branch())
        await thread.has_held.wait()
        newest = follower.repository.commit({"cid.yaml": MERCHANT % "cid"})
        told = asyncio.create_task(follower.keeper.follow_branch())
        await asyncio.wait([told], timeout=0.1)
        thread.held.set_result(thread.result)
        await asyncio.gather(by_clock, told)
    assert follower.watcher.followed_commit == newest
