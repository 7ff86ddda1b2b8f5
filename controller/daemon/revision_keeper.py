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
from controller.desired.git_source import CommitOrder, GitSource
from controller.model.desired import Fleet
from controller.model.errors import MerchantctlError
from controller.quick_dataclasses import dataclass
from state import Revision, RevisionRow, RevisionStatus, Store
from state.errors import StateProblem

BEGINNING = timedelta(minutes=10)
"""So long a process is taken for one that was just deployed: by then those whom it replaces are gone. One that runs for
longer beside another was left behind."""

UNKNOWN_HELD_AFTER = timedelta(minutes=5)
"""So long the commit in force may be missing in what was fetched: a mirror lags behind. Then it is gone for good."""

UNREACHABLE_SHOWN_AFTER = timedelta(minutes=15)
"""A repository that is away for less is nobody's trouble yet."""

UNREACHABLE_LOG_INTERVAL = timedelta(hours=1)
"""From one word about a repository that stays away to the next."""

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
    is_news         this process began a moment ago, or saw its own folder change
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
    proposes            False: it only reports, puts nothing in force and holds nothing; while another process keeps the
                        fleet at other manifests, it records nothing either
    before_taking       called before a revision of this process is put in force
    report_only_reason  why nothing is written now; None where all is well
    not_in_force        the digests of manifests here that were not in force when they were compared last
    held                the revision that waits for a decision
    fetch_soon          set where somebody pushed: the branch is fetched without waiting for its time
    leaves_to_others    another process keeps the fleet at the revision in force: what is to be done is for it
    compared            ours at the last comparison, and `compared_with` what was in force after it
    unreachable         since when the branch could not be read, and why; None where it can
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
    not_in_force: set[str] = field(default_factory=set)
    held: RevisionRow | None = None
    leaves_to_others: bool = False
    unreachable: tuple[datetime, str] | None = None
    unreachable_told_at: datetime | None = None
    unknown_since: datetime | None = None
    began_at: datetime | None = None
    compared: Revision | None = None
    compared_with: RevisionRow | None = None
    fetch_soon: asyncio.Event = field(default_factory=asyncio.Event)
    comparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    following: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def own_revision(self) -> Revision:
        """That of the manifests in use here."""
        fleet = self.watcher.fleet
        return Revision(fleet.digest, fleet.commit, self.source_name)

    @property
    def note(self) -> str | None:
        """What a person should know of the revisions; None where the newest is in force."""
        # Each is read once: the pages ask in a thread of their own.
        notes = [reason] if (reason := self.report_only_reason) else []
        if held := self.held:
            notes.append(f"{held.reason}: merchantctl revision release {_short_id(held.revision)}, or reject")
        if (unreachable := self.unreachable) and self.now() - unreachable[0] >= UNREACHABLE_SHOWN_AFTER:
            notes.append(f"no newer manifests since {unreachable[0]:%Y-%m-%d %H:%M} UTC: {unreachable[1]}")
        return "; ".join(notes) or None

    async def update_revision_in_force(self) -> None:
        """Compares what is in use here with what is in force. Before each pass, under the lock: nobody writes by
        manifests that another process has left behind."""
        async with self.comparing:
            if not self.proposes:
                await self._only_compare()
                return
            while not await self._compare_and_put_in_force():
                pass  # another process was quicker: ours is held against what that one has put in force

    async def _only_compare(self) -> None:
        self.in_force = await self.store.revisions.load(RevisionStatus.IN_FORCE)
        own = self.own_revision
        other = self.in_force is not None and self.in_force.revision.digest != own.digest
        self._set_standing(
            Standing.REPORT_ONLY if other and await self._is_in_force_kept_by_others() else Standing.SAME, own
        )

    async def _compare_and_put_in_force(self) -> bool:
        """False where ours was to be put in force and another process was quicker: nothing is decided then."""
        # Ours as it is now: what the watcher loads during the reads below is compared by the next call.
        own, now = self.own_revision, self.now()
        self.began_at = self.began_at or now
        is_change = own != self.compared
        self.in_force = await self.store.revisions.load(RevisionStatus.IN_FORCE)
        self.held = await self.store.revisions.load(RevisionStatus.HELD)
        order, others_keep_it = await self._order_to_in_force(own.git_commit), await self._is_in_force_kept_by_others()
        standing = judge_revision(
            own,
            self.in_force.revision if self.in_force else None,
            order=order,
            stood_on_it=is_change and _is_same(self.compared_with, self.in_force) and self.report_only_reason is None,
            # Put back to before the beginning, the clock says nothing of how long this process has run.
            is_news=is_change or timedelta() <= now - self.began_at < BEGINNING,
            others_keep_it=others_keep_it,
            was_in_force=await self.store.revisions.was_in_force(own.digest),
        )
        if standing is Standing.HOLD and await self._is_released(own.git_commit, order):
            standing = Standing.TAKE
        if standing is Standing.TAKE and not await self._put_in_force(own):
            return False
        # Together, and last: a comparison that the state cuts short has not been.
        self.compared, self.compared_with = own, self.in_force
        # Only while somebody keeps it: else nobody at all would look at the fleet.
        self.leaves_to_others = others_keep_it and standing in (Standing.HOLD, Standing.REPORT_ONLY)
        self._set_standing(standing, own)
        return True

    async def follow_branch(self) -> None:
        """Fetches the branch. Its newest commit is what is on disk from now on, unless it has to be held."""
        if self.source is None:
            return
        # By the clock and by a push: where the two overlap, the commit that was fetched first might be followed last.
        async with self.following:
            try:
                head = await asyncio.to_thread(self.source.fetch_head)
                is_followed = head == self.watcher.followed_commit
                # One that a process began with, since the one in force is gone from the repository, needs a decision,
                # too.
                is_question = not is_followed or self.report_only_reason is not None
                if is_question and await self._allow_or_hold(head) and not is_followed:
                    self.watcher.follow(await asyncio.to_thread(self.source.check_out, head), head)
                    log.info("revision_followed", commit=head)
                await self._drop_held_if_branch_is_back(head)
                self._mark_reachable()
            except (MerchantctlError, OSError) as error:  # GitUnavailable; or the clone on disk cannot be looked into
                self._mark_unreachable(str(error))
            except StateProblem as problem:
                log.warning("revision_comparison_failed", reason=str(problem))

    async def keep_checked_out(self) -> None:
        """The folder of the commit that is followed stays, whoever else cleans up in the cache."""
        if self.source is None or self.watcher.followed_commit is None:
            return
        try:
            await asyncio.to_thread(self.source.keep_tree, self.watcher.followed_commit)
        except (MerchantctlError, OSError) as error:
            self._mark_unreachable(str(error))

    async def _drop_held_if_branch_is_back(self, head: str) -> None:
        """A held commit that the branch has left for the one in force again is nobody's question any more."""
        in_force = self.in_force.revision.git_commit if self.in_force else None
        if self.proposes and head == in_force and await self.store.revisions.drop_held(at=self.now()):
            held = self.held.revision.git_commit if self.held else None
            log.info("held_revision_withdrawn", commit=held, in_force=head)
            self.held = None

    async def _allow_or_hold(self, head: str) -> bool:
        """Whether a commit may become what is in use here; if not, it is held for a person's decision."""
        order = await self._order_to_in_force(head)
        if order is not CommitOrder.UNKNOWN:
            self.unknown_since = None
        if order in (None, CommitOrder.SAME, CommitOrder.NEWER) or not self.proposes:
            return True
        if await self._is_released(head, order):
            return True
        assert self.in_force is not None, "an order is one to the commit in force"
        if order is CommitOrder.UNKNOWN:
            now = self.now()
            self.unknown_since = min(self.unknown_since or now, now)  # the clock may be put back meanwhile
            if now - self.unknown_since < UNKNOWN_HELD_AFTER:
                return False
        stands = "is older than" if order is CommitOrder.OLDER else "does not descend from"
        reason = f"commit {head[:12]} {stands} {_short_id(self.in_force.revision)}, which is in force"
        held = Revision("", head, self.source_name)
        if await self.store.revisions.hold(held, reason=reason, at=self.now(), by=self.author):
            log.warning("revision_held", commit=head, reason=reason, remedy=f"merchantctl revision release {head[:12]}")
        self.held = await self.store.revisions.load(RevisionStatus.HELD)
        return False

    async def _is_released(self, commit: str | None, order: CommitOrder | None) -> bool:
        """Whether a person has released it; or, where it is not just older than the one in force, a commit that it
        descends from."""
        if self.source is None or commit is None:
            return False
        released = await self.store.revisions.load(RevisionStatus.RELEASED)
        if released is None or released.revision.git_commit is None:
            return False
        if released.revision.git_commit == commit:
            return True
        if order is CommitOrder.OLDER:
            return False
        return (
            await asyncio.to_thread(self.source.compare_commits, commit, released.revision.git_commit)
            is CommitOrder.NEWER
        )

    async def _order_to_in_force(self, commit: str | None) -> CommitOrder | None:
        in_force = self.in_force.revision if self.in_force else None
        if self.source is None or commit is None or in_force is None or in_force.git_commit is None:
            return None
        if in_force.source != self.source_name:
            return None
        return await asyncio.to_thread(self.source.compare_commits, commit, in_force.git_commit)

    async def _is_in_force_kept_by_others(self) -> bool:
        """Whether another process lives that writes by the revision in force."""
        if self.in_force is None:
            return False
        return any(
            each.revision == self.in_force.revision.digest
            and (each.host, each.pid) != self.process
            and not each.report_only
            for each in await self.store.controllers.load_alive(self.now())
        )

    async def _put_in_force(self, own: Revision) -> bool:
        """Whether it is now; False where another process was quicker."""
        # First the sign of life with the new revision: another process that sees it in force sees, too, who keeps it.
        if self.before_taking:
            await self.before_taking()
        number = self.in_force.id if self.in_force else None
        if await self.store.revisions.put_in_force(own, instead_of=number, at=self.now(), by=self.author):
            log.info("revision_in_force", revision=_short_id(own), source=own.source)
        self.in_force = await self.store.revisions.load(RevisionStatus.IN_FORCE)
        self.held = await self.store.revisions.load(RevisionStatus.HELD)
        return self.in_force is not None and self.in_force.revision == own

    def _mark_reachable(self) -> None:
        if self.unreachable:
            log.info("repository_reachable_again")
        self.unreachable = self.unreachable_told_at = None

    def _mark_unreachable(self, reason: str) -> None:
        """In the log when it begins, when the reason is another one, and from time to time."""
        now, before = self.now(), self.unreachable
        self.unreachable = (min(before[0], now) if before else now, reason)
        told_at = self.unreachable_told_at
        if before and before[1] == reason and told_at and abs(now - told_at) < UNREACHABLE_LOG_INTERVAL:
            return
        self.unreachable_told_at = now
        log.warning("repository_unreachable", reason=reason, since=f"{self.unreachable[0]:%Y-%m-%d %H:%M} UTC")

    def may_write_by(self, fleet: Fleet) -> bool:
        """Whether a pass may that goes by these manifests. They may be those of before: of a long pass that began with
        them and looked only, and which a short one has joined."""
        return self.report_only_reason is None and fleet.digest not in self.not_in_force

    def _set_standing(self, standing: Standing, own: Revision) -> None:
        """Puts down whether writes wait, and says in the log when that changes."""
        before, in_force = self.report_only_reason, self.in_force
        self.report_only_reason = None
        if standing in (Standing.HOLD, Standing.REPORT_ONLY) and in_force:
            self.not_in_force.add(own.digest)
            ours, theirs = _short_id(own), _short_id(in_force.revision)
            self.report_only_reason = (
                f"the manifests here ({ours}) are not those in force ({theirs}, by {in_force.by}): "
                f"nothing is {'written' if self.proposes else 'recorded'}"
            )
        else:
            self.not_in_force.discard(own.digest)
        if self.report_only_reason and not before:
            remedy = "merchantctl revision show"
            if self.source is None:
                remedy = f"bring this folder up to date, or end the other process; {remedy}"
            log.warning("manifests_not_in_force", reason=self.report_only_reason, remedy=remedy)
        if before and not self.report_only_reason:
            log.info("manifests_in_force_again", revision=_short_id(own))


def _short_id(revision: Revision) -> str:
    return (revision.git_commit or revision.digest)[:12]


def _is_same(one: RevisionRow | None, other: RevisionRow | None) -> bool:
    return one is not None and other is not None and one.id == other.id
