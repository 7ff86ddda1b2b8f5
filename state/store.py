"""The open state: one repository a subject, and what spans all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from state import export, retention
from state.account import AccountBinding
from state.account_settings import AccountSettings
from state.alerts import Alerts
from state.applied import AppliedValues
from state.bindings import Bindings
from state.conditions import Conditions
from state.controllers import Controllers
from state.database import Database, LockKind
from state.declarations import Declarations
from state.due import Due
from state.findings import Findings
from state.hooks import Hooks
from state.in_sync_cache import InSyncCache
from state.inbox import Inbox
from state.intents import Intents
from state.last_looks import LastLooks
from state.last_syncs import LastSyncs
from state.lock import StateLock
from state.manual_syncs import ManualSyncs
from state.merchant_records import MerchantRecords
from state.merchants import Merchants
from state.process_claims import DEFAULT_LEASE_S
from state.proven_deliveries import ProvenDeliveries
from state.quarantine import QuarantinedMerchants
from state.refresh_requests import RefreshRequests
from state.report_deliveries import ReportDeliveries
from state.request_budget import RequestBudget
from state.revisions import Revisions
from state.rollouts import Rollouts
from state.runs import Runs
from state.samples import Samples
from state.uploads import Uploads


class Store:
    """An open state. A writing method has committed, durably, when it returns; many may be awaited at once.

    load…, count…  read
    save…          replaces what was there for the same merchants
    record…        adds to what happened

    Instants are aware; merchants are named by their manifest's name. Every method may raise StateUnusable.
    """

    def __init__(self, database: Database, lease_s: float = DEFAULT_LEASE_S) -> None:
        self._database = database
        # Who may write here, and whose state it is
        self.lock = StateLock(database, lease_s)
        self.controller_lock = StateLock(database, lease_s, kind=LockKind.CONTROLLERS)
        self.controllers = Controllers(database)
        self.due = Due(database)
        self.account = AccountBinding(database)
        self.request_budget = RequestBudget(database)
        # What a plan is computed from
        self.records = MerchantRecords(database)
        self.in_sync_cache = InSyncCache(database)
        self.last_syncs = LastSyncs(database)
        self.declarations = Declarations(database)
        self.manual_syncs = ManualSyncs(database, self.lock, lease_s)
        self.refresh_requests = RefreshRequests(database)
        self.quarantine = QuarantinedMerchants(database)
        # What is recorded of each merchant
        self.bindings = Bindings(database)
        self.applied = AppliedValues(database)
        self.account_settings = AccountSettings(database)
        self.hooks = Hooks(database, (self.lock, self.controller_lock))
        self.intents = Intents(database, (self.lock, self.controller_lock))
        self.merchants = Merchants(database)
        # What happened
        self.runs = Runs(database)
        self.findings = Findings(database)
        self.conditions = Conditions(database)
        self.last_looks = LastLooks(database)
        self.samples = Samples(database)
        self.revisions = Revisions(database)
        self.alerts = Alerts(database)
        self.rollouts = Rollouts(database, lease_s)
        self.inbox = Inbox(database)
        self.proven_deliveries = ProvenDeliveries(database)
        self.report_deliveries = ReportDeliveries(database)
        self.uploads = Uploads(database, lease_s)

    async def require_reachable_and_current(self) -> None:
        """Whether it can be used: raises StateUnreachable, and StateUnusable where its version is another by now."""
        await self._database.require_reachable_and_current()

    def locks(self) -> dict[LockKind, StateLock]:
        return {LockKind.COMMANDS: self.lock, LockKind.CONTROLLERS: self.controller_lock}

    async def delete_expired_batch(self, before: datetime, ended_states: Collection[str]) -> int:
        """Delete a few rows that are over and older than `before`, from any table; how many, 0 = none is left.

        ended_states  those of a rollout that has ended
        """
        return await retention.delete_expired_batch(self._database, before, ended_states)

    def end_waits_within(self, seconds: float) -> None:
        """This process is to end: from then on a write raises StateBusy where one of another process is under way."""
        self._database.end_waits_within(seconds)

    async def export(self) -> dict[str, Any]:
        """Everything but what `state.export` leaves out, as one JSON document."""
        return await export.export_all(self._database)

    async def import_(self, document: Mapping[str, Any]) -> None:
        """Fill an empty state from an export. Raises UnusableExport."""
        await export.import_all(self._database, document)
