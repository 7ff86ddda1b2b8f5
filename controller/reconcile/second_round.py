"""Creates whose answer was lost in this very run: settled, then planned and carried out once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.model.errors import Stopped
from controller.model.plan import Plan, State
from controller.model.report import Done, Failed, FleetPlan, Outcome
from controller.reconcile.survey import Run, settled
from controller.reconcile.sweep import carry_out_all, consider_all
from controller.reconcile.world import World


async def second_round(run: Run, plan: FleetPlan, world: World, first: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """The outcomes of the merchants that have an open intent after the first round; nobody else is touched."""
    lost = {intent.merchant for intent in await run.store.open_intents()}
    again = [each for each in plan.plans if each.merchant in lost]
    if not again or run.stop.why:
        return {}
    anew = replace(await settled(run), run=world.run)
    clear = [each for each in again if each.merchant not in anew.unsettled]
    try:
        later = await consider_all([each.merchant for each in clear], anew, run.width, _unwatched)
    except Stopped:
        return {}
    agreed = [_within(new, old) for new, old in zip(later, clear, strict=True)]
    outcomes = await carry_out_all(agreed, anew, run.width, _unwatched)
    return outcomes | {each.merchant: made for each in later if (made := _was_made(each, first.get(each.merchant)))}


def _was_made(later: Plan, before: Outcome | None) -> Done | None:
    """Nothing is left to do: the write whose answer was lost was done. What it waits for is told as after any."""
    if later.changes or later.state is State.UNKNOWN or not isinstance(before, Failed):
        return None
    return Done(before.writes + 1, tuple(finding for finding in later.findings if finding.link))


def _within(later: Plan, earlier: Plan) -> Plan:
    """Of a second look's plan only what was agreed to: kinds and classes that the first one had."""
    agreed = {(change.kind, change.classes) for change in earlier.changes}
    return replace(later, changes=tuple(each for each in later.changes if (each.kind, each.classes) in agreed))


def _unwatched(done: int, of: int) -> None:
    """A second round is short: it has no progress of its own."""
