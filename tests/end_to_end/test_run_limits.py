"""How far `run` goes unasked: Codat's own looks, one after another, in one process and without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM
from types import SimpleNamespace
from typing import cast

import pytest

from controller.daemon.loop import load_revised_since_last_load, run_and_record_pass, take_up_changes_on_disk
from controller.daemon.revision_keeper import RevisionKeeper
from controller.daemon.workqueue import EVERYONE, Lane, WorkQueue
from controller.desired.loader import load_fleet
from controller.model.exit_codes import exit_code
from controller.model.holds import HeldBy
from state import ProcessIdentity, Revision, open_state
from state.errors import StateUnreachable
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, count_writes_by_call
from tests.end_to_end.stepped_controller import FLOOR, Fleet, Service, portal_chooses_tips


@pytest.fixture
def fleet(tmp_path: Path, emulator_in_process: Emulator) -> Fleet:
    """Of 40, a run switches 1 off unasked in a day, and 2 once it has looked at everyone."""
    return Fleet(tmp_path, emulator_in_process, 40, enabled=False)


def handfuls(names: list[str], size: int = 7) -> list[list[str]]:
    return [names[at : at + size] for at in range(0, len(names), size)]


@pytest.mark.computes
@pytest.mark.parametrize(("number", "switched_off"), [(240, 72), pytest.param(10_000, 3_000, marks=pytest.mark.soak)])
def test_of_many_who_are_switched_off_in_the_portal_only_the_floor_is_written_before_the_limit_is_judged(
    tmp_path: Path, emulator_in_process: Emulator, number: int, switched_off: int
) -> None:
    fleet = Fleet(tmp_path, emulator_in_process, number, enabled=True)
    names = fleet.some(switched_off)

    async def story(service: Service) -> None:
        fleet.switch(names)
        for handful in handfuls(names, max(7, switched_off // 50)):
            await service.told_of(handful)

    with fleet.place.count_requests() as counts:
        service = fleet.serve(story)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: FLOOR}
    assert service.at_everyone == 1, "brought forward once; whoever joins them then changes nothing"
    (finding,) = service.plan.findings
    assert (finding.code, finding.remedy) == ("enable-held", "merchantctl apply")
    assert {each.merchant for each in service.parked()} == set(names[FLOOR:])
    assert all(each.findings[0].code == "enable-held" for each in service.parked())


def test_within_the_limit_whoever_was_parked_is_released_by_the_look_at_everyone(fleet: Fleet) -> None:
    async def story(service: Service) -> None:
        fleet.switch(fleet.some(2))
        for name in fleet.some(2):
            await service.told_of([name])

    service = fleet.serve(story)
    assert (fleet.otherwise(), service.parked(), service.plan.findings) == ([], [], ())
    assert service.looks == [("m-00000",), ("m-00001",), (EVERYONE,)]


@pytest.mark.parametrize(("revised", "looks"), [(1, 2), (2, 1)])
def test_what_somebody_else_did_is_not_judged_as_part_of_a_revision(fleet: Fleet, revised: int, looks: int) -> None:
    """A pass over all that a revision changed is judged by the limit; over one more, by the floor, as any other, and
    writes nothing of the revision."""

    async def story(service: Service) -> None:
        fleet.switch(fleet.some(2))
        service.daemon.state.revised = set(fleet.some(revised))
        await service.told_of(fleet.some(2))

    service = fleet.serve(story)
    assert fleet.otherwise() == []
    assert service.looks == [("m-00000", "m-00001"), ("m-00000",)][:looks]


def test_what_happens_to_one_of_a_revision_releases_nothing_of_it_before_all_were_judged(fleet: Fleet) -> None:
    """The look at it alone has room below the floor, and the revision as a whole is over the limit."""
    names = fleet.some(3)

    async def story(service: Service) -> None:
        fleet.switch(names)
        service.daemon.state.revised = set(names)
        await run_and_record_pass((names[0],), service.daemon, urgent=True)
        (held,) = service.parked()
        assert (held.merchant, held.hold and held.hold.by) == (names[0], HeldBy.REVISION)
        await service.told_of(names[1:])

    service = fleet.serve(story)
    assert fleet.otherwise() == names, "nothing was written"
    assert [each.code for each in service.plan.findings] == ["disable-held"]
    assert service.daemon.state.revised == set()


def test_of_manifests_that_changed_while_no_run_was_there_it_is_known_whom_they_change(fleet: Fleet) -> None:
    """Something may happen to one of them during the first look at everyone, which is to judge them."""
    place, name = fleet.place, fleet.some(1)[0]

    async def load_revised() -> frozenset[str]:
        async with open_state(place.settings.state) as store:
            return await load_revised_since_last_load(load_fleet(place.manifests), store)

    assert asyncio.run(load_revised()) == frozenset()
    place.merchant(name, enabled=True)
    place.merchant("a newcomer")
    assert asyncio.run(load_revised()) == {name}


def test_from_the_moment_that_new_manifests_are_in_use_nothing_of_them_is_written_unjudged(fleet: Fleet) -> None:
    """Whom they change is put into the queue only once the state says that they are in force: it may be away."""

    async def away() -> None:
        raise StateUnreachable("a restart")

    async def nothing() -> None:
        pass

    async def story(service: Service) -> None:
        keeper = SimpleNamespace(keep_checked_out=nothing, update_revision_in_force=away)
        daemon = replace(service.daemon, revisions=cast(RevisionKeeper, keeper))
        fleet.place.merchant(fleet.some(1)[0], enabled=True)
        for _ in range(2):  # what is being written is loaded once it stands still
            await take_up_changes_on_disk(daemon)
        assert daemon.manifest_watcher.fleet.merchants[fleet.some(1)[0]].digest
        assert daemon.state.revised == set(fleet.some(1))

    fleet.serve(story)


def test_a_pass_writes_nothing_by_manifests_that_another_process_has_replaced_a_moment_ago(fleet: Fleet) -> None:
    """No timer has fired since: the pass asks itself, once it has the lock."""

    async def story(service: Service) -> None:
        run, now, names = service.daemon.run, fleet.place.environment.clock, fleet.some(1)
        keeper = RevisionKeeper(run.store, service.daemon.manifest_watcher, None, "here", "run", ("here", 1), now)
        await keeper.update_revision_in_force()
        assert keeper.in_force
        others = Revision("another digest", None, "elsewhere")
        await run.store.revisions.put_in_force(others, instead_of=keeper.in_force.id, at=now(), by="another")
        process = ProcessIdentity("elsewhere", 1, "another boot", "run")
        await run.store.controllers.record_alive_and_prune(
            process, now(), revision=others.digest, report_only=False, failure=None
        )
        fleet.switch(names)
        await run_and_record_pass(tuple(names), replace(service.daemon, revisions=keeper))
        assert fleet.otherwise() == names

    fleet.serve(story)


def test_whom_a_judgement_parked_no_later_look_at_him_alone_releases(fleet: Fleet) -> None:
    """Nothing was written, so there is room below the floor: else each event would take one of those who are held."""
    names = fleet.some(3)

    async def story(service: Service) -> None:
        fleet.switch(names)
        service.daemon.state.revised = set(names)
        for some in (names, names[:1]):
            await service.told_of(some)
        assert fleet.otherwise() == names
        fleet.switch(names[2:], back=True)
        await service.told_of([EVERYONE])

    service = fleet.serve(story)
    assert (fleet.otherwise(), service.parked(), service.plan.findings) == ([], [], ())


def test_two_revisions_in_a_day_write_no_more_than_the_limit(fleet: Fleet) -> None:
    async def story(service: Service) -> None:
        for names in (fleet.some(2), fleet.some(4)[2:]):
            fleet.switch(names)
            service.daemon.state.revised = set(names)
            await service.told_of(names)

    service = fleet.serve(story)
    assert fleet.otherwise() == fleet.some(4)[2:]
    assert [each.code for each in service.plan.findings] == ["disable-held"]


class NotedQueue(WorkQueue):
    """It notes who is to be looked at together."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[tuple[str, ...], Lane]] = []

    def add(self, keys: Iterable[str], after_s: float = 0, lane: Lane = Lane.RETRY) -> None:
        self.noted.append((tuple(keys), lane))


