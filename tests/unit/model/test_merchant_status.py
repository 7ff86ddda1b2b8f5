"""A merchant's status once a pass has ended."""

from dataclasses import replace

import pytest

from controller.model.merchant_status import MerchantStatus, merchant_status, not_applied_reason, open_findings
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, PlanStatus
from controller.model.report import Applied, ChangedSincePlan, Failed, Skipped, Unchanged
from tests.unit.reporting.fleets import changing, finding, merchant

APPLY, US = finding("mapping-changed", actor=Actor.APPLY), finding("account-archived", actor=Actor.OPERATOR)


def test_a_configuration_that_was_written_and_read_back_stands() -> None:
    assert merchant_status(changing(), Applied(1)) is MerchantStatus.IN_SYNC


def test_what_was_created_has_a_way_to_go_yet() -> None:
    plan = merchant(status=PlanStatus.CHANGE, changes=(Change(ChangeKind.CREATE_COMPANY, (ChangeClass.CREATE,)),))
    assert merchant_status(plan, Applied(1)) is MerchantStatus.DONE


def test_a_connection_that_was_made_waits_for_its_merchant() -> None:
    asked = finding("connection-pending", actor=Actor.MERCHANT)
    plan = merchant(status=PlanStatus.CHANGE, changes=(Change(ChangeKind.CREATE_CONNECTION, (ChangeClass.CREATE,)),))
    assert merchant_status(plan, Applied(1, findings=(asked,))) is MerchantStatus.WAITING


def test_what_our_side_must_mend_still_blocks_after_a_write() -> None:
    assert merchant_status(replace(changing(), findings=(APPLY, US)), Applied(1)) is MerchantStatus.BLOCKED
    assert merchant_status(changing(), Applied(1, findings=(US,))) is MerchantStatus.BLOCKED


@pytest.mark.parametrize("outcome", [None, Unchanged(), ChangedSincePlan("enabled"), Skipped("stopped")])
def test_what_was_not_written_stands_as_it_was_planned(outcome: ChangedSincePlan | Skipped | Unchanged | None) -> None:
    assert merchant_status(changing(), outcome) is MerchantStatus.CHANGE


def test_a_failure_is_told_with_its_reason() -> None:
    assert merchant_status(changing(), Failed("400: no", False)) is MerchantStatus.FAILED
    assert [not_applied_reason(each) for each in (Failed("400: no", False), Skipped("stopped"), Applied(1), None)] == [
        "400: no",
        "stopped",
        "",
        "",
    ]


def test_what_apply_was_to_mend_is_mended() -> None:
    plan = replace(changing(), findings=(APPLY, US))
    assert open_findings(plan, Applied(1)) == (US,)
    assert open_findings(plan, Failed("no", True)) == (APPLY, US)
