"""Whom rollouts hold, as far as a run is about them."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model.merchant import Wanted
from controller.model.run import Leave
from controller.planning.holds import Hold, holds
from state import Store


async def held_and_freed(
    store: Store, wanted: Mapping[str, Wanted], leave: Leave
) -> tuple[dict[str, Hold], tuple[str, ...]]:
    """Who is left alone, and whose hold ends here, since something else is wished of them now."""
    if leave.rollout:
        return {}, ()
    rows = [row for row in await store.rollout_holds() if row.merchant in wanted]
    found = {row.merchant: Hold(row.rollout, row.state, row.wave, row.digest) for row in rows}
    held = {name: hold for name, hold in found.items() if holds(hold, wanted[name])}
    return held, tuple(name for name in found if name not in held)
