"""The dashboard: the fleet in numbers, who must act, the newest drift, and the list of merchants."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from controller.model.errors import UsageError
from controller.model.merchant_status import STATUS_MEANINGS, MerchantStatus
from controller.model.plan import Actor
from controller.model.rollout import ACTIVE_ROLLOUT_STATES
from controller.quick_dataclasses import dataclass
from controller.reporting.report_provenance import provenance_text
from controller.web.charts import (
    CHART_HEIGHT,
    CHART_WIDTH,
    CHARTED,
    DayChart,
    WaveProgress,
    fleet_charts,
    wave_progress,
)
from controller.web.context import WebContext, load_webhook_secrets
from controller.web.dashboard_view import Filter, SortKey, filter_rows, paginate, sort_rows
from controller.web.health import running_version
from controller.web.rendering import render_page
from state import RolloutRow, last_proven_times
from state.errors import StateProblem

ACTOR_HEADINGS = {
    Actor.OPERATOR: "Our side",
    Actor.MERCHANT: "Merchants",
    Actor.CODAT: "Codat",
    Actor.APPLY: "The next apply",
    Actor.NOBODY: "Nobody",
}
"""Who must act, as a heading."""

_COLUMN_HEADINGS = {
    SortKey.MERCHANT: "merchant",
    SortKey.STATE: "state",
    SortKey.PROFILE: "profile",
    SortKey.PLATFORM: "platform",
    SortKey.WAITS_FOR: "waits for",
    SortKey.FINDINGS: "findings",
    SortKey.NEWEST: "newest finding",
}
"""Of the list of merchants, from left to right."""


async def show(request: Request) -> Response:
    """GET /, with the fields of `Filter` and `page`."""
    context: WebContext = request.app.state.web_context
    latest = context.latest()
    view, filter_ = request.app.state.view_cache.get(latest), _parse_filter(request)
    try:
        page, filter_error = paginate(sort_rows(filter_rows(view.rows, filter_), filter_), _page_number(request)), ""
    except UsageError as error:
        page, filter_error = paginate((), 1), str(error)
    now = context.now()
    charts, rollout = await _load_charts(context, now), await _load_active_rollout(context)
    return render_page(
        "dashboard.html",
        400 if filter_error else 200,
        latest=latest,
        now=now,
        not_ready=context.not_ready_reason(),
        view=view,
        filters=filter_,
        page=page,
        filter_error=filter_error,
        links=_Links(filter_),
        STATUSES=tuple(MerchantStatus),
        STATUS_HINTS={
            status: f"{meaning.explanation}; {meaning.next_step}".replace("`", "")
            for status, meaning in STATUS_MEANINGS.items()
        },
        ACTORS=ACTOR_HEADINGS,
        environment=latest.plan.environment if latest.plan else None,
        version=running_version(),
        provenance=provenance_text(latest.plan) if latest.plan else "",
        webhooks=bool(await load_webhook_secrets(context)),
        deliveries=await _load_last_deliveries(context),
        charts=charts,
        COLUMNS=_COLUMN_HEADINGS,
        CHARTED=CHARTED,
        CHART=(CHART_WIDTH, CHART_HEIGHT),
        rollout=rollout,
    )


async def _load_charts(context: WebContext, now: datetime) -> tuple[DayChart, ...]:
    """A page with what is known is worth more than none: without the charts, where the state cannot be read now."""
    try:
        return fleet_charts(await context.store.samples.load(now - CHARTED), now)
    except StateProblem:
        return ()


async def _load_last_deliveries(context: WebContext) -> list[tuple[str, datetime]]:
    """By event the last proven delivery, the latest first; none where the state cannot be read now."""
    try:
        return last_proven_times(await context.store.proven_deliveries.load())
    except StateProblem:
        return []


@dataclass(frozen=True, slots=True)
class _ShownRollout:
    """The rollout under way, or paused."""

    row: RolloutRow
    waves: tuple[WaveProgress, ...]


async def _load_active_rollout(context: WebContext) -> _ShownRollout | None:
    """None where none is under way, or the state cannot be read now."""
    try:
        row = await context.store.rollouts.load()
        if row is None or row.state not in ACTIVE_ROLLOUT_STATES:
            return None
        return _ShownRollout(row, wave_progress(await context.store.rollouts.count_members(row.id)))
    except StateProblem:
        return None


def _parse_filter(request: Request) -> Filter:
    """The filter of a request; a value is cut at 200 characters."""
    return Filter(**{field.name: request.query_params.get(field.name, "").strip()[:200] for field in fields(Filter)})


def _page_number(request: Request) -> int:
    """The page that was asked for, from 1; 1 where it is no number of fewer than seven digits."""
    number = request.query_params.get("page", "1")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1


class _Links:
    """Query parameters for links to the dashboard with another filter or page."""

    def __init__(self, filter_: Filter) -> None:
        self._filter = filter_

    def filter_parameters(self, **words: str) -> dict[str, str]:
        """With this filter alone."""
        return _query_parameters(Filter(**words))

    def sort_toggle_parameters(self, key: SortKey) -> dict[str, str]:
        """The first page of the current filter by this column; once more the other way round."""
        is_so_now = self._filter.sorted_by == (key, False)
        return _query_parameters(replace(self._filter, sort=f"-{key.value}" if is_so_now else key.value))

    def aria_sort(self, key: SortKey) -> str:
        """As `aria-sort` says it; empty where the list is sorted by something else."""
        column, is_reversed = self._filter.sorted_by
        return ("descending" if is_reversed else "ascending") if column is key else ""

    def page_parameters(self, page_number: int) -> dict[str, str]:
        """With the current filter, another page of the list."""
        return _query_parameters(self._filter) | {"page": str(page_number)}


def _query_parameters(filter_: Filter) -> dict[str, str]:
    return {key: value for key, value in asdict(filter_).items() if value}
