"""The dashboard in a browser: its policy lets its style and its script in; the form and the links lead on."""

from __future__ import annotations

import pytest

from controller.model.plan import PlanStatus
from state import EventRow, Store
from tests.contract import webdriver
from tests.contract.webdriver import Browser
from tests.unit.reporting.fleets import NOW, merchant, waiting
from tests.web.conftest import Site
from tests.web.test_dashboard import latest

pytestmark = pytest.mark.skipif(bool(webdriver.missing()), reason=f"not installed: {webdriver.missing()}")

_LOADED = "return performance.getEntriesByType('resource').map(each => [each.name, each.responseStatus])"


def test_somebody_looks_for_a_merchant_that_waits(site: Site) -> None:
    site.latest = latest(merchant("acme"), waiting("shop-1"), merchant("shop-2", PlanStatus.BLOCKED))
    with webdriver.browser() as window:
        assert window.open(f"{site.url}/") == 200
        loaded = dict(window.script(_LOADED))
        assert loaded == {f"{site.url}/style.css": 200, f"{site.url}/refresh.js": 200}
        assert window.script("return getComputedStyle(document.querySelector('.tile')).borderTopStyle") == "solid"
        window.script("document.querySelector('[name=name]').value = 'shop'")
        window.choose("state", offered(window).index("waiting"))
        window.click("//button")
        assert window.reads("1 of 3")
        window.click("//a[text()='shop-1']")
        assert window.reads("https://link.example/x")
        assert "connection-pending" in window.text()


@pytest.mark.parametrize("name", ["x" * 190, "shop " * 38, "קפה" * 60])
def test_no_name_widens_a_page(site: Site, name: str) -> None:
    site.latest = latest(merchant("acme"), waiting(name.strip()))
    with webdriver.browser() as window:
        for page in ("/", f"/?name={name[:3]}"):
            assert window.open(f"{site.url}{page}") == 200
            assert window.script("return document.documentElement.scrollWidth <= window.innerWidth")
            wide = (
                "return [...document.querySelectorAll('.scroll')].filter(each => each.scrollWidth > each.clientWidth)"
            )
            assert window.script(f"{wide}.length") == 0


def test_the_words_of_a_history_are_not_broken_for_the_sake_of_its_longest_line(site: Site) -> None:
    site.latest = latest(merchant("acme"))

    async def something_happened(store: Store) -> None:
        run = await store.runs.begin("run", NOW)
        fields = [{"field": f"mapping.sales.accounts.a{number}", "from": None, "to": "x" * 40} for number in range(9)]
        changes = {"changes": [{"kind": "set-configuration", "fields": fields}]}
        await store.runs.record_events(run, [EventRow(NOW, run, "acme", "done", changes)])

    site.ask(something_happened)
    with webdriver.browser() as window:
        assert window.open(f"{site.url}/merchants/acme") == 200
        cell = "document.querySelector('.history td:nth-child(2)')"
        assert window.script(f"return {cell}.textContent") == "done"
        assert window.script(f"return {cell}.getClientRects()[0].width") > 25
        assert window.script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_a_name_that_is_read_from_the_right_turns_nothing_else_around(site: Site) -> None:
    site.latest = latest(waiting("קפה 12"))
    with webdriver.browser() as window:
        window.open(f"{site.url}/")
        isolated = "[...document.querySelectorAll('td, td a')].map(each => getComputedStyle(each).unicodeBidi)"
        assert set(window.script(f"return {isolated}")) == {"isolate"}


def offered(window: Browser) -> list[str]:
    return window.script("return [...document.querySelectorAll('[name=state] option')].map(each => each.text)")
