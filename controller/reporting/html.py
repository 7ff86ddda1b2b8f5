"""Plans, drift and what an apply did as a page to send: summary and pictures first, then groups, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from controller.model.drift import is_drift
from controller.model.finding_filter import EVERYTHING, Shown, divide_by_label
from controller.model.merchant_status import STATUS_MEANINGS, MerchantStatus
from controller.model.period_report import count_ages, count_funnel_of_plans
from controller.model.plan import PlanStatus
from controller.model.report import FleetPlan, FleetReport, Refusal, Unchanged
from controller.model.severity import Severity
from controller.model.statement_groups import Group, group_statements
from controller.model.statements import (
    finding_statements_of_plans,
    later_value_statements,
    plan_statements,
    report_statements,
)
from controller.reporting.as_json import describe_unmanaged_companies
from controller.reporting.data_age import fleet_data_age_text
from controller.reporting.formatting import format_count, format_time
from controller.reporting.group_words import OUTCOME_WORDS, SEVERITY_WORDS
from controller.reporting.html_figures import bar_chart
from controller.reporting.html_groups import groups_html, severity_and_actor_tiles
from controller.reporting.html_page import FILTER, Section, bullets, facts_list, page, paragraph
from controller.reporting.last_syncs import last_syncs_age_text
from controller.reporting.period_words import FUNNEL_WORDS, age_range_words
from controller.reporting.report_provenance import SHORT_REVISION_DIGITS, filter_text, provenance_text, scope_text
from controller.reporting.text import apply_summary, limit_exceeded_text, plan_summary
from controller.reporting.text_drift_and_status import drift_summary, label_title


def plan_html(plan: FleetPlan, title: str = "Plan", note: str = "") -> str:
    groups = group_statements([*plan_statements(plan), *later_value_statements(plan)])
    refusal = _refusal(plan.refusal) if plan.refusal else ""
    noted = paragraph(note, "notice") if note else ""
    summary = [
        paragraph(plan_summary(plan), "lead"),
        noted,
        refusal,
        *_fleet_problems_and_notes(plan),
        severity_and_actor_tiles(groups),
        _figures(plan),
    ]
    sections: list[Section] = [("summary", "Summary", "".join(summary)), *severity_sections(groups)]
    return page(_title(title, plan), [_facts(plan)], sections, provenance_text(plan))


def drift_html(plan: FleetPlan, shown: Shown = EVERYTHING, *, unmanaged: bool = False) -> str:
    groups = group_statements(finding_statements_of_plans(plan))
    filtered = paragraph(filter_text(shown), "notice") if filter_text(shown) else ""
    summary = [
        paragraph(drift_summary(plan), "lead"),
        filtered,
        *_fleet_problems_and_notes(plan),
        severity_and_actor_tiles(groups),
        _figures(plan, ages=True),
    ]
    sections: list[Section] = [("summary", "Summary", "".join(summary))]
    sections += _label_sections(plan, shown.group_by) if shown.group_by else severity_sections(groups)
    if plan.unmanaged_count:
        counted = f"{format_count(plan.unmanaged_count, 'company', 'companies')} that no manifest claims."
        names = bullets(describe_unmanaged_companies(plan)) if unmanaged else ""
        sections.append(("unmanaged", "Unmanaged companies", paragraph(counted) + names))
    return page(_title("Drift", plan), [_facts(plan, last_syncs_age_text(plan))], sections, provenance_text(plan))


def apply_html(result: FleetReport | FleetPlan) -> str:
    """What became of a plan. One that came back untouched says that nothing was done, and why."""
    if isinstance(result, FleetPlan):
        return plan_html(result, "Apply", "" if result.refusal else "Nothing was done.")
    plan, groups = result.plan, group_statements(report_statements(result))
    ended = "; ".join(filter(None, (result.stop_reason, result.remedy)))
    notices = [f"Ended early: {ended}"] if ended else []
    notices += [f"Writes may go on after {format_time(result.resume_at)}."] if result.resume_at else []
    words = Counter(outcome.word for outcome in result.outcomes.values() if not isinstance(outcome, Unchanged))
    outcomes = [(OUTCOME_WORDS[word], words[word]) for word in OUTCOME_WORDS if words[word]]
    summary = [
        paragraph(apply_summary(result), "lead"),
        f'<div class="refused">{bullets(notices)}</div>' if notices else "",
        *_fleet_problems_and_notes(plan),
        severity_and_actor_tiles(groups),
        f'<div class="figures">{bar_chart("What became of the plans", outcomes)}</div>' if outcomes else "",
    ]
    sections: list[Section] = [("summary", "Summary", "".join(summary)), *severity_sections(groups)]
    return page(_title("Apply", plan), [_facts(plan)], sections, provenance_text(plan))


def severity_sections(groups: Sequence[Group], prefix: str = "", title: str = "") -> list[Section]:
    """A section for each severity that there is; the first has the filter before it."""
    sections: list[Section] = []
    for severity in Severity:
        those = [group for group in groups if group.subject.severity is severity]
        if those:
            entry = f"{title}{SEVERITY_WORDS[severity]}: {format_count(len(those), 'group')}"
            before = FILTER if not sections and not prefix else ""
            sections.append((f"{prefix}{severity.value}", entry, before + groups_html(those)))
    return sections


def _label_sections(plan: FleetPlan, label: str) -> list[Section]:
    sections: list[Section] = []
    for number, (value, part) in enumerate(divide_by_label(plan, label).items()):
        before = FILTER if number == 0 else ""
        content = groups_html(group_statements(finding_statements_of_plans(part)))
        sections.append((f"part-{number}", label_title(label, value, part), before + content))
    return sections


def _title(what: str, plan: FleetPlan) -> str:
    of = f" of {plan.environment}" if plan.environment else ""
    return f"{what}{of}, {plan.made_at:%Y-%m-%d}"


def _facts(plan: FleetPlan, syncs: str = "") -> str:
    if not provenance_text(plan):
        return facts_list([("Made", format_time(plan.made_at))])
    return facts_list(
        [
            ("Made", format_time(plan.made_at)),
            ("Environment", plan.environment or ""),
            ("API", plan.base_url),
            ("Manifests", plan.revision[:SHORT_REVISION_DIGITS]),
            ("About", scope_text(plan.scope)),
            ("Data", fleet_data_age_text(plan)),
            ("Syncs", syncs),
        ]
    )


def _fleet_problems_and_notes(plan: FleetPlan) -> list[str]:
    invalid = [f"Invalid: {each}" for each in plan.diagnostics]
    unread = [f"Not read: {why}" for why in plan.unread_reasons]
    found = [f"{each.code}: {each.cause} {each.one_line_remedy}" for each in plan.findings]
    items = [*invalid, *unread, *found, *plan.notes]
    if not provenance_text(plan):
        items += filter(None, [fleet_data_age_text(plan)])
    return [f'<div class="notice">{bullets(items)}</div>'] if items else []


def _refusal(refusal: Refusal) -> str:
    limits = [f"{limit_exceeded_text(each)}. To allow it: {each.flag}" for each in refusal.exceeded_limits]
    return f'<div class="refused"><b>Refused by a safety limit: nothing is written.</b>{bullets(limits)}</div>'


def _figures(plan: FleetPlan, *, ages: bool = False) -> str:
    """How everyone stands and how far each has come; of drift, how old it is."""
    if not plan.plans:
        return ""
    counts = Counter(each.status for each in plan.plans)
    statuses = [
        (STATUS_MEANINGS[MerchantStatus(each.value)].label, counts[each]) for each in PlanStatus if counts[each]
    ]
    figures = [bar_chart("Merchants by status", statuses)]
    if any(each.conditions for each in plan.plans):
        figures.append(
            bar_chart(
                "Onboarding", [(FUNNEL_WORDS[step], number) for step, number in count_funnel_of_plans(plan.plans)]
            )
        )
    drift = [found for each in plan.plans for found in each.findings if is_drift(found)] if ages else []
    if drift:
        counted = count_ages((each.since or plan.made_at for each in drift), plan.made_at)
        figures.append(bar_chart("Age of drift", list(zip(age_range_words(), counted, strict=True))))
    return f'<div class="figures">{"".join(figures)}</div>'
