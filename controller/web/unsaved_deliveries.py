"""Webhook deliveries that came while the state could not be reached, kept in memory until it can.

Codat was asked to repeat them: it does so after five seconds, then after five minutes, then after half an hour. What
happened in a minute without PostgreSQL would be looked at minutes after that was over. They end with the process: then
there is the repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field

import structlog

from controller.quick_dataclasses import dataclass
from state import ReceivedDelivery
from state.errors import StateProblem, StateUnreachable

MAX_KEPT = 5_000
"""So many deliveries: some megabytes."""

SAVE_RETRY_INTERVAL_S = 1.0

log = structlog.get_logger()


@dataclass(slots=True)
class UnsavedDeliveries:
    """By id, so that a repetition is no other one. All in the event loop of the web."""

    by_id: dict[str, ReceivedDelivery] = field(default_factory=dict)
    saving: asyncio.Task[None] | None = None

    def keep(self, delivery: ReceivedDelivery, save: Callable[[ReceivedDelivery], Awaitable[object]]) -> None:
        """Keeps it, unless there are too many, and saves it once the state takes it. `save` raises StateProblem."""
        if len(self.by_id) < MAX_KEPT:
            self.by_id.setdefault(delivery.id, delivery)
        if self.saving is None or self.saving.done():
            self.saving = asyncio.create_task(self._save_all(save))

    async def _save_all(self, save: Callable[[ReceivedDelivery], Awaitable[object]]) -> None:
        kept, saved = self.by_id, 0
        while kept:
            await asyncio.sleep(SAVE_RETRY_INTERVAL_S)
            for delivery in [*kept.values()]:
                try:
                    await save(delivery)
                    saved += 1
                except StateUnreachable:
                    break
                except StateProblem as problem:
                    log.warning("webhook_not_recorded", reason=str(problem))
                except Exception:  # of one delivery: the others are saved all the same
                    log.exception("webhook_not_recorded", remedy="please report this fault of merchantctl")
                del kept[delivery.id]
        log.info("kept_webhooks_recorded", count=saved)
