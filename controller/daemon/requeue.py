"""Who is to be looked at once more after a pass, and in how many seconds. Pure.

the pass did not get through   those it was about: when Codat said, else
could not be read or thought of the merchant       ┐
waits for data, for consent    the merchant        ├ as long again as it has been so: twice the wait each time,
begun: a company or connection the merchant        ┘ from the first wait in the table up to an hour
unlinked, taken down           the merchant, at once: only a look tells how far that brought it
another run writes, or wrote   the merchant, soon: only a look tells what is left to do
failed for now                 the merchant, when its quarantine ends
parked until a class is judged everyone, at once; not where that class is known to be over its limit
all others                     nobody: the next look at everyone, or a webhook, comes by itself
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from controller.daemon.pass_result import Pass
from controller.daemon.workqueue import EVERYONE
from controller.model.merchant_status import MerchantStatus, merchant_status
from controller.model.plan import RECHECK_WAITING_AFTER, ChangeKind, Plan
from controller.model.report import Applied, ChangedSincePlan, FleetReport
from controller.planning.unattended_limits import waits_for_full_pass

MIN_RETRY_WAIT = timedelta(seconds=5)
MAX_RECHECK_WAIT = timedelta(hours=1)
MAX_UNUSABLE_API_RETRY_WAIT = timedelta(minutes=5)
"""While the key is refused or nothing is answered, a look costs one request: so often it is tried at least."""
LOOK_AFTER_WRITE = timedelta(seconds=2)
_BEGINNINGS = (ChangeKind.CREATE_COMPANY, ChangeKind.CREATE_CONNECTION)


def plan_rechecks(
    done: Pass, failing_since: datetime | None, quarantined: Mapping[str, datetime], fleet_codes: Collection[str] = ()
) -> dict[str, float]:
    """Seconds by key. `quarantined` says until when a merchant that failed is left alone, `fleet_codes` what the last
    look at everyone found of the fleet."""
    looks = dict.fromkeys(done.keys, _seconds_before_repeating(done, failing_since)) if done.incomplete_reason else {}
    if not done.incomplete_reason and any(waits_for_full_pass(plan, fleet_codes) for plan in done.plans):
        looks[EVERYONE] = 0
    outcomes = done.result.outcomes if isinstance(done.result, FleetReport) else {}
    for plan in done.plans:
        outcome = outcomes.get(plan.merchant)
        is_begun = any(change.kind in _BEGINNINGS for change in plan.changes)
        # What was begun waits for the merchant's consent: a look two seconds later would tell nothing.
        if not is_begun and isinstance(outcome, Applied) and merchant_status(plan, outcome) is MerchantStatus.DONE:
            looks.setdefault(plan.merchant, LOOK_AFTER_WRITE.total_seconds())
            continue
        # Another run wrote to it. Whose live side has moved is in quarantine instead, and is looked at when that ends.
        if isinstance(outcome, ChangedSincePlan) and plan.merchant not in quarantined:
            looks.setdefault(plan.merchant, LOOK_AFTER_WRITE.total_seconds())
            continue
        wait = _recheck_wait(plan, done.ended, quarantined.get(plan.merchant))
        if wait is not None:
            looks.setdefault(plan.merchant, wait.total_seconds())
    return looks


def _seconds_before_repeating(done: Pass, failing_since: datetime | None) -> float:
    wait = done.retry_at - done.ended if done.retry_at else doubled_wait(failing_since, done.ended, MIN_RETRY_WAIT)
    wait = min(wait, MAX_UNUSABLE_API_RETRY_WAIT) if done.api_unusable else wait
    return max(wait, MIN_RETRY_WAIT).total_seconds()


def doubled_wait(since: datetime | None, now: datetime, first: timedelta) -> timedelta:
    """As long again as it has been so already."""
    return min(MAX_RECHECK_WAIT, max(first, now - since)) if since else first


def _recheck_wait(plan: Plan, now: datetime, until: datetime | None) -> timedelta | None:
    return min(_recheck_waits(plan, now, until), default=None)


def _recheck_waits(plan: Plan, now: datetime, until: datetime | None) -> Iterator[timedelta]:
    if until:
        yield min(max(until - now, timedelta()), MAX_RECHECK_WAIT)
    if any(change.kind in _BEGINNINGS for change in plan.changes):
        yield RECHECK_WAITING_AFTER
    for finding in plan.findings:
        if finding.recheck_after is not None:
            yield doubled_wait(finding.since, now, finding.recheck_after)
