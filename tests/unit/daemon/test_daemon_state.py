"""What is known of a running controller after each pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from controller.daemon.context import DaemonState
from controller.daemon.pass_result import Pass, PassFailure, PassResult
from controller.daemon.workqueue import EVERYONE
from controller.model.controller_status import ControllerStatus, merge_last_looks
from controller.model.desired import Fleet
from controller.model.plan import PlanStatus
from controller.model.report import FleetPlan, RequestEstimate
from state import LockWait, ProcessIdentity
from state.process import LockRow
from tests.build import USUAL_NOW, desired_merchant
from tests.unit.model.test_seen_elsewhere import MANIFESTS, blocked, fleet, in_sync, seen

NOBODY = FleetPlan((), "", True, (), None, RequestEstimate(0, 0, 0), USUAL_NOW)
REFUSED = PassFailure("Codat refuses the API key", api_unusable=True, key_refused=True)
FLEET = Fleet({}, frozenset(), (), True, "")


def look(result: PassResult, *keys: str, urgent: bool = False, judges_revision: bool = False) -> Pass:
    return Pass(keys or (EVERYONE,), result, USUAL_NOW, USUAL_NOW, urgent=urgent, judges_revision=judges_revision)


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


def test_a_wait_for_the_lock_may_end_while_the_web_asks_for_it() -> None:
    """In a thread of its own."""
    state = after(look(NOBODY))

    class EndingWait(LockWait):
        def __bool__(self) -> bool:
            state.lock_wait = None
            return True

    owner = ProcessIdentity("host", 1, "mark", "run")
    state.lock_wait = EndingWait(LockRow(owner, USUAL_NOW), 20, 20, 60)
    assert state.not_ready_reason is None


def test_a_pass_that_came_through_in_its_turn_ends_it() -> None:
    state = after(look(NOBODY), look(REFUSED), look(NOBODY))
    assert (state.key_refused, state.latest.pass_failure, state.failing_since) == (False, None, None)
    assert state.not_ready_reason is None


def test_an_urgent_pass_that_failed_is_a_failure_like_any_other() -> None:
    state = after(look(NOBODY), look(replace(REFUSED), "ann", urgent=True))
    assert (state.key_refused, state.latest.pass_failure) == (True, REFUSED.reason)


def test_whom_a_revision_changed_while_a_pass_went_by_the_one_before_is_to_be_looked_at_still() -> None:
    """The next pass has to know that they are one revision, and judge them as one."""
    before = Fleet({name: desired_merchant(name=name) for name in ("ann", "bob", "cid")}, frozenset(), (), True, "")
    now = replace(before, merchants={**before.merchants, "ann": desired_merchant(name="ann", digest="another")})
    state = DaemonState(ControllerStatus(), revised={"ann", "bob"})
    for keys, left in ((("cid",), {"ann", "bob"}), ((EVERYONE,), {"ann"}), (("ann",), {"ann"})):
        state.record_pass(replace(look(NOBODY, *keys, judges_revision=True), fleet=before), now)
        assert state.revised == left
    state.record_pass(replace(look(NOBODY, "ann", judges_revision=True), fleet=now), now)
    assert not state.revised


def test_whom_a_look_saw_that_did_not_judge_the_revision_is_judged_with_the_others_still() -> None:
    state = DaemonState(ControllerStatus(), revised={"ann", "bob"})
    state.record_pass(replace(look(NOBODY, "ann", urgent=True), fleet=FLEET), FLEET)
    assert state.revised == {"ann", "bob"}
    judged = look(NOBODY, "ann", "bob", judges_revision=True)
    state.record_pass(replace(judged, fleet=FLEET, taken_over=frozenset({"ann"})), FLEET)
    assert state.revised == {"ann"}, "an event took it over from the pass that judged"


def test_a_later_look_elsewhere_stays_shown_though_a_look_that_began_before_it_ends() -> None:
    """A long one: somebody has applied to ann meanwhile."""
    began, ended = USUAL_NOW, USUAL_NOW + timedelta(minutes=10)
    state = DaemonState(ControllerStatus(fleet=MANIFESTS, plan=fleet(in_sync("acme"), in_sync("bakery"))))
    applied = seen(blocked("acme"), began + timedelta(minutes=5))
    from_a_wrong_clock = seen(blocked("bakery"), began + timedelta(hours=5))
    state.latest = merge_last_looks(state.latest, applied | from_a_wrong_clock, None, MANIFESTS)
    state.record_pass(Pass((EVERYONE,), fleet(in_sync("acme"), in_sync("bakery")), began, ended), MANIFESTS)
    assert state.latest.plan
    assert [each.status for each in state.latest.plan.plans] == [PlanStatus.BLOCKED, PlanStatus.IN_SYNC]
    assert state.latest.looked_at == {"acme": began + timedelta(minutes=5), "bakery": began}


def test_a_look_by_manifests_that_are_not_in_force_judges_no_revision() -> None:
    """Once they are, it is judged before anything of it is written."""
    state = DaemonState(ControllerStatus(), revised={"ann", "bob"})
    for done in (look(NOBODY), look(NOBODY, "ann", "bob", judges_revision=True)):
        state.record_pass(replace(done, fleet=FLEET, only_looked=True), FLEET)
    assert state.revised == {"ann", "bob"}
