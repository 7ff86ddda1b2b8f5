"""The page of a report in a browser: on a phone and on a desk, with its filter and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.model.plan import PlanStatus
from controller.reporting.html import plan_html
from controller.reporting.period_html import period_report_html
from tests.contract import webdriver
from tests.contract.webdriver import Browser
from tests.unit.model.test_period_report import memory, occurrence, report
from tests.unit.reporting.fleets import changing, fleet, merchant, remap, waiting

pytestmark = pytest.mark.skipif(bool(webdriver.missing()), reason=f"not installed: {webdriver.missing()}")

LONG = "a-merchant-of-a-very-long-name-" * 6
PLAN = plan_html(
    fleet(
        *(changing(f"m-{number:03}") for number in range(50)),
        *(merchant(f"odd-{number}", PlanStatus.CHANGE, changes=(remap(f"{number}", "x"),)) for number in range(30)),
        waiting(LONG),
        base_url="https://api.example",
    )
)
PERIOD = period_report_html(report(memory(occurrence(LONG, found=3, gone=2), occurrence(f"{LONG}b", found=2))))
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with webdriver.browser() as window:
        yield window


@pytest.mark.parametrize("width", [1300, 800, 390])
@pytest.mark.parametrize("page", [PLAN, PERIOD], ids=["plan", "report"])
def test_nothing_is_wider_than_the_window(window: Browser, tmp_path: Path, page: str, width: int) -> None:
    window.resize(width)
    window.show(page, tmp_path)
    needed, there = window.script(WIDTHS)
    assert needed <= there
    cut = "[...document.querySelectorAll('main *')].filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)"
    assert window.script(f"return {cut}.map(e => e.outerHTML.slice(0, 80))") == []


def test_a_name_that_is_read_from_the_right_turns_nothing_else_around(window: Browser, tmp_path: Path) -> None:
    window.show(plan_html(fleet(waiting("קפה 12"), *(changing(f"קפה {number}") for number in range(3)))), tmp_path)
    around = "e => e.children.length === 0 && e.textContent.includes('קפה')"
    named = f"[...document.querySelectorAll('main *')].filter({around})"
    assert window.script(f"return {named}.length")
    isolated = f"{named}.map(e => getComputedStyle(e.closest('h1,h2,h3,td,th,li,a,dd,summary') || e).unicodeBidi)"
    assert set(window.script(f"return {isolated}")) == {"isolate"}


def test_the_filter_shows_the_merchant_that_is_looked_for_and_what_is_said_of_it(
    window: Browser, tmp_path: Path
) -> None:
    window.show(PLAN, tmp_path)
    shown = "return [...document.querySelectorAll('.group')].filter(e => !e.hidden).length"
    assert window.script(shown) == 2
    _type(window, "odd-17")
    assert window.reads("1 of 2 groups")
    assert "odd-17" in window.text()
    assert "odd-18" not in window.text()
    _type(window, "")
    assert window.script(shown) == 2


def test_without_the_script_everything_is_there_but_the_filter(window: Browser, tmp_path: Path) -> None:
    start, _, rest = PLAN.partition("<script>")
    window.show(start + rest.partition("</script>")[2], tmp_path)
    assert "Show only groups" not in window.text()
    assert "50 merchants" in window.text()
    for name in ("m-042", "odd-29"):
        assert window.script(f"return document.body.textContent.includes('{name}')")


def _type(window: Browser, words: str) -> None:
    window.script(
        f"const q = document.querySelector('#words'); q.value = '{words}'; q.dispatchEvent(new Event('input'))"
    )
    window.script("return new Promise(done => setTimeout(done, 300))")
