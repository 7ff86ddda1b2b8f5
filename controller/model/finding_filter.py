"""Which findings a report shows, and by which label it is divided. Pure.

A filter narrows what is said and what the exit code says with it, as grep does. What could not be read, and manifests
that are invalid, stay: nobody knows what a filter would have shown there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase

from controller.model.drift import is_drift
from controller.model.errors import UsageError
from controller.model.finding_evidence import EVIDENCE_BY_CODE
from controller.model.plan import Actor, Direction, Finding, Plan
from controller.model.report import FleetPlan
from controller.model.syncs_and_uploads import LAST_SYNC_FAILED
from controller.quick_dataclasses import dataclass

UNMANAGED_CODE = "company-unmanaged"


class Only(StrEnum):
    """DRIFT: what makes `drift` exit 2. PENDING: what the manifests ask for and live has not yet."""

    DRIFT = "drift"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """A finding is shown where all parts allow it; an empty part allows everything.

    actors  who must act
    since   first seen after it; a finding that the ledger does not know yet is new
    """

    only: Only | None = None
    codes: frozenset[str] = frozenset()
    actors: frozenset[Actor] = frozenset()
    since: datetime | None = None

    @property
    def shows_everything(self) -> bool:
        return self == SHOW_EVERYTHING

    def shows(self, finding: Finding) -> bool:
        return (
            (self.only is not Only.DRIFT or is_drift(finding) or finding.code == LAST_SYNC_FAILED)
            and (self.only is not Only.PENDING or finding.direction is Direction.PENDING)
            and (not self.codes or finding.code in self.codes)
            and (not self.actors or finding.actor in self.actors)
            and (self.since is None or finding.since is None or finding.since > self.since)
        )

    @property
    def shows_unmanaged(self) -> bool:
        """Whether companies that no manifest claims are shown: they are nobody's to act on, and of no known age."""
        return (
            self.only is None
            and (not self.codes or UNMANAGED_CODE in self.codes)
            and (not self.actors or Actor.NOBODY in self.actors)
        )


SHOW_EVERYTHING = FindingFilter()

ACTORS_BY_WORD = {
    "operator": Actor.OPERATOR,
    "merchant": Actor.MERCHANT,
    "codat": Actor.CODAT,
    "apply": Actor.APPLY,
    "nobody": Actor.NOBODY,
    "us": Actor.OPERATOR,
    "service": Actor.CODAT,
}
"""The words of the glossary, and those of JSON where they are others."""

FINDING_CODES = frozenset({*EVIDENCE_BY_CODE, UNMANAGED_CODE})


def filter_from_words(
    only: str | None, codes: Iterable[str], actors: Iterable[str], since: datetime | None = None
) -> FindingFilter:
    """The filter that people write: codes may be globs. Raises UsageError for a word that means nothing."""
    if only is not None and only not in list(Only):
        raise UsageError(f"only: {only!r} is neither drift nor pending")
    for actor in actors:
        if actor.lower() not in ACTORS_BY_WORD:
            raise UsageError(f"actor: {actor!r} is none of {', '.join(ACTORS_BY_WORD)}")
    return FindingFilter(
        only=Only(only) if only else None,
        codes=frozenset(code for pattern in codes for code in _matching_codes(pattern)),
        actors=frozenset(ACTORS_BY_WORD[actor.lower()] for actor in actors),
        since=since,
    )


def _matching_codes(pattern: str) -> list[str]:
    matching = [code for code in sorted(FINDING_CODES) if fnmatchcase(code, pattern)]
    if not matching:
        similar = get_close_matches(pattern, FINDING_CODES, n=1)
        hint = f" Did you mean {similar[0]!r}?" if similar else " docs/reference.md lists them."
        raise UsageError(f"--code: no finding has the code {pattern!r}.{hint}")
    return matching


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a report is shown: by which filter, how many findings it leaves out, and by which label it is divided."""

    filter: FindingFilter = SHOW_EVERYTHING
    left_out: int = 0
    group_by: str | None = None


EVERYTHING = Shown()


def filter_findings(plan: FleetPlan, wanted: FindingFilter) -> tuple[FleetPlan, int]:
    """The plan with the findings that are wanted, and how many are left out; everyone who was looked at is counted."""
    if wanted.shows_everything:
        return plan, 0
    shown = replace(
        plan,
        plans=tuple(_filter_plan_findings(each, wanted) for each in plan.plans),
        account=_filter_plan_findings(plan.account, wanted) if plan.account else None,
        findings=tuple(filter(wanted.shows, plan.findings)),
        unmanaged_names=plan.unmanaged_names if wanted.shows_unmanaged else (),
        retained=plan.retained if wanted.shows_unmanaged else (),
    )
    return shown, _count_findings(plan) - _count_findings(shown)


def _filter_plan_findings(plan: Plan, wanted: FindingFilter) -> Plan:
    return replace(plan, findings=tuple(filter(wanted.shows, plan.findings)))


def divide_by_label(plan: FleetPlan, label: str) -> dict[str, FleetPlan]:
    """By value of a label the plan of those who have it; those without it under the empty text, at the end, where what
    was found of the account's own settings is, too."""
    by_value: dict[str, list[Plan]] = {"": []} if plan.account and plan.account.findings else {}
    for each in plan.plans:
        by_value.setdefault(plan.labels.get(each.merchant, {}).get(label, ""), []).append(each)
    in_order = sorted(by_value, key=lambda value: (not value, value))
    return {
        value: replace(plan, plans=tuple(by_value[value]), account=None if value else plan.account)
        for value in in_order
    }


def _count_findings(plan: FleetPlan) -> int:
    return len(plan.findings) + sum(len(each.findings) for each in plan.every_plan) + plan.unmanaged_count
