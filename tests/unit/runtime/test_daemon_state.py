"""What is known of a running controller after each pass."""

from __future__ import annotations

from dataclasses import replace

from controller.daemon.context import DaemonState
from controller.daemon.pass_result import Pass, PassFailure, PassResult
from controller.daemon.workqueue import EVERYONE
from controller.model.controller_status import ControllerStatus
from controller.model.desired import Fleet
from controller.model.report import FleetPlan, RequestEstimate
from tests.build import USUAL_NOW

NOBODY = FleetPlan((), "", True, (), None, RequestEstimate(0, 0, 0), USUAL_NOW)
REFUSED = PassFailure("Codat refuses the API key", api_unusable=True, key_refused=True)
FLEET = Fleet({}, frozenset(), (), True, "")


def look(result: PassResult, *keys: str, urgent: bool = False) -> Pass:
    return Pass(keys or (EVERYONE,), result, USUAL_NOW, USUAL_NOW, urgent=urgent)


def after(*passes: Pass) -> DaemonState:
    state = DaemonState(ControllerStatus())
    for each in passes:
        state.record_pass(each, FLEET)
    return state


def test_an_urgent_pass_that_came_through_ends_no_failure_of_the_others() -> None:
    """It may have been about somebody without a manifest, and have sent no request at all."""
    state = after(look(NOBODY), look(REFUSED), look(NOBODY, "ann", urgent=True))
    assert (state.key_refused, state.latest.pass_failure) == (True, REFUSED.reason)
    assert state.not_ready_reason is not None
    assert state.failing_since == USUAL_NOW


def test_a_pass_that_came_through_in_its_turn_ends_it() -> None:
    state = after(look(NOBODY), look(REFUSED), look(NOBODY))
    assert (state.key_refused, state.latest.pass_failure, state.failing_since) == (False, None, None)
    assert state.not_ready_reason is None


def test_an_urgent_pass_that_failed_is_a_failure_like_any_other() -> None:
    state = after(look(NOBODY), look(replace(REFUSED), "ann", urgent=True))
    assert (state.key_refused, state.latest.pass_failure) == (True, REFUSED.reason)
