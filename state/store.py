"""The face of the state: every question and every note, by name. What each does is told in its subject's module."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from state import admin as editing
from state import (
    alerts,
    applied,
    bindings,
    conditions,
    export,
    findings,
    inbox,
    intents,
    lock,
    quarantine,
    retention,
    rollouts,
    runs,
    syncs,
)
from state import in_sync_cache as verdicts
from state import records as memory
from state import refresh_requests as pulls
from state.account import RemoteAccount
from state.account import bind_account as bind_account
from state.account import find_account as find_account
from state.claims import DEFAULT_LEASE_S
from state.database import Database
from state.errors import StateProblem
from state.process import LockRow, ProcessIdentity
from state.quarantine import Quarantine
from state.syncs import SyncRow


class Store:
    """An open state. A writing method has committed, durably, when it returns; many may be awaited at once.

    Instants are aware; merchants are named by their manifest's name. Every method may raise StateUnusable.
    """

    def __init__(self, database: Database, lease: float = DEFAULT_LEASE_S) -> None:
        self._database = database
        self._lease_s = lease
        self._lock_owner: ProcessIdentity | None = None
        self._heartbeats: asyncio.Task[None] | None = None
        self._rollout_heartbeats: asyncio.Task[None] | None = None

    # -- Where it belongs

    async def account(self) -> RemoteAccount | None:
        """None before the first run that wrote."""
        return await find_account(self._database)

    async def bind_account(self, belongs: RemoteAccount) -> None:
        await bind_account(self._database, belongs)

    # -- What a plan needs

    async def load_records(self, merchants: Iterable[str] | None = None) -> dict[str, memory.MerchantRecord]:
        """What is remembered of these merchants, or of all, tombstones too; one bulk read."""
        return await memory.load_records(self._database, merchants)

    async def load_in_sync_keys(self) -> dict[str, str]:
        """By merchant: the opaque key under which it was last judged to be in sync."""
        return await verdicts.load_in_sync_keys(self._database)

    async def save_in_sync_keys(self, keys: Mapping[str, str]) -> None:
        await verdicts.save_in_sync_keys(self._database, keys)

    async def syncs(self) -> dict[str, SyncRow]:
        """By merchant: how its latest sync stood when it was last read."""
        return await syncs.load_syncs(self._database)

    async def note_syncs(self, rows: Iterable[SyncRow]) -> None:
        await syncs.note_syncs(self._database, rows)

    async def load_refresh_requests(self) -> dict[str, datetime]:
        """By merchant: when its reference data was last asked for by `run`."""
        return await pulls.load_refresh_requests(self._database)

    async def note_refresh_requests(self, merchants: Iterable[str], at: datetime) -> None:
        """It was asked for now."""
        await pulls.note_refresh_requests(self._database, merchants, at)

    # -- Who is who

    async def bind(self, merchant: str, *, company_id: str | None, company_name: str | None) -> None:
        """This company belongs to this merchant (None: no company does)."""
        await bindings.bind(self._database, merchant, company_id=company_id, company_name=company_name)

    async def bind_connection(self, merchant: str, connection_id: str | None) -> None:
        await bindings.bind_connection(self._database, merchant, connection_id)

    async def mark_configured(self, merchants: Iterable[str], at: datetime) -> None:
        """These merchants were configured when we looked, at that instant."""
        await bindings.mark_configured(self._database, merchants, at)

    async def retire(self, merchant: str, at: datetime) -> None:
        """A tombstone: the removal was carried out and is not to be done again."""
        await bindings.retire(self._database, merchant, at)

    async def unretire(self, merchant: str) -> None:
        await bindings.retire(self._database, merchant, None)

    async def mark_without_manifest(self, merchants: Iterable[str], at: datetime | None) -> None:
        """These have no manifest any more and stay as they are; with None they have one again."""
        await bindings.mark_without_manifest(self._database, merchants, at)

    async def list_bindings(self) -> tuple[bindings.Binding, ...]:
        return await bindings.list_bindings(self._database)

    # -- Renames

    async def rename_merchants(
        self, moves: Mapping[str, str], *, at: datetime, under_way: Collection[str] = ()
    ) -> None:
        """By new name the old one, as one permutation in one commit. Raises what `rename_merchant` does."""
        await editing.rename_merchants(self._database, moves, at, under_way)

    async def renames_done(self) -> dict[str, str]:
        """By new name, the name that a merchant's memory came from."""
        return await editing.renames_done(self._database)

    async def forget_renames(self, *, kept: Mapping[str, str]) -> None:
        """Only these are remembered any longer."""
        await editing.forget_renames(self._database, kept)

    async def merchants_of_rollouts(self, states: Collection[str]) -> dict[str, str]:
        """Every merchant of a rollout in one of these states, held or not, and that rollout's name."""
        return await editing.merchants_of_rollouts(self._database, states)

    # -- What we set last

    async def record_applied(self, merchant: str, fields: Mapping[str, Any], *, deletion: str, at: datetime) -> None:
        """Replace the whole map of JSON values by field path."""
        await self.record_applied_many([applied.AppliedRow(merchant, fields, deletion, at)])

    async def record_applied_many(self, rows: Iterable[applied.AppliedRow]) -> None:
        await applied.record_applied(self._database, rows)

    # -- Creates

    async def begin_intent(
        self, merchant: str, kind: str, *, name: str, company_id: str | None, platform: str | None, at: datetime
    ) -> intents.Intent:
        """A create is about to be asked for. On disk before this returns; its id closes or settles it.

        Raises StateLocked, LockEnded where this store held the lock and lost it: then it is closed, nothing was sent.
        """
        columns = {"merchant": merchant, "kind": kind, "name": name, "company_id": company_id, "platform": platform}
        intent = await intents.begin_intent(self._database, {**columns, "begun_at": at}, self._lock_owner)
        try:
            await self.prove_lock()  # who was stopped after the commit is not to send what it announces
        except StateProblem:
            await intents.close_intent(self._database, intent.id, outcome="not done", at=at)
            raise
        return intent

    async def close_intent(self, intent_id: int, *, outcome: str, at: datetime) -> None:
        """It is known that nothing was made, or nothing that is ours. A closed intent stays as it is."""
        await intents.close_intent(self._database, intent_id, outcome=outcome, at=at)

    async def settle_company(
        self, intent_id: int, merchant: str, *, company_id: str, company_name: str, at: datetime
    ) -> None:
        """The company is there: bind it and close the intent, in one commit."""
        made = {"company_id": company_id, "company_name": company_name}
        await intents.settle_intent(self._database, intent_id, merchant, at, **made)

    async def settle_connection(self, intent_id: int, merchant: str, *, connection_id: str, at: datetime) -> None:
        """The connection is there: bind it and close the intent, in one commit."""
        await intents.settle_intent(self._database, intent_id, merchant, at, connection_id=connection_id)

    async def note_intent_missed(self, intent_id: int, at: datetime) -> None:
        """A complete look that began at `at` did not find what it may have made; the first such look is kept."""
        await intents.note_intent_missed(self._database, intent_id, at)

    async def open_intents(self) -> tuple[intents.Intent, ...]:
        return await intents.open_intents(self._database)

    # -- Findings

    async def note_findings(
        self,
        seen: Iterable[findings.FindingRow],
        *,
        gone: Iterable[findings.FindingEnding] = (),
        tried: Collection[findings.FindingKey] = (),
        at: datetime,
        run: int | None = None,
    ) -> dict[findings.FindingKey, datetime]:
        """(merchant, code, field) → when it was found. What is `gone` ends, where it was open; to what was `tried`
        this run wrote. All in one commit."""
        return await findings.note_findings(self._database, tuple(seen), gone=gone, tried=tried, at=at, run=run)

    async def merchants_with_finding(self, code: str) -> tuple[str, ...]:
        """Of whom a finding of that code stands open."""
        return await findings.merchants_with_finding(self._database, code)

    async def findings_of(self, merchant: str) -> tuple[findings.OccurrenceRow, ...]:
        """Each time that one came; the oldest first."""
        return await findings.findings_of(self._database, merchant)

    async def open_findings(self, merchants: Collection[str] | None = None) -> tuple[findings.OccurrenceRow, ...]:
        return await findings.open_findings(self._database, merchants)

    async def times_found(self, merchants: Collection[str], since: datetime) -> dict[findings.FindingKey, int]:
        """How often each finding of these merchants came since then."""
        return await findings.times_found(self._database, merchants, since)

    async def recurring(self, since: datetime, least: int) -> tuple[findings.OccurrenceRow, ...]:
        """All since then of those that came so often at least, the oldest first."""
        return await findings.recurring(self._database, since, least)

    async def first_seen(self, merchants: Collection[str] | None = None) -> dict[findings.FindingKey, datetime]:
        """Of open findings only; notes nothing."""
        return await findings.first_seen(self._database, merchants)

    # -- News

    async def claim_news(self, at: datetime) -> tuple[alerts.DueAlert, ...]:
        """All that is due and nobody is about to tell: this caller is, for a while."""
        return await alerts.claim(self._database, at)

    async def confirm_news(self, due: Collection[alerts.DueAlert]) -> None:
        """They were told."""
        await alerts.confirm(self._database, due)

    async def give_news_back(self, due: Collection[alerts.DueAlert]) -> None:
        """They were not told."""
        await alerts.give_back(self._database, due)

    async def standing_news(self) -> frozenset[alerts.Topic]:
        """What was told and is not over."""
        return await alerts.standing(self._database)

    async def note_standing_news(self, new: Iterable[alerts.Topic], over: Iterable[alerts.Topic], at: datetime) -> None:
        await alerts.note_standing(self._database, new, over, at)

    # -- Conditions

    async def conditions_standing(self, merchants: Collection[str] | None = None) -> dict[str, str]:
        """How they stood when one of them moved last."""
        return await conditions.standing(self._database, merchants)

    async def conditions_of(self, merchants: Collection[str]) -> dict[str, conditions.ConditionsRow]:
        return await conditions.rows(self._database, merchants)

    async def note_conditions(self, moved: Iterable[conditions.ConditionsRow]) -> None:
        await conditions.note(self._database, moved)

    # -- Runs

    async def begin_run(
        self, verb: str, at: datetime, *, user: str | None = None, host: str | None = None, revision: str | None = None
    ) -> int:
        """What it is called (`apply`, `run`, the name of a rollout), whose it is, where, from which manifests."""
        return await runs.begin_run(self._database, runs.RunAuthor(verb, user, host, revision), at)

    async def authors(self, ids: Iterable[int | None]) -> dict[int, runs.RunAuthor]:
        """Who these runs were."""
        return await runs.authors(self._database, ids)

    async def end_run(self, run_id: int, exit_code: int, summary: Mapping[str, Any], at: datetime) -> None:
        await runs.end_run(self._database, run_id, exit_code, summary, at)

    async def note_events(self, run_id: int, events: Iterable[runs.EventRow]) -> None:
        await runs.note_events(self._database, run_id, events)

    async def history(self, merchant: str) -> tuple[runs.EventRow, ...]:
        """The oldest first."""
        return await runs.history(self._database, merchant)

    async def note_writes(self, run_id: int, counts: Mapping[str, int], at: datetime, *, confirmed: bool) -> None:
        """So many changes of each class have just been made; `confirmed`: a person had asked for them."""
        await runs.note_writes(self._database, run_id, counts, at, confirmed=confirmed)

    async def writes_since(self, at: datetime) -> dict[str, int]:
        """Changes of each class made at or after that instant that nobody had confirmed, over all runs."""
        return await runs.writes_since(self._database, at)

    # -- Quarantine

    async def quarantine(self, merchant: str, *, key: str, reason: str, until: datetime | None, tries: int) -> None:
        await quarantine.put_in_quarantine(self._database, Quarantine(merchant, key, reason, until, tries))

    async def quarantined(self) -> dict[str, Quarantine]:
        return await quarantine.load_quarantined(self._database)

    async def release_from_quarantine(self, merchant: str) -> None:
        """Out of quarantine."""
        await quarantine.release_from_quarantine(self._database, merchant)

    # -- Rollouts

    async def begin_rollout(
        self,
        name: str,
        terms: Mapping[str, Any],
        members: Iterable[rollouts.MemberRow],
        owner: ProcessIdentity,
        at: datetime,
    ) -> int:
        """A rollout at its first wave, `running` in this owner's hands, with all its merchants; its id."""
        row = {"name": name, "state": "running", "reason": "", "since": at, "started_at": at}
        return await rollouts.begin_rollout(self._database, {**row, "terms": dict(terms), "wave": 1}, owner, members)

    async def take_up_rollout(self, *, from_whoever: bool) -> bool:
        """This process carries a rollout out from now on until the store is closed; not where another one does that
        lives. `from_whoever`: that one was told to stop, and it is taken from it."""
        taken = await rollouts.take_up(self._database, from_whoever=from_whoever)
        if taken:
            self._rollout_heartbeats = asyncio.create_task(rollouts.keep_claim_alive(self._database, self._lease_s))
        return taken

    async def is_rollout_carried_out(self) -> bool:
        """Whether a process that lives has taken a rollout up."""
        return await self._database.rollout_silent_for() is not None

    async def rollout(self, name: str | None = None) -> rollouts.RolloutRow | None:
        """By its name, else the newest."""
        return await rollouts.find_rollout(self._database, name)

    async def rollout_merchants(self, rollout_id: int) -> tuple[rollouts.MemberRow, ...]:
        """In the order of waves and names."""
        return await rollouts.load_members(self._database, rollout_id)

    async def compare_and_set_rollout(
        self, rollout_id: int, *, of: Collection[str], of_owner: ProcessIdentity | None = None, **columns: Any
    ) -> bool:
        """Changes a rollout that is in one of these states and, where one is named, in that owner's hands; whether."""
        return await rollouts.compare_and_set(self._database, rollout_id, of, of_owner, columns)

    async def update_rollout_merchant(self, rollout_id: int, merchant: str, **columns: Any) -> None:
        await rollouts.update_member(self._database, rollout_id, merchant, columns)

    async def hold_rollout(self, rollout_id: int) -> None:
        """Other runs leave all its merchants alone."""
        await rollouts.hold_members(self._database, rollout_id)

    async def rollout_holds(self) -> tuple[rollouts.HoldRow, ...]:
        """The merchants that other runs leave alone."""
        return await rollouts.load_holds(self._database)

    async def release_holds(self, merchants: Collection[str]) -> None:
        """No rollout holds these any more."""
        await rollouts.release_holds(self._database, merchants)

    # -- Webhooks

    async def save_delivery(self, delivery: inbox.ReceivedDelivery) -> inbox.DeliveryReceipt:
        """On disk before this returns. The same id again changes nothing, and says who still waits because of it."""
        return await inbox.save_delivery(self._database, delivery)

    async def merchants_with_open_deliveries(self) -> tuple[str, ...]:
        """Merchants that a delivery is about and nobody has looked at since."""
        return await inbox.merchants_with_open_deliveries(self._database)

    async def close_deliveries(
        self, merchants: Collection[str] | None, *, received_until: datetime, at: datetime
    ) -> None:
        """What came until then about these merchants (`None`: about anybody) was looked at."""
        await inbox.close_deliveries(self._database, merchants, received_until, at)

    # -- The lock

    async def acquire_lock(
        self,
        owner: ProcessIdentity,
        *,
        timeout: float,  # noqa: ASYNC109
        told: lock.OnLockWait | None = None,
    ) -> datetime | None:
        """Wait at most `timeout` seconds for a living holder; a dead one is no obstacle. Raises StateLocked.

        Returns when another lost the lock without giving it back: what it had under way may come later still.
        While it is held, signs of life are given in the background.
        """
        lost_at = await lock.acquire_lock(self._database, owner, timeout_s=timeout, on_wait=told)
        self._lock_owner = owner
        self._heartbeats = asyncio.create_task(lock.keep_lock_alive(self._database, self._lease_s))
        return lost_at

    async def prove_lock(self) -> None:
        """Raises StateLocked, LockEnded where this store held the lock and lost it."""
        if self._lock_owner:
            await lock.prove_lock(self._database, self._lock_owner, self._lease_s)

    async def release_lock(self, owner: ProcessIdentity) -> None:
        """Give back what this store took; closing the store does so too."""
        if self._lock_owner == owner:
            if self._heartbeats:
                self._heartbeats.cancel()
            await lock.release_lock(self._database, owner)
            self._lock_owner = self._heartbeats = None

    async def release_held_lock(self) -> None:
        if self._rollout_heartbeats:
            self._rollout_heartbeats.cancel()
        if self._lock_owner:
            await self.release_lock(self._lock_owner)

    async def lock_holder(self) -> LockRow | None:
        return await lock.lock_holder(self._database)

    async def holder_silent_for(self) -> float | None:
        """Seconds since the lock's holder gave a sign of life; None where nobody who lives has it."""
        return await self._database.holder_silent_for()

    async def break_lock(self, of: ProcessIdentity | None = None) -> LockRow | None:
        """End whoever's lock it is; returns what was there. Raises StateLocked where it is not `of`'s."""
        return await lock.break_lock(self._database, of)

    # -- What goes by age

    async def delete_expired(self, before: datetime, ended: Collection[str]) -> int:
        """Removes a few rows that are over and older than that; how many, 0 = there are no more.

        `ended`: states of a rollout that has ended.
        """
        return await retention.delete_expired(self._database, before, ended)

    # -- By hand

    async def show_merchant(self, merchant: str) -> dict[str, list[dict[str, Any]]]:
        """All rows about a merchant but its history, as JSON, by table. Raises UnknownMerchant."""
        return await editing.show_merchant(self._database, merchant)

    async def rename_merchant(self, old: str, new: str, *, at: datetime, under_way: Collection[str] = ()) -> None:
        """`under_way`: states of rollouts whose merchants keep their names.

        Raises UnknownMerchant, MerchantTaken, NameInRollout.
        """
        await editing.rename_merchant(self._database, old, new, at, under_way)

    async def forget_merchant(self, merchant: str, *, under_way: Collection[str] = ()) -> None:
        """All but its history; nothing happens over there. Raises UnknownMerchant, NameInRollout."""
        await editing.forget_merchant(self._database, merchant, under_way)

    async def export(self) -> dict[str, Any]:
        """Everything but lock and memo, as one JSON document."""
        return await export.export_all(self._database)

    async def import_(self, document: Mapping[str, Any]) -> None:
        """Fill an empty state from an export. Raises UnusableExport."""
        await export.import_all(self._database, document)
