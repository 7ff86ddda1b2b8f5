"""What people read on a terminal."""

from __future__ import annotations

from dataclasses import replace

from controller.model.field_values import Option, Ref, Value
from controller.model.plan import Change, ChangeKind, Condition, ConditionStatus, Direction, PlanStatus
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    LimitExceeded,
    Outcome,
    Refusal,
    Skipped,
    Unchanged,
)
from controller.reporting.as_json import plan_json
from controller.reporting.formatting import align_columns, clean, format_value
from controller.reporting.html import plan_html
from controller.reporting.markdown import plan_markdown
from controller.reporting.paint import WITHOUT_COLOUR, Paint
from controller.reporting.text import apply_text, merchants_with_destruction, not_applied_text, plan_summary, plan_text
from controller.reporting.text_drift_and_status import drift_text, merchant_detail_text, status_text
from tests.unit.reporting.fleets import NOW, changing, finding, fleet, merchant, report, waiting

REFUSAL = Refusal((LimitExceeded("unlink", 7, 1, "--allow unlink", tuple(f"m-{i}" for i in range(7))),))


def test_a_plan_shows_each_field_with_both_values_and_who_moved() -> None:
    assert plan_text(fleet(changing(), merchant("bolt"))).splitlines() == [
        "acme  change",
        "  ~ set the configuration  (remap)",
        "      mapping.sales.accounts.gratuity  Tips (610)  ->  Tips payable (820)  changed outside merchantctl",
        "",
        "Plan: 1 to change, 1 in sync. 1 write and 3 reads, under a minute.",
    ]


def test_a_finding_shows_cause_remedy_and_link() -> None:
    assert plan_text(fleet(waiting())).splitlines()[:5] == [
        "acme  waiting",
        "  ! connection-pending",
        "      someone changed it",
        "      > merchantctl apply",
        "      https://link.example/x",
    ]


def test_a_merchant_that_waits_says_how_many_fields_it_gets_later_and_in_depth_and_in_every_document_which() -> None:
    later: dict[str, Value | Ref] = {"enabled": True, "mapping.sales.accounts.sales": Ref("code", "200")}
    plan = fleet(replace(waiting(), later_values=later), replace(waiting("bob"), later_values=later))
    assert "later: 2 fields, once the books are linked and read  (merchantctl -v plan names them)" in plan_text(plan)
    assert "mapping.sales.accounts.sales" not in plan_text(plan)
    in_depth = plan_text(plan, in_depth=True)
    assert "mapping.sales.accounts.sales  ->  code 200" in in_depth
    assert "names them" not in in_depth
    assert plan_json(plan)["merchants"][0]["later"] == [
        {"field": "enabled", "wanted": True},
        {"field": "mapping.sales.accounts.sales", "wanted": {"id": None, "code": "200", "name": None}},
    ]
    assert "once the books are linked and read — 2 merchants" in plan_markdown(plan)
    assert "| mapping.sales.accounts.sales | code 200 |" in plan_markdown(plan)
    assert "code 200" in plan_html(plan)


def test_a_refusal_names_count_limit_and_the_flag_that_lifts_it() -> None:
    text = plan_text(fleet(changing(), refusal=REFUSAL))
    assert "  unlink: 7, and the limit is 1. To allow it: --allow unlink" in text
    assert "m-0, m-1, m-2, m-3, m-4 and 2 more" in text


def test_what_could_not_be_read_is_said() -> None:
    assert "Not everything was read: page 2 failed" in plan_text(
        fleet(is_complete=False, unread_reasons=("page 2 failed",))
    )
    assert "Not everything was read." in plan_text(fleet(is_complete=False))


def test_notes_for_the_whole_fleet_are_shown() -> None:
    assert "Note: the data is 3 days old" in plan_text(fleet(notes=("the data is 3 days old",)))


def test_a_report_names_what_went_wrong_and_counts_the_rest() -> None:
    plan = fleet(*(changing(name) for name in "abcd"), merchant("e"))
    outcomes: dict[str, Outcome] = {
        "a": Applied(1),
        "b": Failed("the key is wrong", retryable=False, writes=1),
        "c": ChangedSincePlan("enabled"),
        "d": Skipped("stopped"),
        "e": Unchanged(),
    }
    lines = apply_text(report(plan, outcomes, stop_reason="too many failures", resume_at=NOW)).splitlines()
    assert lines == [
        "b  failed  the key is wrong  (trying again will not help until something changes)",
        "c  moved  somebody else moved it since the plan was made, so it was not written over: enabled. Plan again.",
        "d  skipped  stopped",
        "Ended early: too many failures",
        "Writes may go on after 2026-11-22 06:00 UTC.",
        "Apply: 1 done, 1 failed, 1 moved, 1 skipped, 1 in sync; 2 writes.",
    ]


def test_a_report_lists_the_links_to_send_to_the_merchants_whose_connections_are_new() -> None:
    link = waiting("bolt").findings
    outcomes = {"acme": Applied(2, waiting().findings), "bolt": Applied(2, link)}
    lines = apply_text(report(fleet(changing(), changing("bolt")), outcomes)).splitlines()
    assert lines == [
        "Send each merchant its link, to give consent:",
        "  acme",
        "  https://link.example/x",
        "  bolt",
        "  https://link.example/x",
        "",
        "Apply: 2 done; 4 writes.",
    ]


