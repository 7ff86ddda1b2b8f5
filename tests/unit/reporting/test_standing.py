"""How a merchant stands once a pass has ended."""

from dataclasses import replace

import pytest

from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, State
from controller.model.report import Done, Failed, Moved, Nothing, Skipped
from controller.reporting.standing import Standing, reason, standing, still_open
from tests.unit.reporting.fleets import changing, finding, merchant

APPLY, US = finding("mapping-changed", actor=Actor.APPLY), finding("account-archived", actor=Actor.US)


def test_a_configuration_that_was_written_and_read_back_stands():
    assert standing(changing(), Done(1)) is Standing.IN_SYNC


def test_what_was_created_has_a_way_to_go_yet():
    plan = merchant(state=State.CHANGE, changes=(Change(ChangeKind.CREATE_COMPANY, (ChangeClass.CREATE,)),))
    assert standing(plan, Done(1)) is Standing.DONE


def test_a_connection_that_was_made_waits_for_its_merchant():
    asked = finding("connection-pending", actor=Actor.MERCHANT)
    plan = merchant(state=State.CHANGE, changes=(Change(ChangeKind.CREATE_CONNECTION, (ChangeClass.CREATE,)),))
    assert standing(plan, Done(1, findings=(asked,))) is Standing.WAITING


def test_what_our_side_must_mend_still_blocks_after_a_write():
    assert standing(replace(changing(), findings=(APPLY, US)), Done(1)) is Standing.BLOCKED
    assert standing(changing(), Done(1, findings=(US,))) is Standing.BLOCKED


@pytest.mark.parametrize("outcome", [None, Nothing(), Moved("enabled"), Skipped("stopped")])
def test_what_was_not_written_stands_as_it_was_planned(outcome):
    assert standing(changing(), outcome) is Standing.CHANGE


def test_a_failure_is_told_with_its_reason():
    assert standing(changing(), Failed("400: no", False)) is Standing.FAILED
    assert [reason(each) for each in (Failed("400: no", False), Skipped("stopped"), Done(1), None)] == [
        "400: no",
        "stopped",
        "",
        "",
    ]


def test_what_apply_was_to_mend_is_mended():
    plan = replace(changing(), findings=(APPLY, US))
    assert still_open(plan, Done(1)) == (US,)
    assert still_open(plan, Failed("no", True)) == (APPLY, US)
