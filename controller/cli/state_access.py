"""The state for commands that only read it or correct it by hand; its errors become MerchantctlErrors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from controller.cli.terminal import run_async
from controller.model.errors import LockedByOtherRun, StateError
from controller.operations.bootstrap import hold_state_lock, ignore_message, open_store
from controller.settings import Settings
from state import LockKind, ProcessIdentity, Store
from state.errors import StateLocked, StateProblem

T = TypeVar("T")

MAX_PASS_WAIT_S = 5.0
"""Seconds that a correction by hand waits for the end of a controller's pass: most are that short."""


def query_state(settings: Settings, question: Callable[[Store], Awaitable[T]]) -> T:
    """Open the state, which need not be writable, and return the answer to one question."""

    async def run_question() -> T:
        async with open_store(settings, ignore_message) as store, _translate_state_errors():
            return await question(store)

    return run_async(run_question())


def edit_state(settings: Settings, correction: Callable[[Store], Awaitable[T]]) -> T:
    """Make one correction under both locks. Raises LockedByOtherRun where a run is under way."""

    async def run_correction() -> T:
        async with (
            open_store(settings) as store,
            hold_state_lock(store.lock, 0),
            hold_state_lock(store.controller_lock, MAX_PASS_WAIT_S),
            _translate_state_errors(),
        ):
            return await correction(store)

    return run_async(run_correction())


def break_lock(settings: Settings, kind: LockKind, owner: ProcessIdentity) -> None:
    """End that owner's lock, dead or alive. Raises LockedByOtherRun where another process holds it by now."""

    async def run_break() -> None:
        async with open_store(settings) as store, _translate_state_errors():
            await store.locks()[kind].force_release(owner)

    run_async(run_break())


@asynccontextmanager
async def _translate_state_errors() -> AsyncIterator[None]:
    try:
        yield
    except StateLocked as error:
        raise LockedByOtherRun(str(error)) from error
    except StateProblem as error:
        raise StateError(str(error)) from error
