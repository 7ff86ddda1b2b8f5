"""Reference data again: asks the service to re-read the merchants' books, and waits for it where wished."""

from __future__ import annotations

import asyncio
from typing import Protocol

from controller.model.errors import RemoteError
from controller.model.observed import DATA_TYPES, Absent, Pull
from controller.reconcile.observe import both_linked
from controller.reconcile.ports import Reading
from controller.reconcile.survey import Run, survey
from controller.reconcile.world import World

LOOKS = 60
"""Looks, one a second, before waiting for a pull is given up."""


class Refreshing(Reading, Protocol):
    async def refresh(self, company_id: str) -> None: ...


async def refresh_all(run: Run, api: Refreshing, *, wait: bool) -> dict[str, str]:
    """Per merchant «asked», «done», or why it was not asked."""
    world = await survey(run)
    answers: dict[str, str] = {}
    for merchant in sorted(world.wanted):
        answers[merchant] = await _refresh(merchant, world, api, wait=wait)
        run.tell(len(answers), len(world.wanted))
    return answers


async def _refresh(merchant: str, world: World, api: Refreshing, *, wait: bool) -> str:
    company_id = world.memory(merchant).company_id
    if company_id is None:
        return "not created yet"
    try:
        company = await api.company(company_id)
        if isinstance(company, Absent) or not both_linked(company):
            return "not linked: the merchant has to give consent first"
        await api.refresh(company_id)
        return await _pulled(company_id, api) if wait else "asked"
    except RemoteError as error:
        return str(error)


async def _pulled(company_id: str, api: Refreshing) -> str:
    for _ in range(LOOKS):
        pulls = await api.data_status(company_id)
        if all(_complete(pulls.get(name)) for name in DATA_TYPES):
            return "done"
        await asyncio.sleep(1)
    return "asked; not all of it was pulled within a minute"


def _complete(pull: Pull | None) -> bool:
    return bool(pull and pull.status == "Complete" and pull.last_success)
