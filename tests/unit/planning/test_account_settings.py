"""Who moved a setting of the account, and what is done about it."""

from __future__ import annotations

import pytest

from controller.model.account_settings import AppliedSetting, LiveSettings
from controller.model.desired import DesiredSettings
from controller.model.field_values import SettingValue
from controller.model.plan import ChangeKind, Direction, Plan
from controller.planning.account_settings import plan_settings

NEXT, BACK = "text.en-us.configure-misc-nextButton", "text.en-us.configure-misc-previousButton"


def planned(
    declared: dict[str, SettingValue], live: dict[str, SettingValue], applied: AppliedSetting | None = None
) -> Plan:
    recorded = dict.fromkeys(declared, applied) if applied else {}
    return plan_settings(DesiredSettings(declared), LiveSettings(live), {k: v for k, v in recorded.items() if v})


@pytest.mark.parametrize(
    ("applied", "live", "direction"),
    [
        (None, "Next", Direction.DRIFT),
        (AppliedSetting("Go", "Go"), "Next", Direction.DRIFT),
        (AppliedSetting("Next", "Next"), "Next", Direction.PENDING),
        (AppliedSetting("Old", "Old"), "Next", Direction.CONFLICT),
        (AppliedSetting(None, "Next"), "Next", Direction.PENDING),
    ],
)
def test_who_moved_is_told_by_what_was_set_last(
    applied: AppliedSetting | None, live: str, direction: Direction
) -> None:
    plan = planned({NEXT: "Go"}, {NEXT: live}, applied)
    assert plan.differences == {NEXT: direction}
    assert [change.kind for change in plan.changes] == [ChangeKind.SET_FLOW_TEXT]


def test_text_counts_to_the_letter_and_rows_as_a_set_beside_those_always_shown() -> None:
    assert planned({NEXT: "go"}, {NEXT: "Go"}).changes
    rows = {"visibleAccounts": ("fees-accounts-loan", "payments-accounts-cash")}
    live = {"visibleAccounts": ("payments-accounts-cash", "sales-accounts-sales", "fees-accounts-loan")}
    assert planned(dict(rows), dict(live)).status == "in-sync"


def test_what_codat_stored_otherwise_is_told_and_not_sent_again() -> None:
    plan = planned({NEXT: "Go  on"}, {NEXT: "Go on"}, AppliedSetting("Go  on", "Go on"))
    assert (plan.changes, [each.code for each in plan.findings]) == ((), ["flow-not-kept"])


def test_a_reset_is_as_declared_while_codats_own_text_stands() -> None:
    own = AppliedSetting(None, "Next")
    assert planned({NEXT: None}, {NEXT: "Next"}, own).findings == ()
    assert planned({NEXT: None}, {NEXT: "Go"}, own).differences == {NEXT: Direction.DRIFT}


def test_a_part_that_was_not_read_leaves_the_others_to_be_done() -> None:
    desired = DesiredSettings({NEXT: "Go", "redirectUrl": "https://a"})
    plan = plan_settings(desired, LiveSettings({NEXT: "Next"}, unread={"profile": "503"}), {})
    assert [change.fields[0].field for change in plan.changes] == [NEXT]
    assert plan.has_unread
    assert plan.checked_parts == frozenset(), "nothing that was found before is over"


def test_what_codat_has_locked_is_left_alone() -> None:
    path = "dataTypes.taxRates.syncSchedule"
    plan = plan_settings(DesiredSettings({path: 24}), LiveSettings({path: 0}, frozenset({path})), {})
    assert (plan.status, plan.changes, plan.findings[0].code) == ("blocked", (), "flow-invalid")


def test_nothing_set_in_the_profile_has_many_spellings() -> None:
    assert planned({"redirectUrl": ""}, {"redirectUrl": None}).status == "in-sync"
