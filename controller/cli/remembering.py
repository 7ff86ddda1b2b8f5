"""The state for commands that only look into it or mend it by hand, its complaints in our own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from controller.app import held, remembered
from controller.cli.terminal import await_now
from controller.model.errors import StateError
from controller.settings import Settings
from state import Store
from state.errors import StateProblem

T = TypeVar("T")


def ask_state(settings: Settings, question: Callable[[Store], Awaitable[T]]) -> T:
    """The answer of the state to one question."""

    async def asked() -> T:
        async with remembered(settings) as store, _in_our_words():
            return await question(store)

    return await_now(asked())


def mend_state(settings: Settings, correction: Callable[[Store], Awaitable[T]]) -> T:
    """One correction by hand, under the lock: no run may be under way. Raises Locked."""

    async def corrected() -> T:
        async with remembered(settings) as store, held(store, 0), _in_our_words():
            return await correction(store)

    return await_now(corrected())


@asynccontextmanager
async def _in_our_words() -> AsyncIterator[None]:
    try:
        yield
    except StateProblem as error:
        raise StateError(str(error)) from error
