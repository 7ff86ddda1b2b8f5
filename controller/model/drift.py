"""Which findings are drift: live was changed by somebody or something other than the manifests."""

from __future__ import annotations

from controller.model.field_values import RefKind
from controller.model.plan import Direction, Finding

MOVED_REFERENCE_CODES = frozenset(
    f"{kind}-{fate}" for kind in RefKind for fate in ("deleted", "archived", "recreated", "remapped")
)
"""Findings that the books changed under a reference."""

DRIFT_CODES = MOVED_REFERENCE_CODES | {
    "company-missing",
    "company-renamed",
    "connection-unlinked",
    "connection-deauthorized",
    "connection-deleted",
}
"""Findings that are drift whatever their direction: something is gone, disconnected or another."""


def is_drift(finding: Finding) -> bool:
    """Whether a finding makes `drift` exit with 2.

    A rename that the manifest asks for, and a connection that we unlinked ourselves, are pending instead.
    """
    return is_drift_code(finding.code, finding.direction)


def is_drift_code(code: str, direction: Direction | None) -> bool:
    """`is_drift` for a finding in the history."""
    if direction in (Direction.DRIFT, Direction.CONFLICT):
        return True
    return code in DRIFT_CODES and direction is not Direction.PENDING


CAUSE_BY_DIRECTION = {
    Direction.PENDING: "the manifest moved",
    Direction.DRIFT: "live moved",
    Direction.CONFLICT: "the manifest and live both moved",
}
"""The cause of a finding of whom no more is known than who moved."""
