"""What the log says of a pass: the facts, and nothing that is not so."""

from __future__ import annotations

from dataclasses import replace

from controller.daemon.notifier import pass_log_fields
from controller.daemon.pass_result import Pass, PassFailure
from controller.daemon.workqueue import EVERYONE
from controller.model.plan import Plan, PlanStatus
from controller.model.report import Applied, Failed, FleetPlan, FleetReport, LimitExceeded, Refusal, RequestEstimate
from tests.build import USUAL_NOW
from tests.narrowing import expect

PLANS = (Plan("ann", PlanStatus.CHANGE), Plan("bob", PlanStatus.CHANGE), Plan("cid", PlanStatus.IN_SYNC))
FLEET = FleetPlan(PLANS, "", True, (), None, RequestEstimate(0, 0, 0), USUAL_NOW)


def said(seen, *keys: str) -> dict[str, object]:
    return pass_log_fields(Pass(keys or (EVERYONE,), seen, USUAL_NOW, USUAL_NOW))


def test_a_pass_that_wrote_says_how_everyone_stands_and_who_failed() -> None:
    report = FleetReport(
        FLEET, {"ann": Applied(1), "bob": Failed("no", retryable=True, writes=1)}, USUAL_NOW, USUAL_NOW
    )
    assert said(report) == {
        "scope": "everyone", "failed": 1, "in_sync": 2, "writes": 2, "findings": 0, "seconds": 0.0,
        "failures": ["bob"],
    }  # fmt: skip


def test_a_refusal_is_said_with_the_flag_that_lifts_it() -> None:
    refused = replace(FLEET, refusal=Refusal((LimitExceeded("disable", 3, 2, "--allow disable"),)))
    assert "--allow disable" in expect(list, said(refused)["refused"])[0]
    assert said(refused)["writes"] == 0


def test_a_setback_says_why_and_claims_nothing_about_merchants() -> None:
    assert said(PassFailure("no answer"), "ann", "bob") == {
        "scope": "2 named", "writes": 0, "findings": 0, "seconds": 0.0, "cut_short": "no answer",
    }  # fmt: skip
