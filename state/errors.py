"""What can go wrong with our memory; each message is a sentence for a person, with the next step in it.

StateProblem
├─ StateUnusable      the database cannot be opened, read or written, or was written by a newer version
├─ StateLocked        another run holds the lock: `owner`, `since`
├─ UnknownMerchant    nothing is remembered under that name
├─ MerchantTaken      something is remembered under that name already
└─ UnusableExport     a document given to `import_` is no export, or there is no room for it
"""

from __future__ import annotations

from datetime import datetime

from state.process import Owner


class StateProblem(Exception):
    """Our memory could not do what was asked."""


class StateUnusable(StateProblem):
    """The database cannot be opened, read or written, or was written by a newer version."""


class StateLocked(StateProblem):
    """Another run holds the lock. `owner` is that run, `since` when it took the lock (aware, UTC)."""

    def __init__(self, owner: Owner, since: datetime) -> None:
        super().__init__(
            f"the state is locked by `{owner.command}` (pid {owner.pid} on {owner.host}) "
            f"since {since:%Y-%m-%d %H:%M:%S} UTC. "
            "Wait for it to end; if you know that it is dead, run `merchantctl state unlock`."
        )
        self.owner = owner
        self.since = since


class UnknownMerchant(StateProblem):
    """Nothing is remembered under that name."""

    def __init__(self, merchant: str) -> None:
        super().__init__(f"the state knows no merchant {merchant!r}. `merchantctl state list` shows those it knows.")


class MerchantTaken(StateProblem):
    """Something is remembered under that name already."""

    def __init__(self, merchant: str) -> None:
        super().__init__(
            f"the state knows a merchant {merchant!r} already. Choose another name, "
            f"or make room with `merchantctl state rm {merchant}`."
        )


class UnusableExport(StateProblem):
    """A document is no export of ours, or the state that should take it in is not empty."""
