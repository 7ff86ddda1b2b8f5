"""Who hears of what was seen: the log, the metrics, the chat. What goes wrong here never fails a pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from functools import partial
from shlex import quote

import structlog

from controller.daemon.doubling_wait import DoublingWait
from controller.daemon.pass_log import (
    MAX_MERCHANTS_NAMED_IN_LOG,
    LogLine,
    change_lines,
    finding_lines,
    leaving_lines,
    pass_facts,
    refusal_reasons,
)
from controller.daemon.pass_result import Pass, PassFailure
from controller.model.controller_status import ControllerStatus
from controller.model.finding_evidence import Ended
from controller.model.plan import Actor, Direction, Finding
from controller.model.report import FleetPlan, FleetReport, Outcome, Skipped
from controller.quick_dataclasses import dataclass
from controller.telemetry.alerts import (
    FindingAlert,
    StandingTopics,
    add_untold,
    alert_json,
    new_alert,
    standing_topics,
)
from controller.telemetry.json_post import post_alert
from controller.telemetry.metrics import Metrics
from state import DueAlert, Store
from state.errors import StateProblem

FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S = 5.0, 60.0
"""Seconds for which a chat that took no message is left alone; twice as long after each. One that does not answer costs
eleven seconds each time, and all passes wait for that."""

PASS_FAILURE_OVER_AFTER_S = 600.0
"""Seconds for which passes must have come through until a failure of passes is over: one that comes and goes is told
once. A look at everyone that comes through ends it at once, but where listings are read there may be none for weeks."""

log = structlog.get_logger()


@dataclass(slots=True)
class Notifier:
    """Tells each piece of news once: what was told stands in the state, whichever process told it, over any restart.
    `notify_url` None: no chat listens.

    retry_at        not before then the next message, by the loop's time, where the chat did not take the last one
    retry_wait      how long that is
    alerting        one piece of news after the other: two at once would not know of each other, and tell the same
    untold          what stood after the last pass, while that has not reached the chat
    pass_failed_at  when a pass of this process failed last, by the loop's time; None once that is over
    """

    meters: Metrics
    sleep: Callable[[float], Awaitable[None]]
    notify_url: str | None = field(default=None, repr=False)
    retry_at: float = 0.0
    retry_wait: DoublingWait = field(default_factory=lambda: DoublingWait(FIRST_RETRY_WAIT_S, MAX_RETRY_WAIT_S))
    alerting: asyncio.Lock = field(default_factory=asyncio.Lock)
    untold: StandingTopics = field(default_factory=StandingTopics)
    pass_failed_at: float | None = None

    def log_pass(self, done: Pass, before: FleetPlan | None) -> None:
        """A pass has ended: the log and the metrics say so. `before`: the plans as they stood before it."""
        result = None if isinstance(done.result, PassFailure) else done.result
        self.meters.record_pass(result, everyone=done.covers_everyone, seconds=done.seconds)
        _log_lines((*change_lines(done), *leaving_lines(done), *finding_lines(done, before)))
        (log.error if done.api_unusable else log.warning if done.failure_reason or refusal_reasons(done) else log.info)(
            "pass_finished", **pass_facts(done)
        )

    async def alert_of_pass(self, done: Pass, latest: ControllerStatus, store: Store) -> None:
        """The chat hears of what a pass brought. `latest`: what is known after it."""
        if done.failure_reason:
            self.pass_failed_at = asyncio.get_running_loop().time()
        outcomes = _latest_outcomes(done, latest)
        whole = done.covers_everyone and done.plan is not None and not done.incomplete_reason
        await self._update_alerts(done.plan, outcomes, latest, store, done.ended, is_whole_fleet=whole)

    def log_and_count_wave(self, report: FleetReport) -> None:
        """A wave of a rollout was written. What it mended is told by its changes, the rest by the next pass."""
        self.meters.record_outcomes(report)
        wave = Pass(tuple(report.outcomes), report, report.started_at, report.ended_at, reason="rollout")
        _log_lines(change_lines(wave))

    async def notify_of_diagnostics(self, latest: ControllerStatus, store: Store, at: datetime) -> None:
        """What is on disk is broken now, or otherwise broken, or whole again."""
        if latest.diagnostics:
            told = [str(each) for each in latest.diagnostics[:MAX_MERCHANTS_NAMED_IN_LOG]]
            log.error("manifests_invalid", count=len(latest.diagnostics), diagnostics=told)
        else:
            log.info("manifests_valid")
        await self._update_alerts(None, {}, latest, store, at, is_whole_fleet=False)

    async def _update_alerts(
        self,
        plan: FleetPlan | None,
        outcomes: Mapping[str, Outcome],
        latest: ControllerStatus,
        store: Store,
        at: datetime,
        *,
        is_whole_fleet: bool,
    ) -> None:
        """What the state does not take or say now is due still, and goes with the next pass."""
        async with self.alerting:
            is_failure_over = self._is_long_since_pass_failed() and latest.pass_failure is None
            standing = partial(
                standing_topics,
                latest,
                plan=plan,
                outcomes=outcomes,
                is_whole_fleet=is_whole_fleet,
                is_pass_failure_over=is_failure_over,
            )
            self.untold = add_untold(standing(self.untold.topics), self.untold)
            try:
                told = await store.alerts.load_standing_topics()
                now = replace(self.untold, over=standing(told).over)
                if await self._send_new_alerts(now, told, latest, store, at):
                    self.untold = StandingTopics()
                if is_failure_over:
                    self.pass_failed_at = None
            except StateProblem as problem:
                log.warning("alert_state_failed", reason=str(problem))

    def _is_long_since_pass_failed(self) -> bool:
        """Whether one of this process did, and none has for a while."""
        failed_at = self.pass_failed_at
        return failed_at is not None and asyncio.get_running_loop().time() - failed_at >= PASS_FAILURE_OVER_AFTER_S

    async def _send_new_alerts(
        self,
        now: StandingTopics,
        told: frozenset[tuple[str, str]],
        latest: ControllerStatus,
        store: Store,
        at: datetime,
    ) -> bool:
        """To the chat, what nobody told it yet; whether it took it. What does not arrive goes with the next."""
        loop_time = asyncio.get_running_loop().time
        if self.notify_url and loop_time() < self.retry_at:
            await store.alerts.update_standing_topics((), now.over, at)
            return False
        due = await store.alerts.claim_due(at)
        shown = _findings_by_key(latest) if due else {}
        fresh = new_alert((_finding_alert(each, shown) for each in due), now, told)
        if fresh and self.notify_url:
            environment = latest.plan.environment if latest.plan else None
            failure = await post_alert(self.notify_url, alert_json(fresh, environment), self.sleep)
            self.meters.record_alert(arrived=failure is None)
            if failure:
                log.warning("alert_failed", reason=failure)
                self.retry_at = loop_time() + self.retry_wait.take_next_s()
                await store.alerts.give_back(due)
                await store.alerts.update_standing_topics((), now.over, at)
                return False
            self.retry_wait.reset()
        # Where nobody listens it counts as told: a chat that is named later hears of what is new then.
        await store.alerts.mark_announced(due)
        await store.alerts.update_standing_topics(now.topics - told, now.over, at)
        return True


def _log_lines(lines: Iterable[LogLine]) -> None:
    for line in lines:
        (log.warning if line.warns else log.info)(line.event, **line.facts)


def _latest_outcomes(done: Pass, latest: ControllerStatus) -> dict[str, Outcome]:
    """Of a pass; of whom another has looked at later what that one came to, unless it tried nothing."""
    outcomes = dict(done.result.outcomes) if isinstance(done.result, FleetReport) else {}
    later = {name: latest.outcomes[name] for name in done.taken_over if name in latest.outcomes}
    return outcomes | {name: outcome for name, outcome in later.items() if not isinstance(outcome, Skipped)}


def _findings_by_key(latest: ControllerStatus) -> Mapping[tuple[str, str, str], Finding]:
    plan = latest.plan
    found = (*plan.findings, *(each for one in plan.every_plan for each in one.findings)) if plan else ()
    return {each.key: each for each in found}


def _finding_alert(due: DueAlert, shown: Mapping[tuple[str, str, str], Finding]) -> FindingAlert:
    """With the words of the look that saw it last; else with those that the ledger keeps."""
    row = due.occurrence
    finding = shown.get(row.key) or Finding(
        row.code,
        row.merchant,
        row.cause or "",
        f"merchantctl history {quote(row.merchant)}" if row.merchant else "merchantctl plan",
        Actor.NOBODY,
        field=row.field or None,
        direction=next((each for each in Direction if each == row.direction), None),
    )
    ended = next((each for each in Ended if each == row.how), None)
    return FindingAlert(replace(finding, since=row.found_at), row.id, due.is_new, ended, row.gone_at)
