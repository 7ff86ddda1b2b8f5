"""What the log says of a pass: the facts, and nothing that is not so."""

from __future__ import annotations

from dataclasses import replace

from controller.model.plan import Plan, State
from controller.model.report import Cost, Done, Excess, Failed, FleetPlan, FleetReport, Refusal
from controller.runtime.passes import Pass, Setback
from controller.runtime.telling import line
from controller.runtime.workqueue import EVERYONE
from tests.build import NOW

PLANS = (Plan("ann", State.CHANGE), Plan("bob", State.CHANGE), Plan("cid", State.IN_SYNC))
FLEET = FleetPlan(PLANS, "", True, (), None, Cost(0, 0, 0), NOW)


def said(seen, *keys: str) -> dict[str, object]:
    return line(Pass(keys or (EVERYONE,), seen, NOW, NOW))


def test_a_pass_that_wrote_says_how_everyone_stands_and_who_failed():
    report = FleetReport(FLEET, {"ann": Done(1), "bob": Failed("no", again=True, writes=1)}, NOW, NOW)
    assert said(report) == {
        "whom": "everyone", "failed": 1, "in_sync": 2, "writes": 2, "findings": 0, "seconds": 0.0,
        "failures": ["bob"],
    }  # fmt: skip


def test_a_refusal_is_said_with_the_flag_that_lifts_it():
    refused = replace(FLEET, refusal=Refusal((Excess("disable", 3, 2, "--allow disable"),)))
    assert "--allow disable" in said(refused)["refused"][0]
    assert said(refused)["writes"] == 0


def test_a_setback_says_why_and_claims_nothing_about_merchants():
    assert said(Setback("no answer"), "ann", "bob") == {
        "whom": "2 named", "writes": 0, "findings": 0, "seconds": 0.0, "cut_short": "no answer",
    }  # fmt: skip
