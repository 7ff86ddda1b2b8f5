"""What was changed lately, by class: an unattended run is judged together with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from controller.model.plan import ChangeClass, Plan
from controller.model.report import Done, Failed, Moved, Outcome
from controller.model.run import LIMITED
from controller.planning.safety import WINDOW
from controller.reconcile.survey import Run, now
from controller.reconcile.world import World


async def made_lately(run: Run) -> Mapping[ChangeClass, int]:
    """Changes within the window by class; none where a person asked for this very run, and answers for it."""
    if not run.leave.unattended:
        return {}
    made = await run.store.writes_since(now() - WINDOW)
    return {cls: made[cls.value] for cls in LIMITED if cls.value in made}


async def note_made(plan: Plan, outcome: Outcome, world: World) -> None:
    """Counts the changes that were made and have a limit; at once, so that no crash makes them forgotten."""
    writes = outcome.writes if isinstance(outcome, Done | Failed | Moved) else 0
    made = Counter(cls.value for change in plan.changes[:writes] for cls in change.classes if cls in LIMITED)
    if made:
        await world.store.note_writes(world.run, made, world.now())
