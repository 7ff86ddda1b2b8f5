"""The signing secrets that manifests name, for the webhook endpoint: of the consumers that are declared, and of those
that are still there though newer ones have replaced them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from controller.model.desired import Fleet
from controller.model.hooks import SecretRef
from controller.quick_dataclasses import dataclass
from state import Store
from state.errors import StateProblem

MAX_AGE = timedelta(seconds=5)
"""So long what was read is used again: whoever sends what proves nothing must not keep the disk busy."""


@dataclass
class DeclaredSecrets:
    """Reads them anew every few seconds, so that a secret that is put where a manifest says works without a restart.

    store  of the loop that asks
    read   a secret at a place; None where there is none
    """

    store: Store
    fleet: Callable[[], Fleet]
    read: Callable[[SecretRef], str | None]
    now: Callable[[], datetime]
    _read_at: datetime | None = None
    _secrets: dict[str, str] | None = None
    _recorded: frozenset[SecretRef] = frozenset()

    async def __call__(self) -> dict[str, str]:
        """By place the secret there."""
        now = self.now()
        if self._secrets is None or self._read_at is None or not now - MAX_AGE < self._read_at <= now:
            self._secrets, self._read_at = await self._read_all(), now
        return self._secrets

    async def _read_all(self) -> dict[str, str]:
        places = {each.secret for each in self.fleet().account_settings.hooks.values() if each.secret}
        if not places and not self.fleet().has_account_documents:
            return {}
        # While the state cannot be read, the service is asked to come again whatever proves a delivery: those that were
        # recorded when it was read last do so still. Refused, it would not come again.
        with suppress(StateProblem):
            recorded = [row.declared.get("secret") for row in await self.store.hooks.load()]
            self._recorded = frozenset(SecretRef(*place) for place in recorded if place)
        places |= self._recorded
        return {str(place): secret for place in places if (secret := self.read(place))}
