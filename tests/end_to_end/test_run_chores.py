"""What a controller that stays does by the clock, a piece at a time, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.app import Order, run_of, silent
from controller.codat.client import Client, open_client
from controller.model.latest import Latest
from controller.model.report import FleetPlan
from controller.model.run import Scope
from controller.reporting.metrics import Meters
from controller.runtime.duty import Board, Duty
from controller.runtime.refresh import Refresher
from controller.runtime.revision import Revisions
from controller.runtime.rota import Rota
from controller.runtime.service import look_at
from controller.runtime.telling import Voice
from controller.runtime.workqueue import EVERYONE, WorkQueue
from state import Store, open_state
from tests.end_to_end.place import PROFILE, Place, findings, states, writes

DAY = 86_400.0
STARTED = {**PROFILE["schedule"], "startDate": "2026-11-01"}
REFRESH = "POST /companies/{companyId}/data/all"


def with_real_things(place: Place, story: Callable[[Client, Store], Awaitable[Any]]) -> Any:
    async def begin() -> Any:
        client = open_client(place.emulator.url, place.emulator.api_key, requests_per_minute=0)
        async with open_state(place.settings.state) as store, client as api:
            return await story(api, store)

    return asyncio.run(begin())


def read_syncs(place: Place, plan: FleetPlan, later: timedelta = timedelta()) -> tuple[str, ...]:
    """A turn of everybody; who was put down for a look because of it."""

    async def story(api: Client, store: Store) -> tuple[str, ...]:
        queue = WorkQueue()
        await Rota(api, store, queue, lambda: Latest(plan=plan), lambda: now() + later, round=60).read_some()
        asyncio.get_running_loop().call_later(0.1, queue.close)
        return await queue.due()

    taken: tuple[str, ...] = with_real_things(place, story)
    return taken


def now() -> datetime:
    return datetime.now(UTC)


def test_a_sync_that_fails_is_found_and_whoever_it_is_is_looked_at_at_once(place: Place) -> None:
    place.provisioned("ann", "bob", schedule=STARTED)
    plan, ann = place.plan(), place.company("ann")["id"]
    account = place.document("ann")["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
    place.emulator.control("DELETE", f"/companies/{ann}/accounts/{account}")
    place.emulator.api.post(f"/companies/{ann}/sync/commerce/latest").raise_for_status()
    assert read_syncs(place, plan) == ("ann",)
    assert "ended with 4000" in findings(place.plan(), "ann")["last-sync-failed"].cause
    assert findings(place.plan(), "bob") == {}
    assert read_syncs(place, plan, later=timedelta(hours=1)) == (), "it is known by now"


def test_days_without_a_sync_are_found(place: Place) -> None:
    place.provisioned("ann", schedule=STARTED)
    plan = place.plan()
    assert read_syncs(place, plan) == ()
    assert findings(place.plan(), "ann") == {}
    assert read_syncs(place, plan, later=timedelta(days=3)) == ()
    assert set(findings(place.plan(), "ann")) == {"sync-overdue"}
    assert states(place.plan()) == {"ann": "in-sync"}, "in nobody's way"


def test_data_that_has_grown_old_is_asked_for_once(place: Place) -> None:
    place.provisioned("ann", "bob")
    plan = place.plan()

    async def story(api: Client, store: Store) -> None:
        for _ in range(3):  # each time by another process, as good as
            later = now() + timedelta(hours=25)
            await Refresher(api, store, lambda: Latest(plan=plan), lambda later=later: later, after=DAY).ask_some()

    with place.counted() as counts:
        with_real_things(place, story)
    assert writes(counts) == {REFRESH: 2}


def test_a_fault_of_ours_ends_a_pass_and_not_the_service(place: Place) -> None:
    place.provisioned("ann")

    async def story(api: Client, store: Store) -> Duty:
        revisions = Revisions(place.manifests)
        duty = Duty(
            run=run_of(place.settings, Order(Scope()), revisions.fleet, store, api, silent),
            mends=True,
            resync=3600,
            queue=WorkQueue(),
            revisions=revisions,
            board=Board(Latest()),
            hold=lambda: nullcontext(1 / 0),
            voice=Voice(Meters()),
        )
        await look_at((EVERYONE,), duty)
        return duty

    duty = with_real_things(place, story)
    assert "ZeroDivisionError" in duty.board.latest.trouble
    assert len(duty.queue) == 1, "everyone is tried again"
