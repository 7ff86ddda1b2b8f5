"""`apply`: plans everyone, judges once, asks once, writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.desired import Fleet
from controller.model.errors import MerchantctlError, UsageError
from controller.model.report import FleetPlan, FleetReport
from controller.model.run_policy import RELEASABLE_BY_COUNT, TAKE_DOWN, Scope
from controller.operations.bootstrap import (
    OnProgress,
    RunRequest,
    build_run,
    hold_state_lock,
    load_manifests,
    no_progress,
    open_store,
    open_writer,
    refuse_empty_root_and_state,
    stop_on_signals,
)
from controller.operations.shared_budget import shared_budget
from controller.reconcile.context import RunContext
from controller.reconcile.fence import lost_lock_warning
from controller.reconcile.fleet import reconcile
from controller.reconcile.state_cleanup import MAX_EXPIRY_BATCHES_AFTER_APPLY, delete_expired_rows
from controller.reporting.as_json import MalformedPlan
from controller.settings import Settings
from state import Revision, RevisionStatus
from state.errors import StateProblem

MAX_TIMES_OVERTAKEN = 5
"""So often in a row another process may put its manifests in force between our look and our word."""


async def plan_and_apply(
    settings: Settings,
    request: RunRequest,
    on_progress: OnProgress = no_progress,
    *,
    environment: Environment = REAL_ENVIRONMENT,
) -> FleetReport | FleetPlan:
    """Plans everyone, judges once, asks once, writes. Refused or declined: the plan alone comes back."""
    request, fleet = _check_request_and_load_manifests(request, settings)
    async with (
        open_store(settings) as store,
        hold_state_lock(store.lock, request.lock_timeout) as lost_at,
        open_writer(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        if lost_at:
            request.on_message(lost_lock_warning(lost_at))
        await refuse_empty_root_and_state(settings, fleet, store)
        run = build_run(settings, request, fleet, store, api, on_progress, environment)
        with stop_on_signals(lambda number: run.stop.request(f"stopped by {number.name}", signal=number), store):
            if not request.puts_in_force and (told := await _describe_run_at_other_manifests(run, settings)):
                request.on_message(told)
            report = await reconcile(run, request.confirm, request.saved_plan)
            if isinstance(report, FleetReport) and request.puts_in_force and report.confirmed:
                report = await _put_in_force(report, run, settings)
            if isinstance(report, FleetReport):
                await delete_expired_rows(
                    run,
                    settings.keep,
                    stopped=lambda: bool(run.stop.reason),
                    max_batches=MAX_EXPIRY_BATCHES_AFTER_APPLY,
                )
            return report


def _check_request_and_load_manifests(request: RunRequest, settings: Settings) -> tuple[RunRequest, Fleet]:
    """The request, of the scope that its saved plan was made for, and its manifests: all that can be refused before
    anything is opened.

    Raises UsageError, MalformedPlan, InvalidManifests, and MerchantctlError for a plan made elsewhere or of others.
    """
    plan, here = request.saved_plan, settings.environment_name
    if plan and plan.get("environment") != here:
        made = plan.get("environment") or "no environment"
        told = f"this plan was made in {made}, and this is {here or 'no environment'}"
        raise MerchantctlError(f"{told}. Nothing was done.")
    if plan:
        request = replace(request, scope=scope_of_saved_plan(plan, settings.manifests))
    # A part of the manifests hides how many are missing, so in a part nobody is released by name either.
    released = [word for word in (*RELEASABLE_BY_COUNT, TAKE_DOWN) if request.policy.released_merchants(word)]
    for_everyone = [f"--allow {name}=NAME" for name in released] + (["--revision"] if request.puts_in_force else [])
    if for_everyone and not request.scope.is_everyone:
        raise UsageError(
            f"{for_everyone[0]} is for a run of the whole root: leave out PATH, --target and -l. Nothing was done."
        )
    fleet = load_manifests(settings, request.scope, strict=True, cached=False)
    if plan and plan["manifests"] != fleet.digest:
        raise MerchantctlError(
            "the manifests are not those that this plan was made from. Nothing was done. "
            "Make a new one: merchantctl plan --out FILE"
        )
    return request, fleet


async def _describe_run_at_other_manifests(run: RunContext, settings: Settings) -> str | None:
    """That a living `run` keeps the fleet at manifests from elsewhere; None where none does. From the same place it has
    these within a minute itself."""
    row = await run.store.revisions.load(RevisionStatus.IN_FORCE)
    if row is None or row.revision.digest == run.fleet.digest or row.revision.source == settings.manifests_source:
        return None
    for each in await run.store.controllers.load_alive(run.now()):
        if each.revision == row.revision.digest and not each.report_only:
            return (
                f"run on {each.host} keeps the fleet at other manifests, from {row.revision.source}: its next look "
                "sets back what is declared otherwise there. To put these in force: merchantctl apply --revision"
            )
    return None


async def _put_in_force(report: FleetReport, run: RunContext, settings: Settings) -> FleetReport:
    """Puts the manifests of a run that a person agreed to in force, whichever are; the report says where they are not.

    What was written is told all the same where others put theirs in force in every moment in between, and where the
    state takes nothing any more.
    """
    revisions = run.store.revisions
    revision = Revision(run.fleet.digest, run.fleet.commit, settings.manifests_source)
    why = f"others were put in force {MAX_TIMES_OVERTAKEN} times meanwhile. Which: merchantctl revision show."
    try:
        # Refused only where another process put its own in force since our look: each further try is another's success.
        for _ in range(MAX_TIMES_OVERTAKEN):
            row = await revisions.load(RevisionStatus.IN_FORCE)
            number = row.id if row else None
            if await revisions.put_in_force(revision, instead_of=number, at=run.now(), by=str(run.author)):
                return report
    except StateProblem as problem:
        why = str(problem)
    told = f"the changes are made, but these manifests are not in force: {why} To have these: run this again."
    plan = replace(report.plan, is_complete=False, unread_reasons=(*report.plan.unread_reasons, told))
    return replace(report, plan=plan)


def scope_of_saved_plan(saved_plan: Mapping[str, Any], root: Path) -> Scope:
    """The scope that a saved plan was made for. Raises MalformedPlan where it leads out of the root."""
    scope = saved_plan["scope"]
    path = None if scope["path"] is None else Path(scope["path"])
    if path is not None and not _contains_path(root, path):
        raise MalformedPlan(
            f"The saved plan, at scope.path: {path} is not below {root}, and a file may not say where manifests are. "
            f"Nothing was done. To apply what is there: merchantctl apply {path}"
        )
    return Scope(path, tuple(scope["targets"]), scope["selector"])


def _contains_path(root: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a name too long, a loop of links: the plan file may say anything
        return False
