"""Markdown that fits into a pull request's comment, whatever the fleet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.model.desired import Diagnostic
from controller.model.finding_filter import FindingFilter, Shown
from controller.model.plan import Actor, Direction, PlanStatus
from controller.model.report import Applied, Failed, FleetPlan, LimitExceeded, Outcome, Refusal, Skipped
from controller.model.run_policy import Scope
from controller.reporting.markdown import MAX_CHARACTERS, apply_markdown, drift_markdown, plan_markdown
from controller.reporting.markdown_escape import code_span
from tests.unit.reporting.fleets import NOW, changing, finding, fleet, merchant, remap, report, waiting

NAMES = [f"m-{number:05}" for number in range(10_000)]


def test_one_changed_line_of_a_profile_is_said_once_for_ten_thousand() -> None:
    found = replace(
        finding(field="mapping.sales.accounts.gratuity", live="x", wanted="y", direction=Direction.PENDING),
        cause="the manifest moved",
        manifest="profiles/uk.yaml:12:7",
    )
    plan = fleet(*(replace(changing(name), findings=(replace(found, merchant=name),)) for name in NAMES))
    text = plan_markdown(plan)
    assert len(text) < 5_000
    assert "10,000 to change" in text
    assert "set the configuration, mapping-changed — 10,000 merchants (merchantctl apply does it)" in text
    assert text.count("Tips payable (820)") == 1
    assert "at profiles/uk.yaml:12:7" in text.replace("<!-- -->", "")
    assert "m-00000, m-00001, " in text
    assert "more (`merchantctl plan -o html > plan.html` names all)" in text


def test_ten_thousand_different_changes_fit_and_what_is_left_out_is_said() -> None:
    plans = (
        merchant(name, PlanStatus.CHANGE, changes=(remap(str(number), str(number + 1)),))
        for number, name in enumerate(NAMES)
    )
    text = plan_markdown(fleet(*plans))
    assert len(text) <= MAX_CHARACTERS
    assert "9,800 more lines about 9,800 merchants: `merchantctl plan -o html > plan.html`" in text


def test_ten_thousand_links_fit_and_each_that_is_shown_leads_somewhere() -> None:
    text = drift_markdown(fleet(*(waiting(name) for name in NAMES)))
    assert len(text) <= MAX_CHARACTERS
    assert "m-00000: <https://link.example/x>" in text
    assert "10,000 links to send" in text
    assert "`merchantctl drift -o html > drift.html`" in text


def test_groups_that_do_not_fit_are_headings_and_then_a_number() -> None:
    kinds = [f"code-{number}" for number in range(2_000)]
    text = drift_markdown(fleet(*(merchant(code, findings=(finding(code, code),)) for code in kinds)))
    assert len(text) <= MAX_CHARACTERS
    assert "more groups about" in text
    assert text.count("####") > 400


def test_the_command_for_everything_looks_at_the_same_merchants() -> None:
    scope = Scope(path=Path("manifests/uk"), targets=("a b",), selector="tier=gold")
    plan = fleet(*(changing(name) for name in NAMES), scope=scope)
    command = "`merchantctl plan manifests/uk --target 'a b' -l tier=gold -o html > plan.html`"
    assert command in plan_markdown(plan)


def test_a_report_says_what_became_of_whom() -> None:
    outcomes: dict[str, Outcome] = {
        "a": Applied(1),
        "b": Failed("the key is wrong", retryable=False),
        "c": Skipped("stopped by SIGTERM"),
    }
    text = apply_markdown(report(fleet(*map(changing, "abc")), outcomes, stop_reason="too many failures"))
    headings = [line for line in text.splitlines() if line.startswith("####")]
    assert headings == [
        "#### Critical: set the configuration: failed — b (waits for our side)",
        "#### Warning: set the configuration: skipped — c (waits for our side)",
        "#### Info: set the configuration: done — a",
    ]
    assert "**1 done, 1 failed, 1 skipped; 1 write.**" in text
    assert "**Ended early:** too many failures" in text


def test_of_a_report_that_nobody_can_make_again_the_format_without_a_limit_is_named() -> None:
    outcomes: dict[str, Outcome] = {name: Skipped("stopped by SIGTERM") for name in NAMES}
    text = apply_markdown(report(fleet(*map(changing, NAMES)), outcomes))
    assert len(text) < 5_000
    assert "more (`-o json` names all)" in text


def test_a_refused_apply_says_why_nothing_was_done() -> None:
    refused = fleet(changing(), refusal=Refusal((LimitExceeded("remap", 60, 50, "--allow remap"),)))
    assert apply_markdown(refused).startswith("## Apply")
    assert "remap: 60, and the limit is 50. To allow it: `--allow remap`" in apply_markdown(refused)
    assert "Nothing was done." in apply_markdown(fleet(changing()))


def test_a_command_that_no_code_span_can_hold_is_escaped() -> None:
    assert code_span("merchantctl plan") == "`merchantctl plan`"
    assert "`" not in code_span("merchantctl plan -l 'a`b'").replace("\\`", "")


WORDS = st.text(st.sampled_from("@|`<#1 é"), max_size=12)
LONG = st.builds(lambda word, times: word * times, WORDS, st.integers(1, 400))


@st.composite
def fleets(draw: st.DrawFn) -> FleetPlan:
    """Of many merchants with everything long, hostile and different."""
    texts = draw(st.lists(LONG, min_size=1, max_size=6))
    many = draw(st.sampled_from([1, 40, 700]))
    plans = []
    for number in range(many):
        text = f"{texts[number % len(texts)]}{number if draw(st.booleans()) else ''}"
        found = finding(text or "x", f"{text}-{number}", draw(st.sampled_from(Actor)), field=text, live=text, since=NOW)
        found = replace(found, cause=text, remedy=text, link=f"https://link.example/{number}", manifest=text)
        changes = (remap(text, text),) if draw(st.booleans()) else ()
        plans.append(merchant(f"{text}-{number}", PlanStatus.CHANGE, changes=changes, findings=(found,)))
    complaints = tuple(Diagnostic(text, 1, 1, text, text) for text in texts) * draw(st.sampled_from([1, 500]))
    limits = tuple(LimitExceeded("remap", 60, 50, "--allow remap") for _ in texts)
    return fleet(
        *plans,
        notes=tuple(texts) * many,
        unread_reasons=tuple(texts) * many,
        unmanaged_names=tuple(texts) * many,
        diagnostics=complaints,
        refusal=Refusal(limits),
        base_url="https://api.example",
        scope=Scope(targets=tuple(texts)),
        labels={each.merchant: {"tier": each.merchant[:40]} for each in plans[::2]},
        findings=tuple(replace(each.findings[0], affected_merchants=("a",)) for each in plans[:3]),
    )


@pytest.mark.computes
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(fleets())
def test_no_fleet_makes_it_too_long(plan: FleetPlan) -> None:
    outcomes: dict[str, Outcome] = {each.merchant: Failed(each.merchant, retryable=True) for each in plan.plans}
    for text in (
        plan_markdown(plan),
        drift_markdown(plan, unmanaged=True),
        drift_markdown(plan, Shown(FindingFilter(codes=frozenset("ab")), 3, "tier")),
        apply_markdown(report(plan, outcomes, stop_reason="x" * 5_000)),
    ):
        assert len(text) <= MAX_CHARACTERS


@pytest.mark.parametrize("show", [plan_markdown, drift_markdown])
def test_folds_are_closed(show: object) -> None:
    assert callable(show)
    text = show(fleet(*(waiting(name) for name in NAMES[:50])))
    assert text.count("<details>") == text.count("</details>") > 0
