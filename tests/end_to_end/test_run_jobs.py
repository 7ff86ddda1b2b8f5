"""What a controller that stays does by the clock, a piece at a time, over real HTTP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from controller.codat.client import Client, open_client
from controller.daemon.context import DaemonContext, DaemonState
from controller.daemon.jobs.data_refresher import DataRefresher
from controller.daemon.jobs.sync_poller import SyncPoller
from controller.daemon.loop import run_and_record_pass, serve, shut_down, take_up_changes_on_disk
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.revision_keeper import RevisionKeeper
from controller.daemon.rollout_driver import RolloutDriver
from controller.daemon.workqueue import EVERYONE, Lane, WorkQueue
from controller.environment import REAL_ENVIRONMENT
from controller.model.controller_status import ControllerStatus
from controller.model.report import FleetPlan
from controller.model.rollout import MemberState, RolloutSpec
from controller.model.run_policy import Scope
from controller.operations.bootstrap import RunRequest, build_run, no_progress
from controller.telemetry.metrics import Metrics
from state import MemberRow, ProcessIdentity, Revision, Store, open_state
from tests.end_to_end.place import UK_PROFILE, Place, count_writes_by_call, findings_by_code, states_by_merchant
from tests.end_to_end.stepped_controller import running_service
from tests.narrowing import present

pytestmark = pytest.mark.over_tcp

T = TypeVar("T")

DAY = 86_400.0
STARTED = {**UK_PROFILE["schedule"], "startDate": "2026-11-01"}
REFRESH = "POST /companies/{companyId}/data/all"


def with_real_things(place: Place, story: Callable[[Client, Store], Awaitable[T]]) -> T:
    async def begin() -> T:
        client = open_client(place.emulator.url, place.emulator.api_key, requests_per_minute=0)
        async with open_state(place.settings.state) as store, client as api:
            return await story(api, store)

    return asyncio.run(begin())


def read_syncs(place: Place, plan: FleetPlan, later: timedelta = timedelta()) -> tuple[str, ...]:
    """A turn of everybody; who was put down for a look because of it."""

    async def story(api: Client, store: Store) -> tuple[str, ...]:
        queue = WorkQueue()
        await SyncPoller(
            api, store, queue, lambda: ControllerStatus(plan=plan), lambda: now() + later, round_s=60
        ).poll_some()
        asyncio.get_running_loop().call_later(0.1, queue.close)
        return tuple(await queue.get_urgent())

    return with_real_things(place, story)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_sync_that_fails_is_found_and_whoever_it_is_is_looked_at_at_once(place: Place) -> None:
    """Whoever has read it first: a rollout, somebody at a terminal, another process."""
    place.provision("ann", "bob", schedule=STARTED)
    plan, ann = place.plan(), place.company("ann")["id"]
    account = place.document("ann")["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
    place.emulator.control("DELETE", f"/companies/{ann}/accounts/{account}")
    place.emulator.api.post(f"/companies/{ann}/sync/commerce/latest").raise_for_status()
    assert read_syncs(place, plan) == ("ann",)
    shown = place.plan()
    assert "ended with 4000" in findings_by_code(shown, "ann")["last-sync-failed"].cause
    assert findings_by_code(shown, "bob") == {}
    assert read_syncs(place, shown, later=timedelta(hours=1)) == (), "it is known by now"
    assert read_syncs(place, plan, later=timedelta(hours=2)) == ("ann",), "in the state, and not yet on the pages"


def test_days_without_a_sync_are_found(place: Place) -> None:
    place.provision("ann", schedule=STARTED)
    plan = place.plan()
    assert read_syncs(place, plan) == ()
    assert findings_by_code(place.plan(), "ann") == {}
    assert read_syncs(place, plan, later=timedelta(days=3)) == ()
    assert set(findings_by_code(place.plan(), "ann")) == {"sync-overdue"}
    assert states_by_merchant(place.plan()) == {"ann": "in-sync"}, "in nobody's way"


def test_data_that_has_grown_old_is_asked_for_once(place: Place) -> None:
    place.provision("ann", "bob")
    plan = place.plan()

    async def story(api: Client, store: Store) -> None:
        tomorrow = now() + timedelta(hours=25)
        for _ in range(3):  # each time by another process, as good as
            refresher = DataRefresher(api, store, lambda: ControllerStatus(plan=plan), lambda: tomorrow, max_age_s=DAY)
            await refresher.refresh_some()

    with place.count_requests() as counts:
        with_real_things(place, story)
    assert count_writes_by_call(counts) == {REFRESH: 2}


def test_a_fault_of_ours_ends_a_pass_and_not_the_service(place: Place) -> None:
    place.provision("ann")

    def broken(_: float) -> AbstractAsyncContextManager[datetime | None]:
        raise ZeroDivisionError

    async def story(api: Client, store: Store) -> DaemonContext:
        revisions = ManifestWatcher(place.manifests)
        daemon = DaemonContext(
            run=build_run(
                place.settings, RunRequest(Scope()), revisions.fleet, store, api, no_progress, REAL_ENVIRONMENT
            ),
            applies_changes=True,
            resync_interval_s=3600,
            queue=WorkQueue(),
            manifest_watcher=revisions,
            state=DaemonState(ControllerStatus()),
            lock=PassLock(broken, lambda: revisions.fleet),
            notifier=Notifier(Metrics(), REAL_ENVIRONMENT.sleep),
        )
        await run_and_record_pass((EVERYONE,), daemon)
        return daemon

    daemon = with_real_things(place, story)
    assert "ZeroDivisionError" in present(daemon.state.latest.pass_failure)
    assert len(daemon.queue) == 1, "everyone is tried again"


@pytest.mark.parametrize("status", [403, 409, 422])
def test_whoever_cannot_be_read_keeps_nobody_else_from_having_its_sync_read(place: Place, status: int) -> None:
    place.provision("ann", "bob", "cem", schedule=STARTED)
    plan, ann = place.plan(), place.company("ann")["id"]
    place.emulator.fault(f"GET /meta/companies/{ann}/sync/commerce/status", "status", code=status, times=1000)
    asked: list[int] = []

    async def story(api: Client, store: Store) -> set[str]:
        poller = SyncPoller(api, store, WorkQueue(), lambda: ControllerStatus(plan=plan), now, round_s=60)
        for _ in range(3):
            before = api.reads
            await poller.poll_some()
            asked.append(api.reads - before)
        return set(await store.last_syncs.load())

    assert with_real_things(place, story) == {"bob", "cem"}
    assert asked[1:] == [0, 0], "ann is passed over for a while"


@pytest.mark.parametrize("status", [403, 409, 500])
def test_whoever_refuses_a_pull_keeps_nobody_else_from_being_asked_for(place: Place, status: int) -> None:
    place.provision("ann", "bob", "cem")
    plan, ann = place.plan(), place.company("ann")["id"]
    place.emulator.fault(f"POST /companies/{ann}/data/all", "status", code=status, times=1000)

    async def story(api: Client, store: Store) -> None:
        turns = DataRefresher(
            api, store, lambda: ControllerStatus(plan=plan), lambda: now() + timedelta(hours=25), max_age_s=DAY
        )
        for _ in range(3):  # one merchant each time: so much for a fleet of three
            await turns.refresh_some()

    with place.count_requests() as counts:
        with_real_things(place, story)
    assert count_writes_by_call(counts)[REFRESH] == 3, "each of them once"


@pytest.mark.parametrize("goes", [False, True], ids=["one is declared otherwise", "one goes"])
def test_whom_the_manifests_changed_while_the_state_did_not_answer_is_looked_at_once_it_does(
    place: Place, goes: bool
) -> None:
    place.provision("ann", "bob")
    state = Path(place.settings.state.removeprefix("sqlite:///"))
    elsewhere = state.with_suffix(".away")

    def move(here: Path, there: Path) -> None:
        here.rename(there)

    async def story() -> None:
        async with running_service(place) as service:
            run, watcher = service.daemon.run, service.daemon.manifest_watcher
            keeper = RevisionKeeper(run.store, watcher, None, "here", "run", ("here", 1), run.now)
            daemon = replace(service.daemon, queue=WorkQueue(), revisions=keeper)
            await take_up_changes_on_disk(daemon)
            if goes:
                (place.manifests / "merchant-ann.yaml").unlink()
            else:
                place.merchant("ann", enabled=False)
            await take_up_changes_on_disk(daemon)
            move(state, elsewhere)
            await take_up_changes_on_disk(daemon)
            assert not len(daemon.queue)
            move(elsewhere, state)
            await take_up_changes_on_disk(daemon)
            assert len(daemon.queue) == 1
            assert await daemon.queue.get_not_urgent() == {EVERYONE if goes else "ann": Lane.REVISION}
            await take_up_changes_on_disk(daemon)
            assert not len(daemon.queue), "once"

    asyncio.run(asyncio.wait_for(story(), 300))


@pytest.mark.parametrize("change", [False, True], ids=["it began with others", "they change meanwhile"])
def test_what_was_looked_at_while_another_process_kept_the_fleet_at_other_manifests_is_carried_out_once_that_is_gone(
    place: Place, change: bool
) -> None:
    """A rolling deployment: the first look of the new process, while the old one lives, writes nothing; and whoever
    changes meanwhile is looked at by the old one in vain, which shares the queue."""
    place.provision("ann")

    async def story() -> None:
        async with running_service(place) as service:
            run, other = service.daemon.run, ProcessIdentity("elsewhere", 1, "mark", "run")
            keeper = RevisionKeeper(
                run.store, service.daemon.manifest_watcher, None, "here", "run", ("here", 1), run.now
            )
            daemon = replace(service.daemon, queue=WorkQueue(), revisions=keeper)
            older = Revision("older", None, "elsewhere")
            await run.store.revisions.put_in_force(older, instead_of=None, at=run.now(), by="other")
            await run.store.controllers.record_alive_and_prune(
                other, run.now(), revision=older.digest, report_only=False, failure=None
            )
            if change:
                await keeper.update_revision_in_force()
                place.merchant("ann", enabled=False)
                await take_up_changes_on_disk(daemon)
            else:
                await run_and_record_pass((EVERYONE,), daemon)
            await take_up_changes_on_disk(daemon)
            assert keeper.leaves_to_others
            assert not len(daemon.queue)
            await run.store.controllers.remove(other)
            await take_up_changes_on_disk(daemon)
            assert keeper.report_only_reason is None
            assert len(daemon.queue) == 1
            assert await daemon.queue.get_not_urgent() == {"ann" if change else EVERYONE: Lane.REVISION}
            await take_up_changes_on_disk(daemon)
            assert not len(daemon.queue), "once"

    asyncio.run(asyncio.wait_for(story(), 300))


def test_whoever_is_looked_at_beside_a_look_by_manifests_that_are_not_in_force_is_not_written_to(place: Place) -> None:
    """It goes by the same manifests as that look, though the newer ones are in force here by now."""
    place.provision("ann")

    async def story() -> None:
        async with running_service(place) as service:
            run, other = service.daemon.run, ProcessIdentity("elsewhere", 1, "mark", "run")
            keeper = RevisionKeeper(
                run.store, service.daemon.manifest_watcher, None, "here", "run", ("here", 1), run.now
            )
            daemon = replace(service.daemon, queue=WorkQueue(), revisions=keeper)
            newer = Revision("newer", None, "elsewhere")
            await run.store.revisions.put_in_force(newer, instead_of=None, at=run.now(), by="other")
            await run.store.controllers.record_alive_and_prune(
                other, run.now(), revision=newer.digest, report_only=False, failure=None
            )
            await keeper.update_revision_in_force()
            async with daemon.lock.hold() as long_look:
                long_look.takeovers.allow()
                place.merchant("ann", enabled=False)
                place.edit_in_portal("ann", {"enabled": False})
                for _ in range(2):
                    await take_up_changes_on_disk(daemon)
                await run.store.controllers.remove(other)
                await take_up_changes_on_disk(daemon)
                assert keeper.report_only_reason is None
                await run_and_record_pass(("ann",), daemon, urgent=True)
                assert place.document("ann")["enabled"] is False
            await take_up_changes_on_disk(daemon)
            assert await daemon.queue.get_not_urgent() == {"ann": Lane.REVISION, EVERYONE: Lane.REVISION}

    asyncio.run(asyncio.wait_for(story(), 300))


def test_a_writer_in_another_process_that_does_not_end_is_waited_for(place: Place) -> None:
    """As somebody's `sqlite3` in the middle of a transaction."""
    place.provision("ann")

    async def story() -> None:
        async with running_service(place) as service, open_state(place.settings.state) as other:
            daemon = service.daemon
            daemon.run.store._database.longest_wait_s = 0.0
            daemon.state.has_begun, before = True, daemon.state.latest.looked_at["ann"]
            serving = asyncio.create_task(serve(daemon))
            async with other._database.writing():
                daemon.queue.add(["ann"], lane=Lane.EVENT)
                while not serving.done() and daemon.outage.reason is None:
                    await asyncio.wait({serving}, timeout=0.01)
                assert not serving.done()
            daemon.run.store._database.longest_wait_s = 60.0
            while not serving.done() and daemon.state.latest.looked_at["ann"] == before:
                await asyncio.wait({serving}, timeout=0.01)
            shut_down(daemon, signal.SIGTERM)
            await serving

    asyncio.run(asyncio.wait_for(story(), 300))


