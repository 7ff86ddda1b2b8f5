"""A command beside a living `run`: neither waits for the other, and to each merchant one of them writes at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from controller.daemon.loop import run_and_record_pass
from controller.desired.loader import load_fleet
from controller.model.report import Applied, ChangedSincePlan, FleetReport, Outcome
from controller.model.run_policy import Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest
from controller.reconcile.merchant_lease import try_leases
from state import ProcessIdentity, Revision, open_state
from tests.emulator import Emulator
from tests.end_to_end.overlapping import Traffic
from tests.end_to_end.place import CREATE_COMPANY, SAVE_CONFIGURATION, Place
from tests.end_to_end.stepped_controller import Service, portal_chooses_tips, running_service
from tests.end_to_end.test_overlapping_passes import begin_long_pass, document_path, rename_in_git
from tests.postgresql import empty_schema


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    """Ann, Bob and Cid, as declared."""
    place = Place(tmp_path, emulator_in_process)
    place.provision("ann", "bob", "cid")
    return place


async def apply_by_hand(place: Place, *targets: str) -> FleetReport:
    report = await plan_and_apply(
        place.settings, RunRequest(Scope(targets=targets), confirm=lambda plan: True), environment=place.environment
    )
    assert isinstance(report, FleetReport)
    return report


def outcomes_of_run(service: Service) -> dict[str, Outcome]:
    return dict(service.daemon.state.latest.outcomes)


def test_an_apply_does_not_wait_for_a_look_at_everyone_and_each_change_is_made_once(place: Place) -> None:
    """`run` has looked at Ann and Bob, and waits for Cid's document, when somebody applies Bob's change."""

    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service:
            portal_chooses_tips(place, "ann")
            portal_chooses_tips(place, "bob")
            held = traffic.hold("GET", document_path(place, "cid"), after_answer=True)
            long_pass = await begin_long_pass(service, held)
            with place.count_requests() as counts:
                report = await apply_by_hand(place, "bob")
            assert isinstance(report.outcomes["bob"], Applied)
            assert counts[SAVE_CONFIGURATION] == 1
            with place.count_requests() as counts:
                held.let_go()
                await long_pass
            assert counts[SAVE_CONFIGURATION] == 1, "Ann's alone"

    asyncio.run(story())
    assert not [each for each in place.plan().plans if each.changes]


def test_whom_run_is_writing_to_an_apply_leaves_alone_and_says_so(place: Place) -> None:
    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service:
            portal_chooses_tips(place, "ann")
            held = traffic.hold("POST", document_path(place, "ann"))
            long_pass = await begin_long_pass(service, held)
            report = await apply_by_hand(place)
            ann = report.outcomes["ann"]
            assert isinstance(ann, ChangedSincePlan)
            assert ann.what == "another run of merchantctl is writing to it at this moment"
            held.let_go()
            await long_pass

    asyncio.run(story())
    assert not [each for each in place.plan().plans if each.changes]


def test_a_switch_that_run_planned_before_a_manual_sync_began_is_not_written_during_it(place: Place) -> None:
    """Ann was switched off in the portal, and is as the sync wants it: no document tells `run` that one has begun."""

    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service, open_state(place.settings.state) as other:
            place.edit_in_portal("ann", {"enabled": False})
            held = traffic.hold("GET", document_path(place, "cid"), after_answer=True)
            long_pass = await begin_long_pass(service, held)
            await other.manual_syncs.begin(
                "ann",
                place.company("ann")["id"],
                was_enabled=True,
                previous_sync=None,
                owner=ProcessIdentity.current("sync ann"),
                at=place.environment.clock(),
            )
            with place.count_requests() as counts:
                held.let_go()
                await long_pass
            assert counts[SAVE_CONFIGURATION] == 0
            assert isinstance(outcomes_of_run(service)["ann"], ChangedSincePlan)

    asyncio.run(story())
    assert place.document("ann")["enabled"] is False


def test_a_create_under_way_in_run_is_not_taken_for_a_lost_one(place: Place) -> None:
    """Its intent is on disk and open: whoever looks for it now would find nothing, and create a twin."""

    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service:
            place.merchant("dan")
            for _ in range(2):  # a folder that may still be written is looked at twice
                await service.daemon.manifest_watcher.reload_if_changed()
            held = traffic.hold("POST", "/meta/companies/sync")
            long_pass = await begin_long_pass(service, held)
            with place.count_requests() as counts:
                report = await apply_by_hand(place)
            assert counts[CREATE_COMPANY] == 0
            assert not isinstance(report.outcomes["dan"], Applied)
            held.let_go()
            await long_pass

    asyncio.run(story())
    assert [each["name"] for each in place.companies()] == ["ann", "bob", "cid", "dan"]


def test_a_new_merchant_that_is_renamed_in_git_gets_one_company_and_not_one_for_each_name(place: Place) -> None:
    """`run` goes by the manifests before the rename still, and the apply by those after it: to each of the two, the
    merchant is another one."""

    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service:
            place.merchant("dan")
            for _ in range(2):
                await service.daemon.manifest_watcher.reload_if_changed()
            look = traffic.hold("GET", document_path(place, "cid"), after_answer=True)
            long_pass = await begin_long_pass(service, look)
            rename_in_git(place, "dan", "zoe")
            create = traffic.hold("POST", "/meta/companies/sync")
            applying = asyncio.create_task(apply_by_hand(place))
            await create.reached.wait()
            with place.count_requests() as counts:
                look.let_go()
                await long_pass
            assert counts[CREATE_COMPANY] == 0
            dan = outcomes_of_run(service)["dan"]
            assert isinstance(dan, ChangedSincePlan)
            assert dan.what == "a company of the name 'dan' is being created for zoe, or was a moment ago"
            create.let_go()
            assert isinstance((await applying).outcomes["zoe"], Applied)

    asyncio.run(story())
    assert [each["name"] for each in place.companies()] == ["ann", "bob", "cid", "dan"]


def test_what_run_saw_before_an_apply_is_not_recorded_over_what_the_apply_set(place: Place) -> None:
    """`run` looked at Bob before the manifest changed; what the apply set then is what was last applied."""

    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(300), running_service(place) as service:
            portal_chooses_tips(place, "ann")
            held = traffic.hold("POST", document_path(place, "ann"))
            long_pass = await begin_long_pass(service, held)
            place.merchant("bob", schedule={"time": "03:00"})
            await apply_by_hand(place, "bob")
            held.let_go()
            await long_pass
            await run_and_record_pass(("cid",), service.daemon)

    asyncio.run(story())
    place.edit_in_portal("bob", {"schedule": {"syncHourUtc": 7}})
    (plan,) = place.plan("bob").plans
    assert [each.direction for change in plan.changes for each in change.fields] == ["drift"]


def test_a_lease_that_cannot_be_had_since_the_lock_is_lost_ends_the_pass_and_nothing_else(
    tmp_path: Path, emulator_in_process: Emulator, postgresql: str
) -> None:
    """A process that was stopped for too long finds its connection ended: its pass ends, and the next one goes on."""

    async def story(place: Place) -> None:
        async with asyncio.timeout(300), running_service(place) as service:
            run = service.daemon.run
            async with service.daemon.lock.hold(), open_state(place.settings.state) as other:
                await other.controller_lock.force_release()
                async with try_leases(["ann"], run) as is_ours:
                    assert not is_ours
                assert "lock on the state" in str(run.stop.reason)
            portal_chooses_tips(place, "ann")
            with service.daemon.state.new_stop():
                await run_and_record_pass(("ann",), service.daemon)

    with empty_schema(postgresql) as url:
        place = Place(tmp_path, emulator_in_process)
        place.settings = replace(place.settings, state=url)
        place.provision("ann")
        asyncio.run(story(place))
        assert not [each for each in place.plan().plans if each.changes]


@pytest.mark.parametrize("report_only", [False, True])
def test_an_apply_by_manifests_that_a_run_does_not_have_says_that_it_sets_them_back(
    place: Place, report_only: bool
) -> None:
    """Unlike from the folder that it has, too: there it takes up itself what changed."""

    async def told(manifests: Path) -> list[str]:
        messages: list[str] = []
        order = RunRequest(Scope(targets=("ann",)), confirm=lambda plan: True, on_message=messages.append)
        await plan_and_apply(replace(place.settings, manifests=manifests), order, environment=place.environment)
        return messages

    async def story() -> None:
        kept, now = load_fleet(place.manifests), place.environment.clock()
        async with open_state(place.settings.state) as store:
            revision = Revision(kept.digest, None, str(place.manifests.resolve()))
            await store.revisions.put_in_force(revision, instead_of=None, at=now, by="run")
            process = ProcessIdentity.current("run")
            await store.controllers.record_alive_and_prune(
                process, now, revision=kept.digest, report_only=report_only, failure=None
            )
        elsewhere = place.folder / "elsewhere"
        copytree(place.manifests, elsewhere)
        assert await told(elsewhere) == [], "they are the same"
        place.merchant("ann", enabled=False)
        assert await told(place.manifests) == []
        copytree(place.manifests, elsewhere, dirs_exist_ok=True)
        said = await told(elsewhere)
        assert ["sets back" in each for each in said] == ([] if report_only else [True])

    asyncio.run(story())
