"""The newest manifests that are whole. While those on disk are not, the revision before them stays in use.

a change on disk ─ still being written? look again ─ settled ─ sound ──▶ the new revision
                                                            └─ broken ─▶ the old one, and why
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from controller.desired.discovery import tree_digest
from controller.desired.loader import load_fleet
from controller.model.desired import Diagnostic, Fleet
from controller.model.errors import InvalidManifests, UsageError


class ManifestWatcher:
    """`fleet` is in use. `complaints` are about what is on disk: none, where that is the same."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        """Raises InvalidManifests, UsageError: a controller begins with manifests that are whole."""
        self._root, self._cache = root, cache
        self._marks = self._glimpsed = tree_digest(root)
        self.fleet = load_fleet(root, None, cache)
        self.diagnostics: tuple[Diagnostic, ...] = ()
        if self.fleet.diagnostics:
            raise InvalidManifests(self.fleet.diagnostics)

    async def reload_if_changed(self) -> bool:
        """Looks at the disk; True when other merchants are declared now. A folder still being written is waited for."""
        before, self._glimpsed = self._glimpsed, await asyncio.to_thread(tree_digest, self._root)
        if self._glimpsed == self._marks or self._glimpsed != before:
            return False
        fleet = await asyncio.to_thread(self._load)
        return await asyncio.to_thread(tree_digest, self._root) == self._glimpsed and self._take(fleet)

    def _load(self) -> Fleet:
        try:
            return load_fleet(self._root, None, self._cache)
        except UsageError as error:
            return Fleet({}, frozenset(), (Diagnostic(str(self._root), 0, 0, str(error)),), False, "")

    def _take(self, fleet: Fleet) -> bool:
        self._marks, self.diagnostics = self._glimpsed, fleet.diagnostics
        if fleet.diagnostics:
            return False
        moved, self.fleet = fleet.digest != self.fleet.digest, fleet
        return moved
