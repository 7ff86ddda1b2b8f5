"""A plan and what became of it, for a terminal: one block a merchant, one line at the end that says it all.

acme-coffee  change
  ~ set the configuration  (remap)
      mapping.sales.accounts.gratuity  Tips (610)  ->  Tips payable (820)  changed outside merchantctl
  ! account-deleted  mapping.sales.accounts.refund
      why it is so
      > what to do
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from controller.model.merchant_status import STATUS_MEANINGS, MerchantStatus
from controller.model.plan import Change, Finding, Plan, PlanStatus
from controller.model.report import (
    Applied,
    ChangedSincePlan,
    Failed,
    FleetPlan,
    FleetReport,
    LimitExceeded,
    Outcome,
    Refusal,
    Skipped,
    Unchanged,
)
from controller.model.statement_groups import group_statements
from controller.model.statements import (
    Explanations,
    Statement,
    cause_unless_restated,
    plan_statements,
    split_explaining_findings,
)
from controller.reporting.closed_merchants import closed_counts_text
from controller.reporting.data_age import fleet_data_age_text
from controller.reporting.formatting import (
    CHANGE_LABELS,
    DIRECTIONS,
    align_columns,
    clean,
    direction_words,
    format_count,
    format_list,
    format_minutes,
    format_time,
    format_value,
)
from controller.reporting.group_words import actor_sentence
from controller.reporting.identical_blocks import MIN_GROUP_SIZE, collapse_identical
from controller.reporting.paint import STYLE_BY_WORD, WITHOUT_COLOUR, Paint
from controller.reporting.report_provenance import provenance_text

_STATE_WORDS = tuple((state, STATUS_MEANINGS[MerchantStatus(state.value)].label) for state in PlanStatus)


def plan_text(plan: FleetPlan, paint: Paint = WITHOUT_COLOUR, *, in_depth: bool = False) -> str:
    """What would change, merchant by merchant, many alike as one; those in sync are only counted.

    in_depth  also each field that is set later, once a merchant has given consent and its books are read
    """
    return "\n".join(
        [
            *_plan_lines(plan, paint, in_depth=in_depth),
            *data_age_lines(plan, paint),
            *provenance_lines(plan, paint),
            *actor_lines(plan, plan_statements(plan)),
            paint("strong", "Plan: ") + plan_summary(plan),
        ]
    )


def actor_lines(plan: FleetPlan, statements: Iterable[Statement]) -> list[str]:
    """Who must act for how many; of a few merchants their blocks say it."""
    sentence = actor_sentence(group_statements(statements)) if len(plan.plans) >= MIN_GROUP_SIZE else ""
    return [sentence] if sentence else []


def data_age_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """How old the data is that was judged, where any was."""
    words = fleet_data_age_text(plan)
    return [paint("quiet", words)] if words else []


def provenance_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """When this was made, of which API, from which manifests, about whom."""
    words = provenance_text(plan)
    return [paint("quiet", clean(words))] if words else []


def _plan_lines(plan: FleetPlan, paint: Paint, *, in_depth: bool = False) -> list[str]:
    shown = [each for each in plan.every_plan if _is_worth_showing(each)]
    told = [each for each in shown if not _is_adoption_only(each)]
    lines = collapsed_block_lines(told, paint, lambda each: merchant_lines(each, paint, in_depth=in_depth))
    adopted = [line for each in shown if _is_adoption_only(each) for line in merchant_lines(each, paint)]
    lines += [*adopted, ""] if adopted else []
    lines += notice_lines(plan, paint)
    return [*lines, *refusal_lines(plan.refusal, paint), ""] if plan.refusal else lines


def collapsed_block_lines(plans: Sequence[Plan], paint: Paint, block: Callable[[Plan], list[str]]) -> list[str]:
    """A block a merchant, many alike as one; two that could not be read for one reason are told of as one already.

    Where nothing answers, that is said once.
    """
    read, unread = (
        [(each.merchant, block(each)) for each in plans if (each.status is PlanStatus.UNKNOWN) is unknown]
        for unknown in (False, True)
    )
    blocks = (*collapse_identical(read, paint), *collapse_identical(unread, paint, min_group_size=2))
    return [line for told in blocks for line in (*told, "")]


def plan_summary(plan: FleetPlan) -> str:
    """`3 to add, 57 to change, 1 to destroy, 2 waiting, 10 in sync. 3 writes and 15 reads, under a minute.`"""
    numbers = Counter[PlanStatus](each.status for each in plan.plans if each.status is not PlanStatus.CHANGE)
    verbs = Counter(change_verb(each) for each in plan.plans if each.status is PlanStatus.CHANGE)
    merchants = ", ".join(
        [
            *(f"{verbs[verb]:,} to {verb}" for verb in ("add", "change", "destroy") if verbs[verb]),
            *(f"{numbers[state]:,} {words}" for state, words in _STATE_WORDS if numbers[state]),
        ]
    )
    merchants = merchants or "no merchants"
    merchants += closed_counts_text((each.hold for each in plan.plans), infix="of them ")
    settings = sum(len(change.fields) or 1 for change in plan.account.changes) if plan.account else 0
    merchants += f"; {format_count(settings, 'setting')} of the account to change" if settings else ""
    cost = (
        f"{format_count(plan.request_estimate.writes, 'write')} and {format_count(plan.request_estimate.reads, 'read')}"
    )
    return f"{merchants}. {cost}, {format_minutes(plan.request_estimate.minutes)}."


def change_verb(plan: Plan) -> str:
    """`add` where a company or connection is created, `destroy` where one is deleted or unlinked, else `change`."""
    signs = {CHANGE_LABELS[change.kind][0] for change in plan.changes}
    return "destroy" if "-" in signs else "add" if "+" in signs else "change"


def merchants_with_destruction(plan: FleetPlan) -> list[str]:
    """The merchants of whom something is deleted or unlinked."""
    return [each.merchant for each in plan.plans if each.changes and change_verb(each) == "destroy"]


def notice_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """What concerns the whole fleet: what could not be read, what is worth a note."""
    unread = _unreadable_part_lines(plan, paint)
    if not plan.is_complete and not unread:
        unread = [paint("bad", "Not everything was read.")]
    invalid = [paint("bad", "Invalid: ") + clean(str(each)) for each in plan.diagnostics]
    notes = [paint("change", "Note: ") + clean(note) for note in plan.notes]
    found = [line for each in plan.findings for line in finding_lines(each, paint)]
    lines = [*invalid, *unread, *found, *notes]
    return [*lines, ""] if lines else []


def refusal_lines(refusal: Refusal, paint: Paint) -> list[str]:
    """Why nothing is written: each limit in numbers, and the flag that lifts exactly it."""
    lines = [paint("bad", "Refused by a safety limit: nothing is written.")]
    for each in refusal.exceeded_limits:
        lines.append(f"  {limit_exceeded_text(each)}. To allow it: {each.flag}")
        if each.merchants:
            lines.append(paint("quiet", f"      {format_list(each.merchants)}"))
    return lines


def limit_exceeded_text(excess: LimitExceeded) -> str:
    """`disable: 3, and the limit is 2`"""
    return f"{excess.limited_class}: {excess.count:,}, and the limit is {excess.limit:,}"


def merchant_lines(plan: Plan, paint: Paint, *, in_depth: bool = False) -> list[str]:
    """One merchant in a block. `in_depth`: each field that is set later, too."""
    adopts = paint("quiet", "  adopts the existing company of that name") if plan.adopts else ""
    lines = [f"{paint('strong', clean(plan.merchant))}  {paint.colour_word(plan.status.value)}{adopts}"]
    lines += [f"  {paint.colour_word('~')} renamed from {clean(plan.renamed_from)}"] if plan.renamed_from else []
    explanations, others = split_explaining_findings(plan)
    for change in (*plan.changes, *plan.held_changes):
        lines += change_lines(change, paint, explanations, held=change in plan.held_changes)
    lines += later_lines(plan, paint, in_depth=in_depth)
    return lines + [line for finding in others for line in finding_lines(finding, paint)]


def later_lines(plan: Plan, paint: Paint, *, in_depth: bool) -> list[str]:
    """`later: 24 fields`, which a first configuration sets; their names and values in depth."""
    if not plan.later_values:
        return []
    count = format_count(len(plan.later_values), "field")
    more = "" if in_depth else "  (merchantctl -v plan names them)"
    head = f"  later: {count}, once the books are linked and read{paint('quiet', more)}"
    rows = [(field, "->", format_value(value, field)) for field, value in sorted(plan.later_values.items())]
    return [head, *(align_columns(rows, " " * 6) if in_depth else [])]


def change_lines(change: Change, paint: Paint, explanations: Explanations, *, held: bool = False) -> list[str]:
    """A change field by field; under a field what is known of it beside its values."""
    sign, words = CHANGE_LABELS[change.kind]
    classes = ", ".join([*(each.value for each in change.classes), *(["held"] if held else [])])
    head = f"  {paint.colour_word(sign)} {words}" + (paint("quiet", f"  ({classes})") if classes else "")
    rows = align_columns(
        [
            (
                each.field,
                format_value(each.live, each.field),
                "->",
                format_value(each.wanted, each.field),
                paint(STYLE_BY_WORD[each.direction.value], direction_words(each)),
                clean(each.why),
            )
            for each in change.fields
        ],
        " " * 6,
    )
    whole = explanations.get((change.kind, None))
    lines = [head, *(_explanation_lines(whole, "", paint, held=held) if whole else [])]
    for row, each in zip(rows, change.fields, strict=True):
        finding = explanations.get((change.kind, each.field))
        lines += [row, *(_explanation_lines(finding, each.why, paint, held=held) if finding else [])]
    return lines


def _explanation_lines(finding: Finding, why: str, paint: Paint, *, held: bool) -> list[str]:
    """What a finding tells of a change that the change does not say: cause, age, place; what releases a held one."""
    cause, age = cause_unless_restated(finding, why), _since_and_count_words(finding)
    told = f"{finding.code}: {clean(cause)}" if cause else finding.code if age else ""
    lines = [" " * 8 + told + paint("quiet", age)] if told else []
    remedy = finding.remedy.splitlines() if held else []
    lines += [f"        {paint('strong', '>')} {clean(line)}" for line in remedy if line]
    return lines + ([paint("quiet", f"        at {clean(finding.manifest)}")] if finding.manifest else [])


def _since_and_count_words(finding: Finding) -> str:
    since = f"  since {format_time(finding.since)}" if finding.since else ""
    return since + (f"  ({finding.occurrences} times in 30 days)" if (finding.occurrences or 0) > 1 else "")


def finding_lines(finding: Finding, paint: Paint) -> list[str]:
    """Code, field and direction; then cause, values, remedy and link."""
    words = paint(STYLE_BY_WORD[finding.direction.value], DIRECTIONS[finding.direction]) if finding.direction else ""
    direction = f"  {words}" if words else ""
    since = paint("quiet", _since_and_count_words(finding))
    field = f"  {clean(finding.field)}" if finding.field else ""
    lines = [f"  {paint('bad', '!')} {finding.code}{field}{direction}{since}"]
    if finding.live is not None or finding.wanted is not None:
        live, wanted = (format_value(each, finding.field) for each in (finding.live, finding.wanted))
        lines.append(f"      actual {live}, desired {wanted}")
    lines += [f"      {clean(line)}" for line in finding.cause.splitlines() if line]
    lines += [f"      {paint('strong', '>')} {clean(line)}" for line in finding.remedy.splitlines() if line]
    lines += [paint("quiet", f"      at {clean(finding.manifest)}")] if finding.manifest else []
    return lines + ([f"      {paint('link', clean(finding.link))}"] if finding.link else [])


def not_applied_text(plan: FleetPlan, paint: Paint = WITHOUT_COLOUR) -> str:
    """What `apply` says where it wrote nothing: refused, declined, or nothing to do."""
    if plan.refusal:
        return plan_text(plan, paint)
    if any(each.changes for each in plan.every_plan):
        return "Nothing was done."
    return f"{plan_text(plan, paint)}\nNothing to do."


def apply_text(report: FleetReport, paint: Paint = WITHOUT_COLOUR) -> str:
    """What became of a plan: whoever is worth a word by name, then the numbers. A plan not shown yet comes first."""
    asked = report.confirmed and any(each.changes for each in report.plan.every_plan)
    lines = [] if asked else [*_plan_lines(report.plan, paint), *data_age_lines(report.plan, paint)]
    lines += _outcomes_lines(report, paint)
    lines += _consent_link_lines(report, paint)
    lines += _unreadable_part_lines(report.plan, paint) if asked else []  # also what came up later
    if report.stop_reason:
        why = "; ".join(filter(None, (report.stop_reason, report.remedy)))
        lines.append(paint("bad", "Ended early: ") + clean(why))
    if report.resume_at:
        lines.append(f"Writes may go on after {format_time(report.resume_at)}.")
    lines += provenance_lines(report.plan, paint)
    return "\n".join([*lines, paint("strong", "Apply: ") + apply_summary(report)])


def _unreadable_part_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    return [paint("bad", "Not everything was read: ") + clean(why) for why in plan.unread_reasons]


def _outcomes_lines(report: FleetReport, paint: Paint) -> list[str]:
    """Whoever is worth a word, and each of them by name."""
    outcomes = ((name, _outcome_lines(name, outcome, paint)) for name, outcome in sorted(report.outcomes.items()))
    told = collapse_identical(
        ((name, lines) for name, lines in outcomes if lines), paint, max_names=len(report.outcomes)
    )
    return [line for block in told for line in block]


def _consent_link_lines(report: FleetReport, paint: Paint) -> list[str]:
    """What the new connections wait for: the link that each merchant has to get, on a line of its own to copy."""
    links = [
        line
        for name, outcome in sorted(report.outcomes.items())
        for each in (outcome.findings if isinstance(outcome, Applied) else ())
        if each.link
        for line in (f"  {clean(name)}", f"  {paint('link', clean(each.link))}")
    ]
    return [paint("strong", "Send each merchant its link, to give consent:"), *links, ""] if links else []


def apply_summary(report: FleetReport) -> str:
    """`12 done, 1 failed, 2 waiting, 20 in sync; 14 writes.`"""
    numbers = Counter(outcome.word for outcome in report.outcomes.values())
    idle = Counter(
        each.status
        for each in report.plan.plans
        if isinstance(report.outcomes.get(each.merchant, Unchanged()), Unchanged)
    )
    words = [f"{numbers[word]:,} {word}" for word in ("done", "failed", "moved", "skipped") if numbers[word]]
    words += [f"{idle[state]:,} {text}" for state, text in _STATE_WORDS if idle[state]]
    return f"{', '.join(words) or 'nothing to do'}; {format_count(count_writes(report), 'write')}."


def count_writes(report: FleetReport) -> int:
    """Requests that changed something, those of merchants that failed later included."""
    return sum(
        each.writes for each in report.outcomes.values() if isinstance(each, Applied | Failed | ChangedSincePlan)
    )


def _outcome_lines(name: str, outcome: Outcome, paint: Paint) -> list[str]:
    who = paint("strong", clean(name))
    match outcome:
        case Unchanged():
            return []
        case Applied(findings=findings):
            lines = [line for each in findings if not each.link for line in finding_lines(each, paint)]
            return [f"{who}  {paint('good', 'done')}", *lines] if lines else []
        case Failed():
            again = (
                "trying again may help" if outcome.retryable else "trying again will not help until something changes"
            )
            return [f"{who}  {paint('bad', 'failed')}  {clean(outcome.reason)}  ({again})"]
        case ChangedSincePlan():
            return [f"{who}  {paint('bad', 'moved')}  {clean(outcome.sentence)}. Plan again."]
        case Skipped():
            return [f"{who}  {paint('change', 'skipped')}  {clean(outcome.reason)}"]


def _is_adoption_only(plan: Plan) -> bool:
    """Nothing to do but to remember whose company it is: one line."""
    return plan.adopts and not (plan.changes or plan.findings or plan.renamed_from)


def _is_worth_showing(plan: Plan) -> bool:
    return plan.status is not PlanStatus.IN_SYNC or bool(plan.findings or plan.renamed_from) or plan.adopts
