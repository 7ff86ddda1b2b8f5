"""What a pass says in the log: one line for each change that it made, one for each finding that came or went, and one
for the pass as a whole. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from controller.daemon.pass_result import Pass
from controller.model.merchant_status import MerchantStatus, merchant_status
from controller.model.plan import Actor, Change, Finding, Plan
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, FleetReport, Outcome
from controller.model.yaml_snippets import quote_yaml_if_needed
from controller.quick_dataclasses import dataclass
from controller.reconcile.finding_history import cleared_findings
from controller.reporting.formatting import CHANGE_LABELS, direction_words, format_value
from controller.reporting.text import count_writes, limit_exceeded_text

MAX_MERCHANTS_NAMED_IN_LOG = 10
"""So many merchants are named in one line of the log."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """`warns`: somebody should look at it."""

    event: str
    facts: Mapping[str, Any]
    warns: bool = False


def change_lines(done: Pass) -> Iterator[LogLine]:
    """One for each change that was made, with its fields; and one for each merchant whose changes were not all made."""
    for plan, outcome in _outcomes_of_changes(done):
        merchant = {"merchant": plan.merchant, "because": done.reason, "revision": _short_revision(done)}
        match outcome:
            case Applied():
                for change in plan.changes:
                    yield LogLine("change_applied", merchant | _change_facts(change))
            case Failed(reason=why) | ChangedSincePlan(what=why):
                facts = {"changes": [CHANGE_LABELS[each.kind][1] for each in plan.changes], "reason": why}
                yield LogLine("changes_not_all_made", merchant | {"writes_made": outcome.writes} | facts, warns=True)


def leaving_lines(done: Pass) -> Iterator[LogLine]:
    """One for each merchant that nobody manages from this pass on; a warning where another one may be it by now."""
    if not isinstance(done.result, FleetReport):
        return
    for each in done.result.plan.retained:
        if each.retained_since is None:
            facts = {"merchant": each.merchant, "company": each.company_id, "revision": _short_revision(done)}
            may_be = list(each.newcomers[:MAX_MERCHANTS_NAMED_IN_LOG])
            renamed_from = quote_yaml_if_needed(each.merchant)
            remedy = f"where it is one of them: write metadata.renamedFrom: {renamed_from} in its manifest"
            more = {"may_be": may_be, "remedy": remedy} if may_be else {}
            yield LogLine("merchant_left_management", facts | more, warns=bool(may_be))


def finding_lines(done: Pass, before: FleetPlan | None) -> Iterator[LogLine]:
    """What came and went with this pass. What its own changes put right is told by their lines.

    before  the plans that were shown when it ended, for a process that knew none when it began. What this pass saw may
            be among them: it is in the state before it is told, and is read from there like what others saw
    """
    if done.plan is None:
        return
    plan = replace(done.plan, plans=tuple(each for each in done.plans if each.merchant not in done.taken_over))
    corrected = {plan.merchant for plan, outcome in _outcomes_of_changes(done) if isinstance(outcome, Applied)}

    def is_corrected(finding: Finding) -> bool:
        return finding.merchant in corrected and finding.actor is Actor.APPLY

    known = {each.key for each in _findings(done.known_before)}
    for finding in _findings(plan):
        is_new = finding.since is not None and finding.since >= done.began and finding.key not in known
        if is_new and not is_corrected(finding):
            yield LogLine("finding_opened", _finding_facts(finding))
    # As the ledger has it: what was not read, or not looked at, is not over.
    stood = {each.key: each for each in _findings(done.known_before or before)}
    over = cleared_findings(stood, plan)
    for finding in stood.values():
        if finding.key in over and not is_corrected(finding):
            facts = {"merchant": finding.merchant, "code": finding.code, "field": finding.field}
            yield LogLine("finding_closed", {key: value for key, value in facts.items() if value})


def pass_facts(done: Pass) -> dict[str, Any]:
    """Whom a pass was about, how they stand, what was written, what kept it back."""
    outcomes = done.result.outcomes if isinstance(done.result, FleetReport) else {}
    statuses = {plan.merchant: merchant_status(plan, outcomes.get(plan.merchant)) for plan in done.plans}
    counts = Counter(statuses.values())
    failed = sorted(name for name, status in statuses.items() if status is MerchantStatus.FAILED)
    facts = {
        "scope": "everyone" if done.covers_everyone else f"{len(done.keys)} named",
        "because": done.reason,
        **{status.value.replace("-", "_"): counts[status] for status in MerchantStatus if counts[status]},
        "writes": count_writes(done.result) if isinstance(done.result, FleetReport) else 0,
        "findings": sum(len(plan.findings) for plan in done.plans),
        "seconds": round(done.seconds, 2),
        "failures": failed[:MAX_MERCHANTS_NAMED_IN_LOG],
        "refused": refusal_reasons(done),
        "cut_short": done.incomplete_reason,
    }
    return {key: value for key, value in facts.items() if value not in (None, [])}


def refusal_reasons(done: Pass) -> list[str]:
    """Why a pass writes less than it would, in sentences for the whole fleet."""
    if done.plan is None:
        return []
    found = [f"{each.code}: {each.cause} {each.one_line_remedy}" for each in done.plan.findings]
    refusal = done.plan.refusal
    return found + (
        [f"{limit_exceeded_text(each)}: {each.flag}" for each in refusal.exceeded_limits] if refusal else []
    )


def _outcomes_of_changes(done: Pass) -> Iterator[tuple[Plan, Outcome]]:
    """Of whoever was to be changed."""
    outcomes = done.result.outcomes if isinstance(done.result, FleetReport) else {}
    plans = done.plan.every_plan if done.plan else ()
    return ((plan, outcomes[plan.merchant]) for plan in plans if plan.changes and plan.merchant in outcomes)


def _short_revision(done: Pass) -> str:
    return done.plan.revision[:12] if done.plan else ""


def _change_facts(change: Change) -> dict[str, Any]:
    fields = [
        f"{each.field}: {format_value(each.live, each.field)} -> {format_value(each.wanted, each.field)}"
        for each in change.fields
    ]
    causes = sorted({words for each in change.fields if (words := direction_words(each))})
    return {"change": CHANGE_LABELS[change.kind][1], "fields": fields} | ({"causes": causes} if causes else {})


def _findings(plan: FleetPlan | None) -> Iterator[Finding]:
    if plan is not None:
        yield from plan.findings
        for each in plan.every_plan:
            yield from each.findings


def _finding_facts(finding: Finding) -> dict[str, Any]:
    facts = {
        "merchant": finding.merchant,
        "code": finding.code,
        "field": finding.field,
        "actual": None if finding.live is None else format_value(finding.live, finding.field),
        "desired": None if finding.wanted is None else format_value(finding.wanted, finding.field),
        "who_acts": finding.actor.value,
        "cause": finding.cause,
        "remedy": finding.one_line_remedy,
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}
