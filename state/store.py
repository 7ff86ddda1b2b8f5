"""The face of the state: every question and every note, by name. What each does is told in its subject's module."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from state import (
    applied,
    bindings,
    editing,
    export,
    findings,
    inbox,
    intents,
    lock,
    memory,
    pulls,
    quarantine,
    rollouts,
    runs,
    syncs,
    verdicts,
)
from state.database import Database
from state.process import Owner
from state.quarantine import Quarantine
from state.syncs import SyncRow


class Store:
    """An open state. A writing method has committed, durably, when it returns; many may be awaited at once.

    Instants are aware; merchants are named by their manifest's name. Every method may raise StateUnusable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: Owner | None = None

    # -- What a plan needs

    async def recall(self, merchants: Iterable[str] | None = None) -> dict[str, memory.Memory]:
        """What is remembered of these merchants, or of all, tombstones too; one bulk read."""
        return await memory.recall(self._database, merchants)

    async def verdicts(self) -> dict[str, str]:
        """By merchant: the opaque key under which it was last judged to be in sync."""
        return await verdicts.verdicts_of_all(self._database)

    async def remember_verdicts(self, keys: Mapping[str, str]) -> None:
        await verdicts.remember_verdicts(self._database, keys)

    async def syncs(self) -> dict[str, SyncRow]:
        """By merchant: how its latest sync stood when it was last read."""
        return await syncs.of_all(self._database)

    async def note_syncs(self, rows: Iterable[SyncRow]) -> None:
        await syncs.note(self._database, rows)

    async def pulls(self) -> dict[str, datetime]:
        """By merchant: when its reference data was last asked for by `run`."""
        return await pulls.of_all(self._database)

    async def note_pulls(self, merchants: Iterable[str], at: datetime) -> None:
        """It was asked for now."""
        await pulls.note(self._database, merchants, at)

    # -- Who is who

    async def bind(self, merchant: str, *, company_id: str | None, company_name: str | None) -> None:
        """This company belongs to this merchant (None: no company does)."""
        await bindings.bind(self._database, merchant, company_id=company_id, company_name=company_name)

    async def bind_connection(self, merchant: str, connection_id: str | None) -> None:
        await bindings.bind_connection(self._database, merchant, connection_id)

    async def saw_configured(self, merchants: Iterable[str], at: datetime) -> None:
        """These merchants were configured when we looked, at that instant."""
        await bindings.saw_configured(self._database, merchants, at)

    async def retire(self, merchant: str, at: datetime) -> None:
        """A tombstone: the removal was carried out and is not to be done again."""
        await bindings.retire(self._database, merchant, at)

    async def unretire(self, merchant: str) -> None:
        await bindings.retire(self._database, merchant, None)

    async def list_bindings(self) -> tuple[bindings.Binding, ...]:
        return await bindings.list_bindings(self._database)

    # -- What we set last

    async def record_applied(self, merchant: str, fields: Mapping[str, Any], *, deletion: str, at: datetime) -> None:
        """Replace the whole map of JSON values by field path."""
        await self.record_applied_many([applied.Applied(merchant, fields, deletion, at)])

    async def record_applied_many(self, rows: Iterable[applied.Applied]) -> None:
        await applied.record_applied(self._database, rows)

    # -- Creates

    async def begin_intent(
        self, merchant: str, kind: str, *, name: str, company_id: str | None, platform: str | None, at: datetime
    ) -> int:
        """A create is about to be asked for. On disk before this returns; the id closes or settles it.

        Raises StateLocked, StateUnusable where this store held the lock and lost it.
        """
        columns = {"merchant": merchant, "kind": kind, "name": name, "company_id": company_id, "platform": platform}
        return await intents.begin_intent(self._database, {**columns, "begun_at": at}, self._held)

    async def close_intent(self, intent_id: int, *, outcome: str, at: datetime) -> None:
        """It is known that nothing was made, or nothing that is ours. A closed intent stays as it is."""
        await intents.close_intent(self._database, intent_id, outcome=outcome, at=at)

    async def settle_company(
        self, intent_id: int, merchant: str, *, company_id: str, company_name: str, at: datetime
    ) -> None:
        """The company is there: bind it and close the intent, in one commit."""
        made = {"company_id": company_id, "company_name": company_name}
        await intents.settle(self._database, intent_id, merchant, at, **made)

    async def settle_connection(self, intent_id: int, merchant: str, *, connection_id: str, at: datetime) -> None:
        """The connection is there: bind it and close the intent, in one commit."""
        await intents.settle(self._database, intent_id, merchant, at, connection_id=connection_id)

    async def open_intents(self) -> tuple[intents.Intent, ...]:
        return await intents.open_intents(self._database)

    # -- Findings

    async def note_findings(
        self, seen: Iterable[findings.FindingRow], *, judged: Collection[str], at: datetime
    ) -> dict[findings.Key, datetime]:
        """(merchant, code, field) → first seen. Open findings of `judged` merchants not in `seen` are now cleared."""
        return await findings.note_findings(self._database, seen, judged=judged, at=at)

    async def findings_of(self, merchant: str) -> tuple[findings.Noted, ...]:
        """Open and cleared ones."""
        return await findings.findings_of(self._database, merchant)

    async def first_seen(self, merchants: Collection[str] | None = None) -> dict[findings.Key, datetime]:
        """Of open findings only; notes nothing."""
        return await findings.first_seen(self._database, merchants)

    # -- Runs

    async def begin_run(self, verb: str, at: datetime) -> int:
        return await runs.begin_run(self._database, verb, at)

    async def end_run(self, run_id: int, exit_code: int, summary: Mapping[str, Any], at: datetime) -> None:
        await runs.end_run(self._database, run_id, exit_code, summary, at)

    async def note_events(self, run_id: int, events: Iterable[runs.Event]) -> None:
        await runs.note_events(self._database, run_id, events)

    async def history(self, merchant: str) -> tuple[runs.Event, ...]:
        """The oldest first."""
        return await runs.history(self._database, merchant)

    async def note_writes(self, run_id: int, counts: Mapping[str, int], at: datetime) -> None:
        """So many changes of each class have just been made."""
        await runs.note_writes(self._database, run_id, counts, at)

    async def writes_since(self, at: datetime) -> dict[str, int]:
        """Changes of each class made at or after that instant, over all runs."""
        return await runs.writes_since(self._database, at)

    # -- Quarantine

    async def quarantine(self, merchant: str, *, key: str, reason: str, until: datetime | None, tries: int) -> None:
        await quarantine.put_in(self._database, Quarantine(merchant, key, reason, until, tries))

    async def quarantined(self) -> dict[str, Quarantine]:
        return await quarantine.quarantined(self._database)

    async def release(self, merchant: str) -> None:
        """Out of quarantine."""
        await quarantine.release(self._database, merchant)

    # -- Rollouts

    async def begin_rollout(
        self, name: str, terms: Mapping[str, Any], members: Iterable[rollouts.MemberRow], owner: Owner, at: datetime
    ) -> int:
        """A rollout at its first wave, `running` in this owner's hands, with all its merchants; its id."""
        row = {"name": name, "state": "running", "reason": "", "since": at, "started_at": at}
        return await rollouts.begin(self._database, {**row, "terms": dict(terms), "wave": 1}, owner, members)

    async def rollout(self, name: str | None = None) -> rollouts.RolloutRow | None:
        """By its name, else the newest."""
        return await rollouts.find(self._database, name)

    async def rollout_merchants(self, rollout_id: int) -> tuple[rollouts.MemberRow, ...]:
        """In the order of waves and names."""
        return await rollouts.members(self._database, rollout_id)

    async def turn_rollout(
        self, rollout_id: int, *, of: Collection[str], of_owner: Owner | None = None, **columns: Any
    ) -> bool:
        """Changes a rollout that is in one of these states and, where one is named, in that owner's hands; whether."""
        return await rollouts.turn(self._database, rollout_id, of, of_owner, columns)

    async def note_rollout_merchant(self, rollout_id: int, merchant: str, **columns: Any) -> None:
        await rollouts.note_member(self._database, rollout_id, merchant, columns)

    async def hold_rollout(self, rollout_id: int) -> None:
        """Other runs leave all its merchants alone."""
        await rollouts.hold_all(self._database, rollout_id)

    async def rollout_holds(self) -> tuple[rollouts.HoldRow, ...]:
        """The merchants that other runs leave alone."""
        return await rollouts.holds(self._database)

    async def let_go(self, merchants: Collection[str]) -> None:
        """No rollout holds these any more."""
        await rollouts.let_go(self._database, merchants)

    # -- Webhooks

    async def remember_delivery(self, delivery: inbox.Delivery) -> inbox.Arrival:
        """On disk before this returns. The same id again changes nothing, and says who still waits because of it."""
        return await inbox.remember(self._database, delivery)

    async def merchants_told_of(self) -> tuple[str, ...]:
        """Merchants that a delivery is about and nobody has looked at since."""
        return await inbox.merchants_told_of(self._database)

    async def close_deliveries(
        self, merchants: Collection[str] | None, *, received_until: datetime, at: datetime
    ) -> None:
        """What came until then about these merchants (`None`: about anybody) was looked at."""
        await inbox.close(self._database, merchants, received_until, at)

    # -- The lock

    async def acquire_lock(self, owner: Owner, *, timeout: float) -> None:  # noqa: ASYNC109  (how long to ask, not to run)
        """Wait at most `timeout` seconds for a living holder; a dead one is no obstacle. Raises StateLocked."""
        await lock.acquire_lock(self._database, owner, patience=timeout)
        self._held = owner

    async def release_lock(self, owner: Owner) -> None:
        """Give back what this store took; closing the store does so too."""
        if self._held == owner:
            await lock.release_lock(self._database, owner)
            self._held = None

    async def release_what_is_held(self) -> None:
        if self._held:
            await self.release_lock(self._held)

    async def lock_holder(self) -> lock.LockRow | None:
        return await lock.lock_holder(self._database)

    async def break_lock(self) -> lock.LockRow | None:
        """End whoever's lock it is; returns what was there."""
        return await lock.break_lock(self._database)

    # -- By hand

    async def show(self, merchant: str) -> dict[str, list[dict[str, Any]]]:
        """All rows about a merchant but its history, as JSON, by table. Raises UnknownMerchant."""
        return await editing.show(self._database, merchant)

    async def rename_merchant(self, old: str, new: str) -> None:
        """Raises UnknownMerchant, MerchantTaken."""
        await editing.rename_merchant(self._database, old, new)

    async def forget(self, merchant: str) -> None:
        """All but its history; nothing happens over there. Raises UnknownMerchant."""
        await editing.forget(self._database, merchant)

    async def export(self) -> dict[str, Any]:
        """Everything but lock and memo, as one JSON document."""
        return await export.export_all(self._database)

    async def import_(self, document: Mapping[str, Any]) -> None:
        """Fill an empty state from an export. Raises UnusableExport."""
        await export.import_all(self._database, document)
