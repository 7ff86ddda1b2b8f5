"""What a controller saw while something of the fleet could not be read, as `status` shows it."""

from __future__ import annotations

import asyncio

import httpx

from controller.model.exit_codes import exit_code
from controller.model.report import FleetPlan
from controller.model.run_policy import Scope
from controller.operations.bootstrap import current_process
from controller.operations.status import status
from tests.end_to_end.place import Place
from tests.end_to_end.stepped_controller import running_service
from tests.intercept import Forward, intercepted


def test_status_is_not_fine_where_the_last_look_at_everyone_could_not_list_the_companies(place: Place) -> None:
    place.provision("ann", "bob")
    ours = place.environment

    async def no_listing(request: httpx.Request, onward: Forward) -> httpx.Response:
        return httpx.Response(503) if request.url.path in ("/companies", "/meta/companies") else await onward(request)

    async def seen() -> tuple[FleetPlan, FleetPlan]:
        place.environment = intercepted(ours, no_listing)
        async with running_service(place) as service:
            controllers = service.daemon.run.store.controllers
            await controllers.record_alive_and_prune(
                current_process(), ours.clock(), revision="", report_only=False, failure=""
            )
            return (
                await status(place.settings, Scope(), environment=ours),
                await status(place.settings, Scope(name="ann"), environment=ours),
            )

    everyone, ann = asyncio.run(seen())
    assert all(each.oldest_look_at for each in (everyone, ann)), "nobody was looked at anew"
    assert everyone.unread_reasons[0].startswith("GET /meta/companies: 503")
    assert (exit_code("status", everyone), exit_code("status", ann)) == (5, 0)
    assert not ann.unread_reasons, "of whom nothing was left unread"
