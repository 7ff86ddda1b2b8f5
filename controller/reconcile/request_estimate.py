"""What carrying plans out asks of the API, and whether Codat's quota has room for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from controller.codat.quota_headers import Quota, instant_after
from controller.codat.rate_limiter import MAX_QUOTA_WAIT_S
from controller.model.plan import ChangeKind, Plan
from controller.model.report import RequestEstimate

QUOTA_PERIOD = timedelta(days=1)


def estimate_requests(
    plans: Iterable[Plan], reads_of_look: int, requests_per_minute: int, quota: Quota | None
) -> RequestEstimate:
    """Requests that carrying the plans out takes at most, with `reads_of_look`: two reads of a configuration more."""
    kinds = [change.kind for plan in plans for change in plan.changes]
    reads = reads_of_look + 2 * kinds.count(ChangeKind.SET_CONFIGURATION) + kinds.count(ChangeKind.RENAME_COMPANY)
    # An account is looked for in several lists, and once it is created its books are pulled.
    reads, writes = (
        reads + 7 * kinds.count(ChangeKind.CREATE_ACCOUNT),
        len(kinds) + kinds.count(ChangeKind.CREATE_ACCOUNT),
    )
    return RequestEstimate(reads, writes, round(_minutes(reads + writes, requests_per_minute, quota), 2))


def add_settings_requests(cost: RequestEstimate, account: Plan, requests_per_minute: int) -> RequestEstimate:
    """The estimate with the account's own settings: each part is read before and after it is written."""
    reads, writes = 2 * len(account.changes), len(account.changes)
    minutes = round(cost.minutes + (reads + writes) / requests_per_minute, 2)
    return RequestEstimate(cost.reads + reads, cost.writes + writes, minutes)


def quota_shortfall_notes(cost: RequestEstimate, quota: Quota | None) -> tuple[str, ...]:
    """A sentence for people where the quota ends before the plan does, else nothing."""
    requests = cost.reads + cost.writes
    if not cost.writes or quota is None or not _requests_beyond_quota(requests, quota):
        return ()
    back = f"{instant_after(quota.seconds_until_reset):%Y-%m-%d %H:%M} UTC"
    return (
        f"carrying this out takes {requests:,} requests, and Codat's quota has {quota.remaining:,} left before "
        f"{back}: apply ends there, and another one after that does the rest",
    )


def _minutes(requests: int, requests_per_minute: int, quota: Quota | None) -> float:
    """At the present requests_per_minute, and with the waiting where the quota has to return first."""
    more = _requests_beyond_quota(requests, quota) if quota else 0
    if quota is None or not more:
        return requests / requests_per_minute
    days = (more - 1) // quota.limit if quota.limit else 0
    return (timedelta(seconds=quota.seconds_until_reset) + days * QUOTA_PERIOD) / timedelta(
        minutes=1
    ) + more / requests_per_minute


def _requests_beyond_quota(requests: int, quota: Quota) -> int:
    """Requests that the quota has no room for before it returns; one that returns in a moment has room for all."""
    return max(0, requests - quota.remaining) if quota.seconds_until_reset > MAX_QUOTA_WAIT_S else 0
