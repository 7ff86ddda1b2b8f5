"""The emulator as one ASGI application: the API with its gateway, merchants' pages, and controls.

api        counted ─ injected calls? ─ fault? ─ key ─ limits ─ handler ─ latency ─ injected calls? ─ fault? ─ answer
page       what a merchant's browser sees: no key
control    /_emulator/...: no key, loopback only, never counted or delayed
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType

from starlette.datastructures import State
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from controller.emulator.account_push import operations as push_operations
from controller.emulator.controls import general as general_controls
from controller.emulator.controls.faults import STALE_WINDOW_S, InjectedFault
from controller.emulator.http import (
    api_companies,
    api_configuration,
    api_connections,
    api_data,
    api_integrations,
    api_sync_settings,
    api_ui_text,
    api_visible_accounts,
    idempotency,
    responses,
)
from controller.emulator.http.auth import check_key_and_maintenance, check_loopback, check_same_site
from controller.emulator.http.gateway_state import GatewayState
from controller.emulator.http.request_log import LoggedCall
from controller.emulator.http.routing import CONTROLS_PREFIX, Handler, NoRoute, RouteMatch, Router
from controller.emulator.pages import link as link_page
from controller.emulator.pages import sync_flow as sync_flow_page
from controller.emulator.pages import visits
from controller.emulator.service import pulls
from controller.emulator.service.data_file import DataFile
from controller.emulator.service.errors import SERVER_FAULT, ApiError, not_valid
from controller.emulator.service.world import World
from controller.emulator.syncs import endpoints as sync_endpoints
from controller.emulator.webhooks import wiring as webhook_wiring

API_MODULES: tuple[ModuleType, ...] = (
    api_companies,
    api_connections,
    api_configuration,
    api_data,
    api_sync_settings,
    api_integrations,
    push_operations,
    visits,
    sync_endpoints,
    api_ui_text,
    api_visible_accounts,
    webhook_wiring,
)
"""Modules that export `routes`; those that export `subscribe(world)` or `resume(world)` have them called."""

LIFECYCLE_MODULES: tuple[ModuleType, ...] = (*API_MODULES, pulls)
_HEARTBEAT_S = 0.2
_log = logging.getLogger("merchantctl.emulator")


def build_application(world: World, data_file: DataFile | None = None) -> Application:
    """The application over a world; with a data file, the world is loaded from it now and saved to it after changes."""
    if data_file:
        data_file.load_into(world)
        data_file.save(world)
    router = Router()
    for module in (*API_MODULES, general_controls):
        router.add("api", module.routes)
    for module in (link_page, sync_flow_page):
        router.add("page", module.routes)
    for module in LIFECYCLE_MODULES:
        for hook in ("subscribe", "resume"):
            if hasattr(module, hook):
                getattr(module, hook)(world)
    gateway = GatewayState(router=router)
    api_routes = [route for module in API_MODULES for route in module.routes]
    controls = [*general_controls.routes, *(route for route in api_routes if route.path.startswith(CONTROLS_PREFIX))]
    state = State({"world": world, "gateway": gateway, "controls": controls})
    return Application(world, router, gateway, state, data_file)


@dataclass(slots=True)
class Application:
    """An ASGI application. `state` is what handlers find as `request.app.state`."""

    world: World
    router: Router
    gateway: GatewayState
    state: State
    data_file: DataFile | None = None
    _heartbeat_task: asyncio.Task[None] | None = field(default=None, repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            scope["app"] = self
            await self._handle_http(scope, receive, send)

    async def _handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.world.run_due()
        match = self.router.find(scope["method"], scope["path"])
        request = Request(scope, receive)
        if isinstance(match, RouteMatch):
            scope["path_params"] = match.parameters
        if isinstance(match, NoRoute) or match.entry.surface == "api":
            await self._handle_api_call(request, match, send)
        else:
            await responses.send_response(send, await self._run_handler(request, match), [])

    async def _handle_api_call(self, request: Request, match: RouteMatch | NoRoute, send: Send) -> None:
        """One call of the API, from its arrival to the answer that its caller gets, if any."""
        scope, now = request.scope, self.world.now()
        template = match.entry.template if isinstance(match, RouteMatch) else scope["path"]
        call = LoggedCall(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), now)
        self.gateway.request_log.record(template, call)
        fault = self.gateway.faults.take_matching(call.method, template, call.path)
        if fault and fault.do == "drop":
            await responses.abort_connection(scope)
            return
        injected = self.gateway.injected_calls.take_matching(call.method, template, call.path)
        await self.gateway.injected_calls.make_calls(injected, "before", request, self.router, self._run_handler)
        response = await self._serve_with_fault(request, match, fault)
        await self.gateway.injected_calls.make_calls(injected, "after", request, self.router, self._run_handler)
        if fault and (fault.do == "lose-answer" or (fault.do == "complete-late" and not fault.code)):
            await responses.abort_connection(scope)
            return
        call.status = response.status_code
        answered = self.world.now()
        headers = [responses.date_header(answered), *self.gateway.limits.headers(answered, _caller_address(request))]
        if fault and fault.do == "truncate" and response.body:
            await responses.send_truncated(scope, send, response, headers)
        else:
            await responses.send_response(send, response, headers)

    async def _serve_with_fault(
        self, request: Request, match: RouteMatch | NoRoute, fault: InjectedFault | None
    ) -> Response:
        if fault and fault.do == "status" and not fault.done:
            return await self._answer_with_fault(request, fault)
        if fault and fault.do == "stale":
            request.scope["emulator.world"] = self.world.world_before_last_write(STALE_WINDOW_S)
        response = await self._admit_and_serve(request, match, fault)
        if fault and fault.do == "status":
            return self._store_answer(
                _fault_response(fault), await idempotency.read_idempotency_key(request, self.world)
            )
        if fault and fault.do == "complete-late" and response.status_code < 400:
            return responses.gateway_error_response(fault.status)
        return responses.garbage_response() if fault and fault.do == "garbage" else response

    async def _admit_and_serve(
        self, request: Request, match: RouteMatch | NoRoute, fault: InjectedFault | None
    ) -> Response:
        """Run the handler for a caller with the key and within the limits; the configured latency delays the answer."""
        company_id = match.parameters.get("companyId") if isinstance(match, RouteMatch) else None
        limits = self.gateway.limits
        try:
            check_key_and_maintenance(self.world.settings, request.headers.get("authorization", ""))
            limits.acquire(self.world.now(), _caller_address(request), company_id)
        except ApiError as refused:
            return responses.error_response(refused)
        self._emit_if_quota_exhausted()
        try:
            response = (
                _no_route_response(match)
                if isinstance(match, NoRoute)
                else await self._run_idempotently(request, match, fault)
            )
            delay_ms = self.gateway.latency_ms + (fault.ms if fault and fault.do == "delay" else 0)
            if delay_ms:
                await asyncio.sleep(delay_ms / 1000)
            return response
        except ClientDisconnect:
            return responses.error_response(not_valid())
        finally:
            limits.release(company_id)

    def _emit_if_quota_exhausted(self) -> None:
        """If the call just admitted used up the day's quota: announce that now, and its reset when it comes."""
        world, limits = self.world, self.gateway.limits
        if resets_at := limits.take_quota_exhausted_until(world.now()):
            world.emit("client.rateLimit.reached", "", **limits.quota_json(world.now()))
            world.scheduler.call_at(
                resets_at, lambda: world.emit("client.rateLimit.reset", "", **limits.quota_json(world.now()))
            )

    async def _run_idempotently(self, request: Request, match: RouteMatch, fault: InjectedFault | None) -> Response:
        """Run the handler of one call, now or late; once only for one idempotency key."""
        key = await idempotency.read_idempotency_key(request, self.world)
        if key:
            try:
                first_answer = await idempotency.begin_or_replay(request, key, self.world)
            except ApiError as refused:
                return responses.error_response(refused)
            if first_answer:
                return first_answer
        if fault and fault.do == "complete-late":
            await request.body()
            due = self.world.now() + timedelta(seconds=fault.seconds)
            self.world.scheduler.call_at(due, lambda: self._run_to_completion(request, match, key))
            return responses.accepted_response()
        return self._store_answer(await self._run_handler(request, match), key)

    async def _answer_with_fault(self, request: Request, fault: InjectedFault) -> Response:
        """Answer with the fault instead of running the handler; the answer is stored for the idempotency key too."""
        key = await idempotency.read_idempotency_key(request, self.world)
        first_answer = await idempotency.begin_or_replay(request, key, self.world) if key else None
        return first_answer or self._store_answer(_fault_response(fault), key)

    def _store_answer(self, response: Response, key: str | None) -> Response:
        if key:
            idempotency.finish(key, response, self.world)
        return response

    def _run_to_completion(self, request: Request, match: RouteMatch, key: str | None) -> None:
        """Run the handler of a call whose caller is gone, from within the scheduler, which cannot await."""
        coroutine = self._run_handler(request, match)
        # The request's body has been read, so nothing in the handler has to wait: it can be driven to its end here.
        try:
            while True:
                coroutine.send(None)
        except StopIteration as done:
            self._store_answer(done.value, key)

    async def _run_handler(self, request: Request, match: RouteMatch) -> Response:
        """Run a handler; errors become answers. Before a write the world is kept, for the `stale` fault."""
        surface, handler = match.entry.surface, match.entry.handler
        try:
            if surface == "control":
                check_loopback(_caller_address(request))
            if surface in ("control", "page"):
                check_same_site(
                    _caller_address(request), request.headers.get("host", ""), request.headers.get("origin")
                )
            reading = request.method == "GET"
            response = await (handler(request) if reading else self._run_write(request, handler))
            self._save()
            return response
        except ApiError as error:
            return link_page.error_page(error) if surface == "page" else responses.error_response(error)
        except ClientDisconnect:
            return responses.error_response(not_valid())
        except Exception:
            _log.exception("%s %s", request.method, request.url.path)
            return responses.error_response(ApiError(500, SERVER_FAULT))

    async def _run_write(self, request: Request, handler: Handler) -> Response:
        """Run a writing handler without interruption by other requests."""
        # With the body read first, the handler never waits: no other request runs between its reads and its writes.
        await request.body()
        self.world.run_due()
        with self.world.keeping_previous_world():
            return await handler(request)

    def _save(self) -> None:
        if self.data_file:
            self.data_file.save(self.world)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._heartbeat_task = asyncio.create_task(self._run_due_periodically())
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._heartbeat_task:
                    self._heartbeat_task.cancel()
                if self.data_file:
                    self.data_file.save_and_close(self.world)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _run_due_periodically(self) -> None:
        """Run due actions while no request comes, so that webhooks leave in time."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            try:
                self.world.run_due()
                self._save()
            except Exception:
                _log.exception("something due went wrong")


def _fault_response(fault: InjectedFault) -> Response:
    return responses.gateway_error_response(fault.status) if fault.html else responses.error_response(fault.error())


def _no_route_response(match: NoRoute) -> Response:
    if not match.allowed:
        return responses.error_response(ApiError(404, "NotFound"))
    return responses.error_response(ApiError(405, "Method Not Allowed", headers={"Allow": ", ".join(match.allowed)}))


def _caller_address(request: Request) -> str:
    return request.client.host if request.client else ""
