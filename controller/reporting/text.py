"""A plan and what became of it, for a terminal: one block a merchant, one line at the end that says it all.

acme-coffee  change
  ~ set the configuration  (remap)
      mapping.sales.accounts.gratuity  Tips (610)  ->  Tips payable (820)  drift
  ! account-deleted  mapping.sales.accounts.refund
      why it is so
      > what to do
"""

from __future__ import annotations

from collections import Counter

from controller.model.plan import Change, Finding, Plan, State
from controller.model.report import (
    Done,
    Excess,
    Failed,
    FleetPlan,
    FleetReport,
    Moved,
    Nothing,
    Outcome,
    Refusal,
    Skipped,
)
from controller.reporting.alike import told_once
from controller.reporting.freshness import freshness
from controller.reporting.paint import PLAIN, Paint
from controller.reporting.words import CHANGES, clean, columns, count, listed, minutes_words, moment, value_words

_STATE_WORDS = (
    (State.CHANGE, "to change"),
    (State.WAITING, "waiting"),
    (State.BLOCKED, "blocked"),
    (State.UNKNOWN, "unknown"),
    (State.IN_SYNC, "in sync"),
)


def plan_text(plan: FleetPlan, paint: Paint = PLAIN) -> str:
    """What would change, merchant by merchant, many alike as one; those in sync are only counted."""
    return "\n".join(
        [*_plan_lines(plan, paint), *age_lines(plan, paint), paint("strong", "Plan: ") + plan_summary(plan)]
    )


def age_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """How old the data is that was judged, where any was."""
    words = freshness(plan)
    return [paint("quiet", words)] if words else []


def _plan_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    shown = [each for each in plan.plans if _worth_showing(each)]
    blocks = ((each.merchant, merchant_lines(each, paint)) for each in shown if not _only_adopts(each))
    lines = [line for block in told_once(blocks, paint) for line in (*block, "")]
    adopted = [line for each in shown if _only_adopts(each) for line in merchant_lines(each, paint)]
    lines += [*adopted, ""] if adopted else []
    lines += general_lines(plan, paint)
    return [*lines, *refusal_lines(plan.refusal, paint), ""] if plan.refusal else lines


def plan_summary(plan: FleetPlan) -> str:
    """`3 to change, 2 waiting, 10 in sync. 3 writes and 15 reads, under a minute.`"""
    numbers = Counter(each.state for each in plan.plans)
    states = [f"{numbers[state]:,} {words}" for state, words in _STATE_WORDS if numbers[state]]
    merchants = ", ".join(states) or "no merchants"
    cost = f"{count(plan.cost.writes, 'write')} and {count(plan.cost.reads, 'read')}"
    return f"{merchants}. {cost}, {minutes_words(plan.cost.minutes)}."


def general_lines(plan: FleetPlan, paint: Paint) -> list[str]:
    """What concerns the whole fleet: what could not be read, what is worth a note."""
    unread = [paint("bad", "Not everything was read: ") + clean(why) for why in plan.incomplete]
    if not plan.complete and not unread:
        unread = [paint("bad", "Not everything was read.")]
    complaints = [paint("bad", "Invalid: ") + clean(str(each)) for each in plan.complaints]
    notes = [paint("change", "Note: ") + clean(note) for note in plan.notes]
    lines = [*complaints, *unread, *notes]
    return [*lines, ""] if lines else []


def refusal_lines(refusal: Refusal, paint: Paint) -> list[str]:
    """Why nothing is written: each limit in numbers, and the flag that lifts exactly it."""
    lines = [paint("bad", "Refused by a safety limit: nothing is written.")]
    for each in refusal.excesses:
        lines.append(f"  {excess_words(each)}. To allow it: {each.flag}")
        if each.merchants:
            lines.append(paint("quiet", f"      {listed(each.merchants)}"))
    return lines


def excess_words(excess: Excess) -> str:
    """`disable: 3, 2 of them within the last 24 hours, and the limit is 2`"""
    before = f", {excess.before:,} of them within the last 24 hours" if excess.before else ""
    return f"{excess.limit_of}: {excess.count:,}{before}, and the limit is {excess.limit:,}"


def merchant_lines(plan: Plan, paint: Paint) -> list[str]:
    """One merchant in a block."""
    adopts = paint("quiet", "  adopts the existing company of that name") if plan.adopts else ""
    lines = [f"{paint('strong', clean(plan.merchant))}  {paint.word(plan.state.value)}{adopts}"]
    for change in plan.changes:
        lines += change_lines(change, paint)
    goes = {field.field for change in plan.changes for field in change.fields}
    for finding in plan.findings:
        lines += _cause_lines(finding, paint) if finding.field in goes else finding_lines(finding, paint)
    return lines


def _cause_lines(finding: Finding, paint: Paint) -> list[str]:
    """A finding whose values and remedy stand above it already, as the change that puts it right."""
    head, *_ = finding_lines(finding, paint)
    return [head, *(f"      {clean(line)}" for line in finding.cause.splitlines() if line)]


def change_lines(change: Change, paint: Paint) -> list[str]:
    sign, words = CHANGES[change.kind]
    classes = ", ".join(each.value for each in change.classes)
    head = f"  {paint.word(sign)} {words}" + (paint("quiet", f"  ({classes})") if classes else "")
    rows = [
        (
            each.field,
            value_words(each.live, each.field),
            "->",
            value_words(each.wanted, each.field),
            paint.word(each.direction.value),
            clean(each.why),
        )
        for each in change.fields
    ]
    return [head, *columns(rows, " " * 6)]


