"""Is the mapping as declared? One POST of the whole document, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.model.desired import DesiredMerchant, DriftPolicy, MerchantPolicy
from controller.model.field_values import (
    CUSTOMER_PATH,
    LOCAL_TIME_PATH,
    START_DATE_PATH,
    SYNC_HOUR_PATH,
    LocalTime,
    Option,
    Ref,
    Value,
)
from controller.model.local_times import utc_hour
from controller.model.observed import Absent, BooksRecord, Configuration, RecordedState, Unread
from controller.model.plan import Actor, ChangeClass, Direction, Plan, PlanStatus
from controller.planning.plan import make_plan
from tests import build
from tests.build import change_classes, change_kinds, finding_codes
from tests.narrowing import expect

REPORT = MerchantPolicy(drift=DriftPolicy.REPORT)
REFUND, CARD = "mapping.sales.accounts.refund", "mapping.payments.accounts.card"
GRATUITY = "mapping.sales.accounts.gratuity"


def live(**sections: Any) -> Configuration:
    """The usual document with patches on its `sales`, `payments`, `fees`, or anything of the top level."""
    inner = {name: sections.pop(name) for name in ("sales", "payments", "fees") if name in sections}
    return build.usual_configuration({**sections, "configuration": inner})


def selecting(section: str, key: str, id_: str) -> Configuration:
    return live(**{section: {"accounts": {key: {"selectedAccountId": id_}}}})


def sent(plan: Plan) -> dict[str, Value]:
    return {field.field: field.wanted for change in plan.changes for field in change.fields}


# Drift ----------------------------------------------------------------------------------------------------


def test_ten_fields_out_cost_one_post() -> None:
    document = {
        "enabled": False,
        "schedule": {"selectedFrequency": "Monthly", "syncHourUtc": 5},
        "configuration": {
            "sales": {
                "accounts": {
                    "sales": {"selectedAccountId": "acc-returns"},
                    "refund": {"selectedAccountId": "acc-sales"},
                },
                "salesCustomer": {"selectedCustomerId": "cus-walk-in"},
                "taxRates": {"20": {"selectedTaxRateId": "ZERORATEDOUTPUT"}},
                "grouping": {"groupingLevels": {"invoiceLevel": {"selectedGroupByOptions": ["Country"]}}},
            },
            "payments": {"accounts": {"cash": {"selectedAccountId": "acc-card"}}},
            "fees": {"feesSupplier": {"selectedSupplierId": "sup-bank"}},
        },
    }
    plan = build.make_usual_plan(seen=build.observed(build.usual_configuration(document)))
    assert change_kinds(plan) == ["set-configuration"]
    assert len(sent(plan)) == 10
    assert change_classes(plan) == ["remap", "reschedule", "enable"]
    assert {each.direction for each in plan.findings} == {Direction.DRIFT}


def test_an_undeclared_field_stays_whoever_set_it() -> None:
    plan = build.make_usual_plan(seen=build.observed(selecting("sales", "gratuity", "acc-tips-owed")))
    assert plan.status is PlanStatus.IN_SYNC


def test_null_clears_an_account_that_is_not_required() -> None:
    plan = build.make_usual_plan(build.desired_merchant({GRATUITY: None}))
    assert sent(plan) == {GRATUITY: None}


def test_clearing_what_the_service_requires_is_refused_before_any_write() -> None:
    plan = build.make_usual_plan(build.desired_merchant({CUSTOMER_PATH: None}))
    assert finding_codes(plan) == ["mapping-changed", "mapping-invalid"]
    assert plan.changes == ()


def test_report_keeps_drift_and_conflict_and_sends_what_is_pending() -> None:
    seen = live(sales={"accounts": {"refund": {"selectedAccountId": "acc-sales"}}}, schedule={"syncHourUtc": 5})
    moved = {"mapping.sales.grouping.invoice": ("Country",), SYNC_HOUR_PATH: 3}
    wish = build.desired_merchant(moved, without=[LOCAL_TIME_PATH], policy=REPORT)
    plan = build.make_usual_plan(wish, build.observed(seen))
    assert {each.field: each.direction for each in plan.findings} == {
        REFUND: Direction.DRIFT,
        SYNC_HOUR_PATH: Direction.CONFLICT,
        "mapping.sales.grouping.invoice": Direction.PENDING,
    }
    assert sent(plan) == {"mapping.sales.grouping.invoice": ("Country",)}


def test_what_report_keeps_blocks_nobody() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant(policy=REPORT), build.observed(selecting("sales", "refund", "acc-sales"))
    )
    assert plan.status is PlanStatus.DRIFTED
    assert finding_codes(plan) == ["mapping-changed"]
    assert plan.findings[0].actor is Actor.NOBODY


def test_correct_lets_the_manifest_win_a_conflict() -> None:
    wish = build.desired_merchant({"mapping.sales.grouping.invoice": ()})
    grouping = {"grouping": {"groupingLevels": {"invoiceLevel": {"selectedGroupByOptions": ["Country"]}}}}
    plan = build.make_usual_plan(wish, build.observed(live(sales=grouping)))
    assert plan.findings[0].direction is Direction.CONFLICT
    assert sent(plan) == {"mapping.sales.grouping.invoice": ()}


@pytest.mark.parametrize(("stands", "wish", "code"), [(False, True, "sync-disabled"), (True, False, "sync-enabled")])
def test_a_switch_that_somebody_turned_is_drift(stands: bool, wish: bool, code: str) -> None:
    plan = build.make_usual_plan(
        build.desired_merchant({"enabled": wish}),
        build.observed(live(enabled=stands)),
        build.recorded_state({"enabled": wish}),
    )
    assert [(each.code, each.direction) for each in plan.findings] == [(code, Direction.DRIFT)]
    assert change_classes(plan) == ["enable" if wish else "disable"]


# The schedule ---------------------------------------------------------------------------------------------

SUMMER = datetime(2026, 7, 1, 6, tzinfo=UTC)
MIDNIGHT = LocalTime("00:00", "Europe/London")


def in_summer(wish: DesiredMerchant, last: RecordedState) -> Plan:
    return make_plan(wish, build.observed(), last, SUMMER)


def test_an_hour_that_moved_with_the_offset_says_why_and_is_not_counted() -> None:
    plan = in_summer(
        build.desired_merchant(), build.recorded_state(last_configured_at=datetime(2026, 3, 1, tzinfo=UTC))
    )
    (change,) = plan.changes
    assert change.classes == ()
    assert (change.fields[0].live, change.fields[0].wanted) == (0, 23)
    assert "Europe/London is 23:00 UTC" in change.fields[0].why


def test_an_hour_that_moved_with_the_offset_is_pending_so_report_lets_it() -> None:
    plan = in_summer(
        build.desired_merchant(policy=REPORT), build.recorded_state(last_configured_at=datetime(2026, 3, 1, tzinfo=UTC))
    )
    assert sent(plan) == {LOCAL_TIME_PATH: 23}


def test_another_time_in_the_manifest_is_counted_though_its_summer_hour_is_what_stands() -> None:
    """01:00 in London is hour 0 in summer; that the manifest said 00:00 before is what moved it to 1 in winter."""
    wish = build.desired_merchant({LOCAL_TIME_PATH: LocalTime("01:00", "Europe/London")})
    assert utc_hour(expect(LocalTime, wish.fields[LOCAL_TIME_PATH]), SUMMER, None) == 0
    plan = build.make_usual_plan(
        wish, last=build.recorded_state(last_configured_at=build.USUAL_NOW - timedelta(days=1))
    )
    assert change_classes(plan) == ["reschedule"]
    assert plan.findings[0].cause == "the manifest moved"


def test_an_hour_that_somebody_changed_is_drift_in_summer_too() -> None:
    last = build.recorded_state({SYNC_HOUR_PATH: 23}, last_configured_at=SUMMER)
    assert in_summer(build.desired_merchant(), last).findings[0].direction is Direction.DRIFT


def test_a_start_date_never_moves_earlier() -> None:
    wish = build.desired_merchant({START_DATE_PATH: datetime(2025, 12, 1, tzinfo=UTC)})
    plan = build.make_usual_plan(wish)
    assert finding_codes(plan) == ["schedule-changed"]
    assert plan.changes == ()
    assert plan.status is PlanStatus.BLOCKED


def test_a_back_dated_start_does_not_hold_up_the_rest() -> None:
    wish = build.desired_merchant({START_DATE_PATH: datetime(2025, 12, 1, tzinfo=UTC), "enabled": False})
    assert sent(build.make_usual_plan(wish)) == {"enabled": False}


def test_a_start_date_may_move_later() -> None:
    later = datetime(2026, 12, 1, tzinfo=UTC)
    plan = build.make_usual_plan(build.desired_merchant({START_DATE_PATH: later}))
    assert sent(plan) == {START_DATE_PATH: later}
    assert change_classes(plan) == ["reschedule"]


# What a selection points at -------------------------------------------------------------------------------


def without_card(*more: dict[str, Any]) -> Configuration:
    options = [{"name": "Till cash", "id": "acc-cash", "nominalCode": "611"}, *more]
    return live(payments={"accounts": {"card": {"accountOptions": options}}})


def row(status: str = "Active", deleted: bool = False) -> BooksRecord:
    return BooksRecord("acc-card", "POS card clearing", "610", status, deleted)


NEW = {"name": "POS card clearing", "id": "acc-card-new", "nominalCode": "610"}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (row(deleted=True), "account-deleted"),
        (Absent(), "account-deleted"),
        (row("Archived"), "account-archived"),
        (row("Pending"), "account-unresolved"),
        (Unread("500"), "unknown"),
    ],
)
def test_a_deleted_account_is_told_from_an_archived_one(record: Absent | BooksRecord | Unread, code: str) -> None:
    plan = build.make_usual_plan(seen=build.observed(without_card(), records={("account", "acc-card"): record}))
    assert finding_codes(plan) == [code]
    assert plan.findings[0].field == CARD
    assert plan.changes == ()


def test_a_row_that_nobody_asked_for_is_unknown() -> None:
    assert finding_codes(build.make_usual_plan(seen=build.observed(without_card()))) == ["unknown"]


def test_the_same_reference_that_means_a_new_account_is_mended_by_us() -> None:
    plan = build.make_usual_plan(seen=build.observed(without_card(NEW), records={("account", "acc-card"): Absent()}))
    assert finding_codes(plan) == ["account-recreated"]
    assert expect(Option, sent(plan)[CARD]).id == "acc-card-new"
    assert plan.status is PlanStatus.CHANGE


def test_another_reference_in_the_manifest_is_no_recreation() -> None:
    wish = build.desired_merchant({CARD: Ref("code", "611")})
    plan = build.make_usual_plan(wish, build.observed(without_card(), records={("account", "acc-card"): Absent()}))
    assert finding_codes(plan) == ["account-deleted"]
    assert expect(Option, sent(plan)[CARD]).id == "acc-cash"


def test_a_choice_of_somebody_that_is_gone_is_no_recreation_of_ours() -> None:
    seen = build.observed(selecting("sales", "refund", "acc-gone"), records={("account", "acc-gone"): Absent()})
    plan = build.make_usual_plan(seen=seen)
    assert finding_codes(plan) == ["account-deleted"]
    assert expect(Option, sent(plan)[REFUND]).id == "acc-returns"


def test_a_dangling_choice_that_report_keeps_is_ours_to_settle() -> None:
    seen = build.observed(selecting("sales", "refund", "acc-gone"), records={("account", "acc-gone"): Absent()})
    plan = build.make_usual_plan(build.desired_merchant(policy=REPORT), seen)
    assert plan.changes == ()
    assert plan.findings[0].actor is Actor.OPERATOR
    assert plan.status is PlanStatus.BLOCKED


DANGLING = {("account", "acc-gone"): Absent()}


def test_an_undeclared_selection_that_dangles_waits_for_the_merchant() -> None:
    seen = build.observed(selecting("sales", "gratuity", "acc-gone"), records=DANGLING)
    plan = build.make_usual_plan(seen=seen)
    assert [(each.code, each.actor) for each in plan.findings] == [("account-deleted", Actor.MERCHANT)]
    assert plan.status is PlanStatus.WAITING


def test_an_undeclared_selection_that_dangles_is_invalid_only_when_a_write_is_needed() -> None:
    gratuity = {"accounts": {"gratuity": {"selectedAccountId": "acc-gone"}}}
    plan = build.make_usual_plan(seen=build.observed(live(enabled=False, sales=gratuity), records=DANGLING))
    assert finding_codes(plan) == ["account-deleted", "sync-disabled", "mapping-invalid"]
    assert plan.changes == ()
    assert plan.findings[2].field == GRATUITY


def test_null_clears_a_selection_that_dangles() -> None:
    seen = build.observed(selecting("sales", "gratuity", "acc-gone"), records=DANGLING)
    plan = build.make_usual_plan(build.desired_merchant({GRATUITY: None}), seen)
    assert sent(plan) == {GRATUITY: None}
    assert plan.findings[0].actor is Actor.APPLY


def test_an_unclear_reference_holds_up_every_other_field() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant({REFUND: Ref("name", "Returns")}), build.observed(live(enabled=False))
    )
    assert finding_codes(plan) == ["account-unresolved", "sync-disabled"]
    assert plan.changes == ()
    assert plan.findings[1].remedy == f"mend {REFUND} first; then merchantctl apply"


def test_a_renamed_account_is_told_from_a_misspelled_one() -> None:
    options = [{"name": "Goods returned", "id": "acc-returns"}]
    seen = build.observed(live(sales={"accounts": {"refund": {"accountOptions": options}}}))
    assert "renamed in the books" in build.make_usual_plan(seen=seen).findings[0].cause
    misspelled = build.desired_merchant({REFUND: Ref("name", "Sales retruns")})
    assert "matches none" in build.make_usual_plan(misspelled).findings[0].cause


def test_switching_off_never_waits_for_a_bad_reference() -> None:
    plan = build.make_usual_plan(build.desired_merchant({"enabled": False, REFUND: Ref("name", "Returns")}))
    assert finding_codes(plan) == ["account-unresolved", "sync-enabled"]
    assert sent(plan) == {"enabled": False}


def test_a_document_that_would_be_refused_is_not_even_switched_off() -> None:
    seen = build.observed(selecting("sales", "gratuity", "acc-gone"), records=DANGLING)
    plan = build.make_usual_plan(build.desired_merchant({"enabled": False}), seen)
    assert "mapping-invalid" in finding_codes(plan)
    assert plan.changes == ()


def test_a_key_that_live_does_not_offer_is_named_and_nothing_is_written() -> None:
    path = 'mapping.sales.taxRates["5"]'
    plan = build.make_usual_plan(
        build.desired_merchant({path: Ref("name", "No VAT")}), build.observed(live(enabled=False))
    )
    assert ("mapping-invalid", path) in [(each.code, each.field) for each in plan.findings]
    assert plan.changes == ()


# The first configuration ----------------------------------------------------------------------------------

NEVER = build.recorded_state(last_applied={}, last_configured_at=None)
SKELETON = {"enabled": False, "configured": False, "schedule": {"startDate": "0001-01-01T00:00:00"}}


def first(wish: DesiredMerchant | None = None, last: RecordedState = NEVER, **more: Any) -> Plan:
    return build.make_usual_plan(
        wish, build.observed(build.usual_configuration(SKELETON), data_status=build.data_statuses(), **more), last
    )


def test_a_first_configuration_is_one_post_without_a_limit() -> None:
    plan = first()
    assert change_classes(plan) == ["configure"]
    assert sent(plan)[START_DATE_PATH] == datetime(2026, 1, 5, tzinfo=UTC)
    assert finding_codes(plan) == ["not-configured"]
    assert not plan.configured


def test_a_first_configuration_is_complete_or_not_at_all() -> None:
    plan = first(build.desired_merchant(without=[START_DATE_PATH]))
    assert plan.changes == ()
    assert START_DATE_PATH in plan.findings[0].cause
    assert plan.status is PlanStatus.BLOCKED


def test_what_has_no_answer_is_not_said_to_be_undeclared() -> None:
    plan = first(build.desired_merchant({CUSTOMER_PATH: Ref("name", "Nobody")}, without=[START_DATE_PATH]))
    assert finding_codes(plan) == ["customer-unresolved", "not-configured"]
    assert CUSTOMER_PATH not in plan.findings[1].cause


def test_a_manifest_without_mapping_leaves_the_first_configuration_to_the_merchant() -> None:
    paths = [path for path in build.desired_merchant().fields if path != "enabled"]
    plan = first(build.desired_merchant(without=paths))
    assert finding_codes(plan) == ["not-configured"]
    assert plan.findings[0].actor is Actor.MERCHANT
    assert plan.status is PlanStatus.WAITING


def test_report_sends_a_first_configuration_whole() -> None:
    assert set(
        sent(first(build.desired_merchant(policy=REPORT), build.recorded_state(last_configured_at=None)))
    ) == set(sent(first()))


@pytest.mark.parametrize(("days", "cls"), [(-1, "re-create"), (0, "configure"), (1, "configure")])
def test_a_start_before_we_last_saw_it_configured_would_replay_the_books(days: int, cls: ChangeClass | None) -> None:
    wish = build.desired_merchant({START_DATE_PATH: build.USUAL_NOW + timedelta(days=days)})
    plan = first(wish, build.recorded_state(last_configured_at=build.USUAL_NOW))
    assert change_classes(plan) == [cls]
    assert ("would replay books" in plan.findings[0].cause) == (cls == "re-create")


def test_a_start_before_the_last_successful_sync_would_replay_the_books() -> None:
    long_ago = build.recorded_state(last_configured_at=build.USUAL_NOW - timedelta(days=90))
    wish = build.desired_merchant({START_DATE_PATH: build.USUAL_NOW - timedelta(days=60)})
    assert change_classes(first(wish, long_ago)) == ["configure"]
    assert change_classes(first(wish, long_ago, last_successful_sync=build.USUAL_NOW - timedelta(days=59))) == [
        "re-create"
    ]


def test_last_applied_has_no_say_in_a_first_configuration() -> None:
    plan = first(last=build.recorded_state(last_configured_at=None))
    assert {field.direction for field in plan.changes[0].fields} == {Direction.PENDING}


def test_a_selection_counts_by_its_id_whatever_its_name() -> None:
    last = build.recorded_state({CARD: Option("acc-card", "An old name")})
    assert build.make_usual_plan(last=last).status is PlanStatus.IN_SYNC
