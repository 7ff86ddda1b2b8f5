"""The manifest is gone: configuration off, then unlink, then delete, as far as its last policy went."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model.desired import DeletionPolicy, DesiredMerchant, LinkState
from controller.model.observed import Company, Observed, Unread
from controller.model.plan import PlanStatus
from tests import build
from tests.build import change_classes, change_kinds, finding_codes

DANGLES = build.usual_configuration({"configuration": {"fees": {"feesSupplier": {"selectedSupplierId": "gone"}}}})


def gone(deletion: DeletionPolicy, **more: Any) -> DesiredMerchant:
    return build.desired_merchant(removal=deletion, **more)


@pytest.mark.parametrize(
    ("deletion", "expected"),
    [
        (DeletionPolicy.RETAIN, []),
        (DeletionPolicy.DISABLE, ["set-configuration"]),
        (DeletionPolicy.UNLINK, ["set-configuration", "unlink-connection"]),
        (DeletionPolicy.DELETE, ["set-configuration", "unlink-connection", "delete-company"]),
    ],
)
def test_each_policy_includes_the_ones_before(deletion: DeletionPolicy, expected: list[str]) -> None:
    plan = build.make_usual_plan(gone(deletion))
    assert change_kinds(plan) == expected
    assert plan.is_removal == (deletion is not DeletionPolicy.RETAIN)


def test_each_step_counts_in_its_own_class() -> None:
    assert change_classes(build.make_usual_plan(gone(DeletionPolicy.DELETE))) == ["disable", "unlink", "delete"]


def test_what_is_down_already_is_not_taken_down_again() -> None:
    off = build.observed(build.usual_configuration({"enabled": False}))
    assert change_kinds(build.make_usual_plan(gone(DeletionPolicy.DISABLE), off)) == []
    assert (
        change_kinds(
            build.make_usual_plan(gone(DeletionPolicy.UNLINK), Observed(build.company_with_connection("Unlinked")))
        )
        == []
    )
    assert change_kinds(
        build.make_usual_plan(gone(DeletionPolicy.DELETE), Observed(build.company_with_connection("Unlinked")))
    ) == ["delete-company"]


def test_a_company_that_is_gone_needs_nothing_and_is_not_missed() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DELETE), build.COMPANY_ABSENT)
    assert (plan.changes, plan.findings, plan.is_removal) == ((), (), True)


def test_a_tombstone_is_not_dug_up() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DELETE), last=build.recorded_state(removed_at=build.USUAL_NOW))
    assert (plan.changes, plan.findings) == ((), ())


def test_a_company_that_was_never_ours_is_not_taken_down_for_its_name() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DELETE), last=build.NOTHING_RECORDED)
    assert plan.changes == ()
    assert not plan.adopts


def test_nothing_is_unlinked_or_deleted_while_the_configuration_could_not_be_read() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DELETE), build.observed(Unread("503")))
    assert finding_codes(plan) == ["unknown"]
    assert plan.changes == ()
    assert plan.status is PlanStatus.UNKNOWN


def test_nothing_is_deleted_while_the_company_could_not_be_read() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DELETE), Observed(Unread("503")))
    assert plan.changes == ()
    assert plan.status is PlanStatus.UNKNOWN


def test_going_down_waits_for_no_data() -> None:
    seen = build.observed(Unread("409", failed=False), data_status={})
    plan = build.make_usual_plan(gone(DeletionPolicy.UNLINK), seen)
    assert change_kinds(plan) == ["unlink-connection"]
    assert plan.findings == ()


def test_who_was_configured_is_not_taken_for_switched_off_while_its_data_is_read_anew() -> None:
    """What stands in a document that Codat does not give out may be on: a tombstone would leave it on for good."""
    seen = build.observed(Unread("409", failed=False), data_status={})
    was_configured = build.recorded_state(last_configured_at=build.USUAL_NOW)
    plan = build.make_usual_plan(gone(DeletionPolicy.DISABLE), seen, last=was_configured)
    assert (plan.status, plan.changes) == (PlanStatus.UNKNOWN, ())


def test_who_was_never_configured_goes_down_without_data() -> None:
    seen = build.observed(Unread("409", failed=False), data_status={})
    plan = build.make_usual_plan(gone(DeletionPolicy.DISABLE), seen, last=build.recorded_state(last_configured_at=None))
    assert (plan.status, plan.findings, plan.changes) == (PlanStatus.IN_SYNC, (), ())


def test_who_cannot_synchronise_goes_down_without_its_document_being_read() -> None:
    _, accounting = build.usual_company().connections
    was_configured = build.recorded_state(last_configured_at=build.USUAL_NOW)
    seen = Observed(Company("company-1", "acme-coffee", (accounting,)))
    plan = build.make_usual_plan(gone(DeletionPolicy.DISABLE), seen, last=was_configured)
    assert plan.status is not PlanStatus.UNKNOWN


def test_going_down_minds_no_wrong_books() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DISABLE, books="Other Ltd"))
    assert change_kinds(plan) == ["set-configuration"]


def test_a_document_that_would_be_refused_is_unlinked_without_being_posted() -> None:
    assert change_kinds(build.make_usual_plan(gone(DeletionPolicy.UNLINK), build.observed(DANGLES))) == [
        "unlink-connection"
    ]


def test_a_document_that_would_be_refused_cannot_be_switched_off_and_leaves_no_tombstone_silently() -> None:
    plan = build.make_usual_plan(gone(DeletionPolicy.DISABLE), build.observed(DANGLES))
    assert finding_codes(plan) == ["mapping-invalid"]
    assert plan.status is PlanStatus.BLOCKED


@pytest.mark.parametrize("wish", [gone(DeletionPolicy.UNLINK), build.desired_merchant(link_state=LinkState.UNLINKED)])
def test_a_missing_commerce_connection_does_not_keep_the_accounting_one_linked(wish: DesiredMerchant) -> None:
    _, accounting = build.usual_company().connections
    plan = build.make_usual_plan(wish, Observed(Company("company-1", "acme-coffee", (accounting,))))
    assert change_kinds(plan) == ["unlink-connection"]


def test_a_rename_is_not_put_right_on_the_way_down() -> None:
    plan = build.make_usual_plan(
        gone(DeletionPolicy.DISABLE), build.observed(company=build.usual_company({"name": "Other"}))
    )
    assert change_kinds(plan) == ["set-configuration"]
