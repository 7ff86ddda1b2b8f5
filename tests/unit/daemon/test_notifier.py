"""The chat is told of passes, and holds up none of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.daemon.context import DaemonState
from controller.daemon.notifier import FIRST_RETRY_WAIT_S, PASS_FAILURE_OVER_AFTER_S, Notifier
from controller.daemon.pass_result import Pass, PassFailure, PassResult
from controller.daemon.workqueue import EVERYONE
from controller.model.controller_status import ControllerStatus
from controller.model.desired import Diagnostic
from controller.model.report import Failed, FleetReport, Outcome, Skipped, Unchanged
from controller.telemetry.metrics import Metrics
from state import Store, open_state
from tests.build import USUAL_NOW
from tests.unit.daemon.test_daemon_state import FLEET, NOBODY
from tests.web.conftest import Chat
from tests.web.conftest import chat as chat


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        yield store


async def no_wait(seconds: float) -> None:
    pass


async def test_a_chat_that_takes_nothing_is_left_alone_for_a_while_and_told_then(store: Store, chat: Chat) -> None:
    """One that does not answer at all holds up whatever pass asks it."""
    notifier, state = Notifier(Metrics(), no_wait, chat.url), DaemonState(ControllerStatus())
    done = Pass((EVERYONE,), PassFailure("no answer"), USUAL_NOW, USUAL_NOW)
    state.record_pass(done, FLEET)
    chat.answers = [500] * 4
    for heard, waits in ((2, False), (2, False), (4, True), (4, False), (5, True), (5, True)):
        if waits:
            notifier.retry_at -= 2 * FIRST_RETRY_WAIT_S
        await notifier.alert_of_pass(done, state.latest, store)
        assert len(chat.heard) == heard, "each message once more, then none for a while, and told once"


async def test_a_failure_that_comes_back_after_passes_came_through_for_a_while_is_told_anew(
    store: Store, chat: Chat
) -> None:
    """Where listings tell whom nobody claims, nobody ever looks at everyone again."""
    notifier, state = Notifier(Metrics(), no_wait, chat.url), DaemonState(ControllerStatus())

    async def is_told_after(result: PassResult) -> bool:
        before = len(chat.heard)
        done = Pass(("ann",), result, USUAL_NOW, USUAL_NOW)
        state.record_pass(done, FLEET)
        await notifier.alert_of_pass(done, state.latest, store)
        return len(chat.heard) > before

    failure = PassFailure("no answer")
    assert await is_told_after(failure)
    assert not await is_told_after(NOBODY)
    assert not await is_told_after(failure), "it comes and goes"
    assert notifier.pass_failed_at is not None
    notifier.pass_failed_at -= PASS_FAILURE_OVER_AFTER_S
    assert not await is_told_after(NOBODY)
    assert await is_told_after(failure), "days later"


async def test_a_failure_that_reached_nobody_goes_with_the_next_message_though_it_is_left_alone_by_then(
    store: Store, chat: Chat
) -> None:
    """What Codat refuses for good is not tried again, and would never have been told."""
    notifier, chat.answers = Notifier(Metrics(), no_wait, chat.url), [500] * 2

    async def outcome_told(outcome: Outcome, name: str = "ann") -> bool:
        before, latest = len(chat.heard), ControllerStatus(plan=NOBODY)
        report = FleetReport(NOBODY, {name: outcome}, USUAL_NOW, USUAL_NOW)
        await notifier.alert_of_pass(Pass((name,), report, USUAL_NOW, USUAL_NOW), latest, store)
        notifier.retry_at -= 2 * FIRST_RETRY_WAIT_S
        return len(chat.heard) == before + 1 and "ann: 400" in chat.heard[-1]["text"]

    assert not await outcome_told(Failed("400: no such tax rate", False)), "twice in vain"
    assert await outcome_told(Unchanged(), "bob")
    assert not await outcome_told(Skipped("left alone"))
    chat.answers = [500] * 2
    await outcome_told(Failed("400: no such account", False))
    assert not await outcome_told(Unchanged()), "it is over"


async def test_what_a_pass_and_the_disk_bring_at_once_is_told_once(store: Store, chat: Chat) -> None:
    notifier = Notifier(Metrics(), no_wait, chat.url)
    latest = ControllerStatus(diagnostics=(Diagnostic("ann.yaml", 1, 1, "unknown key 'x'"),))
    done = Pass(("ann",), NOBODY, USUAL_NOW, USUAL_NOW)
    await asyncio.gather(
        notifier.alert_of_pass(done, latest, store), notifier.notify_of_diagnostics(latest, store, USUAL_NOW)
    )
    assert len(chat.heard) == 1


async def test_a_state_that_does_not_say_what_the_chat_knows_is_told_as_that_and_fails_no_pass(tmp_path: Path) -> None:
    database, done = tmp_path / "state.db", Pass((EVERYONE,), PassFailure("no answer"), USUAL_NOW, USUAL_NOW)
    async with open_state(f"sqlite:///{database}") as store:
        database.rename(tmp_path / "elsewhere")
        with capture_logs() as log:
            await Notifier(Metrics(), no_wait).alert_of_pass(done, ControllerStatus(), store)
        (tmp_path / "elsewhere").rename(database)
    assert [(each["event"], each["log_level"]) for each in log] == [("alert_state_failed", "warning")]
