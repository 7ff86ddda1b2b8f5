"""PostgreSQL goes while `run` looks at somebody to whom something happened: the look is made again by itself."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.daemon.loop import serve, shut_down
from controller.daemon.workqueue import Lane
from tests.emulator import Emulator
from tests.end_to_end.overlapping import Traffic
from tests.end_to_end.place import Place
from tests.end_to_end.stepped_controller import portal_chooses_tips, running_service
from tests.end_to_end.test_overlapping_passes import document_path
from tests.postgresql import OwnDatabase


def wait_until(holds: Callable[[], object]) -> None:
    while not holds():
        time.sleep(0.05)


@pytest.mark.waits
def test_whoever_was_in_hand_when_the_state_went_is_looked_at_once_it_is_back(
    tmp_path: Path, emulator_in_process: Emulator, own_database: OwnDatabase
) -> None:
    place = Place(tmp_path, emulator_in_process)
    place.settings = replace(place.settings, state=own_database.url)
    place.provision("ann")

    async def story() -> None:
        traffic = Traffic(place)
        async with asyncio.timeout(60), running_service(place) as service:
            daemon = service.daemon
            daemon.state.has_begun = True
            serving = asyncio.create_task(serve(daemon))
            portal_chooses_tips(place, "ann")
            held = traffic.hold("GET", document_path(place, "ann"), after_answer=True)
            daemon.queue.add(["ann"], lane=Lane.EVENT)
            await held.reached.wait()
            with own_database.out_of_reach():
                held.let_go()
                await asyncio.to_thread(wait_until, lambda: daemon.outage.reason)
            await asyncio.to_thread(wait_until, lambda: not place.plan().plans[0].changes)
            shut_down(daemon, signal.SIGTERM)
            await serving

    asyncio.run(story())
