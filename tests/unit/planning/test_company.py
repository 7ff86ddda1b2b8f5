"""Is there exactly one company of ours?"""

from __future__ import annotations

from controller.model.merchant import Drift, LinkState, Policy
from controller.model.observed import Absent, Company, Observed, Unread
from controller.model.plan import Actor, Direction, State
from tests import build
from tests.build import classes, codes, kinds

REPORT = Policy(drift=Drift.REPORT)
TWIN = Company("company-2", "acme-coffee")
RENAMED = build.observed(company=build.company({"name": "Acme (closed)"}))


def test_a_new_merchant_costs_a_company_and_a_connection():
    plan = build.plan(seen=build.NOWHERE, last=build.NOTHING)
    assert kinds(plan) == ["create-company", "create-connection"]
    assert classes(plan) == ["create", "create"]
    assert plan.company_id is None


def test_a_new_merchant_that_is_wanted_unlinked_gets_no_connection():
    plan = build.plan(build.wanted(link_state=LinkState.UNLINKED), build.NOWHERE, build.NOTHING)
    assert kinds(plan) == ["create-company"]


def test_without_a_declared_platform_no_connection_is_created():
    plan = build.plan(build.wanted(platform=None), build.NOWHERE, build.NOTHING)
    assert kinds(plan) == ["create-company"]


def test_nothing_is_created_beside_the_company_of_another_merchant():
    for last in (build.NOTHING, build.memory(), build.memory(retired_at=build.NOW)):
        plan = build.plan(seen=Observed(Absent(), holder="acme"), last=last)
        assert codes(plan) == ["company-duplicate"]
        assert plan.changes == ()
        assert plan.state is State.BLOCKED
        assert "merchantctl state mv acme acme-coffee" in plan.findings[0].remedy


def test_the_one_company_of_that_name_is_adopted_and_that_is_no_change():
    plan = build.plan(last=build.NOTHING)
    assert plan.adopts
    assert (plan.company_id, plan.connection_id) == ("company-1", "accounting-1")
    assert plan.changes == ()
    assert plan.state is State.IN_SYNC


def test_adopt_false_creates_nothing_beside_the_company_that_exists():
    plan = build.plan(build.wanted(policy=Policy(adopt=False)), last=build.NOTHING)
    assert codes(plan) == ["company-unmanaged"]
    assert plan.changes == ()
    assert not plan.adopts
    assert plan.state is State.BLOCKED


def test_adopt_false_still_creates_where_there_is_none():
    plan = build.plan(build.wanted(policy=Policy(adopt=False)), build.NOWHERE, build.NOTHING)
    assert kinds(plan) == ["create-company", "create-connection"]


def test_of_two_companies_of_that_name_none_is_chosen():
    plan = build.plan(seen=build.observed(namesakes=(TWIN,)), last=build.NOTHING)
    assert codes(plan) == ["company-duplicate"]
    assert plan.changes == ()
    assert not plan.adopts
    assert plan.state is State.BLOCKED
    assert "company-1" in plan.findings[0].cause
    assert "company-2" in plan.findings[0].cause


def test_a_bound_company_wins_over_namesakes_and_its_mapping_is_judged():
    plan = build.plan(seen=build.observed(namesakes=(TWIN,)))
    assert codes(plan) == ["company-duplicate"]
    assert plan.state is State.IN_SYNC


def test_a_bound_company_that_is_gone_is_created_anew_only_by_leave():
    plan = build.plan(seen=build.NOWHERE)
    assert codes(plan) == ["company-missing"]
    assert classes(plan) == ["re-create", "re-create"]


def test_report_does_not_create_anew():
    plan = build.plan(build.wanted(policy=REPORT), build.NOWHERE)
    assert codes(plan) == ["company-missing"]
    assert plan.changes == ()


def test_a_bound_company_that_is_gone_is_not_created_beside_a_namesake():
    plan = build.plan(seen=Observed(Absent(), namesakes=(TWIN,)))
    assert plan.changes == ()
    assert "company-2" in plan.findings[0].remedy


def test_a_merchant_that_we_deleted_ourselves_and_that_is_back_is_new():
    plan = build.plan(seen=build.NOWHERE, last=build.memory(retired_at=build.NOW))
    assert codes(plan) == []
    assert classes(plan) == ["create", "create"]


def test_a_merchant_that_we_deleted_and_that_is_back_gets_no_company_beside_a_namesake():
    plan = build.plan(seen=Observed(Absent(), namesakes=(TWIN,)), last=build.memory(retired_at=build.NOW))
    assert codes(plan) == ["company-missing"]
    assert plan.changes == ()


def test_a_company_that_could_not_be_read_is_neither_missing_nor_created():
    for last in (build.NOTHING, build.memory()):
        plan = build.plan(seen=Observed(Unread("page 2 failed")), last=last)
        assert codes(plan) == ["unknown"]
        assert plan.changes == ()
        assert plan.state is State.UNKNOWN


def test_somebody_else_s_rename_is_drift_and_put_right():
    plan = build.plan(seen=RENAMED)
    assert [(each.code, each.direction) for each in plan.findings] == [("company-renamed", Direction.DRIFT)]
    assert classes(plan) == ["rename"]


def test_a_new_name_in_the_manifest_is_pending_even_under_report():
    plan = build.plan(build.wanted(company_name="Acme Coffee and Cake", policy=REPORT))
    assert plan.findings[0].direction is Direction.PENDING
    assert kinds(plan) == ["rename-company"]


def test_report_keeps_somebody_else_s_rename_and_blocks_nobody():
    plan = build.plan(build.wanted(policy=REPORT), RENAMED)
    assert plan.changes == ()
    assert plan.findings[0].actor is Actor.NOBODY
    assert plan.state is State.IN_SYNC


def test_a_rename_goes_before_the_configuration():
    live = build.configuration({"enabled": False})
    plan = build.plan(seen=build.observed(live, company=RENAMED.company))
    assert kinds(plan) == ["rename-company", "set-configuration"]
