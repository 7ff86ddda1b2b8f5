"""`state rebind`: the state serves another address of the same account from now on."""

from __future__ import annotations

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.operations.bootstrap import hold_state_lock, open_reader, open_store
from controller.reconcile.account_identity import rebind_account
from controller.settings import Settings
from state import RemoteAccount


async def rebind(settings: Settings, environment: Environment = REAL_ENVIRONMENT) -> RemoteAccount:
    """The account, now bound to the address of these settings. Raises MerchantctlError where it is another's."""
    async with (
        open_store(settings) as store,
        hold_state_lock(store.lock, 0),
        hold_state_lock(store.controller_lock, 0),
        open_reader(settings, environment) as api,
    ):
        return await rebind_account(api, store, environment.clock())
