"""The recorded state: bindings, last applied values, open intents, findings, runs, rollouts, webhook deliveries.

Here: one database, SQLite or PostgreSQL, behind `open_state`. Never here: a request, a manifest, a decision, a secret;
nothing of `controller` is known.

    async with open_state("sqlite:///var/merchantctl.db") as store:
        records = await store.records.load()
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from state.account import RemoteAccount
from state.account_settings import AccountSettingRow
from state.alerts import DueAlert
from state.applied import AppliedRow
from state.bindings import Binding
from state.conditions import ConditionsRow
from state.controllers import ControllerRow
from state.database import LockKind, open_database, postgresql_url
from state.declarations import DeclaredRow
from state.errors import StateProblem
from state.export import parse_export
from state.findings import FindingEnding, FindingRow, OccurrenceRow
from state.hooks import HookRow
from state.inbox import DeliveryReceipt, ReceivedDelivery
from state.intents import Intent, SeenCompanies
from state.last_looks import LastLookRow
from state.last_syncs import LastSyncRow
from state.lock import LockWait, StateLock
from state.manual_syncs import ManualSyncRow
from state.merchant_records import MerchantRecord
from state.process import LockRow, ProcessIdentity
from state.process_claims import DEFAULT_LEASE_S
from state.proven_deliveries import AUTHORIZATION_KEY_ID, DeliveryProof, ProvenDeliveryRow, last_proven_times
from state.quarantine import Quarantine
from state.report_deliveries import DeliveryKey, ReportDeliveryRow
from state.revisions import Revision, RevisionRow, RevisionStatus
from state.rollouts import HoldRow, MemberRow, RolloutRow
from state.runs import EventRow, RunAuthor
from state.samples import Sample
from state.store import Store
from state.uploads import PushedRecord, RememberedRecord, UploadLease, UploadRow

__all__ = [
    "AUTHORIZATION_KEY_ID",
    "DEFAULT_LEASE_S",
    "AccountSettingRow",
    "AppliedRow",
    "Binding",
    "ConditionsRow",
    "ControllerRow",
    "DeclaredRow",
    "DeliveryKey",
    "DeliveryProof",
    "DeliveryReceipt",
    "DueAlert",
    "EventRow",
    "FindingEnding",
    "FindingRow",
    "HoldRow",
    "HookRow",
    "Intent",
    "LastLookRow",
    "LastSyncRow",
    "LockKind",
    "LockRow",
    "LockWait",
    "ManualSyncRow",
    "MemberRow",
    "MerchantRecord",
    "OccurrenceRow",
    "ProcessIdentity",
    "ProvenDeliveryRow",
    "PushedRecord",
    "Quarantine",
    "ReceivedDelivery",
    "RememberedRecord",
    "RemoteAccount",
    "ReportDeliveryRow",
    "Revision",
    "RevisionRow",
    "RevisionStatus",
    "RolloutRow",
    "RunAuthor",
    "Sample",
    "SeenCompanies",
    "StateLock",
    "Store",
    "UploadLease",
    "UploadRow",
    "last_proven_times",
    "open_state",
    "parse_export",
    "postgresql_url",
]


@asynccontextmanager
async def open_state(
    url: str, *, on_read_only: Callable[[str], None] | None = None, lease_s: float = DEFAULT_LEASE_S
) -> AsyncIterator[Store]:
    """Open the state at `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`; create it if missing.

    on_read_only  allows a state that cannot be written: it is called with a sentence for people, and this process works
                  on a temporary copy, so that whatever it writes is lost
    lease_s       seconds without a heartbeat after which PostgreSQL ends this process's lock, and rolls back a write
                  that it is in the middle of

    On exit, the lock is released if the store still holds it, and all connections are closed.
    Raises StateUnusable.
    """
    async with open_database(url, on_read_only, lease_s) as database:
        store = Store(database, lease_s)
        try:
            yield store
        finally:
            store.rollouts.stop_heartbeats()
            # A lock that cannot be released now hinders nobody: it ends with this process, or after its lease.
            with suppress(StateProblem):
                for lock in store.locks().values():
                    await lock.release_if_held()
