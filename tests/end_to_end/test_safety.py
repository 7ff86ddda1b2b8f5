"""What is refused, what is left alone, and what happens when a manifest goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.model.errors import InvalidManifests
from controller.model.plan import Direction
from controller.model.report import ChangedSincePlan, FleetPlan
from controller.model.run_policy import Scope
from tests.end_to_end.place import (
    LIST_COMPANIES,
    SAVE_CONFIGURATION,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    outcome_of,
    states_by_merchant,
)

SEVEN = tuple(f"m-{number}" for number in range(7))
ALL = ("delete", "unlink", "disable", "shrink")


def test_over_a_limit_nothing_is_written_and_the_flag_that_lifts_it_is_named(place: Place) -> None:
    place.provision(*SEVEN)
    for name in SEVEN[:2]:
        place.merchant(name, enabled=False)
    place.merchant("new")
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert done.returncode == 4, done.stderr
    assert "--allow disable" in done.stdout + done.stderr
    assert count_writes_by_call(counts) == {}
    assert place.run_in_process("plan").returncode == 0
    with place.count_requests() as lifted:
        assert place.run_in_process("apply", "--yes", "--allow", "disable").returncode == 0
    assert count_writes_by_call(lifted)[SAVE_CONFIGURATION] == 2


def test_a_cap_on_all_changes_refuses_what_has_no_limit_of_its_own(place: Place) -> None:
    place.profile()
    place.merchant("ann")
    with place.count_requests() as counts:
        refused = place.apply_or_plan(max_changes=1)
    assert isinstance(refused, FleetPlan)
    assert refused.refusal
    assert count_writes_by_call(counts) == {}


@pytest.mark.parametrize(
    ("policy", "kinds", "accounting"),
    [
        ("Retain", None, "Linked"),
        ("Disable", ["set-configuration"], "Linked"),
        ("Unlink", ["set-configuration", "unlink-connection"], "Unlinked"),
        ("Delete", ["set-configuration", "unlink-connection", "delete-company"], None),
    ],
)
def test_a_manifest_that_goes_takes_its_merchant_down_as_far_as_its_policy_says_and_once(
    place: Place, policy: str, kinds: list[str] | None, accounting: str | None
) -> None:
    place.provision("ann", "bob", policy={"deletion": policy})
    place.remove_manifests("ann")
    planned = {
        each.merchant: [one.kind.value for one in (*each.changes, *each.held_changes)] for each in place.plan().plans
    }
    assert planned.get("ann") == kinds
    place.apply(allow=("delete",))
    assert [each["name"] for each in place.companies()] == (["ann", "bob"] if accounting else ["bob"])
    if accounting:
        assert place.accounting_connection("ann")["status"] == accounting
        assert place.document("ann")["enabled"] is (policy == "Retain")
        place.edit_in_portal("ann", {"enabled": True})
    with place.count_requests() as counts:
        place.apply(allow=("delete",))
    assert count_writes_by_call(counts) == {}, "a removal that was carried out is not done again"


def test_deleting_needs_the_policy_and_the_merchant_s_name(place: Place) -> None:
    place.provision("ann", "bob", "cat", policy={"deletion": "Delete"})
    place.remove_manifests("ann", "bob")
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes", "--allow", "shrink").returncode == 3
    assert count_writes_by_call(counts) == {}
    held = findings_by_code(place.plan(), "ann")["delete-held"]
    assert held.remedy == "merchantctl apply --allow delete=ann"
    place.run_in_process("apply", "--yes", "--allow", "shrink", "--allow", "delete=ann")
    assert [each["name"] for each in place.companies()] == ["bob", "cat"]


def test_a_manifest_that_comes_back_is_provisioned_again(place: Place) -> None:
    place.provision("ann", "bob", policy={"deletion": "Delete"})
    place.remove_manifests("ann")
    place.apply(allow=("delete",))
    place.merchant("ann")
    place.apply()
    place.consent_everyone()
    place.apply()
    assert states_by_merchant(place.plan()) == {"ann": "in-sync", "bob": "in-sync"}


def test_a_merchant_that_we_unlinked_is_no_drift_when_it_is_wanted_linked_again(place: Place) -> None:
    place.provision("ann", "bob")
    place.merchant("ann", connection={"state": "Unlinked"})
    place.apply(allow=("unlink",))
    place.merchant("ann")
    for _ in range(2):
        assert findings_by_code(place.plan(), "ann")["connection-unlinked"].direction is Direction.PENDING
        assert place.run_in_process("drift").returncode == 0
        place.apply()
    _relink(place, "ann")
    place.apply()
    place.emulator.api.patch(f"/meta{_connection(place, 'ann')}", json={"status": "Unlinked"})
    assert findings_by_code(place.plan(), "ann")["connection-unlinked"].direction is Direction.DRIFT
    assert place.run_in_process("drift").returncode == 2


def test_a_manifest_that_went_and_came_back_can_go_again(place: Place) -> None:
    place.provision("ann", "bob", policy={"deletion": "Unlink"})
    place.remove_manifests("ann")
    place.apply(allow=("unlink",))
    place.merchant("ann", policy={"deletion": "Unlink"})
    assert findings_by_code(place.plan(), "ann")["connection-unlinked"].direction is Direction.PENDING
    place.apply()
    assert findings_by_code(place.plan(), "ann")["connection-unlinked"].direction is Direction.PENDING
    _relink(place, "ann")
    place.apply()
    place.remove_manifests("ann")
    assert changes_by_merchant(place.plan())["ann"] == ["set-configuration", "unlink-connection"]


def _connection(place: Place, name: str) -> str:
    return f"/companies/{place.company(name)['id']}/connections/{place.accounting_connection(name)['id']}"


def _relink(place: Place, name: str) -> None:
    place.emulator.control("POST", f"{_connection(place, name)}/authorize")
    place.emulator.advance("PT1M")


def _empty(place: Place) -> Scope:
    for file in place.manifests.iterdir():
        file.unlink()
    return Scope()


def _broken(place: Place) -> Scope:
    place.remove_manifests("m-0")
    (place.manifests / "broken.yaml").write_text("kind: [")
    return Scope()


def _below(place: Place) -> Scope:
    place.remove_manifests("m-0")
    return Scope(place.manifests / "merchant-m-1.yaml")


def _targeted(place: Place) -> Scope:
    place.remove_manifests("m-0")
    return Scope(targets=("m-1",))


@pytest.mark.parametrize("narrowed", [_empty, _broken, _below, _targeted])
def test_what_was_not_seen_is_never_unlinked_disabled_or_deleted(
    place: Place, narrowed: Callable[[Place], Scope]
) -> None:
    place.provision(*SEVEN[:3], policy={"deletion": "Delete"})
    scope = narrowed(place)
    with place.count_requests() as counts:
        try:
            place.apply_or_plan(*scope.targets, path=scope.path, allow=("delete:3", "unlink", "disable"))
        except InvalidManifests:
            assert narrowed is _broken
    assert count_writes_by_call(counts) == {}


def test_a_list_that_cannot_be_read_creates_nothing_and_exits_5(place: Place) -> None:
    place.provision("ann")
    place.merchant("new")
    place.emulator.fault(LIST_COMPANIES, "status", code=404, times=2)
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert done.returncode == 5, done.stderr
    assert count_writes_by_call(counts) == {}


def test_one_merchant_that_cannot_be_read_stops_no_other(place: Place) -> None:
    place.provision("ann", "bob")
    for name in ("ann", "bob"):
        place.edit_in_portal(name, {"enabled": False})
    company = place.company("ann")["id"]
    place.emulator.fault(f"GET /config/companies/{company}/sync/commerce", "status", code=404)
    with place.count_requests() as counts:
        report = place.apply(allow=ALL)
    assert "unknown" in findings_by_code(report.plan, "ann")
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert place.document("bob")["enabled"] is True


def test_a_declared_field_that_moves_while_the_plan_is_read_stops_that_merchant(place: Place) -> None:
    place.provision("ann", "bob")
    for name in ("ann", "bob"):
        place.edit_in_portal(name, {"enabled": False})

    def agree(plan: FleetPlan) -> bool:
        place.edit_in_portal("ann", {"schedule": {"syncHourUtc": 9}})
        return True

    with place.count_requests() as counts:
        report = place.apply(agree=agree)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert "schedule.time" in outcome_of(report, "ann", ChangedSincePlan).what
    assert place.document("ann")["schedule"]["syncHourUtc"] == 9


def test_a_company_limit_ends_the_writes_with_the_report_kept(place: Place) -> None:
    place.profile()
    for name in SEVEN:
        place.merchant(name)
    place.emulator.fault("POST /meta/companies/sync", "status", code=402, times=100)
    with place.count_requests() as counts:
        report = place.apply(parallelism=1)
    assert count_writes_by_call(counts) == {"POST /meta/companies/sync": 1}
    assert report.stop_reason
    assert len(report.outcomes) == 7


def test_a_refusal_for_good_is_not_tried_again_until_something_moves(place: Place, tmp_path: Path) -> None:
    place.provision("ann")
    place.edit_in_portal("ann", {"enabled": False})
    place.emulator.fault(SAVE_CONFIGURATION, "status", code=400)
    place.apply()
    with place.count_requests() as counts:
        place.apply()
    assert count_writes_by_call(counts) == {}
    place.edit_in_portal("ann", {"schedule": {"syncHourUtc": 9}})
    with place.count_requests() as moved:
        place.apply()
    assert count_writes_by_call(moved) == {SAVE_CONFIGURATION: 1}


# -- A merchant's own name


def test_a_merchant_renamed_in_the_manifests_alone_gets_no_second_company(place: Place) -> None:
    """It did: one merchant's rename is a removal and a new merchant of the same company name."""
    place.provision("ann", company={"name": "Ann Ltd"})
    place.remove_manifests("ann")
    place.merchant("bob", company={"name": "Ann Ltd"})
    with place.count_requests() as counts:
        assert place.run_in_process("apply", "--yes").returncode == 3
    assert count_writes_by_call(counts) == {}
    assert place.run_in_process("state", "mv", "ann", "bob").returncode == 0
    assert states_by_merchant(place.plan()) == {"bob": "in-sync"}


def test_a_new_merchant_may_take_the_name_that_another_gives_up(place: Place) -> None:
    place.provision("ann")
    place.merchant("ann", company={"name": "ann and sons"})
    place.merchant("bob", company={"name": "ann"})
    place.apply()
    assert [each["name"] for each in place.companies()] == ["ann", "ann and sons"]
