"""How far one merchant's changes are: writes counted, the rest halted, a write whose answer was lost looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import TypeVar

from controller.model.errors import ApiUnusable, OutcomeUnknown, RemoteError
from controller.model.plan import Actor, Finding
from controller.model.report import ChangedSincePlan, Failed, Outcome
from controller.quick_dataclasses import dataclass

T = TypeVar("T")


@dataclass(slots=True)
class WriteCounter:
    """Writes that were made. One for a merchant's whole turn: a write counts whatever comes after it."""

    writes: int = 0


@dataclass(frozen=True, slots=True)
class MerchantProgress:
    """The company that the next change is for, the writes made so far, and what they brought to light."""

    company_id: str | None
    connection_id: str | None
    counter: WriteCounter = field(default_factory=WriteCounter)
    findings: tuple[Finding, ...] = ()

    @property
    def writes(self) -> int:
        return self.counter.writes

    def require_company_id(self) -> str:
        assert self.company_id is not None, "every change but the first create has a company"
        return self.company_id

    def after_write(
        self, *, company_id: str | None = None, connection_id: str | None = None, findings: tuple[Finding, ...] = ()
    ) -> MerchantProgress:
        """What the next change starts from."""
        ids = company_id or self.company_id, connection_id or self.connection_id
        return MerchantProgress(*ids, self.counter, (*self.findings, *findings))

    def halted_as_failed(self, why: str, *, retryable: bool) -> MerchantHalted:
        """To be raised: the rest is not tried. `retryable`: trying again may help."""
        return MerchantHalted(Failed(why, retryable=retryable, writes=self.writes))

    def halted_as_changed(self, what: str) -> MerchantHalted:
        """To be raised: live is not what was planned for, so it is not written over."""
        return MerchantHalted(ChangedSincePlan(what, self.writes))

    async def count_write(self, request: Awaitable[T]) -> T:
        """A write's answer. A success that cannot be read was made all the same; no answer is not known to be."""
        try:
            answer = await request
        except OutcomeUnknown as error:
            self.counter.writes += _was_accepted(error)
            raise
        self.counter.writes += 1
        return answer

    async def write_or_check(self, request: Awaitable[T], is_done: Callable[[], Awaitable[bool]]) -> T | None:
        """A write's answer; None where the answer was lost and `is_done` finds that the write was made.

        Raises OutcomeUnknown where it was not made, or where that cannot be found out.
        """
        try:
            return await request
        except OutcomeUnknown as error:
            try:
                done = await is_done()
            except (RemoteError, ApiUnusable) as failed_look:
                # What the caller has to know is that the write may have been made.
                raise error from failed_look
            if not done:
                error.seen_undone = True
                raise
            # `count_write` has counted it before, where its answer was a success that could not be read.
            self.counter.writes += not _was_accepted(error)
        return None


def _was_accepted(error: OutcomeUnknown) -> bool:
    return error.status is not None and 200 <= error.status < 300


class MerchantHalted(Exception):
    """The rest of a merchant's changes is not tried; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def dropped_field_finding(merchant: str, field: str) -> Finding:
    """A field that was sent back as it was, and is gone."""
    return undeclared_change_finding(
        merchant, field, f"{field}, which no manifest declares, was sent back as it was; it is gone"
    )


def undeclared_change_finding(merchant: str, field: str, cause: str) -> Finding:
    """Something that nobody declared changed with our write, or just after it."""
    remedy = "look at it at Codat, and declare it if it matters"
    return Finding("mapping-changed", merchant, cause, remedy, Actor.NOBODY, field=field)
