"""What a run is asked to do: whom, and how far it may go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from controller.model.plan import ChangeClass


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a run is about. Only a scope without path, targets and selector sees that a manifest is gone.

    targets   names or shell globs, any of which may match
    selector  kubectl's label selector
    """

    path: Path | None = None
    targets: tuple[str, ...] = ()
    selector: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """How far a run may go: classes whose limit is lifted (`shrink` among them), and a cap on all changes."""

    allow: frozenset[str] = frozenset()
    max_changes: int | None = None


ALLOWABLE = ("delete", "re-create", "shrink", "unlink", "disable", "remap", "reschedule")
"""The words of `--allow`."""

LIMITED = (
    ChangeClass.DELETE,
    ChangeClass.RE_CREATE,
    ChangeClass.UNLINK,
    ChangeClass.DISABLE,
    ChangeClass.REMAP,
    ChangeClass.RESCHEDULE,
)
