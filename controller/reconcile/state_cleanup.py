"""What the state forgets by age: what is over, and older than anybody wants to look back (`state.retention`).

Best effort: a state that cannot be written now is thinned another day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

from controller.model.rollout import ENDED
from controller.reconcile.context import RunContext
from state.errors import StateProblem

MAX_EXPIRY_BATCHES_AFTER_APPLY = 4
"""So many times a few rows go at the end of an apply: what a day adds, and not what years have left."""


async def delete_expired_rows(
    run: RunContext, keep_s: float, *, stopped: Callable[[], bool], max_batches: int | None = None, pause_s: float = 0.0
) -> int:
    """How many rows went. `max_batches`: so many times a few rows, None = until there are no more.

    A clock that is ahead would end what is young: the earlier of ours and Codat's counts.
    """
    before = min(run.now(), run.service_now()) - timedelta(seconds=keep_s)
    gone = 0
    try:
        for times in count():
            if times == max_batches or stopped():
                break
            some = await run.store.delete_expired_batch(before, ENDED)
            if not some:
                break
            gone += some
            await run.environment.sleep(pause_s)
    except StateProblem:
        pass
    return gone
