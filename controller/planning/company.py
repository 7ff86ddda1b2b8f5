"""Is there exactly one company of ours? Create it, adopt it, rename it, or say why not.

bound ─┬─ seen ──────────────── name differs → rename
       └─ 404 ───────────────── company-missing → re-create; taken down by ourselves before → create
unbound ─ companies of its name: 0 → create · 1 → adopt (or unmanaged) · 2 → blocked; nothing to take down
                                 └ another merchant's → blocked
"""

from __future__ import annotations

from dataclasses import replace

from controller.model.desired import DesiredMerchant, DriftPolicy, LinkState
from controller.model.field_values import COMPANY_NAME_PATH
from controller.model.name_matching import (
    find_invisible_flaw,
    loses_many_letters,
    name_difference,
    normalize_company_name,
)
from controller.model.observed import Absent, Company, SimilarName, Unread
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Direction, FieldChange, Finding
from controller.model.yaml_snippets import quote_yaml
from controller.planning.context import (
    PlanningContext,
    StepResult,
    condition_met,
    condition_unmet,
    stop_result,
    unknown_result,
)
from controller.planning.diff import change_direction
from controller.planning.holds import allow_command
from controller.planning.remedies import (
    APPLY_COMMAND,
    avoid_replay_remedy,
    command_line,
    join_steps,
    report_policy_remedy,
    where_to_write,
)

COMPANY_READY = "CompanyReady"
RENAME_CAUSES = {
    Direction.PENDING: "the manifest has a new name",
    Direction.DRIFT: "somebody renamed the company",
    Direction.CONFLICT: "the manifest has a new name, and somebody renamed the company too",
}


def explain_lost_letters(desired: DesiredMerchant) -> str:
    """Why a company gets a name in which a reader may not recognise the manifest's; empty where it is the same name."""
    if not desired.manifest_company_name or not loses_many_letters(desired.manifest_company_name):
        return ""
    return f"all that Codat keeps of {desired.manifest_company_name!r}"


def check_company(context: PlanningContext) -> StepResult:
    """The first condition: exactly one company, bound in state."""
    company = context.observed.company
    match company:
        case Unread():
            return unknown_result(context, COMPANY_READY, "the company", company.reason)
        case Company() if context.recorded.company_id:
            return _check_bound_company(replace(context, company=company))
        # No binding: it was never ours, so it is not ours to take down.
        case Company() if context.desired.removal:
            return StepResult(context, condition_met(COMPANY_READY, "never ours"), proceed=False)
        case Company():
            return _check_company_to_adopt(context, company)
        case Absent():
            return _check_absent_company(context)


def _check_bound_company(context: PlanningContext) -> StepResult:
    company = context.company
    assert company is not None
    duplicates = _duplicate_findings(context)
    direction = change_direction(
        COMPANY_NAME_PATH, company.name, context.desired.company_name, context.recorded.last_applied
    )
    if direction is None or context.desired.removal:
        return StepResult(context, condition_met(COMPANY_READY), findings=duplicates)
    is_reported_only = context.desired.policy.drift is DriftPolicy.REPORT and direction is not Direction.PENDING
    change = FieldChange(
        COMPANY_NAME_PATH, company.name, context.desired.company_name, direction, explain_lost_letters(context.desired)
    )
    difference = name_difference(company.name, context.desired.company_name)
    finding = context.finding(
        "company-renamed",
        RENAME_CAUSES[direction] + (f": the two names differ only by {difference}" if difference else ""),
        report_policy_remedy(context, COMPANY_NAME_PATH, company.name) if is_reported_only else APPLY_COMMAND,
        Actor.NOBODY if is_reported_only else Actor.APPLY,
        field=COMPANY_NAME_PATH,
        live=company.name,
        wanted=context.desired.company_name,
        direction=direction,
    )
    rename = Change(ChangeKind.RENAME_COMPANY, (ChangeClass.RENAME,), (change,))
    changes = () if is_reported_only else (rename,)
    return StepResult(
        context,
        condition_met(COMPANY_READY),
        findings=(finding, *duplicates),
        changes=changes,
        differences={COMPANY_NAME_PATH: direction},
    )


def _check_company_to_adopt(context: PlanningContext, company: Company) -> StepResult:
    if context.observed.same_name_companies:
        return stop_result(
            context, COMPANY_READY, *_duplicate_findings(context, (company, *context.observed.same_name_companies))
        )
    if not context.desired.policy.adopt:
        return stop_result(context, COMPANY_READY, _unmanaged_finding(context, company))
    return StepResult(replace(context, company=company), condition_met(COMPANY_READY, f"adopts {company.id}"))


def _check_absent_company(context: PlanningContext) -> StepResult:
    if context.desired.removal:
        return StepResult(context, condition_met(COMPANY_READY, "gone"), proceed=False)
    if context.observed.name_owner:
        return stop_result(context, COMPANY_READY, _owned_name_finding(context, context.observed.name_owner))
    # We took it down ourselves when its manifest went, and now the manifest is back: nothing was lost.
    is_back = context.recorded.removed_at is not None and not context.observed.same_name_companies
    if context.recorded.company_id is None or is_back:
        return StepResult(
            context,
            condition_unmet(COMPANY_READY, "not created yet"),
            proceed=False,
            findings=_similar_name_findings(context),
            changes=_company_creation_changes(context, ChangeClass.CREATE),
        )
    # A company of that name may be the lost one, made by hand: creating another beside it would be a duplicate.
    must_wait = context.desired.policy.drift is DriftPolicy.REPORT or bool(context.observed.same_name_companies)
    finding = _missing_finding(context, must_wait)
    if must_wait:
        return stop_result(context, COMPANY_READY, finding)
    findings, changes = _similar_name_findings(context), _company_creation_changes(context, ChangeClass.RE_CREATE)
    return stop_result(context, COMPANY_READY, finding, *findings, changes=changes)


