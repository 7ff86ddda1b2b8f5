"""Which reads each finding rests on: it is over only once a pass that made them does not find it again. Pure.

a pass     ─▶ Plan.checked_parts   what it could check of the merchant, step by step
a finding  ─▶ EVIDENCE_BY_CODE     what must have been checked before its absence means anything
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from controller.model.drift import MOVED_REFERENCE_CODES
from controller.model.field_values import RefKind
from controller.model.holds import CLOSED_WORDS
from controller.model.plan import CheckedPart, Plan
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED, MANUAL_SYNC, SYNC_OVERDUE

_COMPANY, _NAMES = frozenset({CheckedPart.COMPANY}), frozenset({CheckedPart.COMPANY, CheckedPart.NAMES})
_COMMERCE, _CONNECTION = frozenset({CheckedPart.COMMERCE_CONNECTION}), frozenset({CheckedPart.ACCOUNTING_CONNECTION})
_DATA, _PULLS = frozenset({CheckedPart.REFERENCE_DATA}), frozenset({CheckedPart.PULLS})
_BOOKS, _MAPPING = frozenset({CheckedPart.BOOKS}), frozenset({CheckedPart.MAPPING})
_SYNC, _EVERYTHING = frozenset({CheckedPart.SYNC}), frozenset({CheckedPart.EVERYTHING})
_OF_THE_ACCOUNT = frozenset({CheckedPart.ACCOUNT})

EVIDENCE_BY_CODE: Mapping[str, frozenset[CheckedPart]] = {
    **dict.fromkeys(("company-missing", "company-renamed", "company-unmanaged"), _COMPANY),
    "company-duplicate": _NAMES,
    "company-similar": _NAMES,
    **dict.fromkeys(("commerce-connection-missing", "commerce-connection-unlinked"), _COMMERCE),
    **dict.fromkeys(
        (
            "connection-missing",
            "connection-deleted",
            "connection-pending",
            "connection-unlinked",
            "connection-deauthorized",
            "connection-wrong-platform",
            "connection-duplicate",
            "connection-error",
            "replaced-already",
        ),
        _CONNECTION,
    ),
    "data-not-pulled": _DATA,
    "data-stale": frozenset({CheckedPart.DATA_AGE}),
    "data-pull-failed": _PULLS,
    "company-wrong-books": _BOOKS,
    **dict.fromkeys(sorted(MOVED_REFERENCE_CODES), _MAPPING),
    **{f"{kind}-{problem}": _MAPPING for kind in RefKind for problem in ("unresolved", "ambiguous")},
    **dict.fromkeys(
        (
            "mapping-changed",
            "mapping-invalid",
            "schedule-changed",
            "sync-disabled",
            "sync-enabled",
            "not-configured",
        ),
        _MAPPING,
    ),
    **dict.fromkeys((LAST_SYNC_FAILED, SYNC_OVERDUE), _SYNC),
    **dict.fromkeys(("flow-changed", "flow-invalid", "flow-not-kept"), _OF_THE_ACCOUNT),
    **dict.fromkeys(("rule-missing", "rule-changed", "rule-pending"), _OF_THE_ACCOUNT),
    **dict.fromkeys(("consumer-missing", "consumer-changed", "consumer-pending", "consumer-replaced"), _OF_THE_ACCOUNT),
    "consumer-unproven": _OF_THE_ACCOUNT,
    **dict.fromkeys((*CLOSED_WORDS, "ignored", MANUAL_SYNC), frozenset()),  # the manifest says it, or the state
    # These depend on all changes of the plan, or on all that was read of the merchant.
    **dict.fromkeys(
        (
            "mass-loss",
            "merchant-renamed",
            "renamed-already",
            "rename-unclear",
            "clock-skew",
            "rollout-held",
            "quarantined",
            "flapping",
            "internal-error",
            "unknown",
            "re-create-held",
            "delete-held",
            "create-record-held",
            "unlink-held",
            "disable-held",
            "enable-held",
            "remap-held",
            "reschedule-held",
        ),
        _EVERYTHING,
    ),
}
"""Every code that a finding of a plan can have."""


NOT_IGNORABLE = frozenset(
    {
        "company-missing",
        "connection-deleted",
        "replaced-already",
        "mapping-invalid",
        *CLOSED_WORDS,
        "ignored",
        MANUAL_SYNC,
    }
    | {f"{kind}-remapped" for kind in RefKind}
    | {code for code, evidence in EVIDENCE_BY_CODE.items() if evidence in (_EVERYTHING, _OF_THE_ACCOUNT)}
)
"""Codes that `policy.ignore` never hides: something is gone, nothing is known, Codat would refuse the document, or
changes are held. Whatever rests on everything is of that kind; and no merchant has what is about the account."""

IGNORABLE = tuple(sorted(EVIDENCE_BY_CODE.keys() - NOT_IGNORABLE))


class Ended(StrEnum):
    """How a finding ended."""

    MENDED = "mended"
    SOMEBODY = "somebody"
    MANIFEST = "manifest"
    LEFT = "left"
    PASSED = "passed"


ENDED_WORDS: Mapping[str, str] = {
    Ended.MENDED: "put right",
    Ended.SOMEBODY: "put right by somebody else",
    Ended.MANIFEST: "the manifest changed",
    Ended.LEFT: "the merchant left",
    Ended.PASSED: "it passed",
}
"""The same in words, for people."""

_CHANGED_BY_PEOPLE = _COMPANY | _NAMES | _COMMERCE | _CONNECTION | _BOOKS | _MAPPING | _OF_THE_ACCOUNT


def classify_ending(code: str, *, written: bool, manifest_changed: bool) -> Ended:
    """How a finding ended that a pass does not show any more.

    written           a run of ours wrote what should end it
    manifest_changed  what the manifest declares there is otherwise, or is ignored now
    """
    if written:
        return Ended.MENDED
    if manifest_changed:
        return Ended.MANIFEST
    return Ended.SOMEBODY if EVIDENCE_BY_CODE.get(code, _EVERYTHING) & _CHANGED_BY_PEOPLE else Ended.PASSED


class FindingAbsence(StrEnum):
    """What it means that a pass does not show a finding which was open."""

    CLOSED = "gone"
    NOT_CHECKED = "unseen"


def classify_absence(code: str, field: str, plan: Plan) -> FindingAbsence:
    """Whether this pass would have shown it. A field whose record was not read tells nothing of that field.

    A code that is not in EVIDENCE_BY_CODE rests on everything.
    """
    unread = {finding.field for finding in plan.findings if finding.code == "unknown" and finding.field}
    was_checked = EVIDENCE_BY_CODE.get(code, _EVERYTHING) <= plan.checked_parts and not (field and field in unread)
    return FindingAbsence.CLOSED if was_checked else FindingAbsence.NOT_CHECKED
