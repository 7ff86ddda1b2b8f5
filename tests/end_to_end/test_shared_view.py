"""What others saw is read from the state, and there stands also what this process has just seen itself."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.daemon.jobs.shared_view import SharedView
from controller.daemon.loop import record_pass_and_queue_rechecks, try_pass
from controller.daemon.notifier import Notifier
from controller.daemon.pass_result import Pass
from controller.daemon.workqueue import EVERYONE
from controller.model.report import Failed, FleetReport, Outcome, Skipped
from controller.telemetry.metrics import Metrics
from state.errors import StateProblem
from tests.emulator import Emulator
from tests.end_to_end.stepped_controller import Fleet, Service
from tests.web.conftest import Chat
from tests.web.conftest import chat as chat


def shared_view(service: Service) -> SharedView:
    daemon = service.daemon
    return SharedView(daemon.run.store, daemon.state, lambda: daemon.manifest_watcher.fleet, daemon.run.now)


@pytest.mark.parametrize("is_urgent", [True, False])
def test_what_a_pass_found_is_told_though_the_pages_show_it_already(
    tmp_path: Path, emulator_in_process: Emulator, is_urgent: bool
) -> None:
    fleet = Fleet(tmp_path, emulator_in_process, 2, enabled=True)
    (unlinked,) = fleet.some(1)

    async def story(service: Service) -> None:
        company = fleet.place.company(unlinked)
        (books,) = [each["id"] for each in company["dataConnections"] if each["sourceType"] == "Accounting"]
        for happens, event in (("deauthorize", "finding_opened"), ("authorize", "finding_closed")):
            fleet.emulator.control("POST", f"/companies/{company['id']}/connections/{books}/{happens}")
            keys = (unlinked,) if is_urgent else (EVERYONE,)
            done = await try_pass(keys, service.daemon, urgent=is_urgent)
            await shared_view(service).update()
            with capture_logs() as log:
                await record_pass_and_queue_rechecks(done, service.daemon)
            told = [line["event"] for line in log if line.get("merchant") == unlinked]
            assert event in told

    fleet.serve(story)


def test_what_a_pass_found_is_told_though_the_state_is_lost_at_its_end(
    tmp_path: Path, emulator_in_process: Emulator
) -> None:
    """Who is looked at once more then, once the state answers, is shown with that finding already: no news any more."""
    fleet = Fleet(tmp_path, emulator_in_process, 2, enabled=True)
    (unlinked,) = fleet.some(1)
    state = Path(fleet.place.settings.state.removeprefix("sqlite:///"))
    elsewhere = state.with_suffix(".away")

    def move(here: Path, there: Path) -> None:
        here.rename(there)

    async def story(service: Service) -> None:
        fleet.place.unlink_books_in_portal(unlinked)
        opened = []
        for is_lost in (True, False):
            done = await try_pass((unlinked,), service.daemon)
            if is_lost:
                move(state, elsewhere)
            with capture_logs() as log, pytest.raises(StateProblem) if is_lost else nullcontext():
                await record_pass_and_queue_rechecks(done, service.daemon)
            if is_lost:
                move(elsewhere, state)
            opened += [(is_lost, line["merchant"]) for line in log if line["event"] == "finding_opened"]
        assert opened == [(True, unlinked)]

    fleet.serve(story)


def test_the_chat_hears_of_a_failure_though_the_state_is_lost_at_the_end_of_the_pass(
    tmp_path: Path, emulator_in_process: Emulator, chat: Chat
) -> None:
    """Whoever failed is left alone when the same are looked at once more."""
    fleet = Fleet(tmp_path, emulator_in_process, 2, enabled=True)
    (name,) = fleet.some(1)
    state = Path(fleet.place.settings.state.removeprefix("sqlite:///"))
    elsewhere = state.with_suffix(".away")

    def move(here: Path, there: Path) -> None:
        here.rename(there)

    async def story(service: Service) -> None:
        daemon = replace(service.daemon, notifier=Notifier(Metrics(), asyncio.sleep, chat.url))

        def look(outcome: Outcome) -> Pass:
            now = daemon.run.now()
            return Pass((name,), FleetReport(service.plan, {name: outcome}, now, now), now, now)

        move(state, elsewhere)
        with pytest.raises(StateProblem):
            await record_pass_and_queue_rechecks(look(Failed("400: no such tax rate", False)), daemon)
        move(elsewhere, state)
        await record_pass_and_queue_rechecks(look(Skipped("left alone")), daemon)
        assert [f"{name}: 400: no such tax rate" in each["text"] for each in chat.heard] == [True]

    fleet.serve(story)


def test_what_this_process_saw_it_does_not_read_from_the_state_once_more(
    tmp_path: Path, emulator_in_process: Emulator
) -> None:
    """To read the plans of a whole fleet takes seconds."""
    fleet = Fleet(tmp_path, emulator_in_process, 2, enabled=True)

    async def story(service: Service) -> None:
        await record_pass_and_queue_rechecks(await try_pass((EVERYONE,), service.daemon), service.daemon)
        shown = service.daemon.state.latest
        await shared_view(service).update()
        assert service.daemon.state.latest is shown

    fleet.serve(story)
