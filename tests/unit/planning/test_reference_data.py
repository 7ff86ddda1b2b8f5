"""Is there anything to choose from, and is it of the right books?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.model.observed import DATA_TYPES, Pull, Unread
from controller.model.plan import Actor, State
from tests import build
from tests.build import codes, kinds, pulled

NOT_READY = Unread("409: no data yet", failed=False)
FIRST = build.memory(configured_at=None)


def waiting(**pulls):
    return build.plan(seen=build.observed(NOT_READY, pulls=pulled(**pulls)), last=FIRST)


@pytest.mark.parametrize("missing", DATA_TYPES)
def test_each_of_the_six_types_is_waited_for_by_name(missing):
    plan = waiting(**{missing: None})
    assert codes(plan) == ["data-not-pulled"]
    assert missing in plan.findings[0].cause
    assert plan.state is State.WAITING


def test_a_type_that_is_being_pulled_is_not_pulled():
    plan = waiting(suppliers=Pull("suppliers", "Fetching", None))
    assert codes(plan) == ["data-not-pulled"]


@pytest.mark.parametrize("status", ["FetchError", "PrerequisiteNotMet", "InternalError"])
def test_a_failed_pull_is_told_from_one_that_was_never_asked_for(status):
    plan = waiting(suppliers=Pull("suppliers", status, None), customers=None)
    assert codes(plan) == ["data-pull-failed", "data-not-pulled"]
    assert f"suppliers ({status})" in plan.findings[0].cause
    assert "suppliers" not in plan.findings[1].cause


def test_a_refused_pull_needs_the_merchant():
    plan = waiting(suppliers=Pull("suppliers", "AuthError", None))
    assert (plan.findings[0].actor, plan.findings[0].link) == (Actor.MERCHANT, "https://link.example/acme-coffee")


def test_an_earlier_success_is_enough_for_a_first_configuration():
    live = build.configuration({"configured": False})
    failed = Pull("suppliers", "FetchError", build.NOW - timedelta(days=1))
    plan = build.plan(seen=build.observed(live, pulls=pulled(suppliers=failed)), last=FIRST)
    assert codes(plan) == ["data-pull-failed", "not-configured"]
    assert kinds(plan) == ["set-configuration"]


def test_everything_pulled_and_nothing_offered_is_waited_for_too():
    assert codes(waiting()) == ["data-not-pulled"]


def test_a_configured_merchant_with_options_needs_no_data_status():
    assert build.plan(seen=build.observed(pulls=None)).state is State.IN_SYNC


def test_a_failed_pull_does_not_hold_up_a_configured_merchant():
    live = build.configuration({"enabled": False})
    seen = build.observed(live, pulls=pulled(suppliers=Pull("suppliers", "FetchError", None)))
    plan = build.plan(seen=seen)
    assert codes(plan) == ["data-pull-failed", "sync-disabled"]
    assert kinds(plan) == ["set-configuration"]


@pytest.mark.parametrize(("live", "pulls"), [(Unread("503"), None), (NOT_READY, Unread("503"))])
def test_what_could_not_be_read_is_unknown_and_nothing_is_written(live, pulls):
    plan = build.plan(seen=build.observed(live, pulls=pulls))
    assert codes(plan) == ["unknown"]
    assert plan.changes == ()
    assert plan.state is State.UNKNOWN


@pytest.mark.parametrize(("seconds", "expected"), [(0, []), (1, ["data-stale"])])
def test_data_is_stale_after_thirty_days(seconds, expected):
    last = (build.NOW - timedelta(days=30, seconds=seconds)).isoformat()
    plan = build.plan(seen=build.observed(company=build.connected(lastSync=last)))
    assert codes(plan) == expected
    assert plan.state is State.IN_SYNC


OTHERS = build.configuration({"accountingSoftwareCompanyName": "Acme Bakery Ltd", "enabled": True})


def test_in_the_wrong_books_nothing_is_mapped():
    live = build.configuration({"accountingSoftwareCompanyName": "Acme Bakery Ltd", "enabled": False})
    plan = build.plan(build.wanted(books="Acme Coffee Ltd"), build.observed(live))
    assert codes(plan) == ["company-wrong-books"]
    assert plan.changes == ()


def test_in_the_wrong_books_the_switch_can_be_turned_off():
    plan = build.plan(build.wanted({"enabled": False}, books="Acme Coffee Ltd"), build.observed(OTHERS))
    assert [field.field for change in plan.changes for field in change.fields] == ["enabled"]


def test_the_books_guard_is_only_for_those_who_ask():
    assert build.plan(seen=build.observed(OTHERS)).state is State.IN_SYNC
    assert build.plan(build.wanted(books="Acme Coffee Ltd")).state is State.IN_SYNC
