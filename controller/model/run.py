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
    names     exactly these merchants, as far as they are declared; None = whoever the others leave
    """

    path: Path | None = None
    targets: tuple[str, ...] = ()
    selector: str | None = None
    names: frozenset[str] | None = None

    @property
    def everyone(self) -> bool:
        return self.names is None and not (self.path or self.targets or self.selector)


@dataclass(frozen=True, slots=True)
class Leave:
    """How far a run may go.

    allow        classes whose limit is lifted, `shrink` among them
    max_changes  a cap on all changes
    unattended   nobody asked for this very run: the limits cover the last 24 hours, and whoever failed for now
                 is left alone for a while
    rollout      it is a rollout's own run: whom rollouts hold is no obstacle
    """

    allow: frozenset[str] = frozenset()
    max_changes: int | None = None
    unattended: bool = False
    rollout: bool = False


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
