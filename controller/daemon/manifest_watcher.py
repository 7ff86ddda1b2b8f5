"""The newest manifests that are whole. While those on disk are not, the revision before them stays in use.

a change on disk ─ still being written? look again ─ settled ─ sound ──▶ the new revision
                                                            └─ broken ─▶ the old one, and why; loaded again by and by
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from controller.daemon.doubling_wait import DoublingWait
from controller.desired.discovery import tree_stat_digest
from controller.desired.loader import load_fleet
from controller.model.desired import DesiredMerchant, Diagnostic, Fleet
from controller.model.errors import InvalidManifests, UsageError
from controller.quick_dataclasses import dataclass

FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S = 5.0, 300.0
"""Until what is broken on disk is loaded again, though nothing was written: what was wrong may be over, as a file that
could not be read for a moment, or a date that was too far away."""


@dataclass(frozen=True, slots=True)
class ManifestChange:
    """What differs between two revisions of the manifests.

    merchants       those that are new, or declared otherwise
    needs_everyone  merchants left, or were renamed: only a look at everyone can carry that out
    account         the account's own settings are declared otherwise
    """

    merchants: frozenset[str]
    needs_everyone: bool
    account: bool = False

    def __or__(self, other: ManifestChange) -> ManifestChange:
        return ManifestChange(
            self.merchants | other.merchants,
            self.needs_everyone or other.needs_everyone,
            self.account or other.account,
        )


NO_CHANGE = ManifestChange(frozenset(), needs_everyone=False)


def compare_manifests(before: Fleet, after: Fleet) -> ManifestChange:
    """Who is to be looked at because of the later revision. Pure."""
    changed = frozenset(
        name
        for name, merchant in after.merchants.items()
        if name not in before.merchants or _compared_digests(merchant) != _compared_digests(before.merchants[name])
    )
    needs_everyone = bool(before.known_names - after.known_names) or before.renames != after.renames
    return ManifestChange(changed, needs_everyone, before.account_settings.digest != after.account_settings.digest)


def _compared_digests(merchant: DesiredMerchant) -> tuple[object, ...]:
    return merchant.digest, *merchant.declared_outside_digest


class ManifestWatcher:
    """`fleet` is in use. `diagnostics` are about what is on disk: none, where that is the same.

    retry_at  by the clock of the event loop, when what is broken on disk is loaded again
    """

    def __init__(
        self, root: Path, cache: Path | None = None, selector: str | None = None, commit: str | None = None
    ) -> None:
        """commit  the Git commit that the root is a checkout of

        Raises InvalidManifests, UsageError: a controller begins with manifests that are whole.
        """
        self._root, self._cache, self._selector = root, cache, selector
        self._followed_commit = commit
        # Of the folder when it was loaded, and when it was looked at last: two that differ are not loaded before the
        # folder stands still.
        self._loaded_digest = self._last_digest = tree_stat_digest(root)
        self.fleet = self._load(root, commit)
        self.diagnostics: tuple[Diagnostic, ...] = ()
        self.retry_at = 0.0
        self._retry_wait = DoublingWait(FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S)
        if self.fleet.diagnostics:
            raise InvalidManifests(self.fleet.diagnostics)

    @property
    def followed_commit(self) -> str | None:
        """The commit that is on disk, in use or broken; None for a folder."""
        return self._followed_commit

    def follow(self, root: Path, commit: str) -> None:
        """From now on another commit's checkout is what is on disk; the next look loads it. It is complete: nothing is
        still being written there."""
        self._root, self._followed_commit = root, commit
        self._loaded_digest, self._last_digest = "", tree_stat_digest(root)

    async def reload_if_changed(self) -> ManifestChange | None:
        """Looks at the disk; what is declared otherwise now, None where nothing is. A folder still being written is
        waited for."""
        root, commit, before = self._root, self._followed_commit, self._last_digest
        digest = await asyncio.to_thread(tree_stat_digest, root)
        if self._root != root:  # another commit is followed since: the next look is about that
            return None
        self._last_digest = digest
        now = asyncio.get_running_loop().time()
        is_due = digest != self._loaded_digest or (self.diagnostics and now >= self.retry_at)
        if digest != before or not is_due:
            return None
        fleet = await asyncio.to_thread(self._load_or_diagnose, root, commit)
        if await asyncio.to_thread(tree_stat_digest, root) != digest or self._root != root:
            return None
        return self._use_if_valid(fleet)

    def _load(self, root: Path, commit: str | None) -> Fleet:
        return replace(load_fleet(root, None, self._cache, selector=self._selector), commit=commit)

    def _load_or_diagnose(self, root: Path, commit: str | None) -> Fleet:
        try:
            return self._load(root, commit)
        except UsageError as error:
            why = str(error)
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
        return Fleet({}, frozenset(), (Diagnostic(str(root), 0, 0, why),), False, "")

    def _use_if_valid(self, fleet: Fleet) -> ManifestChange | None:
        if self._loaded_digest != self._last_digest:
            self._retry_wait.reset()
        self._loaded_digest, self.diagnostics = self._last_digest, fleet.diagnostics
        if fleet.diagnostics:
            self.retry_at = asyncio.get_running_loop().time() + self._retry_wait.take_next_s()
            return None
        before, self.fleet = self.fleet, fleet
        return compare_manifests(before, fleet) if fleet.revision != before.revision else None
