"""Whom rollouts hold, as far as a run is about them."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model.desired import DesiredMerchant
from controller.model.run_policy import RunPolicy
from controller.planning.holds import RolloutHold, is_rollout_hold_in_force
from controller.planning.merchant_renames import RenamePlan, rekey_by_new_names
from state import Store


async def load_active_and_released_holds(
    store: Store, wanted: Mapping[str, DesiredMerchant], policy: RunPolicy, renames: RenamePlan
) -> tuple[dict[str, RolloutHold], tuple[str, ...]]:
    """Who is left alone, and whose hold ends here, since something else is wished of them now."""
    if policy.for_rollout:
        return {}, ()
    by_name = rekey_by_new_names({row.merchant: row for row in await store.rollouts.load_holds()}, renames)
    rows = {name: row for name, row in by_name.items() if name in wanted}
    found = {name: RolloutHold(row.rollout, row.state, row.wave, row.digest) for name, row in rows.items()}
    held = {name: hold for name, hold in found.items() if is_rollout_hold_in_force(hold, wanted[name])}
    return held, tuple(name for name in found if name not in held)