def test_whoever_of_a_revision_is_due_is_judged_with_those_of_it_that_are_not(place: Place) -> None:
    """An event has taken the other one out of the queue meanwhile."""
    place.provision("ann", "bob")

    async def story() -> None:
        async with running_service(place) as service:
            daemon = service.daemon
            daemon.state.has_begun, daemon.state.revised = True, {"ann", "bob"}
            serving = asyncio.create_task(serve(daemon))
            daemon.queue.add(["bob"], lane=Lane.REVISION)
            while not serving.done() and daemon.state.revised:
                await asyncio.wait({serving}, timeout=0.01)
            shut_down(daemon, signal.SIGTERM)
            await serving
            assert not daemon.state.revised

    asyncio.run(asyncio.wait_for(story(), 300))


def test_after_a_lock_that_was_lost_everyone_is_looked_at_though_a_rollout_takes_it_next(place: Place) -> None:
    """What the lost process had in flight, nobody has heard the answer of."""
    place.provision("ann")

    @asynccontextmanager
    async def open_lock(_: float) -> AsyncIterator[datetime | None]:
        yield now()

    async def story() -> list[datetime]:
        lost: list[datetime] = []
        async with running_service(place) as service:
            daemon, fleet = service.daemon, service.daemon.manifest_watcher.fleet
            owner = ProcessIdentity.current("run")
            members = [MemberRow("ann", 1, fleet.merchants["ann"].digest, MemberState.PENDING.value)]
            await daemon.run.store.rollouts.begin("x", RolloutSpec(("100%",)).to_json(), members, owner, now())
            lock = PassLock(open_lock, lambda: fleet)
            await RolloutDriver(
                daemon.run, lock, daemon.state, owner, lambda: fleet, lambda: True, on_lost_lock=lost.append
            ).drive()
        return lost

    assert len(asyncio.run(story())) == 1