def test_a_report_of_a_plan_that_nobody_was_asked_about_shows_why_nothing_was_done() -> None:
    assert "connection-pending" in apply_text(report(fleet(waiting()), {"acme": Unchanged()}))


def test_a_declined_plan_is_not_shown_twice() -> None:
    assert not_applied_text(fleet(changing())) == "Nothing was done."


def test_a_refused_plan_is_shown_with_the_refusal() -> None:
    assert "Refused by a safety limit" in not_applied_text(fleet(changing(), refusal=REFUSAL))


def test_a_drift_report_ends_with_numbers_by_code() -> None:
    found = finding(direction=Direction.DRIFT, since=NOW)
    lines = drift_text(fleet(merchant(findings=(found,)), merchant("bolt"))).splitlines()
    assert lines[:2] == ["acme", "  ! mapping-changed  changed outside merchantctl  since 2026-11-22 06:00 UTC"]
    assert lines[-2:] == ["  mapping-changed  1", "Drift: 1 of 2 merchants."]


def test_unmanaged_companies_are_one_line_until_they_are_asked_for() -> None:
    plan = fleet(merchant(), unmanaged_names=("x", "y"))
    assert "company-unmanaged: 2 companies that no manifest claims; --unmanaged lists them" in drift_text(plan)
    assert "  x\n  y" in drift_text(plan, unmanaged=True)


def test_status_says_for_what_each_merchant_waits() -> None:
    lines = status_text(fleet(waiting())).splitlines()
    assert lines[1].split() == ["acme", "waiting", "Unknown", "AccountingConnected:", "connection-pending"]


def test_one_merchant_in_depth_shows_conditions_in_their_order() -> None:
    lines = merchant_detail_text(waiting(), WITHOUT_COLOUR, NOW).splitlines()
    assert lines[:3] == [
        "acme  waiting",
        "  CompanyReady         True",
        "  AccountingConnected  False  2026-11-22 06:00 UTC  connection-pending",
    ]


def test_colour_is_put_on_and_left_out() -> None:
    assert "\x1b[" in plan_text(fleet(changing()), Paint(colour=True))
    assert "\x1b[" not in plan_text(fleet(changing(), waiting("bolt")))


def test_a_name_from_a_stranger_cannot_steer_the_terminal() -> None:
    evil = replace(finding(), live=Option("a", "\x1b[2JTips\n! fake"), cause="a\x1b]0;x\x07b")
    text = plan_text(fleet(merchant("acme", PlanStatus.BLOCKED, findings=(evil,))))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\n! fake" not in text


def test_values_are_told_in_words() -> None:
    assert format_value(None, "enabled") == "(unset)"
    assert format_value(True, "enabled") == "true"
    assert format_value(NOW, "schedule.startDate") == "2026-11-22 06:00 UTC"
    assert format_value(9, "schedule.time") == "09:00 UTC"
    assert format_value("18:30 UTC", "schedule.time") == "18:30 UTC"
    assert format_value(("Location", "Item"), None) == "[Location, Item]"
    assert format_value(Option("id-1"), None) == "id-1"
    assert format_value(Ref("code", "200"), None) == "code 200"
    assert clean("a\tb") == "a\\tb"


def test_colour_takes_no_room_in_columns() -> None:
    red = Paint(colour=True)("bad", "ab")
    assert align_columns([(red, "x"), ("abcd", "y")], "") == [f"{red}    x", "abcd  y"]


def test_who_is_in_sync_and_not_ready_waits_for_nothing_and_the_reason_is_told() -> None:
    unlinked = Condition("AccountingConnected", ConditionStatus.TRUE, "unlinked, as wanted")
    ready = Condition("Ready", ConditionStatus.FALSE, "DataReady")
    off = merchant("off", conditions=(unlinked, Condition("DataReady", ConditionStatus.UNKNOWN, "not asked"), ready))
    assert status_text(fleet(off)).splitlines()[1].split(maxsplit=3) == [
        "off",
        "in-sync",
        "False",
        "nothing: unlinked, as wanted",
    ]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert align_columns([("a", "bb"), ("ccc", "d")], "  ") == ["  a    bb", "  ccc  d"]
    assert align_columns([], "  ") == []


def test_a_plan_counts_who_is_added_changed_and_destroyed_and_names_those_whose_things_go() -> None:
    kinds = {"new": ChangeKind.CREATE_COMPANY, "old": ChangeKind.DELETE_COMPANY, "off": ChangeKind.UNLINK_CONNECTION}
    plans = [replace(changing(name), changes=(Change(kind, ()),)) for name, kind in kinds.items()]
    plan = fleet(*plans, changing("acme"), merchant("bolt"))
    assert plan_summary(plan).startswith("1 to add, 1 to change, 2 to destroy, 1 in sync. ")
    assert merchants_with_destruction(plan) == ["old", "off"]


def test_a_platform_is_called_as_manifests_call_it() -> None:
    assert format_value("gbol", "connection.platform") == "xero"
    assert format_value("zzzz", "connection.platform") == "zzzz"
