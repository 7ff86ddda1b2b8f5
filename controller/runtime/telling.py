"""Who hears of what was seen: the log, the metrics, the chat. What goes wrong here never fails a pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from controller.model.latest import Latest
from controller.model.report import FleetReport
from controller.reporting.metrics import Meters
from controller.reporting.news import message, news
from controller.reporting.notify import post
from controller.reporting.standing import Standing, standing
from controller.reporting.text import excess_words, writes_of
from controller.runtime.passes import Pass, Setback

NAMED = 10
"""So many merchants are named in one line of the log."""

log = structlog.get_logger()


@dataclass(slots=True)
class Voice:
    """Tells each moment once. `notify_url` None: no chat listens."""

    meters: Meters
    notify_url: str | None = field(default=None, repr=False)
    told: Latest = field(default_factory=Latest)

    async def looked(self, done: Pass, latest: Latest) -> None:
        """A pass has ended."""
        result = None if isinstance(done.seen, Setback) else done.seen
        self.meters.pass_ended(result, everyone=done.everyone, seconds=done.seconds)
        (log.warning if done.trouble or _refusal(done) else log.info)("looked", **line(done))
        await self.news(latest, done.began)

    async def manifests(self, latest: Latest, at: datetime) -> None:
        """What is on disk is broken now, or otherwise broken, or whole again."""
        if latest.complaints:
            told = [str(each) for each in latest.complaints[:NAMED]]
            log.error("manifests broken", number=len(latest.complaints), complaints=told, kept="the last good ones")
        else:
            log.info("manifests whole again")
        await self.news(latest, at)

    async def news(self, latest: Latest, since: datetime) -> None:
        """To the chat, what was not known before; `since` is when somebody began to look."""
        fresh = news(self.told, latest, since=since)
        self.told = latest
        if fresh and self.notify_url:
            failure = await post(self.notify_url, message(fresh))
            self.meters.notified(arrived=failure is None)
            if failure:
                log.warning("chat not told", why=failure)


def line(done: Pass) -> dict[str, Any]:
    """A pass in the log: whom it was about, how they stand, what was written, what kept it back."""
    outcomes = done.seen.outcomes if isinstance(done.seen, FleetReport) else {}
    standings = {plan.merchant: standing(plan, outcomes.get(plan.merchant)) for plan in done.plans}
    counts = Counter(standings.values())
    failed = sorted(name for name, how in standings.items() if how is Standing.FAILED)
    facts = {
        "whom": "everyone" if done.everyone else f"{len(done.keys)} named",
        **{how.value.replace("-", "_"): counts[how] for how in Standing if counts[how]},
        "writes": writes_of(done.seen) if isinstance(done.seen, FleetReport) else 0,
        "findings": sum(len(plan.findings) for plan in done.plans),
        "seconds": round(done.seconds, 2),
        "failures": failed[:NAMED],
        "refused": _refusal(done),
        "cut_short": done.cut_short,
    }
    return {key: value for key, value in facts.items() if value not in (None, [])}


def _refusal(done: Pass) -> list[str]:
    refusal = done.plan.refusal if done.plan else None
    return [f"{excess_words(each)}: {each.flag}" for each in refusal.excesses] if refusal else []