def test_a_revision_whose_pass_was_cut_short_is_claimed_and_judged_as_one_again(fleet: Fleet) -> None:
    """However many it changed: others that are due are handed out some hundred at a time."""
    names, queue = fleet.some(3), NotedQueue()

    async def story(service: Service) -> None:
        daemon = replace(service.daemon, queue=queue)
        daemon.state.revised = set(names[:2])
        daemon.state.stop_for_signal(SIGTERM)
        await run_and_record_pass(tuple(names), daemon)

    fleet.serve(story)
    assert queue.noted == [(tuple(names[:2]), Lane.REVISION), (tuple(names[2:]), Lane.RETRY)]


async def three_switched(fleet: Fleet, service: Service) -> None:
    fleet.switch(fleet.some(3))
    await service.told_of(fleet.some(3))
    assert [each.merchant for each in service.parked()] == fleet.some(3)[1:]


def test_whoever_is_parked_stays_so_over_a_restart_and_keeps_nobody_else_waiting(fleet: Fleet) -> None:
    fleet.serve(lambda service: three_switched(fleet, service))

    async def another(service: Service) -> None:
        assert [each.merchant for each in service.parked()] == fleet.some(3)[1:]
        other = list(fleet.companies)[-1]
        portal_chooses_tips(fleet.place, other)
        await service.told_of([other])

    with fleet.place.count_requests() as counts:
        fleet.serve(another)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert fleet.otherwise() == fleet.some(3)[1:]


def test_the_command_that_the_finding_says_releases_all_who_are_parked(fleet: Fleet) -> None:
    service = fleet.serve(lambda service: three_switched(fleet, service))
    (finding,) = service.plan.findings
    assert (finding.code, finding.remedy) == ("disable-held", "merchantctl apply --allow disable")
    assert exit_code("apply", fleet.place.apply(allow=("disable",))) == 0
    assert fleet.otherwise() == []

    async def well(service: Service) -> None:
        assert (service.parked(), service.plan.findings) == ([], ())

    fleet.serve(well)


def test_after_an_apply_of_many_run_mends_one_without_a_look_at_everyone(fleet: Fleet) -> None:
    fleet.switch(fleet.some(5))
    fleet.place.apply(allow=("disable",))

    async def story(service: Service) -> None:
        fleet.switch(fleet.some(1))
        await service.told_of(fleet.some(1))

    service = fleet.serve(story)
    assert (service.looks, service.parked(), fleet.otherwise()) == ([("m-00000",)], [], [])
