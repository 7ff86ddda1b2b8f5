"""Errors of the state; each message is a sentence for a person, with the next step in it.

StateProblem
├─ StateUnusable      the database cannot be opened, read or written, or was written by a newer version
│  ├─ StateUnreachable  PostgreSQL does not answer at this moment, or the connection to it broke
│  │  └─ StateBusy      another process is in the middle of a write to it, and does not end
│  ├─ LockEnded       the lock that this run held was ended by hand
│  │  └─ LeaseLost    it lapsed, since this run had sent no heartbeat
│  └─ UploadLeaseLost this process may send no more records of that company and type
├─ StateLocked        another run holds the lock: `owner`, `since`
├─ UploadUnderWay     another process sends records of that company and type: `owner`
├─ UnknownMerchant    nothing is remembered under that name
├─ MerchantTaken      something is remembered under that name already
├─ UnfitValue         one row holds what its table cannot keep; all others can be written
├─ CompanyTaken       a company is bound to another merchant
├─ CompanyBeingCreated  a company of that name is created, or was just now, for another merchant
├─ NameInRollout      a rollout that is under way has that name
├─ HasOpenWork        a manual sync or a create of that merchant is open
└─ UnusableExport     a document given to `import_` is no export, or there is no room for it
"""

from __future__ import annotations

from datetime import datetime
from shlex import quote

from state.process import LockRow, ProcessIdentity

MAX_HEARTBEAT_SILENCE_S = 15.0
"""Seconds without a heartbeat after which the lock's holder is reported as stopped or hanging."""


class StateProblem(Exception):
    """The state could not do what was asked."""


class StateUnusable(StateProblem):
    """The database cannot be opened, read or written, or was written by a newer version."""


class StateUnreachable(StateUnusable):
    """The database does not answer at this moment, or the connection to it broke: asked again, it may."""


class LockEnded(StateUnusable):
    """The lock that this run held was ended: it may write nothing more."""

    def __init__(
        self,
        message: str = "`merchantctl state unlock` has ended this run's lock: nothing more is begun. Run it again.",
    ) -> None:
        super().__init__(message)


class LeaseLost(LockEnded):
    """This run sent no heartbeat for so long (it was stopped, or its machine slept) that its lock lapsed."""

    def __init__(self) -> None:
        super().__init__(
            "this run's lock on the state has lapsed: it gave no sign of life for too long (it was stopped, its "
            "machine slept, or its connection to the database broke). Nothing more is begun. Run it again."
        )


class StateBusy(StateUnreachable):
    """Another process is in the middle of a write to the state, and did not end it within `seconds`; it may yet."""

    def __init__(self, place: str, seconds: float, holder: LockRow | None) -> None:
        who = f": {holder.description} holds its lock, and may be stopped" if holder else ""
        super().__init__(
            f"another process has been writing to the state {place} for {seconds:.0f} s and does not end{who}. "
            "End it, then run this again."
        )


class StateLocked(StateProblem):
    """Another run holds the lock. `owner` is that run, `since` when it took the lock (aware, UTC).

    silent  seconds since its last heartbeat
    """

    def __init__(self, owner: ProcessIdentity, since: datetime, silent: float = 0.0) -> None:
        next_step = "Wait for it to end, as `merchantctl apply` and `rollout` do with --lock-timeout SECONDS."
        if silent > MAX_HEARTBEAT_SILENCE_S:
            next_step = (
                f"It has given no sign of life for {silent:.0f} s: it is stopped, or hangs. End it; where it cannot be "
                "ended, run `merchantctl state unlock --force`."
            )
        super().__init__(f"the state is locked by {LockRow(owner, since).description}. {next_step}")
        self.owner = owner
        self.since = since


class UploadUnderWay(StateProblem):
    """Another process sends records of that company and type, and one call at a time may do that."""

    def __init__(self, data_type: str, owner: ProcessIdentity) -> None:
        super().__init__(
            f"`{owner.command}` (pid {owner.pid} on {owner.host}) is pushing {data_type} of the same company. "
            "Push again once it has ended, or wait for it with --lock-timeout SECONDS."
        )
        self.owner = owner


class UploadLeaseLost(StateUnusable):
    """This process was stopped for so long that another one may push for the same company by now."""

    def __init__(self, data_type: str) -> None:
        super().__init__(
            f"this push gave no sign of life for too long (it was stopped, or its machine slept), so another one may "
            f"be sending {data_type} by now. Nothing more was sent. Push again."
        )


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


class UnfitValue(StateProblem):
    """A row holds a value that its table cannot keep. Nothing of it was written; other rows are not affected."""


class CompanyTaken(StateProblem):
    """A company is bound to another merchant: one company is one merchant's."""

    def __init__(self, merchant: str, company_id: str, other: str) -> None:
        super().__init__(
            f"company {company_id} cannot be bound to {merchant!r}: it is bound to {other!r}. If it is the same "
            f"merchant under another name: `merchantctl state mv {other} {merchant}`."
        )


class CompanyBeingCreated(StateProblem):
    """A company of that name is being created for another merchant, or was just now: a listing may not show it yet."""

    def __init__(self, name: str, merchant: str) -> None:
        super().__init__(f"a company of the name {name!r} is being created for {merchant}, or was a moment ago")


class NameInRollout(StateProblem):
    """A rollout that is under way has that name among its merchants."""

    def __init__(self, merchant: str, rollout: str) -> None:
        super().__init__(
            f"rollout {rollout!r} is under way and has {merchant!r} among its merchants. Finish it with "
            f"`merchantctl rollout resume {rollout}`, or end it with `merchantctl rollout abort {rollout}`."
        )


class HasOpenWork(StateProblem):
    """What was begun for a merchant, and has to be ended before it may be forgotten."""

    def __init__(self, merchant: str, what: str) -> None:
        super().__init__(
            f"{what}. `merchantctl apply` ends it first; or forget it all the same: "
            f"`merchantctl state rm {quote(merchant)} --force`."
        )


class UnusableExport(StateProblem):
    """A document is no export of ours, or the state that should take it in is not empty."""


def first_line_said(error: BaseException) -> str:
    """The first line of what an error of somebody else's says; its name, where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
