"""Is there exactly one company of ours? Create it, adopt it, rename it, or say why not.

bound ─┬─ seen ───────── name differs → rename
       └─ 404 ────────── company-missing → re-create; taken down by ourselves before → create
unbound ─ namesakes: 0 → create · 1 → adopt (or unmanaged) · 2 → blocked; nothing to take down
                        └ another merchant's → blocked
"""

from __future__ import annotations

from dataclasses import replace

from controller.model.merchant import Drift, LinkState
from controller.model.observed import Absent, Company, Unread
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Direction, FieldChange, Finding
from controller.model.values import COMPANY_NAME
from controller.planning.case import Case, Verdict, met, stop, unknown, unmet
from controller.planning.diff import direction

READY = "CompanyReady"
RENAMED = {
    Direction.PENDING: "the manifest has a new name",
    Direction.DRIFT: "somebody renamed the company",
    Direction.CONFLICT: "the manifest has a new name, and somebody renamed the company too",
}


def company_ready(case: Case) -> Verdict:
    """The first condition: exactly one company, bound in state."""
    company = case.observed.company
    match company:
        case Unread():
            return unknown(case, READY, "the company", company.reason)
        case Company() if case.memory.company_id:
            return _bound(replace(case, company=company))
        case Company() if case.wanted.retired:
            return Verdict(case, met(READY, "never ours"), go=False)
        case Company():
            return _adopted(case, company)
        case Absent():
            return _nowhere(case)


def _bound(case: Case) -> Verdict:
    company = case.company
    assert company is not None
    findings = _duplicates(case)
    moved = direction(COMPANY_NAME, company.name, case.wanted.company_name, case.memory.applied)
    if moved is None or case.wanted.retired:
        return Verdict(case, met(READY), findings=findings)
    kept = case.wanted.policy.drift is Drift.REPORT and moved is not Direction.PENDING
    change = FieldChange(COMPANY_NAME, company.name, case.wanted.company_name, moved)
    finding = case.found(
        "company-renamed",
        RENAMED[moved],
        "policy drift: Report keeps it; change the manifest or the policy" if kept else "merchantctl apply",
        Actor.NOBODY if kept else Actor.APPLY,
        field=COMPANY_NAME,
        live=company.name,
        wanted=case.wanted.company_name,
        direction=moved,
    )
    rename = Change(ChangeKind.RENAME_COMPANY, (ChangeClass.RENAME,), (change,))
    return Verdict(case, met(READY), findings=(finding, *findings), changes=() if kept else (rename,))


def _adopted(case: Case, company: Company) -> Verdict:
    if case.observed.namesakes:
        return stop(case, READY, *_duplicates(case, (company, *case.observed.namesakes)))
    if not case.wanted.policy.adopt:
        return stop(case, READY, _unmanaged(case, company))
    return Verdict(replace(case, company=company), met(READY, f"adopts {company.id}"))


def _nowhere(case: Case) -> Verdict:
    if case.wanted.retired:
        return Verdict(case, met(READY, "gone"), go=False)
    if case.observed.holder:
        return stop(case, READY, _held(case, case.observed.holder))
    if case.memory.company_id is None or _taken_down_before(case):
        return Verdict(case, unmet(READY, "not created yet"), go=False, changes=_creates(case, ChangeClass.CREATE))
    kept = case.wanted.policy.drift is Drift.REPORT or bool(case.observed.namesakes)
    finding = _missing(case, kept)
    return stop(case, READY, finding, changes=() if kept else _creates(case, ChangeClass.RE_CREATE))


def _taken_down_before(case: Case) -> bool:
    """We deleted it ourselves when its manifest went; now the manifest is back."""
    return case.memory.retired_at is not None and not case.observed.namesakes


def _missing(case: Case, kept: bool) -> Finding:
    remedy = "merchantctl apply --allow re-create, and new consent from the merchant"
    if case.observed.namesakes:
        remedy = f"merchantctl state rm {case.wanted.name}, then apply adopts {case.observed.namesakes[0].id}"
    elif kept:
        remedy = "policy drift: Report writes nothing; set drift: Correct to have it created anew"
    return case.found(
        "company-missing",
        f"company {case.memory.company_id} was deleted at the service, with its connections and mapping",
        remedy,
        Actor.US if kept else Actor.APPLY,
        direction=Direction.DRIFT,
    )


def _creates(case: Case, how: ChangeClass) -> tuple[Change, ...]:
    name = FieldChange(COMPANY_NAME, None, case.wanted.company_name, Direction.PENDING)
    company = Change(ChangeKind.CREATE_COMPANY, (how,), (name,))
    if case.wanted.link_state is LinkState.UNLINKED or case.wanted.platform is None:
        return (company,)
    return company, new_connection(case, how)


def new_connection(case: Case, how: ChangeClass) -> Change:
    platform = FieldChange("connection.platform", None, case.wanted.platform, Direction.PENDING)
    return Change(ChangeKind.CREATE_CONNECTION, (how,), (platform,))


def _duplicates(case: Case, companies: tuple[Company, ...] = ()) -> tuple[Finding, ...]:
    others = companies or case.observed.namesakes
    if not others:
        return ()
    ids = ", ".join(company.id for company in others)
    cause = f"{len(others)} companies bear the name {case.wanted.company_name!r}: {ids}"
    if not companies:
        cause = f"another company bears the name {case.wanted.company_name!r} too: {ids}"
    return (
        case.found(
            "company-duplicate",
            cause,
            "rename or delete the wrong one at the service",
            Actor.US if companies else Actor.NOBODY,
            field=COMPANY_NAME,
        ),
    )


def _held(case: Case, holder: str) -> Finding:
    return case.found(
        "company-duplicate",
        f"the company of the name {case.wanted.company_name!r} belongs to {holder}; none is created beside it",
        f"merchantctl state mv {holder} {case.wanted.name}, if that is the same merchant; else choose another name",
        Actor.US,
        field=COMPANY_NAME,
    )


def _unmanaged(case: Case, company: Company) -> Finding:
    return case.found(
        "company-unmanaged",
        f"company {company.id} of that name exists, and policy adopt: false forbids to take it over",
        "set policy.adopt: true, or choose another company.name",
        Actor.US,
        field=COMPANY_NAME,
        live=company.name,
        wanted=case.wanted.company_name,
    )
