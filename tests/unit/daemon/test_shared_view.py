"""What other processes saw is shown here, too, in whatever order they keep it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from controller.daemon.context import DaemonState
from controller.daemon.jobs.shared_view import UPDATES_PER_COMPLETE_ONE, SharedView
from controller.model.controller_status import ControllerStatus
from controller.model.encoding import encode
from controller.model.holds import HeldBy, Hold
from controller.model.plan import Change, ChangeClass, ChangeKind, Plan, PlanStatus
from controller.model.report import Applied, Outcome, Skipped, Unchanged
from state import LastLookRow, open_state
from tests.unit.model.test_seen_elsewhere import LATER, MANIFESTS, NOON, blocked, fleet, in_sync


def row(plan: Plan, at: datetime) -> LastLookRow:
    return LastLookRow(plan.merchant, at, encode(plan), encode(Unchanged()))


async def statuses_shown(tmp_path: Path, now: datetime, own: dict[str, datetime], *elsewhere: LastLookRow) -> list[str]:
    """How the merchants stand in the view of a process that saw them in sync itself, a minute later."""
    plan = fleet(*map(in_sync, own))
    state = DaemonState(ControllerStatus(fleet=MANIFESTS, plan=plan, looked_at=own))
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        view = SharedView(store, state, lambda: MANIFESTS, lambda: now)
        await view.update()
        await store.last_looks.save_if_newer(elsewhere)
        for _ in range(UPDATES_PER_COMPLETE_ONE):
            await view.update()
    assert state.latest.plan
    return [each.status.value for each in state.latest.plan.plans]


async def test_the_looks_of_a_long_pass_are_shown_though_they_are_dated_by_its_beginning(tmp_path: Path) -> None:
    own = {"acme": NOON - timedelta(hours=1), "bakery": LATER}
    long_pass = row(blocked("acme"), NOON - timedelta(minutes=11))
    assert await statuses_shown(tmp_path, LATER, own, long_pass) == ["blocked", "in-sync"]


async def test_after_a_clock_was_put_back_looks_of_others_are_shown_again(tmp_path: Path) -> None:
    own = {"acme": NOON - timedelta(hours=1), "bakery": NOON + timedelta(hours=5)}
    assert await statuses_shown(tmp_path, LATER, own, row(blocked("acme"), NOON)) == ["blocked", "in-sync"]


async def test_whom_another_process_has_looked_at_since_a_revision_is_none_of_the_next_one(tmp_path: Path) -> None:
    """Else the next one would have others among it, and would be judged as no revision at all."""
    plan, own = fleet(in_sync("acme"), in_sync("bakery")), dict.fromkeys(("acme", "bakery"), NOON - timedelta(hours=1))
    state = DaemonState(ControllerStatus(fleet=MANIFESTS, plan=plan, looked_at=own))
    state.revised, state.revised_at = {"acme", "bakery"}, NOON
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        view = SharedView(store, state, lambda: MANIFESTS, lambda: LATER)
        for seconds, left in ((-1, {"acme", "bakery"}), (1, {"bakery"})):
            await store.last_looks.save_if_newer([row(in_sync("acme"), NOON + timedelta(seconds=seconds))])
            await view.update()
            assert state.revised == left


async def test_whom_a_pass_elsewhere_did_not_come_to_is_of_the_revision_still(tmp_path: Path) -> None:
    """As where that process was told to end: else over fifty of a kind were parked, and not judged as one."""
    plan, own = fleet(in_sync("acme"), in_sync("bakery")), dict.fromkeys(("acme", "bakery"), NOON - timedelta(hours=1))
    state = DaemonState(ControllerStatus(fleet=MANIFESTS, plan=plan, looked_at=own))
    state.revised, state.revised_at = {"acme", "bakery"}, NOON
    change = Change(ChangeKind.SET_CONFIGURATION, (ChangeClass.REMAP,))
    outcomes: dict[str, Outcome] = {"acme": Applied(1), "bakery": Skipped("not begun: stopped by SIGTERM")}
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        for name, outcome in outcomes.items():
            changing = Plan(name, PlanStatus.CHANGE, changes=(change,))
            await store.last_looks.save_if_newer([LastLookRow(name, LATER, encode(changing), encode(outcome))])
        await SharedView(store, state, lambda: MANIFESTS, lambda: LATER).update()
    assert state.revised == {"bakery"}


async def test_whom_another_process_has_seen_without_judging_the_revision_is_of_it_still(tmp_path: Path) -> None:
    """As for an event: all whom the revision changed are judged together, by whichever process."""
    change = Change(ChangeKind.SET_CONFIGURATION, (ChangeClass.REMAP,))
    hold = Hold(HeldBy.REVISION, "all are judged together")
    unjudged = Plan("acme", PlanStatus.WAITING, held_changes=(change,), hold=hold)
    state = DaemonState(ControllerStatus(fleet=MANIFESTS, plan=fleet(in_sync("acme")), looked_at={"acme": NOON}))
    state.revised, state.revised_at = {"acme"}, NOON
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        await store.last_looks.save_if_newer([LastLookRow("acme", LATER, encode(unjudged), encode(Unchanged()))])
        await SharedView(store, state, lambda: MANIFESTS, lambda: LATER).update()
    assert state.revised == {"acme"}
