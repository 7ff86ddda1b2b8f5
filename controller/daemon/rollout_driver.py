"""A rollout that is under way and in nobody's hands is carried out by the controller, over any restart of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import field, replace
from datetime import datetime
from shlex import quote

import structlog

from controller.codat.rate_limiter import background_requests
from controller.daemon.context import DaemonState
from controller.daemon.doubling_wait import DoublingWait
from controller.daemon.pass_lock import PassLock
from controller.model.desired import Fleet
from controller.model.errors import LockedByOtherRun, MerchantctlError
from controller.model.report import FleetReport
from controller.model.rollout import Rollout, RolloutState
from controller.model.run_policy import Records
from controller.quick_dataclasses import dataclass
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import internal_error_text
from controller.reconcile.load_rollout import load_newest_rollout
from controller.rollout.operations import wave_policy
from controller.rollout.record import claim_and_resume_rollout
from controller.rollout.run import RolloutSession, run_waves
from state import ProcessIdentity
from state.errors import StateProblem

ROLLOUT_DRIVE_INTERVAL_S = 1.0
"""Seconds between two looks for a rollout that nobody carries out."""

FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S = 5.0, 300.0
"""Seconds until the next try where a rollout could not be carried on; twice as long after each."""

log = structlog.get_logger()


@dataclass(slots=True)
class RolloutDriver:
    """Takes a rollout up where it stands. Its waves take turns with the passes of this process.

    fleet         the manifests in force
    may_write     whether this process writes at all now
    on_wave_written  called with what became of each wave
    on_lost_lock  told when whoever had the lock on the state before was seen last, where it was lost to it
    not_taken_up  the rollout that was said not to be taken up, and why: said once
    retry_at      not before then the next try, by the loop's time, where the last one did not end as it should
    retry_wait    how long that is
    """

    run: RunContext
    lock: PassLock
    state: DaemonState
    owner: ProcessIdentity
    fleet: Callable[[], Fleet]
    may_write: Callable[[], bool]
    on_wave_written: Callable[[FleetReport], None] = lambda report: None
    on_lost_lock: Callable[[datetime], None] = lambda lost_at: None
    not_taken_up: tuple[str, str] = ("", "")
    retry_at: float = 0.0
    retry_wait: DoublingWait = field(default_factory=lambda: DoublingWait(FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S))

    async def drive(self) -> None:
        """Carries a rollout out until it is through, paused or stopped; nothing where there is none."""
        now = asyncio.get_running_loop().time
        if not self.may_write() or now() < self.retry_at:
            return
        rollout = None
        try:
            rollout = await self._take_up_orphaned()
            if rollout is not None:
                await self._carry_out_and_give_back(rollout)
            self.retry_wait.reset()
        except (StateProblem, MerchantctlError) as error:
            wait_s = self.retry_wait.take_next_s()
            self.retry_at = now() + wait_s
            facts = {"reason": str(error), "retry_in_seconds": wait_s}
            if rollout is None:
                log.warning("rollout_check_failed", **facts)
            else:
                log.warning("rollout_attempt_failed", rollout=rollout.name, **facts)

    async def _take_up_orphaned(self) -> Rollout | None:
        store = self.run.store
        rollout = await load_newest_rollout(store)
        if rollout is None or rollout.state is not RolloutState.RUNNING or not rollout.orphaned:
            return None
        try:
            return await claim_and_resume_rollout(
                store, rollout.name, self.fleet().merchants, self.owner, None, self.run.now()
            )
        except LockedByOtherRun:  # another process was quicker
            return None
        except MerchantctlError as error:
            if self.not_taken_up != (rollout.name, str(error)):
                self.not_taken_up = (rollout.name, str(error))
                log.warning("rollout_not_taken_up", rollout=rollout.name, reason=str(error))
            return None

    async def _carry_out_and_give_back(self, rollout: Rollout) -> None:
        """In nobody's hands afterwards, however it ended: what is not over yet is taken up again, here or elsewhere."""
        try:
            await self._carry_out(rollout)
        except (StateProblem, MerchantctlError):
            raise
        except Exception as error:
            remedy = f"please report this fault of merchantctl; then: merchantctl rollout resume {quote(rollout.name)}"
            log.exception("internal_error_in_rollout", rollout=rollout.name, remedy=remedy)
            fault = internal_error_text(error)
            paused = {"state": RolloutState.PAUSED.value, "reason": fault, "since": self.run.now()}
            await self.run.store.rollouts.compare_and_set(
                rollout.id, if_state_in=[RolloutState.RUNNING.value], if_owner=self.owner, **paused
            )
        finally:
            await self.run.store.rollouts.give_back_claim()

    async def _carry_out(self, rollout: Rollout) -> None:
        log.info("rollout_taken_up", rollout=rollout.name, wave=rollout.current_wave, waves=rollout.wave_count)
        with self.state.new_stop() as stop, background_requests():
            run = replace(
                self.run,
                fleet=self.fleet(),
                stop=stop,
                policy=wave_policy(rollout.spec),
                records=Records.MENDED,
                author=replace(self.run.author, verb="rollout"),
                # It records nothing of who is unlinked: the next listing is to lead to a look that does.
                on_company_read=lambda company: None,
            )
            session = RolloutSession(
                self.owner,
                self._hold_lock,
                self._log_progress,
                pauses_by_itself=False,
                on_wave_written=self.on_wave_written,
            )
            ended = await run_waves(rollout, run, session)
        (log.warning if ended.reason else log.info)(
            "rollout_ended" if ended.state is RolloutState.DONE else "rollout_halted",
            rollout=ended.name,
            state=ended.state.value,
            reason=ended.reason or None,
        )

    @asynccontextmanager
    async def _hold_lock(self) -> AsyncIterator[None]:
        """For a wave. That the lock was lost is told to whoever takes it next alone, which may be this one."""
        async with self.lock.hold() as turn:
            if turn.lost_at:
                self.on_lost_lock(turn.lost_at)
            yield

    def _log_progress(self, sentence: str) -> None:
        log.info("rollout_progress", said=sentence)
