"""How bad it is what a report says: of a finding and of a change to come. Pure.

critical   sales do not arrive in the books, or in the wrong ones; something is lost, or would be deleted or unlinked
warning    somebody changed live, a person has to decide, or it is not known
info       what the manifests ask for, what is waited for, what is worth knowing
"""

from __future__ import annotations

from enum import StrEnum

from controller.model.drift import is_drift_code
from controller.model.field_values import ENABLED_PATH
from controller.model.plan import Actor, Change, ChangeClass, Direction, FieldChange
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED, SYNC_OVERDUE


class Severity(StrEnum):
    """The worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst: what lists are sorted by."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}

CRITICAL_CODES = frozenset(
    {
        "company-missing",
        "company-wrong-books",
        "connection-deleted",
        "connection-deauthorized",
        "mass-loss",
        "re-create-held",
        "delete-held",
        LAST_SYNC_FAILED,
    }
)
CRITICAL_DRIFT_CODES = frozenset({"connection-unlinked", "sync-disabled"})
"""Critical where somebody else did it: where the manifest asks for it, it is what was wanted."""
CRITICAL_CLASSES = frozenset({ChangeClass.DELETE, ChangeClass.RE_CREATE, ChangeClass.UNLINK})
WARNING_CODES = frozenset({"unknown", "internal-error", "flapping", "clock-skew", "quarantined", SYNC_OVERDUE})


def finding_severity(code: str, direction: Direction | None, actor: Actor | None) -> Severity:
    """How bad a finding is. `actor`: None where it is not known, as in the history."""
    is_drift = is_drift_code(code, direction)
    if code in CRITICAL_CODES or (is_drift and code in CRITICAL_DRIFT_CODES):
        return Severity.CRITICAL
    if is_drift or code in WARNING_CODES or actor is Actor.OPERATOR:
        return Severity.WARNING
    return Severity.INFO


def change_severity(change: Change, field: FieldChange | None = None) -> Severity:
    """How bad one field of a change to come is, None for one without fields: by what it destroys, else by who moved."""
    is_switch = field is None or field.field == ENABLED_PATH
    if CRITICAL_CLASSES.intersection(change.classes) or (is_switch and ChangeClass.DISABLE in change.classes):
        return Severity.CRITICAL
    return Severity.WARNING if field and field.direction is not Direction.PENDING else Severity.INFO
