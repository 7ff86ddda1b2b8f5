"""The page of a report: one file, everything in it without its script, in colours that can be read."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from controller.model.finding_filter import FindingFilter, Only, Shown
from controller.model.plan import Direction, PlanStatus
from controller.model.report import Applied, Failed, LimitExceeded, Outcome, Refusal
from controller.reporting.html import apply_html, drift_html, plan_html
from controller.reporting.html_page import SCRIPT, STYLE
from controller.reporting.period_html import period_report_html
from tests.unit.model.test_period_report import memory, occurrence, report
from tests.unit.reporting.fleets import changing, finding, fleet, merchant, remap, waiting
from tests.unit.reporting.fleets import report as apply_report

NAMES = [f"m-{number:05}" for number in range(10_000)]
MIXED = fleet(
    changing("bolt"),
    waiting("dawn"),
    merchant("lost", PlanStatus.BLOCKED, findings=(finding("company-missing", "lost"),)),
    base_url="https://api.example",
    environment="production",
)
PERIOD = report(memory(occurrence("ann", found=3, gone=2), occurrence("bob", found=2), occurrence("cat", found=9)))
OUTCOMES: dict[str, Outcome] = {"bolt": Failed("the key is wrong", retryable=False), "dawn": Applied(1)}
PAGES = {
    "plan": plan_html(MIXED),
    "drift": drift_html(MIXED),
    "apply": apply_html(apply_report(MIXED, OUTCOMES, stop_reason="too many failures")),
    "report": period_report_html(PERIOD),
}
pages = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())


class Outline(HTMLParser):
    """Which elements are open at the end, the ids, and where links within the page lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        target = values.get("href") or ""
        self.targets += [target.removeprefix("#")] if target.startswith("#") else []
        if tag not in ("meta", "input", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pages
def test_every_element_is_closed_every_link_within_leads_somewhere_and_no_id_is_there_twice(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.targets) <= set(outline.ids)


@pages
def test_a_page_needs_nothing_but_itself(page: str) -> None:
    assert not re.search(r"<(?:img|link|iframe|object)\b|\bsrc=|url\((?!#)|@import", page)
    assert page.count("<script") == page.count(SCRIPT) == 1


@pages
def test_a_page_says_when_it_was_made_and_has_a_summary_first(page: str) -> None:
    assert "2026-11-22 06:00 UTC" in page
    assert page.index('id="summary"') < page.index('class="group')
    assert '<nav aria-label="Contents">' in page


def test_a_page_of_an_apply_tells_what_was_done_and_what_was_not() -> None:
    page = PAGES["apply"]
    assert "<h1>Apply of production, 2026-11-22</h1>" in page
    for words in ("Ended early: too many failures", "What became of the plans", "the key is wrong", "failed, bolt"):
        assert words in page
    refused = apply_html(replace(MIXED, refusal=Refusal((LimitExceeded("remap", 60, 50, "--allow remap"),))))
    assert "Refused by a safety limit" in refused
    assert "Nothing was done." in apply_html(MIXED)
    assert "Nothing was done." not in refused


def test_a_page_names_environment_address_and_revision() -> None:
    assert "<h1>Plan of production, 2026-11-22</h1>" in PAGES["plan"]
    for fact in ("<dd>production</dd>", "<dd>https://api.example</dd>", "<dd>000000000000</dd>", "<dd>everyone</dd>"):
        assert fact in PAGES["plan"]


def test_the_most_severe_comes_first_in_words() -> None:
    page = PAGES["drift"]
    assert page.index("Critical</span> company-missing, lost") < page.index("Info</span> connection-pending, dawn")
    assert "<li>the merchant: 1 merchant</li>" in page


@pages
def test_every_picture_has_its_numbers_beside_it_as_text(page: str) -> None:
    pictures = re.findall(r"<svg[^>]*>", page)
    assert pictures
    assert all('aria-hidden="true"' in each or 'role="img"' in each for each in pictures)
    for figure in re.findall(r"<figure>.*?</figure>", page):
        assert '<td class="number">' in figure


def test_the_days_of_a_report_are_told_in_words_and_numbers() -> None:
    page = PAGES["report"]
    assert "3 drifts were found and 1 ended. The numbers follow as a table." in page
    assert '<th scope="row">2026-11-20</th><td class="number">1</td><td class="number">1</td>' in page


def test_ten_thousand_merchants_stay_a_usable_file_whose_long_lists_are_folded() -> None:
    alike = plan_html(fleet(*map(changing, NAMES)))
    assert alike.count("Tips payable (820)") == 1
    assert len(alike) < 500_000
    different = plan_html(
        fleet(*(merchant(name, PlanStatus.CHANGE, changes=(remap(name, name[::-1]),)) for name in NAMES))
    )
    assert len(different) < 5_000_000
    assert "<summary>9,990 more lines</summary>" in different
    assert set(NAMES) <= set(re.findall(r"m-\d{5}", different))


def test_a_filtered_page_says_what_it_shows() -> None:
    page = drift_html(MIXED, Shown(FindingFilter(only=Only.DRIFT), 7))
    assert "Shown: only drift. 7 other findings are left out." in page


def test_a_value_is_in_the_page_once_for_all_who_have_it() -> None:
    plans = (
        merchant(name, findings=(replace(finding(merchant=name, field="enabled", live=False, wanted=True)),))
        for name in NAMES[:50]
    )
    page = drift_html(fleet(*plans))
    assert page.count('<td data-of="actual">false</td>') == 1


PAIRS = [("text", "page"), ("quiet", "page"), ("link", "page"), ("bar", "page"), ("other", "page")]
PAIRS += [(severity, f"{severity}-back") for severity in ("critical", "warning", "info")]


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
@pytest.mark.parametrize(("front", "back"), PAIRS, ids=map(str, PAIRS))
def test_colours_have_the_contrast_that_wcag_aa_asks_for(theme: str, front: str, back: str) -> None:
    light, dark, paper = (dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", part)) for part in _themes())
    colours = {"light": light, "dark": light | dark, "print": light | paper}[theme]
    needed = 3.0 if front in ("bar", "other") else 4.5
    assert _contrast(colours[front], colours[back]) >= needed


def _themes() -> tuple[str, str, str]:
    light, rest = STYLE.split("@media(prefers-color-scheme:dark)", 1)
    return light, rest.split("}}", 1)[0], STYLE.split("@media print", 1)[1]


def _contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_findings_of_a_direction_say_who_changed_it() -> None:
    off = finding("sync-disabled", direction=Direction.DRIFT, field="enabled", live=False, wanted=True)
    assert '<td data-of="changed">changed outside merchantctl</td>' in drift_html(fleet(merchant(findings=(off,))))
