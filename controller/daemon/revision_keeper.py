"""Which revision of the manifests is in force, for all processes of one state: nobody swings the fleet back and forth.

own revision, held against the one in force
    the same                              ─▶ go on
    a newer commit; a folder that changed ─▶ put it in force
    released by a person                  ─▶ put it in force
    an older commit, or one beside it     ─▶ hold it: the one in force stays in use
    another folder, whose process lives   ─▶ look and report only, until the two are the same
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import datetime, timedelta
from enum import Enum, auto

import structlog

from controller.daemon.manifest_watcher import ManifestWatcher
from controller.desired.git_source import CommitOrder, GitSource, GitUnavailable
from controller.quick_dataclasses import dataclass
from state import Revision, RevisionRow, RevisionStatus, Store
from state.errors import StateProblem

OTHER_CONTROLLER_SILENCE = timedelta(minutes=1)

log = structlog.get_logger()


class Standing(Enum):
    """What to do with a revision beside the one in force."""

    SAME = auto()
    TAKE = auto()
    HOLD = auto()
    REPORT_ONLY = auto()


def judge_revision(
    own: Revision,
    in_force: Revision | None,
    *,
    order: CommitOrder | None,
    stood_on_it: bool,
    is_news: bool,
    others_keep_it: bool,
    was_in_force: bool,
) -> Standing:
    """Pure. A digest has no order. Of two folders the one that changed is the newer; one that stands still says nothing
    while a process lives that keeps the other, and afterwards only where it never was in force before.

    order           how our commit stands to that in force; None where either has none, or they are of two repositories
    stood_on_it     this process was at the one in force, and saw its own folder change since
    is_news         this process begins, or saw its own folder change
    others_keep_it  another process lives that keeps the fleet at the one in force
    was_in_force    ours was, before the one that is
    """
    if in_force is None:
        return Standing.TAKE
    if order is not None:
        by_order = {CommitOrder.SAME: Standing.SAME, CommitOrder.NEWER: Standing.TAKE}
        return by_order.get(order, Standing.HOLD)
    if own.digest == in_force.digest:
        return Standing.SAME
    takes_over = not others_keep_it and (is_news or not was_in_force)
    return Standing.TAKE if stood_on_it or takes_over else Standing.REPORT_ONLY


@dataclass(slots=True)
class RevisionKeeper:
    """Keeps this process at the revision in force, or puts its own there.

    source              the repository; None for a folder, which `source_name` then is
    process             host and pid of this process
    proposes            False: it only reports, puts nothing in force and holds nothing
    before_taking       called before a revision of this process is put in force
    report_only_reason  why nothing is written now; None where all is well
    held                the revision that waits for a decision
    fetch_soon          set where somebody pushed: the branch is fetched without waiting for its time
    """

    store: Store
    watcher: ManifestWatcher
    source: GitSource | None
    source_name: str
    author: str
    process: tuple[str, int]
    now: Callable[[], datetime]
    proposes: bool = True
    before_taking: Callable[[], Awaitable[None]] | None = None
    in_force: RevisionRow | None = None
    report_only_reason: str | None = None
    held: RevisionRow | None = None
    compared: Revision | None = None
    fetch_soon: asyncio.Event = field(default_factory=asyncio.Event)
    comparing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def own(self) -> Revision:
        """That of the manifests in use here."""
        fleet = self.watcher.fleet
        return Revision(fleet.digest, fleet.commit, self.source_name)

    @property
    def note(self) -> str | None:
        """What a person should know of the revisions; None where the newest is in force."""
        if self.report_only_reason:
            return self.report_only_reason
        held = self.held
        return f"{held.reason}: merchantctl revision release {_name(held.revision)}, or reject" if held else None

    async def update(self) -> None:
        """Compares what is in use here with what is in force. Before each pass, under the lock: nobody writes by
        manifests that another process has left behind."""
        if not self.proposes:
            return
        async with self.comparing:
            await self._compare()

    async def _compare(self) -> None:
        before, own = self.in_force, self.own
        is_news = own != self.compared
        self.in_force = await self.store.revisions.load(RevisionStatus.IN_FORCE)
        self.held = await self.store.revisions.load(RevisionStatus.HELD)
        standing = judge_revision(
            own,
            self.in_force.revision if self.in_force else None,
            order=await self._order(own.git_commit),
            stood_on_it=is_news and _is_same(before, self.in_force) and self.report_only_reason is None,
            is_news=is_news,
            others_keep_it=await self._others_keep_it(),
            was_in_force=await self.store.revisions.was_in_force(own.digest),
        )
        if standing is Standing.HOLD and await self._is_released(own.git_commit):
            standing = Standing.TAKE
        if standing is Standing.TAKE:
            await self._put_in_force(own)
        self.compared = own
        self._say(standing)

    async def follow_branch(self) -> None:
        """Fetches the branch. Its newest commit is what is on disk from now on, unless it has to be held."""
        if self.source is None:
            return
        try:
            head = await asyncio.to_thread(self.source.fetch_head)
            if head == self.watcher.followed_commit:
                return
            if not await self._may_take(head):
                return
            self.watcher.follow(await asyncio.to_thread(self.source.check_out, head), head)
            log.info("revision_fetched", commit=head)
        except GitUnavailable as error:
            log.warning("repository_unreachable", reason=str(error))
        except StateProblem as problem:
            log.warning("revision_unreadable", reason=str(problem))

    async def _may_take(self, head: str) -> bool:
        """Whether a commit may become what is in use here; if not, it is held for a person's decision."""
        order = await self._order(head)
        if order in (None, CommitOrder.SAME, CommitOrder.NEWER) or not self.proposes:
            return True
        if await self._is_released(head):
            return True
        assert self.in_force is not None, "an order is one to the commit in force"
        stands = "is older than" if order is CommitOrder.OLDER else "does not descend from"
        reason = f"commit {head[:12]} {stands} {_name(self.in_force.revision)}, which is in force"
        held = Revision("", head, self.source_name)
        if await self.store.revisions.hold(held, reason=reason, at=self.now(), by=self.author):
            log.warning("revision_held", reason=reason, remedy=f"merchantctl revision release {head[:12]}")
        self.held = await self.store.revisions.load(RevisionStatus.HELD)
        return False

    async def _is_released(self, commit: str | None) -> bool:
        released = await self.store.revisions.load(RevisionStatus.RELEASED) if commit else None
        return released is not None and released.revision.git_commit == commit

    async def _order(self, commit: str | None) -> CommitOrder | None:
        in_force = self.in_force.revision if self.in_force else None
        if self.source is None or commit is None or in_force is None or in_force.git_commit is None:
            return None
        if in_force.source != self.source_name:
            return None
        return await asyncio.to_thread(self.source.order, commit, in_force.git_commit)

    async def _others_keep_it(self) -> bool:
        if self.in_force is None:
            return False
        return any(
            each.revision == self.in_force.revision.digest
            and (each.host, each.pid) != self.process
            and not each.report_only
            and self.now() - each.alive_at <= OTHER_CONTROLLER_SILENCE
            for each in await self.store.controllers.load()
        )

    async def _put_in_force(self, own: Revision) -> None:
        # First the sign of life with the new revision: another process that sees it in force sees, too, who keeps it.
        if self.before_taking:
            await self.before_taking()
        number = self.in_force.id if self.in_force else None
        if await self.store.revisions.put_in_force(own, instead_of=number, at=self.now(), by=self.author):
            log.info("revision_in_force", revision=_name(own), source=own.source)
        self.in_force = await self.store.revisions.load(RevisionStatus.IN_FORCE)
        self.held = await self.store.revisions.load(RevisionStatus.HELD)

    def _say(self, standing: Standing) -> None:
        """Puts down whether writes wait, and says in the log when that changes."""
        before, in_force = self.report_only_reason, self.in_force
        self.report_only_reason = None
        if standing in (Standing.HOLD, Standing.REPORT_ONLY) and in_force:
            self.report_only_reason = (
                f"the manifests here ({_name(self.own)}) are not those in force ({_name(in_force.revision)}, by "
                f"{in_force.by}): nothing is written"
            )
        if self.report_only_reason and not before:
            remedy = "bring this folder up to date, or end the other process; merchantctl revision show"
            log.warning("revision_not_in_force", reason=self.report_only_reason, remedy=remedy)
        if before and not self.report_only_reason:
            log.info("revision_caught_up", revision=_name(self.own))


def _name(revision: Revision) -> str:
    return (revision.git_commit or revision.digest)[:12]


def _is_same(one: RevisionRow | None, other: RevisionRow | None) -> bool:
    return one is not None and other is not None and one.id == other.id
