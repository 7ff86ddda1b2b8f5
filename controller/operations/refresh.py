"""`refresh`: asks Codat to read the merchants' books again, and waits for it where wished."""

from __future__ import annotations

from collections.abc import Mapping

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import RemoteError
from controller.model.observed import REQUIRED_DATA_TYPES, Absent, Company, Unread
from controller.model.run_policy import Scope
from controller.operations.bootstrap import (
    OnProgress,
    RunRequest,
    build_run,
    load_manifests,
    no_progress,
    open_store,
    open_writer,
    refuse_empty_root_and_state,
)
from controller.operations.shared_budget import shared_budget
from controller.planning.holds import closing_hold
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.load_snapshot import load_snapshot
from controller.reconcile.observe import has_both_links, observe_basic
from controller.reconcile.snapshot import RunSnapshot
from controller.settings import Settings

MAX_PULL_CHECKS = 60
"""Looks, one a second, before waiting for a pull is given up."""


async def refresh(
    settings: Settings,
    scope: Scope,
    *,
    wait: bool,
    on_progress: OnProgress = no_progress,
    environment: Environment = REAL_ENVIRONMENT,
) -> Mapping[str, str]:
    """Asks Codat to pull the reference data of every Linked merchant in scope again: see `refresh_merchants`."""
    fleet = load_manifests(settings, scope, strict=True)
    async with (
        open_store(settings) as store,
        open_writer(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        await refuse_empty_root_and_state(settings, fleet, store)
        run = build_run(settings, RunRequest(scope), fleet, store, api, on_progress, environment)
        return await refresh_merchants(run, wait=wait)


async def refresh_merchants(run: RunContext, *, wait: bool) -> dict[str, str]:
    """By merchant: «asked», «done», or why it was not asked."""
    snapshot = await load_snapshot(run)
    answers: dict[str, str] = {}
    failed = 0
    for merchant in sorted(snapshot.desired):
        try:
            answers[merchant] = await _refresh(merchant, snapshot, wait=wait)
        except RemoteError as error:
            answers[merchant] = str(error)
            failed += 1
        except Exception as error:
            if ends_run(error):
                raise
            answers[merchant] = log_internal_error(merchant, error)
            failed += 1
        run.on_progress(len(answers), len(snapshot.desired), failed)
    return answers


async def _refresh(merchant: str, snapshot: RunSnapshot, *, wait: bool) -> str:
    """What became of it, in a word or a sentence. Raises RemoteError."""
    api = snapshot.run.api
    if hold := closing_hold(snapshot.desired[merchant], snapshot.run.service_now()):
        return f"not asked: {hold.reason}"
    company = await _find_company(merchant, snapshot)
    if isinstance(company, str):
        return company
    if not has_both_links(company):
        return "not linked: the merchant has to give consent first"
    await api.refresh(company.id)
    if not wait:
        return "asked"
    for _ in range(MAX_PULL_CHECKS):
        try:
            pulls = await api.data_status(company.id)
        except RemoteError as error:
            return f"asked; whether it was pulled could not be read: {error}"
        required = [pulls.get(data_type) for data_type in REQUIRED_DATA_TYPES]
        if all(pull and pull.status == "Complete" and pull.last_pulled_at for pull in required):
            return "done"
        await snapshot.run.sleep(1)
    return "asked; not all of it was pulled within a minute"


async def _find_company(merchant: str, snapshot: RunSnapshot) -> Company | str:
    """Its company, or why there is none to ask for. One that is not bound yet is known by its name, as to a plan."""
    bound_id = snapshot.recorded_state(merchant).company_id
    if bound_id:
        bound = await snapshot.run.api.company(bound_id)
        gone = "its company is not there any more: merchantctl plan says what to do"
        return gone if isinstance(bound, Absent) else bound
    named = (await observe_basic(merchant, snapshot)).company
    if isinstance(named, Company):
        return named if snapshot.desired[merchant].policy.adopt else "not ours: policy adopt: false"
    return named.reason if isinstance(named, Unread) else "not created yet"
