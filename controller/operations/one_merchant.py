"""The company of one declared merchant, for the verbs that are about one: `link`, `sync`, `push`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.codat.client import Client
from controller.environment import Environment
from controller.model.errors import MerchantctlError, TransientError, UsageError
from controller.model.observed import Company, Unread
from controller.model.run_policy import Scope
from controller.operations.bootstrap import (
    OpenClient,
    RunRequest,
    build_run,
    ignore_message,
    load_manifests,
    no_progress,
    open_reader,
    open_store,
    open_writer,
)
from controller.operations.shared_budget import shared_budget
from controller.planning.holds import closing_hold
from controller.reconcile.load_snapshot import load_snapshot
from controller.reconcile.observe import observe
from controller.reconcile.snapshot import RunSnapshot
from controller.settings import Settings
from controller.untrusted_text import unknown_merchant_text


@asynccontextmanager
async def open_merchant(
    settings: Settings, name: str, open_api: OpenClient, environment: Environment
) -> AsyncIterator[tuple[Client, Company, RunSnapshot]]:
    """A client, the merchant's company, and the snapshot that it was found with.

    Raises UsageError for a name that no manifest has, MerchantctlError where there is no company yet, or where it is
    closed and `open_api` may write, TransientError where it could not be read.
    """
    fleet = load_manifests(settings, Scope(), strict=True)
    on_read_only = ignore_message if open_api is open_reader else None
    async with (
        open_store(settings, on_read_only) as store,
        open_api(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        request = RunRequest(Scope(name=name))
        snapshot = await load_snapshot(build_run(settings, request, fleet, store, api, no_progress, environment))
        if name not in snapshot.desired:
            raise UsageError(unknown_merchant_text(name, snapshot.desired))
        hold = closing_hold(snapshot.desired[name], snapshot.run.service_now())
        if hold and open_api is open_writer:
            raise MerchantctlError(f"{name} is {hold.reason}. Nothing was sent")
        company = (await observe(name, snapshot)).company
        if isinstance(company, Unread):
            raise TransientError(f"the company of {name} could not be read: {company.reason}")
        if not isinstance(company, Company):
            raise MerchantctlError(f"{name} has no company yet; merchantctl apply creates it")
        yield api, company, snapshot
