"""How one moment of the controller follows another."""

from datetime import timedelta

from controller.model.latest import Latest, after
from controller.model.merchant import Fleet
from controller.model.plan import State
from controller.model.report import Done, Excess, Failed, Refusal
from tests.unit.reporting.fleets import NOW, changing, fleet, merchant, report

FLEET = Fleet({}, frozenset(), (), True, "0" * 64)
REFUSAL = Refusal((Excess("disable", 7, 1, "--allow disable"),))
LATER = NOW + timedelta(minutes=5)


def looked(latest, result, *, everyone=True, at=NOW):
    return after(latest, result, FLEET, everyone=everyone, at=at)


def states(latest):
    return {each.merchant: each.state for each in latest.plan.plans}


def test_a_look_at_everyone_replaces_what_was_known():
    before = looked(
        Latest(), report(fleet(changing("gone"), changing("a")), {"gone": Done(1), "a": Failed("no", True)})
    )
    now = looked(before, fleet(merchant("a")), at=LATER)
    assert states(now) == {"a": State.IN_SYNC}
    assert now.outcomes == {}
    assert now.at == LATER


def test_a_look_at_some_leaves_the_others_as_they_were():
    before = looked(Latest(), report(fleet(changing("a"), changing("c")), {"a": Failed("no", True), "c": Done(1)}))
    now = looked(before, report(fleet(merchant("b"), merchant("a")), {}), everyone=False, at=LATER)
    assert list(states(now)) == ["a", "b", "c"]
    assert states(now)["a"] is State.IN_SYNC
    assert now.outcomes == {"c": Done(1)}
    assert now.at == NOW


def test_a_refusal_of_the_fleet_stands_until_everyone_is_looked_at_again():
    refused = looked(Latest(), fleet(changing("a"), refusal=REFUSAL))
    some = looked(refused, fleet(merchant("b")), everyone=False)
    assert some.plan.refusal == REFUSAL
    assert looked(some, fleet(merchant("a"))).plan.refusal is None


def test_before_everyone_was_looked_at_nobody_was():
    now = looked(Latest(), fleet(merchant("a")), everyone=False)
    assert (list(states(now)), now.at) == (["a"], None)


def test_a_pass_that_came_through_ends_the_trouble():
    assert looked(Latest(trouble="no answer"), fleet()).trouble is None
