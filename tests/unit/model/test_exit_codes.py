"""Exit codes, as a table: what happened, and the code that a script sees."""

from __future__ import annotations

import pytest

from controller.model.desired import Diagnostic
from controller.model.drift import is_drift
from controller.model.exit_codes import exit_code
from controller.model.plan import Actor, Direction, PlanStatus
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    FleetReport,
    LimitExceeded,
    Refusal,
    Skipped,
    Unchanged,
)
from tests.unit.reporting.fleets import changing, finding, fleet, merchant, report, waiting

SYNCED = fleet(merchant())
CHANGING = fleet(changing())
WAITING = fleet(waiting())
BLOCKED = fleet(merchant(status=PlanStatus.BLOCKED, findings=(finding("account-unresolved", actor=Actor.OPERATOR),)))
UNKNOWN = fleet(merchant(status=PlanStatus.UNKNOWN))
UNREAD = fleet(merchant(findings=(finding("unknown", actor=Actor.NOBODY),)))
INCOMPLETE = fleet(merchant(), is_complete=False)
REFUSAL = Refusal((LimitExceeded("delete", 1, 0, "--allow delete"),))
REFUSED = fleet(changing(), refusal=REFUSAL)
BROKEN = fleet(merchant(), diagnostics=(Diagnostic("a.yaml", 1, 1, "x"),), is_complete=False)
DRIFTED = fleet(merchant(status=PlanStatus.CHANGE, findings=(finding(direction=Direction.DRIFT),)))
EVERYTHING = fleet(
    changing("a"), merchant("b", PlanStatus.BLOCKED), merchant("c", PlanStatus.UNKNOWN), is_complete=False
)


@pytest.mark.parametrize(
    ("verb", "result", "detailed", "code"),
    [
        ("plan", SYNCED, True, 0),
        ("plan", CHANGING, False, 0),
        ("plan", CHANGING, True, 2),
        ("plan", BLOCKED, False, 0),
        ("plan", BLOCKED, True, 2),
        ("plan", WAITING, True, 0),
        ("plan", UNKNOWN, True, 5),
        ("plan", UNREAD, False, 5),
        ("plan", INCOMPLETE, False, 5),
        ("plan", REFUSED, False, 0),
        ("plan", REFUSED, True, 2),
        ("plan", EVERYTHING, True, 5),
        ("plan", BROKEN, True, 65),
        ("drift", SYNCED, False, 0),
        ("drift", DRIFTED, False, 2),
        ("drift", WAITING, False, 0),
        ("drift", BLOCKED, False, 0),
        ("drift", CHANGING, False, 0),
        ("drift", UNKNOWN, False, 5),
        ("drift", BROKEN, False, 65),
        ("drift", fleet(merchant(), unmanaged_names=("x",)), False, 0),
        ("status", BLOCKED, False, 0),
        ("status", DRIFTED, False, 0),
        ("status", UNKNOWN, False, 5),
        ("apply", SYNCED, False, 0),
        ("apply", WAITING, False, 0),
        ("apply", BLOCKED, False, 3),
        ("apply", REFUSED, False, 4),
        ("apply", CHANGING, False, 1),
        ("apply", UNKNOWN, False, 5),
        ("apply", report(SYNCED, {"acme": Unchanged()}), False, 0),
        ("apply", report(CHANGING, {"acme": Applied(1)}), False, 0),
        ("apply", report(WAITING, {"acme": Unchanged()}), False, 0),
        ("apply", report(BLOCKED, {"acme": Unchanged()}), False, 3),
        ("apply", report(CHANGING, {"acme": Failed("no", retryable=True)}), False, 3),
        ("apply", report(CHANGING, {"acme": ChangedSincePlan("enabled")}), False, 3),
        ("apply", report(CHANGING, {"acme": Skipped("paused")}), False, 3),
        ("apply", report(CHANGING, {"acme": Applied(1, (finding(actor=Actor.OPERATOR),))}), False, 3),
        ("apply", report(CHANGING, {"acme": Applied(1, (finding(actor=Actor.MERCHANT),))}), False, 0),
        ("apply", report(CHANGING, {"acme": Applied(1)}, stop_reason="the daily quota is used up"), False, 3),
        ("apply", report(UNKNOWN, {"acme": Failed("no", retryable=True)}), False, 5),
        ("apply", report(CHANGING, {"acme": Applied(1)}, signal=2), False, 130),
        ("apply", report(UNKNOWN, {"acme": Failed("no", retryable=True)}, signal=15), False, 143),
    ],
)
def test_the_first_that_holds_is_the_exit_code(
    verb: str, result: FleetPlan | FleetReport, detailed: bool, code: int
) -> None:
    assert exit_code(verb, result, detailed) == code


def test_a_merchant_that_could_only_partly_be_mended_is_blocked() -> None:
    partly = merchant(status=PlanStatus.CHANGE, changes=changing().changes, findings=(finding(actor=Actor.OPERATOR),))
    assert exit_code("apply", report(fleet(partly), {"acme": Applied(1)})) == 3


@pytest.mark.parametrize("direction", [Direction.DRIFT, Direction.CONFLICT])
def test_whatever_moved_live_is_drift(direction: Direction) -> None:
    assert is_drift(finding("schedule-changed", direction=direction))


@pytest.mark.parametrize(
    "code",
    [
        "company-missing",
        "company-renamed",
        "connection-unlinked",
        "connection-deauthorized",
        "connection-deleted",
        "account-deleted",
        "account-archived",
        "tax-rate-deleted",
        "customer-archived",
        "supplier-recreated",
    ],
)
def test_what_was_severed_or_dangles_is_drift_by_its_name(code: str) -> None:
    assert is_drift(finding(code))


@pytest.mark.parametrize(
    "code",
    [
        "connection-pending",
        "connection-missing",
        "company-unmanaged",
        "account-unresolved",
        "account-ambiguous",
        "not-configured",
        "mapping-invalid",
        "data-stale",
        "unknown",
    ],
)
def test_what_waits_or_was_never_there_is_not_drift(code: str) -> None:
    assert not is_drift(finding(code))


@pytest.mark.parametrize("code", ["mapping-changed", "schedule-changed", "sync-enabled", "company-renamed"])
def test_a_change_that_the_manifest_asks_for_is_not_drift(code: str) -> None:
    assert not is_drift(finding(code, direction=Direction.PENDING))
