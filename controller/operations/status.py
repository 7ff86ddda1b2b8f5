"""`status`: how everyone stands, as a controller saw it where one works on this state; else as is seen now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.desired import Fleet
from controller.model.errors import InvalidManifests
from controller.model.merchant_status import plan_after
from controller.model.report import FleetPlan
from controller.model.run_policy import Scope
from controller.operations.bootstrap import OnProgress, ignore_message, load_manifests, no_progress, open_store
from controller.operations.git_manifests import open_git_source
from controller.operations.plan import PlanOptions, plan_only
from controller.planning.during_manual_sync import hold_during_manual_sync
from controller.planning.merchant_renames import RenamePlan
from controller.reconcile.condition_ages import add_condition_ages
from controller.reconcile.last_looks import load_last_look_at_fleet, load_last_looks, with_seen_plans
from controller.reconcile.load_snapshot import select_merchants
from controller.reconcile.open_manual_syncs import load_open_manual_syncs
from controller.settings import Settings
from controller.untrusted_text import mask_passwords
from state import RevisionStatus, Store


async def status(
    settings: Settings,
    scope: Scope,
    *,
    look_now: bool = False,
    on_progress: OnProgress = no_progress,
    on_message: Callable[[str], None] = ignore_message,
    environment: Environment = REAL_ENVIRONMENT,
) -> FleetPlan:
    """How everyone in scope stands. Without a request to the API where a controller keeps that up to date.

    look_now  it is looked now, whether or not a controller has
    """
    if not look_now:
        async with open_store(settings, on_message) as store:
            seen = await _load_plan_from_last_looks(settings, scope, store, environment.clock(), on_message)
        if seen is not None:
            return seen
    return await plan_only(
        settings,
        scope,
        PlanOptions(dated=True),
        on_progress=on_progress,
        on_message=on_message,
        environment=environment,
    )


async def _load_plan_from_last_looks(
    settings: Settings, scope: Scope, store: Store, now: datetime, on_message: Callable[[str], None]
) -> FleetPlan | None:
    """What stands in the state; None where no controller lives, or where it did not look at one of those meant."""
    if not await store.controllers.load_alive(now):
        return None
    whole = await load_last_look_at_fleet(store)
    # An address that the state does not belong to is for a look to refuse.
    if whole is None or whole[0].base_url != mask_passwords(settings.base_url):
        return None
    fleet = await _load_newest_valid_manifests(settings, scope, store, on_message)
    names = select_merchants(fleet, scope).keys()
    seen = await load_last_looks(store, merchants=names)
    if seen.keys() != names or not names:
        return None
    # A manual sync may have begun since the look. What was seen is under the names of the state, as these are.
    open_manual_syncs = await load_open_manual_syncs(store, RenamePlan())
    plans = [
        replace(each, plan=hold_during_manual_sync(plan_after(each.plan, each.outcome), open_manual_syncs.get(name)))
        for name, each in seen.items()
    ]
    plan = with_seen_plans(whole[0], plans)
    if not scope.is_everyone:
        plan = replace(plan, unmanaged_names=(), retained=(), findings=(), notes=(), refusal=None, account=None)
        plan = replace(plan, unread_reasons=())
    return replace(
        plan,
        plans=await add_condition_ages(plan.plans, store),
        scope=scope,
        environment=settings.environment_name,
        made_at=now,
        is_complete=fleet.is_complete and not (plan.unread_reasons or any(each.has_unread for each in plan.plans)),
        oldest_look_at=min(each.seen_at for each in seen.values()),
    )


async def _load_newest_valid_manifests(
    settings: Settings, scope: Scope, store: Store, on_message: Callable[[str], None]
) -> Fleet:
    """Those of the newest commit; where that is broken, those that the controller keeps everyone at. Raises
    InvalidManifests, GitUnavailable."""
    try:
        return load_manifests(settings, scope, strict=True)
    except InvalidManifests:
        source, row = open_git_source(settings), await store.revisions.load(RevisionStatus.IN_FORCE)
        commit = row.revision.git_commit if row and row.revision.source == str(settings.git) else None
        if source is None or commit in (None, settings.commit):
            raise
        assert commit is not None, "it was asked for in the line before"
        on_message(
            f"commit {(settings.commit or '')[:12]} is not valid (merchantctl validate); {commit[:12]} is in force"
        )
        in_force = replace(settings, manifests=source.check_out(commit), commit=commit)
        return load_manifests(in_force, scope, strict=True)
