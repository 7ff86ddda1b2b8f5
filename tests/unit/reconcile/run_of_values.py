"""A run at an instant, for what only computes: nothing is read, written or asked of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from controller.codat.client import Client
from controller.environment import Environment
from controller.model.desired import Fleet
from controller.model.run_policy import RunPolicy, Scope
from controller.reconcile.context import IntentRecoveryTimes, RunContext, StopSignal
from state import StateLock, Store


class SkewedClient(Client):
    """It has learned how far its own clock is from Codat's, and answers nothing else."""

    def __init__(self, skew: timedelta | None) -> None:
        self._skew = skew

    @property
    def skew(self) -> timedelta | None:
        return self._skew


def run_at(now: datetime, skew: timedelta | None = None) -> RunContext:
    """A run by a clock that stands still."""
    return RunContext(
        fleet=Fleet({}, frozenset(), (), is_complete=False, digest=""),
        scope=Scope(),
        policy=RunPolicy(),
        store=cast(Store, None),
        lock=cast(StateLock, None),
        api=SkewedClient(skew),
        stop=StopSignal(),
        parallelism=1,
        recovery_times=IntentRecoveryTimes(5, 60),
        waits_for_lost_creates=False,
        requests_per_minute=950,
        on_progress=lambda done, of, failed: None,
        on_message=lambda sentence: None,
        environment=Environment(clock=lambda: now),
    )
