"""What a report of a period counts, from what the state remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.model.finding_filter import EVERYTHING, FindingFilter, Only, Shown
from controller.model.merchant_status import MerchantStatus
from controller.model.observed import LastSync
from controller.model.period_report import CHART_DAYS, FleetMemory, PeriodReport, ReportedOccurrence, make_period_report
from controller.model.plan import Actor, DataAge, Direction
from controller.model.rollout import MemberState, Rollout, RolloutMember, RolloutSpec, RolloutState
from controller.reporting.markdown import MAX_CHARACTERS
from controller.reporting.period_html import period_report_html
from controller.reporting.period_json import period_report_json
from controller.reporting.period_markdown import period_report_markdown
from controller.reporting.period_text import period_report_text
from tests.unit.reporting.fleets import NOW, finding, merchant

DAY = timedelta(days=1)
WEEK_AGO = NOW - 7 * DAY
UP_TO_MAPPED = frozenset({"CompanyReady", "AccountingConnected", "DataReady", "Mapped"})


def occurrence(
    name: str = "acme", code: str = "sync-disabled", found: float = 1, gone: float | None = None, **more: Any
) -> ReportedOccurrence:
    """Found and gone so many days ago."""
    gone_at = None if gone is None else NOW - gone * DAY
    facts: dict[str, Any] = {"field": "enabled", "direction": "drift", "live": False, "wanted": True, "cause": "off"}
    return ReportedOccurrence(name, code, found_at=NOW - found * DAY, gone_at=gone_at, how="mended", **facts | more)


def memory(*occurrences: ReportedOccurrence, **more: Any) -> FleetMemory:
    names = frozenset(each.merchant for each in occurrences) | frozenset(more.get("met", {}))
    facts: dict[str, Any] = {"names": names, "plans": {}, "statuses": {}, "looked_at": {}, "met": {}, "syncs": {}}
    return FleetMemory(occurrences=occurrences, **facts | more)


def report(remembered: FleetMemory, since: datetime = WEEK_AGO, shown: Shown = EVERYTHING) -> PeriodReport:
    return make_period_report(remembered, since, NOW, shown)


def test_findings_are_new_still_open_or_closed_by_when_they_came_and_went() -> None:
    told = report(
        memory(occurrence("new", found=2), occurrence("open", found=9), occurrence("closed", found=9, gone=1))
    )
    assert [each.merchant for each in told.new] == ["new"]
    assert [each.merchant for each in told.still_open] == ["open"]
    assert [each.finding.merchant for each in told.closed] == ["closed"]


def test_what_ended_and_came_back_is_closed_and_open() -> None:
    told = report(memory(occurrence(found=5, gone=4), occurrence(found=1)))
    assert [each.is_back for each in told.closed] == [True]
    assert len(told.new) == 1


def test_an_open_finding_says_what_the_last_look_knew_with_the_age_of_the_ledger() -> None:
    seen = finding("sync-disabled", field="enabled", actor=Actor.OPERATOR, direction=Direction.DRIFT)
    told = report(memory(occurrence(found=3), plans={"acme": merchant(findings=(seen,))}))
    assert (told.new[0].actor, told.new[0].remedy, told.new[0].since) == (
        Actor.OPERATOR,
        "merchantctl apply",
        NOW - 3 * DAY,
    )


def test_a_filter_narrows_all_numbers_and_what_it_leaves_out_is_counted() -> None:
    consent = occurrence("bolt", "connection-pending", direction=None)
    told = report(memory(occurrence(), consent), shown=Shown(FindingFilter(only=Only.DRIFT)))
    assert ([each.merchant for each in told.new], told.shown.left_out) == (["acme"], 1)


def test_what_came_three_times_in_thirty_days_came_again_and_again() -> None:
    often = [occurrence(found=days, gone=days - 0.5) for days in (3, 2, 1)]
    rarely = [occurrence("bolt", found=days, gone=days - 0.5) for days in (2, 1)]
    long_ago = [occurrence("calm", found=days, gone=days - 0.5) for days in (40, 39, 1)]
    (recurrence,) = report(memory(*often, *rarely, *long_ago)).recurrences
    assert (recurrence.merchant, recurrence.times, recurrence.is_open) == ("acme", 3, False)


def test_open_drift_is_counted_by_age_and_what_is_no_drift_is_not() -> None:
    pending = occurrence("pending", "connection-pending", direction=None)
    told = report(memory(*(occurrence(f"m-{age}", found=age) for age in (0.5, 1, 6.9, 7, 31)), pending))
    assert told.ages == (1, 2, 1, 1)


def test_each_day_counts_what_drifted_and_what_was_over_on_it() -> None:
    told = report(memory(occurrence("a", found=2, gone=1), occurrence("b", found=2)))
    by_day = {day.day: (day.opened, day.closed) for day in told.days if day.opened or day.closed}
    assert by_day == {(NOW - 2 * DAY).date(): (2, 0), (NOW - DAY).date(): (0, 1)}
    assert len(told.days) == CHART_DAYS


def test_the_funnel_never_widens_and_ends_with_a_sync_that_succeeded() -> None:
    done = LastSync(2000, "fine", NOW, NOW, NOW)
    met = {"a": UP_TO_MAPPED, "b": UP_TO_MAPPED, "c": frozenset({"CompanyReady", "Mapped"}), "d": frozenset[str]()}
    told = report(memory(met=met, syncs={"a": done, "c": done}))
    assert dict(told.funnel) == {"declared": 4, "created": 3, "consented": 2, "data": 2, "mapped": 2, "syncing": 1}
    assert told.sync_outcomes == {"succeeded": 1, "unread": 1}


def test_a_label_divides_merchants_statuses_and_findings() -> None:
    told = report(
        memory(
            occurrence("a"),
            occurrence("b", found=9),
            statuses={"a": MerchantStatus.DRIFTED, "b": MerchantStatus.IN_SYNC},
            labels={"a": {"tier": "gold"}},
        ),
        shown=Shown(group_by="tier"),
    )
    assert [(part.value, part.merchants, part.new, part.still_open) for part in told.parts] == [
        ("gold", 1, 1, 0),
        (None, 1, 0, 1),
    ]
    assert told.parts[0].statuses == {MerchantStatus.DRIFTED: 1}


def test_the_trend_of_a_status_is_its_last_number_of_each_day() -> None:
    samples = [
        (NOW - 2 * DAY, {MerchantStatus.IN_SYNC: 5, MerchantStatus.FAILED: 0}),
        (NOW - DAY - timedelta(hours=2), {MerchantStatus.IN_SYNC: 4, MerchantStatus.DRIFTED: 1}),
        (NOW - DAY, {MerchantStatus.IN_SYNC: 3, MerchantStatus.DRIFTED: 2}),
    ]
    drifted, in_sync = report(memory(samples=samples)).trends
    assert (drifted.status, drifted.known_counts, drifted.counts[-3:]) == (MerchantStatus.DRIFTED, (0, 2), (0, 2, None))
    assert (in_sync.status, in_sync.known_counts) == (MerchantStatus.IN_SYNC, (5, 3))
    page = period_report_html(report(memory(samples=samples)))
    assert '<th scope="row">in sync</th><td class="number">5</td>' in page
    assert "| in sync | 5 | 3 | 5 | 3 |" in period_report_markdown(report(memory(samples=samples)))


def test_a_value_that_no_field_can_have_is_shown_as_it_is() -> None:
    told = report(memory(occurrence(live={"strange": 1}, wanted=[1, {}])))
    assert "strange" in str(told.new[0].live)
    assert period_report_json(told)["findings"][0]["code"] == "sync-disabled"


TIMES = st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(0, 60)))


@given(st.lists(TIMES, max_size=30), st.integers(1, 40))
def test_every_occurrence_counts_at_most_once_and_an_open_one_always(times: list[Any], days: int) -> None:
    ledger = [
        occurrence(f"m-{number}", found=found, gone=gone if gone is None else min(found, gone))
        for number, (found, gone) in enumerate(times)
    ]
    told = report(memory(*ledger), NOW - days * DAY)
    assert len(told.open_findings) == sum(each.gone_at is None for each in ledger) == sum(told.ages)
    counted = [each.merchant for each in told.open_findings] + [each.finding.merchant for each in told.closed]
    assert len(counted) == len(set(counted))
    assert all(each.closed_at > told.since for each in told.closed)


def test_ten_thousand_different_findings_fit_into_a_comment_and_a_terminal() -> None:
    ledger = [
        occurrence(f"merchant-{number:05}", f"code-{number}", found=number % 20, gone=None if number % 3 else 0)
        for number in range(10_000)
    ]
    labels = {each.merchant: {"tier": each.merchant} for each in ledger}
    told = report(memory(*ledger, labels=labels), shown=Shown(group_by="tier"))
    assert len(period_report_markdown(told)) <= MAX_CHARACTERS
    same = [occurrence(f"merchant-{number:05}") for number in range(10_000)]
    text = period_report_text(report(memory(*same)))
    assert len(text) < 3_000
    assert "10,000 merchants" in text


def test_the_page_draws_how_old_the_reference_data_is_and_how_far_a_rollout_has_come() -> None:
    ages = {"fresh": 0.2, "older": 3.0, "old": 40.0}
    plans = {name: replace(merchant(name), data_age=DataAge(NOW - age * DAY)) for name, age in ages.items()}
    states = [MemberState.DONE, MemberState.DONE, MemberState.FAILED, MemberState.PENDING]
    members = tuple(RolloutMember(f"m-{n}", 1 + n // 2, "", state) for n, state in enumerate(states))
    spec = RolloutSpec(("50%",))
    rollout = Rollout(1, "autumn", RolloutState.RUNNING, "", NOW, NOW, spec, 2, None, members)
    told = report(memory(names=frozenset(plans), plans=plans, rollout=rollout))
    assert told.data_ages == (1, 1, 0, 1)
    html = period_report_html(told)
    assert "Age of reference data" in html
    assert "Rollout autumn" in html
    assert "wave 2 of 2" in html
    document = period_report_json(told)
    assert document["dataAges"] == {"limitsInDays": [1, 7, 30], "counts": [1, 1, 0, 1]}
    assert [(each["done"], each["failed"], each["left"]) for each in document["rollout"]["waves"]] == [
        (2, 0, 0),
        (0, 1, 1),
    ]
