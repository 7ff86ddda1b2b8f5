"""The controller that runs, one look at a time, in this process: how far it goes unasked is a matter of their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from controller.codat.client import open_client
from controller.daemon.context import DaemonContext, DaemonState
from controller.daemon.loop import run_and_record_pass
from controller.daemon.manifest_watcher import ManifestWatcher
from controller.daemon.notifier import Notifier
from controller.daemon.pass_lock import PassLock
from controller.daemon.workqueue import EVERYONE, Work, WorkQueue
from controller.model.controller_status import ControllerStatus
from controller.model.plan import Plan
from controller.model.report import FleetPlan
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.bootstrap import RunRequest, build_run, hold_state_lock, no_progress
from controller.telemetry.metrics import Metrics
from state import open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place

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
            await run_and_record_pass(tuple(work), self.daemon)
            await self.daemon.queue.done(work)

    async def _due(self) -> Work:
        with suppress(TimeoutError):
            async with asyncio.timeout(0):  # who is due is handed out without waiting
                return await self.daemon.queue.get_not_urgent()
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
        order = RunRequest(Scope(), RunPolicy(automatic=True))
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
                lock=PassLock(lambda _: hold_state_lock(store.controller_lock, 0), lambda: revisions.fleet),
                notifier=Notifier(Metrics(), world.sleep),
            )
        )
        await run_and_record_pass((EVERYONE,), service.daemon)
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

    def switch(self, names: Iterable[str], *, back: bool = False) -> None:
        """Somebody switches them, in the portal, or back."""
        for name in names:
            path = f"/companies/{self.companies[name]}/configuration"
            self.emulator.control("PATCH", path, {"enabled": self.enabled is back})

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


def portal_chooses_tips(place: Place, name: str) -> None:
    """Somebody chooses another account for the tips, in the portal."""
    entry = place.document(name)["configuration"]["sales"]["accounts"]["gratuity"]
    other = next(each["id"] for each in entry["accountOptions"] if each["id"] != entry["selectedAccountId"])
    place.edit_in_portal(name, {"configuration": {"sales": {"accounts": {"gratuity": {"selectedAccountId": other}}}}})
