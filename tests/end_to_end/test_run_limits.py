"""How far `run` goes unasked: Codat's own looks, one after another, in one process and without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from controller.codat.client import open_client
from controller.daemon.loop import run_pass
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.state import DaemonContext, DaemonState
from controller.daemon.workqueue import EVERYONE, Work, WorkQueue
from controller.model.controller_status import ControllerStatus
from controller.model.exit_codes import exit_code
from controller.model.plan import Plan
from controller.model.report import FleetPlan
from controller.model.run import RunPolicy, Scope
from controller.operations.bootstrap import ApplyRequest, build_run, no_progress, state_lock
from controller.telemetry.metrics import Metrics
from state import open_state
from tests.emulator import Emulator
from tests.end_to_end.place import SAVE_CONFIGURATION, Place, count_writes_by_call

FLOOR = 50
TIPS = {"sales": {"accounts": {"gratuity": {"name": "Tips payable"}}}}


class Service:
    """The controller that runs, one look at a time: a webhook and a timer only say whom to look at."""

    def __init__(self, daemon: DaemonContext) -> None:
        self.daemon = daemon
        self.looks: list[tuple[str, ...]] = []

    async def told_of(self, names: Iterable[str]) -> None:
        """These are to be looked at; so is whoever is due after that, until nobody is."""
        self.daemon.queue.add(tuple(names))
        while work := await self._due():
            self.looks.append(tuple(work))
            await run_pass(tuple(work), self.daemon)
            await self.daemon.queue.done(work)

    async def _due(self) -> Work:
        with suppress(TimeoutError):
            async with asyncio.timeout(0):  # who is due is handed out without waiting
                return await self.daemon.queue.get()
        return {}

    @property
    def at_everyone(self) -> int:
        return sum(EVERYONE in keys for keys in self.looks)

    @property
    def plan(self) -> FleetPlan:
        plan = self.daemon.state.latest.plan
        assert plan is not None
        return plan

    def parked(self) -> list[Plan]:
        return [each for each in self.plan.plans if each.held_changes]


@asynccontextmanager
async def running_service(place: Place) -> AsyncIterator[Service]:
    world, settings = place.environment, place.settings
    client = open_client(settings.base_url, str(settings.api_key), requests_per_minute=0, network=world.network)
    async with open_state(settings.state) as store, client as api:
        revisions = ManifestWatcher(place.manifests)
        order = ApplyRequest(Scope(), RunPolicy(automatic=True))
        service = Service(
            DaemonContext(
                run=replace(
                    build_run(settings, order, revisions.fleet, store, api, no_progress, world),
                    lock=store.controller_lock,
                ),
                applies_changes=True,
                resync_interval_s=3600,
                queue=WorkQueue(),
                manifest_watcher=revisions,
                state=DaemonState(ControllerStatus(fleet=revisions.fleet)),
                lock=PassLock(lambda _: state_lock(store.controller_lock, 0), lambda: revisions.fleet),
                notifier=Notifier(Metrics(), world.sleep),
            )
        )
        await run_pass((EVERYONE,), service.daemon)
        yield service


class Fleet:
    """Configured merchants, all switched on, or all off, as declared; and what happens to them in the portal."""

    def __init__(self, folder: Path, emulator: Emulator, number: int, *, enabled: bool) -> None:
        self.place, self.emulator, self.enabled = Place(folder, emulator), emulator, enabled

        def build() -> None:
            for each in emulator.seed(number, "configured"):
                self.place.merchant(each["name"])
            self.place.profile(schedule={}, mapping=TIPS, enabled=enabled)
            self.place.apply(allow=("remap", "disable"))

        self.place.begin_with(f"{number} configured, {enabled=}", build)
        self.companies = {each["name"]: each["id"] for each in self.place.companies()}

    def some(self, number: int) -> list[str]:
        return list(self.companies)[:number]

    def switch(self, names: Iterable[str]) -> None:
        """Somebody switches them, in the portal."""
        for name in names:
            path = f"/companies/{self.companies[name]}/configuration"
            self.emulator.control("PATCH", path, {"enabled": not self.enabled})

    def otherwise(self) -> list[str]:
        """Whoever is not switched as declared."""
        read = {name: f"/config/companies/{id_}/sync/commerce" for name, id_ in self.companies.items()}
        return [name for name, path in read.items() if self.emulator.api.get(path).json()["enabled"] != self.enabled]

    def serve(self, story: Callable[[Service], Awaitable[None]]) -> Service:
        async def begin() -> Service:
            async with running_service(self.place) as service:
                await story(service)
            return service

        return asyncio.run(begin())


@pytest.fixture
def fleet(tmp_path: Path, emulator_in_process: Emulator) -> Fleet:
    """Of 40, a run switches 1 off unasked in a day, and 2 once it has looked at everyone."""
    return Fleet(tmp_path, emulator_in_process, 40, enabled=False)


def handfuls(names: list[str], size: int = 7) -> list[list[str]]:
    return [names[at : at + size] for at in range(0, len(names), size)]


@pytest.mark.long
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


@pytest.mark.parametrize(("revised", "looks_at_everyone"), [(1, 1), (2, 0)])
def test_what_somebody_else_did_is_not_judged_as_part_of_a_revision(
    fleet: Fleet, revised: int, looks_at_everyone: int
) -> None:
    """A pass over all that a revision changed is judged by the limit; over one more, by the floor, as any other."""

    async def story(service: Service) -> None:
        fleet.switch(fleet.some(2))
        service.daemon.state.revised = set(fleet.some(revised))
        await service.told_of(fleet.some(2))

    service = fleet.serve(story)
    assert (fleet.otherwise(), service.at_everyone) == ([], looks_at_everyone)


def test_two_revisions_in_a_day_write_no_more_than_the_limit(fleet: Fleet) -> None:
    async def story(service: Service) -> None:
        for names in (fleet.some(2), fleet.some(4)[2:]):
            fleet.switch(names)
            service.daemon.state.revised = set(names)
            await service.told_of(names)

    service = fleet.serve(story)
    assert fleet.otherwise() == fleet.some(4)[2:]
    assert [each.code for each in service.plan.findings] == ["disable-held"]


async def three_switched(fleet: Fleet, service: Service) -> None:
    fleet.switch(fleet.some(3))
    await service.told_of(fleet.some(3))
    assert [each.merchant for each in service.parked()] == fleet.some(3)[1:]


def test_whoever_is_parked_stays_so_over_a_restart_and_keeps_nobody_else_waiting(fleet: Fleet) -> None:
    fleet.serve(lambda service: three_switched(fleet, service))

    async def another(service: Service) -> None:
        assert [each.merchant for each in service.parked()] == fleet.some(3)[1:]
        other = list(fleet.companies)[-1]
        portal_chooses(fleet.place, other)
        await service.told_of([other])

    with fleet.place.count_requests() as counts:
        fleet.serve(another)
    assert count_writes_by_call(counts) == {SAVE_CONFIGURATION: 1}
    assert fleet.otherwise() == fleet.some(3)[1:]


def portal_chooses(place: Place, name: str) -> None:
    """Another account for the tips."""
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    other = next(each["id"] for each in entry["accountOptions"] if each["id"] != entry["selectedAccountId"])
    place.edit_in_portal(name, {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": other}}}}})


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