def finding_lines(finding: Finding, paint: Paint) -> list[str]:
    """Code, field and direction; then cause, values, remedy and link."""
    direction = f"  {paint.word(finding.direction.value)}" if finding.direction else ""
    since = paint("quiet", f"  since {moment(finding.since)}") if finding.since else ""
    field = f"  {clean(finding.field)}" if finding.field else ""
    lines = [f"  {paint('bad', '!')} {finding.code}{field}{direction}{since}"]
    if finding.live is not None or finding.wanted is not None:
        live, wanted = (value_words(each, finding.field) for each in (finding.live, finding.wanted))
        lines.append(f"      live {live}, wanted {wanted}")
    lines += [f"      {clean(line)}" for line in finding.cause.splitlines() if line]
    lines += [f"      {paint('strong', '>')} {clean(line)}" for line in finding.remedy.splitlines() if line]
    return lines + ([f"      {paint('link', clean(finding.link))}"] if finding.link else [])


def untouched_text(plan: FleetPlan, paint: Paint = PLAIN) -> str:
    """What `apply` says where it wrote nothing: refused, declined, or nothing to do."""
    if plan.refusal:
        return plan_text(plan, paint)
    if any(each.changes for each in plan.plans):
        return "Nothing was done."
    return f"{plan_text(plan, paint)}\nNothing to do."


def report_text(report: FleetReport, paint: Paint = PLAIN) -> str:
    """What became of a plan: whoever is worth a word by name, then the numbers. A plan not shown yet comes first."""
    asked = report.asked and any(each.changes for each in report.plan.plans)
    lines = [] if asked else [*_plan_lines(report.plan, paint), *age_lines(report.plan, paint)]
    lines += _outcomes_lines(report, paint)
    lines += _link_lines(report, paint)
    if report.stopped:
        why = "; ".join(filter(None, (report.stopped, report.remedy)))
        lines.append(paint("bad", "Ended early: ") + clean(why))
    if report.resume_at:
        lines.append(f"Writes may go on after {moment(report.resume_at)}.")
    return "\n".join([*lines, paint("strong", "Apply: ") + report_summary(report)])


def _outcomes_lines(report: FleetReport, paint: Paint) -> list[str]:
    """Whoever is worth a word, and each of them by name."""
    outcomes = ((name, _outcome_lines(name, outcome, paint)) for name, outcome in sorted(report.outcomes.items()))
    told = told_once(((name, lines) for name, lines in outcomes if lines), paint, named=len(report.outcomes))
    return [line for block in told for line in block]


def _link_lines(report: FleetReport, paint: Paint) -> list[str]:
    """What the new connections wait for: the link that each merchant has to get."""
    links = [
        (clean(name), clean(each.link))
        for name, outcome in sorted(report.outcomes.items())
        for each in (outcome.findings if isinstance(outcome, Done) else ())
        if each.link
    ]
    return (
        [paint("strong", "Send each merchant its link, to give consent:"), *columns(links, "  "), ""] if links else []
    )


def report_summary(report: FleetReport) -> str:
    """`12 done, 1 failed, 2 waiting, 20 in sync; 14 writes.`"""
    numbers = Counter(_outcome_word(outcome) for outcome in report.outcomes.values())
    idle = Counter(
        each.state for each in report.plan.plans if isinstance(report.outcomes.get(each.merchant, Nothing()), Nothing)
    )
    words = [f"{numbers[word]:,} {word}" for word in ("done", "failed", "moved", "skipped") if numbers[word]]
    words += [f"{idle[state]:,} {text}" for state, text in _STATE_WORDS if idle[state]]
    return f"{', '.join(words) or 'nothing to do'}; {count(writes_of(report), 'write')}."


def writes_of(report: FleetReport) -> int:
    """Requests that changed something, those of merchants that failed later included."""
    return sum(each.writes for each in report.outcomes.values() if isinstance(each, Done | Failed | Moved))


def _outcome_word(outcome: Outcome) -> str:
    return {Done: "done", Failed: "failed", Moved: "moved", Skipped: "skipped", Nothing: "nothing"}[type(outcome)]


def _outcome_lines(name: str, outcome: Outcome, paint: Paint) -> list[str]:
    who = paint("strong", clean(name))
    match outcome:
        case Nothing():
            return []
        case Done(findings=findings):
            lines = [line for each in findings if not each.link for line in finding_lines(each, paint)]
            return [f"{who}  {paint('good', 'done')}", *lines] if lines else []
        case Failed():
            again = "trying again may help" if outcome.again else "trying again will not help until something changes"
            return [f"{who}  {paint('bad', 'failed')}  {clean(outcome.reason)}  ({again})"]
        case Moved():
            what = f"{clean(outcome.what)} moved since the plan was made; not written over. Plan again."
            return [f"{who}  {paint('bad', 'moved')}  {what}"]
        case Skipped():
            return [f"{who}  {paint('change', 'skipped')}  {clean(outcome.reason)}"]


def _only_adopts(plan: Plan) -> bool:
    """Nothing to do but to remember whose company it is: one line."""
    return plan.adopts and not plan.changes and not plan.findings


def _worth_showing(plan: Plan) -> bool:
    return plan.state is not State.IN_SYNC or bool(plan.findings) or plan.adopts
