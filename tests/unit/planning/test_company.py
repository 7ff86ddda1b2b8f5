"""Is there exactly one company of ours?"""

from __future__ import annotations

from controller.model.desired import DriftPolicy, LinkState, MerchantPolicy
from controller.model.observed import Absent, Company, Observed, Unread
from controller.model.plan import Actor, Direction, PlanStatus
from tests import build
from tests.build import change_classes, change_kinds, finding_codes

REPORT = MerchantPolicy(drift=DriftPolicy.REPORT)
TWIN = Company("company-2", "acme-coffee")
RENAMED = build.observed(company=build.usual_company({"name": "Acme (closed)"}))


def test_a_new_merchant_costs_a_company_and_a_connection() -> None:
    plan = build.make_usual_plan(seen=build.COMPANY_ABSENT, last=build.NOTHING_RECORDED)
    assert change_kinds(plan) == ["create-company", "create-connection"]
    assert change_classes(plan) == ["create", "create"]
    assert plan.company_id is None


def test_a_new_merchant_that_is_wanted_unlinked_gets_no_connection() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant(link_state=LinkState.UNLINKED), build.COMPANY_ABSENT, build.NOTHING_RECORDED
    )
    assert change_kinds(plan) == ["create-company"]


def test_without_a_declared_platform_no_connection_is_created() -> None:
    plan = build.make_usual_plan(build.desired_merchant(platform=None), build.COMPANY_ABSENT, build.NOTHING_RECORDED)
    assert change_kinds(plan) == ["create-company"]


def test_nothing_is_created_beside_the_company_of_another_merchant() -> None:
    for last in (build.NOTHING_RECORDED, build.recorded_state(), build.recorded_state(removed_at=build.USUAL_NOW)):
        plan = build.make_usual_plan(seen=Observed(Absent(), name_owner="acme"), last=last)
        assert finding_codes(plan) == ["company-duplicate"]
        assert plan.changes == ()
        assert plan.status is PlanStatus.BLOCKED
        assert "merchantctl state mv acme acme-coffee" in plan.findings[0].remedy


def test_the_one_company_of_that_name_is_adopted_and_that_is_no_change() -> None:
    plan = build.make_usual_plan(last=build.NOTHING_RECORDED)
    assert plan.adopts
    assert (plan.company_id, plan.connection_id) == ("company-1", "accounting-1")
    assert plan.changes == ()
    assert plan.status is PlanStatus.IN_SYNC


def test_adopt_false_creates_nothing_beside_the_company_that_exists() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant(policy=MerchantPolicy(adopt=False)), last=build.NOTHING_RECORDED
    )
    assert finding_codes(plan) == ["company-unmanaged"]
    assert plan.changes == ()
    assert not plan.adopts
    assert plan.status is PlanStatus.BLOCKED


def test_adopt_false_still_creates_where_there_is_none() -> None:
    plan = build.make_usual_plan(
        build.desired_merchant(policy=MerchantPolicy(adopt=False)), build.COMPANY_ABSENT, build.NOTHING_RECORDED
    )
    assert change_kinds(plan) == ["create-company", "create-connection"]


def test_of_two_companies_of_that_name_none_is_chosen() -> None:
    plan = build.make_usual_plan(seen=build.observed(same_name_companies=(TWIN,)), last=build.NOTHING_RECORDED)
    assert finding_codes(plan) == ["company-duplicate"]
    assert plan.changes == ()
    assert not plan.adopts
    assert plan.status is PlanStatus.BLOCKED
    assert "company-1" in plan.findings[0].cause
    assert "company-2" in plan.findings[0].cause


def test_a_bound_company_wins_over_namesakes_and_its_mapping_is_judged() -> None:
    plan = build.make_usual_plan(seen=build.observed(same_name_companies=(TWIN,)))
    assert finding_codes(plan) == ["company-duplicate"]
    assert plan.status is PlanStatus.IN_SYNC


def test_a_bound_company_that_is_gone_is_created_anew_only_by_leave() -> None:
    plan = build.make_usual_plan(seen=build.COMPANY_ABSENT)
    assert finding_codes(plan) == ["company-missing"]
    assert change_classes(plan) == ["re-create", "re-create"]


def test_report_does_not_create_anew() -> None:
    plan = build.make_usual_plan(build.desired_merchant(policy=REPORT), build.COMPANY_ABSENT)
    assert finding_codes(plan) == ["company-missing"]
    assert plan.changes == ()


def test_a_bound_company_that_is_gone_is_not_created_beside_a_namesake() -> None:
    plan = build.make_usual_plan(seen=Observed(Absent(), same_name_companies=(TWIN,)))
    assert plan.changes == ()
    assert "company-2" in plan.findings[0].remedy


def test_a_merchant_that_we_deleted_ourselves_and_that_is_back_is_new() -> None:
    plan = build.make_usual_plan(seen=build.COMPANY_ABSENT, last=build.recorded_state(removed_at=build.USUAL_NOW))
    assert finding_codes(plan) == []
    assert change_classes(plan) == ["create", "create"]


def test_a_merchant_that_we_deleted_and_that_is_back_gets_no_company_beside_a_namesake() -> None:
    plan = build.make_usual_plan(
        seen=Observed(Absent(), same_name_companies=(TWIN,)), last=build.recorded_state(removed_at=build.USUAL_NOW)
    )
    assert finding_codes(plan) == ["company-missing"]
    assert plan.changes == ()


def test_a_company_that_could_not_be_read_is_neither_missing_nor_created() -> None:
    for last in (build.NOTHING_RECORDED, build.recorded_state()):
        plan = build.make_usual_plan(seen=Observed(Unread("page 2 failed")), last=last)
        assert finding_codes(plan) == ["unknown"]
        assert plan.changes == ()
        assert plan.status is PlanStatus.UNKNOWN


def test_somebody_else_s_rename_is_drift_and_put_right() -> None:
    plan = build.make_usual_plan(seen=RENAMED)
    assert [(each.code, each.direction) for each in plan.findings] == [("company-renamed", Direction.DRIFT)]
    assert change_classes(plan) == ["rename"]


def test_a_new_name_in_the_manifest_is_pending_even_under_report() -> None:
    plan = build.make_usual_plan(build.desired_merchant(company_name="Acme Coffee and Cake", policy=REPORT))
    assert plan.findings[0].direction is Direction.PENDING
    assert change_kinds(plan) == ["rename-company"]


def test_report_keeps_somebody_else_s_rename_and_blocks_nobody() -> None:
    plan = build.make_usual_plan(build.desired_merchant(policy=REPORT), RENAMED)
    assert plan.changes == ()
    assert plan.findings[0].actor is Actor.NOBODY
    assert plan.status is PlanStatus.DRIFTED


def test_a_rename_goes_before_the_configuration() -> None:
    live = build.usual_configuration({"enabled": False})
    plan = build.make_usual_plan(seen=build.observed(live, company=RENAMED.company))
    assert change_kinds(plan) == ["rename-company", "set-configuration"]
