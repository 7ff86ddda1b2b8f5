"""The numbers that charts are drawn from: a row every few minutes, thinned as it grows old."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from controller.daemon.jobs.sampler import SAMPLE_INTERVAL, Sampler
from controller.model.controller_status import ControllerStatus
from controller.model.plan import PlanStatus
from state import Store, open_state
from tests.unit.reporting.fleets import NOW, fleet, merchant

SEEN = ControllerStatus(plan=fleet(merchant("a"), merchant("b", PlanStatus.WAITING)))


async def sample(store: Store, at: datetime, latest: ControllerStatus = SEEN) -> None:
    await Sampler(store, lambda: latest, lambda: at).sample()


async def test_how_the_fleet_stands_is_kept_every_few_minutes_once_somebody_has_looked(tmp_path: Path) -> None:
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        await sample(store, NOW - timedelta(hours=1), ControllerStatus())
        for at in (NOW, NOW + SAMPLE_INTERVAL / 2, NOW + SAMPLE_INTERVAL):
            await sample(store, at)
        kept = await store.samples.load(NOW - timedelta(days=1))
        assert [each.at for each in kept] == [NOW, NOW + SAMPLE_INTERVAL]
        counts = kept[0].counts
        assert (counts["merchants"], counts["status.in-sync"], counts["status.waiting"]) == (2, 1, 1)
        await sample(store, NOW + timedelta(days=3))
        assert len(await store.samples.load(NOW)) == 2, "one of that hour, and the newest"
