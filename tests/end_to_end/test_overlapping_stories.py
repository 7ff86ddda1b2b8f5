"""`run` over stories that nobody thought of: portal, consents, Git, webhooks and applies by hand at once, every request
in any order.

What is asked at the end is what must be so whatever happened: nothing twice, nobody written to by two passes at a time,
everyone as declared, and in the ledger the findings of a fresh look.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from signal import SIGTERM
from typing import Any

import httpx
import pytest

from controller.daemon.loop import run_and_record_pass, serve, shut_down
from controller.daemon.workqueue import EVERYONE, Lane
from controller.model.errors import MerchantctlError
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest
from state.errors import StateLocked
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.stepped_controller import Service, portal_chooses_tips, running_service
from tests.end_to_end.test_overlapping_passes import rename_in_git

HAPPENINGS = 25
STORIES = 8


class AnyOrder(httpx.AsyncBaseTransport):
    """Sends the requests that wait in an order that the dice choose, and loses the answer of a create now and then."""

    def __init__(self, dice: Random) -> None:
        self.below: httpx.AsyncBaseTransport | None = None
        self.loses_answers = True
        self.written_twice_at_once: list[str] = []
        self._dice = dice
        self._waiting: list[asyncio.Future[None]] = []
        self._written: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.below is not None
        target = (
            f"{request.url.path} {(await request.aread()).decode() if 'companies/sync' in request.url.path else ''}"
        )
        is_write = request.method != "GET"
        self._written[target] += is_write
        if is_write and self._written[target] > 1:
            self.written_twice_at_once.append(target)
        try:
            await self._turn()
            answer = await self.below.handle_async_request(request)
            await self._turn()
        finally:
            self._written[target] -= is_write
        if is_write and request.url.path.startswith("/meta/") and self.loses_answers and self._dice.random() < 0.2:
            raise httpx.ReadError("the answer was lost", request=request)
        return answer

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    async def let_go_one_by_one(self) -> None:
        while True:
            for _ in range(self._dice.randrange(1, 40)):
                await asyncio.sleep(0)
            if self._waiting:
                turn = self._waiting.pop(self._dice.randrange(len(self._waiting)))
                if not turn.done():
                    turn.set_result(None)
            else:
                await asyncio.sleep(0.0005)


class Story:
    """Four merchants as declared, and what may happen to them while `run` runs."""

    def __init__(self, place: Place, dice: Random) -> None:
        self.place, self.dice, self.order = place, dice, AnyOrder(dice)
        self.declared = ["ann", "bob", "cid", "dan"]
        self.new = ["eve", "fay"]
        self.company = {name: name for name in (*self.declared, *self.new)}
        self.is_renamed = self.is_removed = False
        self.applies: list[asyncio.Task[None]] = []
        place.provision(*self.declared, policy={"deletion": "Unlink"})
        self.quiet = place.environment
        self.use(self.order)

    def use(self, order: AnyOrder) -> None:
        below, clock, self.ahead = self.place.environment.network, self.place.environment.clock, timedelta()

        @asynccontextmanager
        async def opened(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
            async with below(base_url, concurrency) as order.below:
                yield order

        network: Callable[[str, int], AbstractAsyncContextManager[httpx.AsyncBaseTransport]] = opened
        self.place.environment = replace(self.place.environment, network=network, clock=lambda: clock() + self.ahead)

    async def apply(self, name: str | None) -> None:
        """Somebody applies by hand, all of it or one merchant: which may be refused, and never harms."""
        scope = Scope() if name is None else Scope(targets=(name,))
        request = RunRequest(scope, RunPolicy(frozenset({"unlink", "disable"})), confirm=lambda plan: True)
        with suppress(MerchantctlError, StateLocked):
            await plan_and_apply(self.place.settings, request, environment=self.place.environment)

    async def happen(self, service: Service) -> None:
        """Something, about somebody."""
        name = self.dice.choice(self.declared)
        what = self.dice.choice(
            (self.edit, self.edit, self.unlink, self.consent, self.add, self.rename, self.remove, self.tell, self.tell)
        )
        what(name)
        if self.dice.random() < 0.7:
            service.daemon.queue.add([name], lane=Lane.EVENT)
        if self.dice.random() < 0.2:
            service.daemon.queue.add([EVERYONE])
        if self.dice.random() < 0.3:
            self.applies.append(asyncio.create_task(self.apply(self.dice.choice((None, name)))))
        for _ in range(2):
            if await service.daemon.manifest_watcher.reload_if_changed():
                service.daemon.queue.add([EVERYONE])

    def edit(self, name: str) -> None:
        if self._is_linked(name) and self.place.document(self.company[name]).get("configuration"):
            portal_chooses_tips(self.place, self.company[name])

    def unlink(self, name: str) -> None:
        if self._is_linked(name):
            self.place.unlink_books_in_portal(self.company[name])

    def consent(self, _: str) -> None:
        for company in self.place.companies():
            for connection in company["dataConnections"]:
                if connection["status"] in ("PendingAuth", "Deauthorized"):
                    path = f"/companies/{company['id']}/connections/{connection['id']}/authorize"
                    self.place.emulator.control("POST", path)
        self.place.emulator.advance("PT1M")
        self.ahead += timedelta(minutes=1)

    def add(self, _: str) -> None:
        if self.new:
            self.declared.append(self.new.pop())
            self.place.merchant(self.declared[-1], policy={"deletion": "Unlink"})

    def rename(self, name: str) -> None:
        if not self.is_renamed:
            self.is_renamed = True
            rename_in_git(self.place, name, "zoe")
            self.company["zoe"] = name
            self.declared[self.declared.index(name)] = "zoe"

    def remove(self, name: str) -> None:
        if not self.is_removed and name != "zoe":
            self.is_removed = True
            self.declared.remove(name)
            self.place.remove_manifests(name)

    def tell(self, name: str) -> None:
        """Only a webhook, perhaps."""

    def _is_linked(self, name: str) -> bool:
        called = self.company[name]
        found = [each for each in self.place.companies() if each["name"] == called]
        states = [
            one["status"] for each in found for one in each["dataConnections"] if one["sourceType"] == "Accounting"
        ]
        return states == ["Linked"]


async def ledger_and_plan(service: Service) -> tuple[set[Any], set[Any]]:
    await run_and_record_pass((EVERYONE,), service.daemon)
    open_ = await service.daemon.run.store.findings.load_open()
    plan = service.plan
    return {each.key for each in open_}, {each.key for one in plan.plans for each in one.findings}


async def tell(story: Story) -> None:
    async with asyncio.timeout(300), on_duty_in_any_order(story) as service:
        serving = asyncio.create_task(serve(service.daemon))
        for _ in range(HAPPENINGS):
            await story.happen(service)
            for _ in range(story.dice.randrange(150)):
                await asyncio.sleep(0)
            assert not serving.done(), "it ended by itself"
        shut_down(service.daemon, SIGTERM)
        await asyncio.gather(serving, *story.applies)


@asynccontextmanager
async def on_duty_in_any_order(story: Story) -> AsyncIterator[Service]:
    going = asyncio.create_task(story.order.let_go_one_by_one())
    try:
        async with running_service(story.place) as service:
            yield service
    finally:
        going.cancel()


async def settle(story: Story) -> tuple[set[Any], set[Any]]:
    """Everybody consents, and `run` has looked at everyone often enough."""
    story.order.loses_answers = False
    async with asyncio.timeout(300), on_duty_in_any_order(story) as service:
        for _ in range(3):
            story.consent("")
            story.ahead += timedelta(hours=1)
            story.place.emulator.advance("PT1H")
            await run_and_record_pass((EVERYONE,), service.daemon)
        return await ledger_and_plan(service)


@pytest.mark.parametrize("seed", range(STORIES))
def test_whatever_happens_while_passes_overlap_all_ends_well(
    seed: int, tmp_path: Path, emulator_in_process: Emulator
) -> None:
    story = Story(Place(tmp_path, emulator_in_process), Random(seed))
    asyncio.run(tell(story))
    ledger, shown = asyncio.run(settle(story))
    assert story.order.written_twice_at_once == []
    companies = story.place.companies()
    assert max(Counter(each["name"] for each in companies).values()) == 1
    for each in companies:
        assert sum(one["sourceType"] == "Accounting" for one in each["dataConnections"]) <= 1
    story.place.environment = replace(story.quiet, clock=story.place.environment.clock)
    # Whoever went while somebody alike came waits for a word about it.
    asked = [
        each.merchant for each in story.place.plan().plans if any(one.code == "rename-unclear" for one in each.findings)
    ]
    # A merchant that was refused is left alone for a minute first.
    story.place.apply(retry=True, allow=tuple(f"take-down={name}" for name in asked))
    plan = story.place.plan()
    assert {each.merchant for each in plan.plans} == set(story.declared)
    assert not [each for each in plan.plans if each.changes or each.held_changes]
    assert ledger == shown
