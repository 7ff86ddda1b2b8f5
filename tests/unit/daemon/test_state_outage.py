"""A state that cannot be reached is asked again with growing pauses."""

from __future__ import annotations

import asyncio

import pytest

from controller.daemon.state_outage import FIRST_RETRY_WAIT_S, StateOutage
from state.errors import StateUnreachable


@pytest.mark.waits
async def test_a_state_that_answers_the_question_and_nothing_else_is_not_tried_all_the_time() -> None:
    outage, now = StateOutage(), asyncio.get_running_loop().time

    async def answers() -> None:
        pass

    watching, began = asyncio.create_task(outage.watch(answers)), now()
    for _ in range(3):
        outage.begin(StateUnreachable("no connection is left"))
        await outage.wait_until_over()
    assert now() - began >= (1 + 2) * FIRST_RETRY_WAIT_S
    outage.close()
    await watching
