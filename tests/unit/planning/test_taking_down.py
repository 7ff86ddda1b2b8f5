"""The manifest is gone: configuration off, then unlink, then delete, as far as its last policy went."""

from __future__ import annotations

import pytest

from controller.model.merchant import Deletion, LinkState
from controller.model.observed import Company, Observed, Unread
from controller.model.plan import State
from tests import build
from tests.build import classes, codes, kinds

DANGLES = build.configuration({"configuration": {"fees": {"feesSupplier": {"selectedSupplierId": "gone"}}}})


def gone(deletion, **more):
    return build.wanted(retired=deletion, **more)


@pytest.mark.parametrize(
    ("deletion", "expected"),
    [
        (Deletion.RETAIN, []),
        (Deletion.DISABLE, ["set-configuration"]),
        (Deletion.UNLINK, ["set-configuration", "unlink-connection"]),
        (Deletion.DELETE, ["set-configuration", "unlink-connection", "delete-company"]),
    ],
)
def test_each_policy_includes_the_ones_before(deletion, expected):
    plan = build.plan(gone(deletion))
    assert kinds(plan) == expected
    assert plan.retires == (deletion is not Deletion.RETAIN)


def test_each_step_counts_in_its_own_class():
    assert classes(build.plan(gone(Deletion.DELETE))) == ["disable", "unlink", "delete"]


def test_what_is_down_already_is_not_taken_down_again():
    off = build.observed(build.configuration({"enabled": False}))
    assert kinds(build.plan(gone(Deletion.DISABLE), off)) == []
    assert kinds(build.plan(gone(Deletion.UNLINK), Observed(build.connected("Unlinked")))) == []
    assert kinds(build.plan(gone(Deletion.DELETE), Observed(build.connected("Unlinked")))) == ["delete-company"]


def test_a_company_that_is_gone_needs_nothing_and_is_not_missed():
    plan = build.plan(gone(Deletion.DELETE), build.NOWHERE)
    assert (plan.changes, plan.findings, plan.retires) == ((), (), True)


def test_a_tombstone_is_not_dug_up():
    plan = build.plan(gone(Deletion.DELETE), last=build.memory(retired_at=build.NOW))
    assert (plan.changes, plan.findings) == ((), ())


def test_a_company_that_was_never_ours_is_not_taken_down_for_its_name():
    plan = build.plan(gone(Deletion.DELETE), last=build.NOTHING)
    assert plan.changes == ()
    assert not plan.adopts


def test_nothing_is_unlinked_or_deleted_while_the_configuration_could_not_be_read():
    plan = build.plan(gone(Deletion.DELETE), build.observed(Unread("503")))
    assert codes(plan) == ["unknown"]
    assert plan.changes == ()
    assert plan.state is State.UNKNOWN


def test_nothing_is_deleted_while_the_company_could_not_be_read():
    plan = build.plan(gone(Deletion.DELETE), Observed(Unread("503")))
    assert plan.changes == ()
    assert plan.state is State.UNKNOWN


def test_going_down_waits_for_no_data():
    seen = build.observed(Unread("409", failed=False), pulls={})
    plan = build.plan(gone(Deletion.UNLINK), seen)
    assert kinds(plan) == ["unlink-connection"]
    assert plan.findings == ()


def test_going_down_minds_no_wrong_books():
    plan = build.plan(gone(Deletion.DISABLE, books="Other Ltd"))
    assert kinds(plan) == ["set-configuration"]


def test_a_document_that_would_be_refused_is_unlinked_without_being_posted():
    assert kinds(build.plan(gone(Deletion.UNLINK), build.observed(DANGLES))) == ["unlink-connection"]


def test_a_document_that_would_be_refused_cannot_be_switched_off_and_leaves_no_tombstone_silently():
    plan = build.plan(gone(Deletion.DISABLE), build.observed(DANGLES))
    assert codes(plan) == ["mapping-invalid"]
    assert plan.state is State.BLOCKED


@pytest.mark.parametrize("wish", [gone(Deletion.UNLINK), build.wanted(link_state=LinkState.UNLINKED)])
def test_a_missing_commerce_connection_does_not_keep_the_accounting_one_linked(wish):
    _, accounting = build.company().connections
    plan = build.plan(wish, Observed(Company("company-1", "acme-coffee", (accounting,))))
    assert kinds(plan) == ["unlink-connection"]


def test_a_rename_is_not_put_right_on_the_way_down():
    plan = build.plan(gone(Deletion.DISABLE), build.observed(company=build.company({"name": "Other"})))
    assert kinds(plan) == ["set-configuration"]
