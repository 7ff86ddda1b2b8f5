"""The newest manifests that are whole. While those on disk are not, the revision before them stays in use.

a change on disk ─ still being written? look again ─ settled ─ sound ──▶ the new revision
                                                            └─ broken ─▶ the old one, and why
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from controller.desired.files import marks
from controller.desired.fleet import load
from controller.model.errors import InvalidManifests, UsageError
from controller.model.merchant import Complaint, Fleet


class Revisions:
    """`fleet` is in use. `complaints` are about what is on disk: none, where that is the same."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        """Raises InvalidManifests, UsageError: a controller begins with manifests that are whole."""
        self._root, self._cache = root, cache
        self._marks = self._glimpsed = marks(root)
        self.fleet = load(root, None, cache)
        self.complaints: tuple[Complaint, ...] = ()
        if self.fleet.complaints:
            raise InvalidManifests(self.fleet.complaints)

    async def renewed(self) -> bool:
        """Looks at the disk; True when other merchants are declared now. A folder still being written is waited for."""
        before, self._glimpsed = self._glimpsed, await asyncio.to_thread(marks, self._root)
        if self._glimpsed == self._marks or self._glimpsed != before:
            return False
        fleet = await asyncio.to_thread(self._load)
        return await asyncio.to_thread(marks, self._root) == self._glimpsed and self._take(fleet)

    def _load(self) -> Fleet:
        try:
            return load(self._root, None, self._cache)
        except UsageError as error:
            return Fleet({}, frozenset(), (Complaint(str(self._root), 0, 0, str(error)),), False, "")

    def _take(self, fleet: Fleet) -> bool:
        self._marks, self.complaints = self._glimpsed, fleet.complaints
        if fleet.complaints:
            return False
        moved, self.fleet = fleet.digest != self.fleet.digest, fleet
        return moved
