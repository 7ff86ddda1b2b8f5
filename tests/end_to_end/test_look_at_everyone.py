"""In which order a controller looks at everyone: it may take many minutes, and nobody is to grow older than need be."""

from __future__ import annotations

from pathlib import Path

from controller.daemon.loop import run_and_record_pass
from controller.daemon.workqueue import EVERYONE
from controller.reconcile.fleet import plan_fleet
from controller.reconcile.load_snapshot import load_snapshot
from controller.reconcile.unchanged_looks import MAX_WAITING_PLANS
from state import LastSyncRow, ProcessIdentity
from tests.emulator import Emulator
from tests.end_to_end.stepped_controller import Fleet, Service


def test_whoever_was_looked_at_longest_ago_comes_first(tmp_path: Path, emulator_in_process: Emulator) -> None:
    fleet = Fleet(tmp_path, emulator_in_process, 12, enabled=True)
    oldest, asked = set(fleet.some(12)[3:10:3]), list[str]()

    async def story(service: Service) -> None:
        await service.told_of([name for name in fleet.companies if name not in oldest])
        asked.extend(configurations_asked_for(emulator_in_process))
        await run_and_record_pass((EVERYONE,), service.daemon)

    fleet.serve(story)
    at_last = configurations_asked_for(emulator_in_process)[len(asked) :]
    assert sorted(at_last) == sorted(fleet.companies.values())
    assert set(at_last[:3]) == {fleet.companies[name] for name in oldest}


def test_whoever_is_as_before_is_dated_though_the_look_has_not_ended(
    tmp_path: Path, emulator_in_process: Emulator
) -> None:
    fleet = Fleet(tmp_path, emulator_in_process, MAX_WAITING_PLANS + 2, enabled=True)
    moved, synced = fleet.some(2)

    async def story(service: Service) -> None:
        # What the first one put right is as it should be at the second, and found so at the third.
        await run_and_record_pass((EVERYONE,), service.daemon)
        run, began = service.daemon.run, service.daemon.run.now()
        fleet.switch([moved])
        # Syncs are read in turn by a timer: that no look has told of the latest one yet makes nobody another.
        await run.store.last_syncs.save_if_newer([LastSyncRow(synced, 2000, "Complete", began, began, began)])
        snapshot = await load_snapshot(run)
        await plan_fleet(snapshot, began=began)
        dates = await run.store.last_looks.load_times()
        assert {name for name, at in dates.items() if at == began} == dates.keys() - {moved}

    fleet.serve(story)


def test_a_look_at_one_is_none_at_whom_somebody_synchronises_by_hand(
    tmp_path: Path, emulator_in_process: Emulator
) -> None:
    """What was last applied to everybody else is not read for it."""
    fleet = Fleet(tmp_path, emulator_in_process, 2, enabled=True)
    ours, synced = fleet.some(2)

    async def story(service: Service) -> None:
        await service.daemon.run.store.manual_syncs.begin(
            synced,
            fleet.companies[synced],
            was_enabled=True,
            previous_sync=None,
            owner=ProcessIdentity.current("sync"),
            at=service.daemon.run.now(),
        )
        fleet.switch([ours])
        await service.told_of([ours])
        assert service.daemon.state.latest.pass_failure is None

    fleet.serve(story)
    assert fleet.otherwise() == []


def configurations_asked_for(emulator: Emulator) -> list[str]:
    """By company, in order."""
    log = emulator.control("GET", "/requests?log=1")["log"]
    paths = (each["path"] for each in log if each["method"] == "GET")
    return [path.split("/")[3] for path in paths if path.startswith("/config/")]
