"""How one status of the controller follows another."""

from datetime import datetime, timedelta

import pytest

from controller.model.controller_status import ControllerStatus, merge_pass
from controller.model.desired import Fleet
from controller.model.plan import PlanStatus
from controller.model.report import Applied, Failed, FleetPlan, FleetReport, LimitExceeded, Refusal
from tests.narrowing import present
from tests.unit.reporting.fleets import NOW, changing, fleet, merchant, report

FLEET = Fleet({}, frozenset(), (), True, "0" * 64)
REFUSAL = Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
LATER = NOW + timedelta(minutes=5)


def looked(
    latest: ControllerStatus, result: FleetPlan | FleetReport, *, everyone: bool = True, at: datetime = NOW
) -> ControllerStatus:
    return merge_pass(latest, result, FLEET, everyone=everyone, at=at)


def states(latest: ControllerStatus) -> dict[str, PlanStatus]:
    return {each.merchant: each.status for each in present(latest.plan).plans}


def test_a_look_at_everyone_replaces_what_was_known() -> None:
    before = looked(
        ControllerStatus(),
        report(fleet(changing("gone"), changing("a")), {"gone": Applied(1), "a": Failed("no", True)}),
    )
    now = looked(before, fleet(merchant("a")), at=LATER)
    assert states(now) == {"a": PlanStatus.IN_SYNC}
    assert now.outcomes == {}
    assert now.last_full_pass_at == LATER


@pytest.mark.parametrize("everyone", [True, False], ids=["after a look at everyone", "after one at some"])
def test_of_whom_another_pass_looked_at_meanwhile_its_look_stands(everyone: bool) -> None:
    swept = report(fleet(merchant("a"), changing("b"), merchant("c")), {"b": Applied(1)})
    later = looked(ControllerStatus(), report(fleet(changing("b")), {"b": Failed("no", True)}), everyone=False)
    now = merge_pass(later, swept, FLEET, everyone=everyone, at=LATER, taken_over={"b", "c"})
    assert states(now) == {"a": PlanStatus.IN_SYNC, "b": PlanStatus.CHANGE, "c": PlanStatus.IN_SYNC}
    assert now.outcomes == {"b": Failed("no", True)}


def test_a_look_at_some_leaves_the_others_as_they_were() -> None:
    before = looked(
        ControllerStatus(), report(fleet(changing("a"), changing("c")), {"a": Failed("no", True), "c": Applied(1)})
    )
    now = looked(before, report(fleet(merchant("b"), merchant("a")), {}), everyone=False, at=LATER)
    assert list(states(now)) == ["a", "b", "c"]
    assert states(now)["a"] is PlanStatus.IN_SYNC
    assert now.outcomes == {"c": Applied(1)}
    assert now.last_full_pass_at == NOW


def test_a_refusal_of_the_fleet_stands_until_everyone_is_looked_at_again() -> None:
    refused = looked(ControllerStatus(), fleet(changing("a"), refusal=REFUSAL))
    some = looked(refused, fleet(merchant("b")), everyone=False)
    assert present(some.plan).refusal == REFUSAL
    assert present(looked(some, fleet(merchant("a"))).plan).refusal is None


def test_before_everyone_was_looked_at_nobody_was() -> None:
    now = looked(ControllerStatus(), fleet(merchant("a")), everyone=False)
    assert (list(states(now)), now.last_full_pass_at) == (["a"], None)
