"""Whose account a key opens: remembered once it was told, and asked again until then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.codat.read_only import open_read_only_client
from controller.model.errors import WrongAccount
from controller.reconcile.account_identity import verify_account
from state import RemoteAccount
from tests.emulator import in_process_emulator
from tests.environments import hurried_sleep

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


async def test_a_key_of_which_nobody_could_say_whose_it_is_is_asked_for_again() -> None:
    emulator = in_process_emulator()
    emulator.fault("GET /profile/syncSettings", "status", code=503, retryAfter="0", times=5)
    recorded = RemoteAccount(emulator.url, "the account of the state", "hash of an earlier key", NOW)
    network = emulator.environment.network
    async with open_read_only_client(emulator.url, emulator.api_key, network=network, sleep=hurried_sleep) as api:
        assert await verify_account(api, recorded, {}, api.companies, NOW) is None, "nothing to be remembered"
        with pytest.raises(WrongAccount, match="and this key opens account"):
            await verify_account(api, recorded, {}, api.companies, NOW)
