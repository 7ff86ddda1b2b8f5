"""Creating an account in the merchant's books: a request begins it, an operation does it, a pull shows it.

look: still lacking? → intent → push ─ Success ─▶ a pull is asked for ─▶ settled; a later look selects it
                                     ├ Failed, TimedOut ─▶ settled: it is not there, and never will be
                                     └ Pending for long ─▶ the intent stays, `recover_intents` looks
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.codat.client import Client
from controller.codat.from_wire import read_configuration
from controller.model.account_types import account_name_to_push
from controller.model.errors import RemoteError, RemoteLimitReached, TransientError
from controller.model.field_values import NewAccount, Option, Ref, split_account_path
from controller.model.observed import AccountPush
from controller.model.plan import RECHECK_WAITING_AFTER, Actor, Change, ChangeKind, Finding, Plan
from controller.planning.new_accounts import CHART_OF_ACCOUNTS, UNRESOLVED_CODE, find_obstacle, unresolved_new_accounts
from controller.reconcile.apply_creates import intent_on_disk
from controller.reconcile.books_for_new_accounts import read_books_for_new_accounts
from controller.reconcile.merchant_progress import MerchantHalted, MerchantProgress
from controller.reconcile.snapshot import RunSnapshot
from state import Intent

ACCOUNT_INTENT = "account"
POLL_AFTER_S = (1.0, 2.0, 4.0, 8.0)
"""An operation takes seconds; one that takes longer is looked at by a later run."""


async def create_account(
    plan: Plan, change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> MerchantProgress:
    """Creates it where the books, looked at anew, still lack it and have none under way.

    Codat pulls the books once, after the last account of the merchant: none may be sent while a pull runs.
    """
    made = snapshot.creates.accounts.setdefault(plan.merchant, {})
    is_last = change is [each for each in plan.changes if each.kind is ChangeKind.CREATE_ACCOUNT][-1]
    try:
        intent, push = await _push_account(plan, change, progress, snapshot)
        if push.is_pending and not is_last:
            why = "an account is still being created, and the next one waits for it"
            raise progress.halted_as_failed(why, retryable=True)
    except (MerchantHalted, RemoteError):
        await _ask_for_pull_and_settle(made, progress, snapshot)
        raise
    if not push.is_pending:
        made[intent.id] = push.account_ids
    if is_last:
        await _ask_for_pull_and_settle(made, progress, snapshot)
    return progress.after_write(findings=(_waiting_finding(plan, change),))


async def _ask_for_pull_and_settle(
    made: dict[int, tuple[str, ...]], progress: MerchantProgress, snapshot: RunSnapshot
) -> None:
    """What was created is settled once its pull is asked for; until then a later run asks."""
    if made and await ask_for_accounts_pull(progress.require_company_id(), snapshot, progress):
        for intent_id in made:
            await snapshot.run.store.intents.close(intent_id, outcome="done", at=snapshot.run.now())


async def _push_account(
    plan: Plan, change: Change, progress: MerchantProgress, snapshot: RunSnapshot
) -> tuple[Intent, AccountPush]:
    """The operation, done or still under way after some seconds. MerchantHalted where the books did not take it."""
    run, desired, intents = snapshot.run, snapshot.desired[plan.merchant], list[Intent]()
    path, ref, new = _declared_new_account(change, desired.fields)
    company_id, connection_id = progress.require_company_id(), str(plan.connection_id)
    await _halt_on_create_obstacle(plan, path, ref, new, progress, snapshot)

    async def read_then_push(api: Client) -> AccountPush:
        live = read_configuration(await api.configuration(company_id), run.service_now())
        if not unresolved_new_accounts({path: ref}, live):
            raise progress.halted_as_changed(f"{ref} is offered by now for {path}")
        account = _account_to_push(str(desired.platform), change, new)
        async with intent_on_disk(plan, snapshot, ACCOUNT_INTENT, name=str(ref), company_id=company_id) as intent:
            intents.append(intent)
            return await progress.count_write(api.push_account(company_id, connection_id, account, intent.key))

    push = await _poll_push(await run.api.read_then_write(read_then_push), company_id, snapshot)
    if push.status in ("Failed", "TimedOut"):
        await run.store.intents.close(intents[-1].id, outcome="not done", at=run.now())
        why = f"the books did not take account {new.name!r}: {push.message or push.status}"
        raise progress.halted_as_failed(why, retryable=False)
    return intents[-1], push


async def ask_for_accounts_pull(
    company_id: str, snapshot: RunSnapshot, progress: MerchantProgress | None = None
) -> bool:
    """Has the chart of accounts pulled, so that a new account is offered. False where it has to be asked for again: a
    pull that began before the account was there may run, or the quota has no room for it."""
    request = snapshot.run.api.refresh_type(company_id, CHART_OF_ACCOUNTS)
    try:
        await (progress.count_write(request) if progress else request)
    except (TransientError, RemoteLimitReached):
        return False
    except RemoteError as error:
        snapshot.run.on_message(f"the chart of accounts of {company_id} is not pulled: {error}")
    return True


def _declared_new_account(change: Change, fields: Mapping[str, object]) -> tuple[str, Ref, NewAccount]:
    path = change.fields[0].field
    ref = fields[path]
    assert isinstance(ref, Ref), "planning creates only what a reference says"
    assert ref.create is not None, "and only where it says so"
    return path, ref, ref.create


async def _halt_on_create_obstacle(
    plan: Plan, path: str, ref: Ref, new: NewAccount, progress: MerchantProgress, snapshot: RunSnapshot
) -> None:
    """What was planned may rest on an older answer, and another machine may have created it since."""
    api, now, company_id = snapshot.run.api, snapshot.run.service_now(), progress.require_company_id()
    made = [account for ids in snapshot.creates.accounts[plan.merchant].values() for account in ids]
    books = await read_books_for_new_accounts(api, company_id, str(plan.connection_id), {path: ref}, now, made)
    obstacle = find_obstacle(path, new, books, await api.data_status(company_id), now)
    if obstacle:
        raise progress.halted_as_changed(obstacle.cause)


def _account_to_push(platform: str, change: Change, new: NewAccount) -> dict[str, str]:
    """The account as Codat takes it (API notes 3.11 #33)."""
    sections = {place[0] for each in change.fields if (place := split_account_path(each.field))}
    # One for several fields has to take payments where a single one of them does.
    section = "payments" if "payments" in sections else min(sections)
    account = {
        "nominalCode": new.code,
        "name": account_name_to_push(platform, section, new),
        "description": new.description,
        "fullyQualifiedCategory": new.type,
    }
    return {key: text for key, text in account.items() if text}


async def _poll_push(push: AccountPush, company_id: str, snapshot: RunSnapshot) -> AccountPush:
    """The operation once it has ended, or as it stands after some seconds."""
    for seconds in POLL_AFTER_S:
        if not push.is_pending or snapshot.run.stop.reason:
            break
        await snapshot.run.sleep(seconds)
        try:
            push = await snapshot.run.api.account_push(company_id, push.key)
        except RemoteError:
            break  # it was begun, which is what has to be told; the intent stays
    return push


def _waiting_finding(plan: Plan, change: Change) -> Finding:
    to_come = change.fields[0].wanted
    name = to_come.name if isinstance(to_come, Option) else ""
    return Finding(
        UNRESOLVED_CODE,
        plan.merchant,
        f"account {name!r} is being created in the books, and Codat pulls them after that",
        "wait a minute; then merchantctl apply",
        Actor.CODAT,
        field=change.fields[0].field,
        recheck_after=RECHECK_WAITING_AFTER,
    )