def _missing_finding(context: PlanningContext, must_wait: bool) -> Finding:
    remedy = re_create_remedy(context)
    if others := context.observed.same_name_companies:
        ids = ", ".join(company.id for company in others)
        choose = f"delete all but one of {ids} at Codat"
        adopt = f"{ids} bears its name; to adopt it:"
        forget = f"{command_line('state', 'rm', context.desired.name)} && {APPLY_COMMAND}"
        remedy = join_steps(choose if len(others) > 1 else adopt, forget)
    return context.finding(
        "company-missing",
        f"company {context.recorded.company_id} was deleted at Codat, with its connections and mapping",
        remedy,
        Actor.OPERATOR if must_wait else Actor.APPLY,
        direction=Direction.DRIFT,
    )


def re_create_remedy(context: PlanningContext) -> str:
    """Every step to have a lost company or connection again: from the manifest to the merchant's consent."""
    allow_by_policy = ""
    if context.desired.policy.drift is DriftPolicy.REPORT:
        manifest = f"in the manifest of {context.desired.name}"
        allow_by_policy = f"under Report nothing is made anew: {manifest} write policy: {{drift: Correct}}"
    re_create = f"{re_create_command(context)}; then the merchant gives consent again"
    return join_steps(allow_by_policy, avoid_replay_remedy(context), re_create)


def re_create_command(context: PlanningContext) -> str:
    """The command that lets an apply re-create what this merchant lost."""
    return allow_command(ChangeClass.RE_CREATE, context.desired.name)


def _similar_name_findings(context: PlanningContext) -> tuple[Finding, ...]:
    """Companies whose name a reader would take for that of the company about to be created."""
    return tuple(
        context.finding(
            "company-similar",
            f"{_describe_similar_company(similar)} is called {similar.name!r}: that differs only by "
            f"{name_difference(similar.name, context.desired.company_name)} from {context.desired.company_name!r}, "
            "which is about to be created beside it",
            _similar_name_remedy(context, similar),
            Actor.NOBODY,
        )
        for similar in context.observed.similar_names
    )


def _describe_similar_company(similar: SimilarName) -> str:
    if similar.company_id is None:
        return f"the company that {similar.merchant} is to have"
    return f"company {similar.company_id}" + (f" of {similar.merchant}" if similar.merchant else "")


def _similar_name_remedy(context: PlanningContext, similar: SimilarName) -> str:
    """What to do where the two are one merchant; two merchants need nothing done."""
    if similar.merchant:
        both = f"{similar.merchant} and {context.desired.name}"
        return f"if {both} are one merchant: delete one of the manifests before apply"
    if normalize_company_name(similar.name) == similar.name and not find_invisible_flaw(similar.name):
        write_name = f"{where_to_write(context, COMPANY_NAME_PATH)}: {quote_yaml(similar.name)}"
        return f"if that is this merchant's, have it adopted: {write_name}; then {APPLY_COMMAND}"
    name = context.desired.company_name
    return f"if that is this merchant's: rename it at Codat to {name!r}; then {APPLY_COMMAND}"


def _company_creation_changes(context: PlanningContext, change_class: ChangeClass) -> tuple[Change, ...]:
    name = FieldChange(
        COMPANY_NAME_PATH, None, context.desired.company_name, Direction.PENDING, explain_lost_letters(context.desired)
    )
    company = Change(ChangeKind.CREATE_COMPANY, (change_class,), (name,))
    if context.desired.link_state is LinkState.UNLINKED or context.desired.platform is None:
        return (company,)
    return company, connection_creation_change(context, change_class)


def connection_creation_change(context: PlanningContext, change_class: ChangeClass) -> Change:
    platform = FieldChange("connection.platform", None, context.desired.platform, Direction.PENDING)
    return Change(ChangeKind.CREATE_CONNECTION, (change_class,), (platform,))


def _duplicate_findings(context: PlanningContext, companies: tuple[Company, ...] = ()) -> tuple[Finding, ...]:
    """Other companies of the same name.

    `companies`: of these it must be one, and nobody knows which; without them, those beside the bound company.
    """
    duplicates = companies or context.observed.same_name_companies
    if not duplicates:
        return ()
    ids = ", ".join(company.id for company in duplicates)
    cause = f"{len(duplicates)} companies bear the name {context.desired.company_name!r}: {ids}"
    if not companies:
        cause = f"another company bears the name {context.desired.company_name!r} too: {ids}"
    return (
        context.finding(
            "company-duplicate",
            cause,
            "rename or delete the wrong one at Codat; then merchantctl plan",
            Actor.OPERATOR if companies else Actor.NOBODY,
            field=COMPANY_NAME_PATH,
        ),
    )


def _owned_name_finding(context: PlanningContext, owner: str) -> Finding:
    return context.finding(
        "company-duplicate",
        f"the company of the name {context.desired.company_name!r} belongs to {owner}; none is created beside it",
        f"if they are the same merchant: {command_line('state', 'mv', owner, context.desired.name)}; else give "
        f"{context.desired.name} another company.name",
        Actor.OPERATOR,
        field=COMPANY_NAME_PATH,
    )


def _unmanaged_finding(context: PlanningContext, company: Company) -> Finding:
    return context.finding(
        "company-unmanaged",
        f"company {company.id} of that name exists, and policy adopt: false forbids to take it over",
        f"in the manifest of {context.desired.name} write policy: {{adopt: true}}; or another "
        f"company.name; then {APPLY_COMMAND}",
        Actor.OPERATOR,
        field=COMPANY_NAME_PATH,
        live=company.name,
        wanted=context.desired.company_name,
    )
