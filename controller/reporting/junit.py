"""A report as JUnit XML, which every CI shows: a test case for each merchant, or for each complaint.

plan, drift   failure: a person has to act, or (drift) it was changed outside merchantctl; error: it could not be read;
              skipped: closed to writes, as while suspended. What an apply would change by itself passes in a plan.
apply         failure: it was not carried out, or a person has to act on what is left; error: it could not be read
validate      failure: a complaint, at its file and line; with --online: a reference without a single answer
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from controller.model.desired import Diagnostic, Fleet
from controller.model.drift import is_drift
from controller.model.merchant_status import not_applied_reason, open_findings
from controller.model.observed import Unread
from controller.model.plan import Actor, Finding, Plan
from controller.model.reference_check import (
    CheckedReferences,
    FleetReferenceCheck,
    NotYetCheckable,
    ReferenceCheck,
)
from controller.model.report import FleetPlan, FleetReport
from controller.reporting.formatting import format_iso

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plan_junit(plan: FleetPlan) -> str:
    """Who is blocked fails; of the fleet as a whole, what keeps everything back."""
    return _report("merchantctl plan", plan, lambda finding: finding.actor is Actor.OPERATOR)


def drift_junit(plan: FleetPlan) -> str:
    """Whoever drifted or is blocked fails."""
    return _report("merchantctl drift", plan, lambda finding: is_drift(finding) or finding.actor is Actor.OPERATOR)


def apply_junit(result: FleetReport | FleetPlan) -> str:
    """Whoever was not carried out or is blocked fails, and so does a run that ended early; of a plan that came back
    untouched, what kept everything back."""
    if isinstance(result, FleetPlan):
        return _report("merchantctl apply", result, lambda finding: finding.actor is Actor.OPERATOR)
    suite = _fleet_suite("merchantctl apply", result.plan)
    if result.stop_reason:
        details = "\n".join(filter(None, (result.stop_reason, result.remedy)))
        _add_problem(_add_case(suite, "ended early", "fleet"), "failure", result.stop_reason, details)
    for each in result.plan.plans:
        case, outcome = _add_case(suite, each.merchant, "merchants"), result.outcomes.get(each.merchant)
        if reason := not_applied_reason(outcome):
            _add_problem(case, "failure", reason, reason)
        else:
            left = replace(each, findings=open_findings(each, outcome))
            _add_merchant_problems(case, left, lambda finding: finding.actor is Actor.OPERATOR)
    return _render_xml(suite)


def validate_junit(fleet: Fleet, online: FleetReferenceCheck | None = None) -> str:
    """Each complaint fails; each merchant without one passes, unless its books lack what it names."""
    suite = _new_suite("merchantctl validate")
    for diagnostic in fleet.diagnostics:
        _add_diagnostic_case(suite, diagnostic)
    marred = {diagnostic.file for diagnostic in fleet.diagnostics}
    for name, merchant in fleet.merchants.items():
        files = {origin.file for origins in merchant.origins.values() for origin in origins}
        if not files & marred:
            _add_check(_add_case(suite, name, "merchants"), online.checks.get(name) if online else None)
    return _render_xml(suite)


def _add_check(case: Element, check: ReferenceCheck | None) -> None:
    match check:
        case CheckedReferences(unresolved=unresolved) if unresolved:
            lines = [f"{each.field} {each.reference}: {each.kind}, {each.origin}" for each in unresolved]
            _add_problem(case, "failure", lines[0], "\n".join(lines))
        case NotYetCheckable(why=why):
            SubElement(case, "skipped", message=_clean_for_xml(why))
        case Unread(reason=reason):
            _add_problem(case, "error", reason, reason)


def _report(name: str, plan: FleetPlan, fails: Callable[[Finding], bool]) -> str:
    suite = _fleet_suite(name, plan)
    for each in plan.plans:
        _add_merchant_problems(_add_case(suite, each.merchant, "merchants"), each, fails)
    if plan.account:
        _add_merchant_problems(_add_case(suite, plan.account.merchant, "account"), plan.account, fails)
    return _render_xml(suite)


def _fleet_suite(name: str, plan: FleetPlan) -> Element:
    """With a case for each thing that keeps the whole fleet back."""
    suite = _new_suite(f"{name} at {plan.environment}" if plan.environment else name)
    suite.set("timestamp", format_iso(plan.made_at) or "")
    for finding in plan.findings:
        _add_findings(_add_case(suite, finding.code, "fleet"), [finding])
    for limit in plan.refusal.exceeded_limits if plan.refusal else ():
        words = f"{limit.count:,} changes of class {limit.limited_class}, {limit.limit:,} are allowed: {limit.flag}"
        _add_problem(_add_case(suite, limit.limited_class, "fleet"), "failure", words, words)
    return suite


def _add_merchant_problems(case: Element, plan: Plan, fails: Callable[[Finding], bool]) -> None:
    if plan.hold and plan.is_closed:
        SubElement(case, "skipped", message=plan.hold.closed_word)
    elif plan.has_unread:
        _add_findings(case, plan.findings, "error")
    else:
        _add_findings(case, [finding for finding in plan.findings if fails(finding)])


def _add_findings(case: Element, findings: Iterable[Finding], kind: str = "failure") -> None:
    findings = list(findings)
    if not findings:
        return
    about = [f"{finding.code} {finding.field}" if finding.field else finding.code for finding in findings]
    details = (
        "\n".join(filter(None, (f"{words}: {finding.cause}", finding.manifest, finding.remedy)))
        for words, finding in zip(about, findings, strict=True)
    )
    _add_problem(case, kind, ", ".join(about), "\n\n".join(details))


def _add_diagnostic_case(suite: Element, diagnostic: Diagnostic) -> None:
    place = f"{diagnostic.file}:{diagnostic.line}" if diagnostic.line else diagnostic.file
    case = _add_case(suite, place, "manifests")
    case.set("file", _clean_for_xml(diagnostic.file))
    case.set("line", str(diagnostic.line))
    _add_problem(case, "failure", diagnostic.what, str(diagnostic))


def _new_suite(name: str) -> Element:
    return Element("testsuite", name=name)


def _add_case(suite: Element, name: str, classname: str) -> Element:
    return SubElement(suite, "testcase", name=_clean_for_xml(name), classname=classname)


def _add_problem(case: Element, kind: str, message: str, details: str) -> None:
    SubElement(case, kind, message=_clean_for_xml(message)).text = _clean_for_xml(details)


def _render_xml(suite: Element) -> str:
    for kind, count in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(suite.findall(f"testcase/{count}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _clean_for_xml(text: str) -> str:
    """Without the characters that no XML document may hold."""
    return _NOT_IN_XML.sub("\ufffd", text)
