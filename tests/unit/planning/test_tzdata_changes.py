"""A government changed its mind: the same words of a manifest mean another instant, and nobody changed anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.model.field_values import LOCAL_TIME_PATH, START_DATE_PATH, SYNC_HOUR_PATH
from controller.model.observed import Observed, RecordedState
from controller.model.plan import Actor, Direction, Finding, PlanStatus
from controller.model.zones import TZDATA_VERSION
from controller.planning.tzdata_changes import recorded_source_path, time_sources
from controller.reconcile.persist import last_applied_after
from tests import build
from tests.narrowing import expect

OLD = "1999a"
CHANGED = f"the time-zone rules of Europe/London changed between tzdata {OLD} and {TZDATA_VERSION}"
START = expect(datetime, build.desired_merchant().fields[START_DATE_PATH])


def remembered(hour: int = 1, start: datetime = START, **rules: str) -> RecordedState:
    """What an apply under other rules left: it set `hour` and `start` from the very words of today's manifest."""
    made = {path: text.replace(TZDATA_VERSION, OLD) for path, text in time_sources(build.desired_merchant()).items()}
    notes = {recorded_source_path(path): rules.get(path.split(".")[-1], text) for path, text in made.items()}
    return build.recorded_state({SYNC_HOUR_PATH: hour, START_DATE_PATH: start, **notes})


def standing(hour: int = 1, start: datetime = START) -> Observed:
    schedule = {"syncHourUtc": hour, "startDate": f"{start:%Y-%m-%dT%H:%M:%SZ}"}
    return build.observed(build.usual_configuration({"schedule": schedule}))


def test_an_hour_that_moves_with_new_rules_names_them_and_counts_for_no_limit() -> None:
    plan = build.make_usual_plan(seen=standing(1), last=remembered(1))
    ((change,), (field,)) = plan.changes, plan.changes[0].fields
    assert (field.field, field.live, field.wanted, field.direction) == (LOCAL_TIME_PATH, 1, 0, Direction.PENDING)
    assert field.why.startswith(f"{CHANGED}: 00:00 in Europe/London is 00:00 UTC")
    assert change.classes == ()
    assert [each.cause for each in plan.findings] == [field.why]


@pytest.mark.parametrize(
    "note", [f"01:00 Europe/London {OLD}", f"00:00 Europe/Dublin {OLD}", f"00:00 Europe/London {TZDATA_VERSION}"]
)
def test_another_time_or_zone_in_the_manifest_is_no_change_of_rules(note: str) -> None:
    plan = build.make_usual_plan(seen=standing(1), last=remembered(1, syncHourUtc=note))
    assert [field.why for change in plan.changes for field in change.fields] == [""]
    assert [each.cause for each in plan.findings] == ["the manifest moved"]


def test_a_start_that_new_rules_make_earlier_is_no_backdated_start_and_holds_nobody() -> None:
    later = START + timedelta(hours=1)
    plan = build.make_usual_plan(seen=standing(0, later), last=remembered(0, later))
    assert (plan.status, plan.changes) == (PlanStatus.IN_SYNC, ())
    (finding,) = plan.findings
    assert finding.cause == f"{CHANGED}; a start cannot move earlier, so live's stands"
    assert (finding.field, finding.actor, finding.direction) == (START_DATE_PATH, Actor.NOBODY, Direction.PENDING)


def test_a_start_that_somebody_backdates_in_the_manifest_is_still_refused() -> None:
    later = START + timedelta(days=3)
    moved = time_sources(build.desired_merchant({START_DATE_PATH: later}))[START_DATE_PATH].replace(TZDATA_VERSION, OLD)
    plan = build.make_usual_plan(seen=standing(0, later), last=remembered(0, later, startDate=moved))
    assert plan.status is PlanStatus.BLOCKED
    assert plan.findings[0].cause == "startDate is earlier than live's, and a start cannot move earlier"


def test_what_is_said_of_a_merchant_changes_nothing_of_what_counts_as_set() -> None:
    """Findings are for people: what a run goes by next are the plan's other fields."""
    plan = build.make_usual_plan(last=build.recorded_state())
    applied = last_applied_after(plan, build.desired_merchant(), build.recorded_state())
    remark = Finding("remark", plan.merchant, "", "", Actor.NOBODY, field=START_DATE_PATH, direction=Direction.DRIFT)
    spoken_of = replace(plan, findings=(*plan.findings, remark))
    assert last_applied_after(spoken_of, build.desired_merchant(), build.recorded_state()) == applied


def test_a_start_that_new_rules_make_later_is_sent_with_its_cause() -> None:
    earlier = START - timedelta(hours=1)
    plan = build.make_usual_plan(seen=standing(0, earlier), last=remembered(0, earlier))
    (field,) = plan.changes[0].fields
    assert (field.field, field.why) == (START_DATE_PATH, CHANGED)


def test_what_an_hour_and_a_start_were_made_of_is_remembered_with_them() -> None:
    plan = build.make_usual_plan(last=build.recorded_state())
    applied = last_applied_after(plan, build.desired_merchant(), build.recorded_state())
    assert applied[recorded_source_path(SYNC_HOUR_PATH)] == f"00:00 Europe/London {TZDATA_VERSION}"
    assert expect(str, applied[recorded_source_path(START_DATE_PATH)]).endswith(f" Europe/London {TZDATA_VERSION}")


def test_rules_under_which_live_still_stands_are_remembered_as_long_as_it_does() -> None:
    later = START + timedelta(hours=1)
    last = remembered(0, later)
    plan = build.make_usual_plan(seen=standing(0, later), last=last)
    applied = last_applied_after(plan, build.desired_merchant(), last)
    assert applied[START_DATE_PATH] == later
    assert expect(str, applied[recorded_source_path(START_DATE_PATH)]).endswith(OLD)
    assert (
        build.make_usual_plan(seen=standing(0, later), last=replace(last, last_applied=applied)).findings
        == plan.findings
    )


def test_a_merchant_that_says_its_hour_in_utc_depends_on_no_rules() -> None:
    assert time_sources(build.desired_merchant({SYNC_HOUR_PATH: 3}, without=(LOCAL_TIME_PATH,))) == {}
