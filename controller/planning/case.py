"""One merchant's case as the steps of planning see it, and the verdict each of them gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.model.merchant import LinkState, Wanted
from controller.model.observed import Company, Connection, Memory, Observed
from controller.model.plan import Actor, Change, Condition, Finding, Truth
from controller.model.values import Value


@dataclass(frozen=True, slots=True)
class Case:
    """What planning knows of one merchant; `company` and `connection` once the steps have settled them."""

    wanted: Wanted
    observed: Observed
    memory: Memory
    now: datetime
    company: Company | None = None
    connection: Connection | None = None

    @property
    def goes_down(self) -> bool:
        """To be switched off and unlinked, or further: what its mapping says does not matter any more."""
        return bool(self.wanted.retired) or self.wanted.link_state is LinkState.UNLINKED

    def found(self, code: str, cause: str, remedy: str, actor: Actor, **more: Any) -> Finding:
        return Finding(code, self.wanted.name, cause, remedy, actor, **more)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one step says. The story goes on to the next step only while `go` holds.

    settled   the case with what this step has settled in it
    declared  the resolved wishes, from the step that compares the configuration
    """

    settled: Case
    condition: Condition
    go: bool = True
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    more: tuple[Condition, ...] = ()
    declared: dict[str, Value] = field(default_factory=dict)


def met(kind: str, reason: str = "") -> Condition:
    return Condition(kind, Truth.TRUE, reason)


def unmet(kind: str, reason: str) -> Condition:
    return Condition(kind, Truth.FALSE, reason)


def unknown(case: Case, kind: str, what: str, reason: str) -> Verdict:
    """Could not be read: never taken for missing, never for in sync."""
    finding = case.found("unknown", f"{what} could not be read: {reason}", "run it again", Actor.SERVICE)
    return Verdict(case, Condition(kind, Truth.UNKNOWN, reason), go=False, findings=(finding,))


def stop(case: Case, kind: str, *findings: Finding, changes: tuple[Change, ...] = ()) -> Verdict:
    """The condition is not met and the story ends here; the first finding says why."""
    return Verdict(case, unmet(kind, findings[0].code), go=False, findings=findings, changes=changes)
