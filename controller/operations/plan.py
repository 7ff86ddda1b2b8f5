"""`plan`, `drift`, `status`: looks at everyone in scope with a client that cannot write."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import UsageError
from controller.model.report import FleetPlan
from controller.model.run_policy import Records, Scope
from controller.operations.bootstrap import (
    OnProgress,
    RunRequest,
    build_run,
    ignore_message,
    load_manifests,
    no_progress,
    open_reader,
    open_store,
    refuse_empty_root_and_state,
)
from controller.operations.shared_budget import shared_budget
from controller.quick_dataclasses import dataclass
from controller.reconcile.condition_ages import add_condition_ages
from controller.reconcile.finding_history import record_look_and_date_findings
from controller.reconcile.fleet import plan_fleet_and_account_settings
from controller.reconcile.last_sync import read_and_record_latest_syncs
from controller.reconcile.load_snapshot import load_snapshot
from controller.settings import Settings


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a look was told on the command line.

    also_read  `data`, everyone's data status; `syncs`, everyone's latest sync, which is recorded, too
    strict     False: what can be parsed of broken manifests is reported on (`drift`), instead of InvalidManifests
    record_as  findings that come and go are noted in the ledger, as seen by this verb
    dated      conditions say since when they are as they are
    labelled   the plan has the labels of its merchants
    """

    also_read: Collection[str] = ()
    strict: bool = True
    record_as: str | None = None
    dated: bool = False
    labelled: bool = False


DEFAULT_PLAN_OPTIONS = PlanOptions()


async def plan_only(
    settings: Settings,
    scope: Scope,
    options: PlanOptions = DEFAULT_PLAN_OPTIONS,
    *,
    on_progress: OnProgress = no_progress,
    on_message: Callable[[str], None] = ignore_message,
    environment: Environment = REAL_ENVIRONMENT,
) -> FleetPlan:
    """Plans everyone in scope and judges the plans; writes nothing to the API.

    Raises UsageError where a look at a part of the manifests is to be noted in the ledger.
    """
    if options.record_as and not scope.is_everyone:
        raise UsageError("--record is for a look at the whole root: leave out PATH, --target and -l")
    fleet = load_manifests(settings, scope, strict=options.strict)
    if options.record_as and not fleet.is_complete:
        on_message("not all manifests can be read, so nothing of this look is noted in the ledger")
    records = None if options.record_as else Records.NONE
    request = RunRequest(scope, verb=options.record_as or "plan", records=records, on_message=on_message)
    async with (
        open_store(settings, on_message) as store,
        open_reader(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        await refuse_empty_root_and_state(settings, fleet, store)
        run = build_run(settings, request, fleet, store, api, on_progress, environment)
        run = replace(run, read_data_status="data" in options.also_read, read_syncs="syncs" in options.also_read)
        began = run.now()
        snapshot = await read_and_record_latest_syncs(await load_snapshot(run))
        plan = await plan_fleet_and_account_settings(snapshot, will_be_repeated=True)
        plan = await record_look_and_date_findings(plan, run, began)
        if options.labelled:
            plan = replace(plan, labels={name: each.labels for name, each in fleet.merchants.items()})
        return replace(plan, plans=await add_condition_ages(plan.plans, store)) if options.dated else plan
