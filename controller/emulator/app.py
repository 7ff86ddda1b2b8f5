"""The service as one ASGI application: every surface, and what stands before the API.

api        counted ─ fault? ─ key ─ limits ─ the work ─ latency ─ fault? ─ answer with limit headers
page       what a merchant's browser sees: no key
control    /_emulator/...: no key, loopback only, never counted or delayed
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from types import ModuleType

from starlette.datastructures import State
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from controller.emulator import (
    api_companies,
    api_configuration,
    api_connections,
    api_data,
    api_sync_settings,
    control,
    datasets,
    integrations,
    pages,
    pages_sync_flow,
    push,
    sending,
    sync_flow,
    ui_text,
    visible_accounts,
)
from controller.emulator.admission import check_key, check_loopback
from controller.emulator.errors import SERVER_FAULT, ApiError, not_valid
from controller.emulator.faults import STALE_FOR, Fault
from controller.emulator.front import Front
from controller.emulator.persistence import DataFile
from controller.emulator.routing import CONTROLS, Answerer, Found, NoPlace, Router
from controller.emulator.syncs import service as syncs
from controller.emulator.traffic import Call
from controller.emulator.webhooks import service as webhooks
from controller.emulator.world import World

API_SUBJECTS: tuple[ModuleType, ...] = (
    api_companies,
    api_connections,
    api_configuration,
    api_data,
    api_sync_settings,
    integrations,
    push,
    sync_flow,
    syncs,
    ui_text,
    visible_accounts,
    webhooks,
)
"""Modules that export `routes`; those that export `attach(world)` or `resume(world)` have them called."""

SUBJECTS: tuple[ModuleType, ...] = (*API_SUBJECTS, datasets)
_HEARTBEAT = 0.2
_log = logging.getLogger("merchantctl.emulator")


def build(world: World, data_file: DataFile | None = None) -> Application:
    """The application over a world, which is first filled from the data file and then kept in it."""
    if data_file:
        data_file.read_into(world)
    router = Router()
    for subject in (*API_SUBJECTS, control):
        router.add("api", subject.routes)
    for subject in (pages, pages_sync_flow):
        router.add("page", subject.routes)
    for subject in SUBJECTS:
        for name in ("attach", "resume"):
            if hasattr(subject, name):
                getattr(subject, name)(world)
    front = Front(router=router)
    brought = [route for subject in API_SUBJECTS for route in subject.routes]
    controls = [*control.routes, *(route for route in brought if route.path.startswith(CONTROLS))]
    state = State({"world": world, "front": front, "controls": controls})
    return Application(world, router, front, state, data_file)


@dataclass(slots=True)
class Application:
    """An ASGI application. `state` is what handlers find as `request.app.state`."""

    world: World
    router: Router
    front: Front
    state: State
    data_file: DataFile | None = None
    _heart: asyncio.Task[None] | None = field(default=None, repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            scope["app"] = self
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.world.catch_up()
        found = self.router.find(scope["method"], scope["path"])
        request = Request(scope, receive)
        if isinstance(found, Found):
            scope["path_params"] = found.parameters
        if isinstance(found, NoPlace) or found.place.surface == "api":
            await self._called(request, found, send)
        else:
            await sending.whole(send, await self._done(request, found), [])

    async def _called(self, request: Request, found: Found | NoPlace, send: Send) -> None:
        """One call of the API, from its arrival to whatever the caller gets to see."""
        scope, now = request.scope, self.world.now()
        template = found.place.template if isinstance(found, Found) else scope["path"]
        call = Call(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), now)
        self.front.traffic.enter(template, call)
        fault = self.front.faults.take(call.method, template, call.path)
        if fault and fault.do == "drop":
            await sending.hang_up(scope)
            return
        response = await self._answered(request, found, fault)
        if fault and fault.do == "lose-answer":
            await sending.hang_up(scope)
            return
        call.status = response.status_code
        answered = self.world.now()
        headers = [sending.date(answered), *self.front.limits.headers(answered, _address(request))]
        if fault and fault.do == "truncate" and response.body:
            await sending.cut_short(scope, send, response, headers)
        else:
            await sending.whole(send, response, headers)

    async def _answered(self, request: Request, found: Found | NoPlace, fault: Fault | None) -> Response:
        if fault and fault.do == "status" and not fault.done:
            return sending.refusal(fault.error())
        if fault and fault.do == "stale":
            request.scope["emulator.world"] = self.world.before_last_write(STALE_FOR)
        response = await self._admitted(request, found, fault)
        if fault and fault.do == "status":
            return sending.refusal(fault.error())
        return sending.garbage() if fault and fault.do == "garbage" else response

    async def _admitted(self, request: Request, found: Found | NoPlace, fault: Fault | None) -> Response:
        """The work, for a caller with the key and within the limits; done at once, answered when due."""
        company_id = found.parameters.get("companyId") if isinstance(found, Found) else None
        limits = self.front.limits
        try:
            check_key(self.world.settings, request.headers.get("authorization", ""))
            limits.enter(self.world.now(), _address(request), company_id)
        except ApiError as refused:
            return sending.refusal(refused)
        self._tell_of_quota()
        try:
            response = _nobody(found) if isinstance(found, NoPlace) else await self._done(request, found)
            await self._wait(fault)
            return response
        finally:
            limits.leave(company_id)

    def _tell_of_quota(self) -> None:
        """The call just let in may have been the day's last: told now, and when the quota is back."""
        world, limits = self.world, self.front.limits
        if back := limits.used_up(world.now()):
            world.emit("client.rateLimit.reached", "", **limits.quota(world.now()))
            world.agenda.at(back, lambda: world.emit("client.rateLimit.reset", "", **limits.quota(world.now())))

    async def _done(self, request: Request, found: Found) -> Response:
        """Run the answerer; a write leaves the world before it behind, for the `stale` fault."""
        surface, answerer = found.place.surface, found.place.answerer
        try:
            if surface == "control":
                check_loopback(_address(request))
            reading = request.method == "GET"
            response = await (answerer(request) if reading else self._written(request, answerer))
            self._save()
            return response
        except ApiError as error:
            return pages.refused(error) if surface == "page" else sending.refusal(error)
        except ClientDisconnect:
            return sending.refusal(not_valid())
        except Exception:
            _log.exception("%s %s", request.method, request.url.path)
            return sending.refusal(ApiError(500, SERVER_FAULT))

    async def _written(self, request: Request, answerer: Answerer) -> Response:
        """A write, from its body being there to its end, with nothing in between."""
        await request.body()
        self.world.catch_up()
        with self.world.writing():
            return await answerer(request)

    def _save(self) -> None:
        if self.data_file:
            self.data_file.save(self.world)

    async def _wait(self, fault: Fault | None) -> None:
        held = self.front.latency_ms + (fault.ms if fault and fault.do == "delay" else 0)
        if held:
            await asyncio.sleep(held / 1000)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._heart = asyncio.create_task(self._beat())
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._heart:
                    self._heart.cancel()
                if self.data_file:
                    self.data_file.close(self.world)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _beat(self) -> None:
        """What becomes due is done though nobody calls: webhooks leave in time."""
        while True:
            await asyncio.sleep(_HEARTBEAT)
            try:
                self.world.catch_up()
                self._save()
            except Exception:
                _log.exception("something due went wrong")


def _nobody(found: NoPlace) -> Response:
    if not found.allowed:
        return sending.refusal(ApiError(404, "NotFound"))
    return sending.refusal(ApiError(405, "Method Not Allowed", headers={"Allow": ", ".join(found.allowed)}))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
