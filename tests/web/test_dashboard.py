"""The pages that people look at, over real HTTP."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.model.controller_status import ControllerStatus
from controller.model.desired import DesiredMerchant, Diagnostic, Fleet, Origin
from controller.model.holds import HeldBy, Hold
from controller.model.plan import Actor, Condition, ConditionStatus, Direction, Plan, PlanStatus
from controller.model.report import Applied, Failed, LimitExceeded, Refusal
from controller.web.outside_links import OutsideLinks
from state import EventRow, Store
from tests.unit.reporting.fleets import changing, finding, fleet, merchant, waiting
from tests.web.conftest import Site

NOW = datetime.now(UTC)
NASTY = '<script>alert("x")</script> & {{ 7*7 }} ⁦'


def declared(*names: str, **labels: str) -> Fleet:
    merchants = {name: DesiredMerchant(name, name, platform="gbol", labels=labels) for name in names}
    return Fleet(merchants, frozenset(merchants), (), True, "0" * 64)


def latest(*plans: Plan, **more: Any) -> ControllerStatus:
    return ControllerStatus(plan=fleet(*plans), last_full_pass_at=datetime.now(UTC) - timedelta(minutes=12), **more)


def drifted(name: str, since: datetime = NOW, code: str = "mapping-changed") -> Plan:
    found = finding(code, name, direction=Direction.DRIFT, field="enabled", since=since)
    return merchant(name, PlanStatus.CHANGE, findings=(found,))


def listed(answer: httpx.Response) -> list[str]:
    """The merchants of the list, in its order."""
    rows = answer.text.split("<h2>Merchants</h2>")[1]
    return re.findall(r'href="/merchants/([^"]+)"', rows)


def test_before_the_first_look_the_page_says_so(site: Site) -> None:
    answer = site.api.get("/")
    assert answer.status_code == 200
    assert "The first look at the fleet is under way" in answer.text


def test_the_numbers_are_those_of_the_fleet(site: Site) -> None:
    names = ("a", "b", "c", "d")
    now = datetime.now(UTC)
    times = dict.fromkeys(names, now) | {"c": now - timedelta(minutes=12)}
    seen = {"fleet": declared(*names), "looked_at": times, "outcomes": {"d": Failed("no", True)}}
    site.latest = latest(merchant("a"), merchant("b"), waiting("c"), changing("d"), **seen)
    text = " ".join(site.api.get("/").text.split())
    for number, words in ((4, "merchants"), (2, "in-sync"), (1, "waiting"), (1, "failed"), (0, "change")):
        assert f"<b>{number}</b>{words}</a>" in text
    assert "everyone looked at, the oldest look" in text
    assert "12 minutes ago" in text


def test_who_needs_attention_comes_first_and_newest_drift_stands_by_itself(site: Site) -> None:
    old, new = NOW - timedelta(days=2), NOW - timedelta(hours=1)
    site.latest = latest(merchant("a"), drifted("b", old), drifted("c", new), waiting("d"))
    page = site.api.get("/")
    assert listed(page) == ["c", "b", "d", "a"]
    newest = page.text.split("Newest drift")[1].split("<h2>")[0]
    assert newest.index("/merchants/c") < newest.index("/merchants/b")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"state": "waiting"}, ["shop-b"]),
        ({"code": "connection-pending"}, ["shop-b"]),
        ({"actor": "merchant"}, ["shop-b"]),
        ({"drift": "yes"}, ["shop-c"]),
        ({"name": "SHOP"}, ["shop-c", "shop-b"]),
        ({"name": "*-a"}, ["cafe-a"]),
        ({"label": "country in (gb,ie), !tier"}, ["shop-c", "shop-b", "cafe-a"]),
        ({"label": "country=fr"}, []),
        ({"state": "no-such-state"}, []),
        ({"name": "shop", "drift": "yes"}, ["shop-c"]),
    ],
)
def test_the_list_is_filtered_by_state_finding_actor_drift_label_and_name(
    site: Site, asked: dict[str, Any], found: list[str]
) -> None:
    plans = [merchant("cafe-a"), waiting("shop-b"), drifted("shop-c")]
    site.latest = latest(*plans, fleet=declared("cafe-a", "shop-b", "shop-c", country="gb"))
    assert listed(site.api.get("/", params=asked)) == found


def declared_with(profiles: dict[str, tuple[str, str]]) -> Fleet:
    """By merchant its profile and its platform, as the API calls it."""
    merchants = {
        name: DesiredMerchant(name, name, platform=platform, profile=profile)
        for name, (profile, platform) in profiles.items()
    }
    return Fleet(merchants, frozenset(merchants), (), True, "0" * 64)


PROFILED = declared_with({"ann": ("uk", "gbol"), "bob": ("us", "qhyg"), "cat": ("uk", "fbrh")})


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"profile": "uk"}, ["cat", "ann"]),
        ({"platform": "quickbooks-online"}, ["bob"]),
        ({"profile": "uk", "platform": "xero"}, ["ann"]),
        ({"sort": "merchant"}, ["ann", "bob", "cat"]),
        ({"sort": "-merchant"}, ["cat", "bob", "ann"]),
        ({"sort": "platform"}, ["cat", "bob", "ann"]),
        ({"sort": "-state"}, ["ann", "bob", "cat"]),
        ({"sort": "newest"}, ["cat", "bob", "ann"]),
        ({"sort": "waits-for"}, ["bob", "cat", "ann"]),
        ({"sort": "nonsense"}, ["cat", "bob", "ann"]),
    ],
)
def test_the_list_is_filtered_by_profile_and_platform_and_sorted_by_any_column(
    site: Site, asked: dict[str, Any], found: list[str]
) -> None:
    site.latest = latest(merchant("ann"), waiting("bob"), drifted("cat"), fleet=PROFILED)
    assert listed(site.api.get("/", params=asked)) == found


def test_a_column_is_sorted_the_other_way_round_by_its_heading_and_says_which_way_it_is(site: Site) -> None:
    site.latest = latest(merchant("ann"), waiting("bob"), fleet=PROFILED)
    text = site.api.get("/", params={"profile": "uk", "sort": "merchant"}).text
    assert '<th scope="col" aria-sort="ascending"><a href="/?profile=uk&amp;sort=-merchant">merchant' in text
    assert text.count("aria-sort") == 1


def test_what_is_as_declared_waits_for_nothing(site: Site) -> None:
    """It is meant to be switched off, so its condition Ready is False."""
    off = merchant("ann", conditions=(Condition("Ready", ConditionStatus.FALSE, "not switched on"),))
    site.latest = latest(off)
    assert "not switched on" not in site.api.get("/").text


def test_a_value_leads_to_its_line_in_the_repository_and_a_merchant_to_the_portal(site: Site) -> None:
    origins = {
        "enabled": (Origin("profiles/a b.yaml", 6, 12, "MappingProfile uk"), Origin("m.yaml", 3, 5, "Merchant ann"))
    }
    desired = DesiredMerchant("ann", "ann", platform="gbol", fields={"enabled": True}, origins=origins)
    known = Fleet({"ann": desired}, frozenset({"ann"}), (), True, "0" * 64, commit="c0ffee")
    found = finding("sync-disabled", "ann", field="enabled", live=False, wanted=True)
    plan = replace(merchant("ann", findings=(found,)), company_id="c/1")
    site.latest = latest(plan, fleet=known)
    text = " ".join(site.api.get("/merchants/ann").text.split())
    assert "profiles/a b.yaml:6:12" in text
    assert "blob" not in text
    with site.linking(
        OutsideLinks("https://portal.example/{company}", "https://git.example/{revision}/{file}#L{line}")
    ):
        text = " ".join(site.api.get("/merchants/ann").text.split())
        site.latest = replace(site.latest, fleet=replace(known, commit=None))
        without_commit = site.api.get("/merchants/ann").text
    line = '<a href="https://git.example/c0ffee/m.yaml#L3" rel="noreferrer">m.yaml:3:5</a>'
    assert f'<span class="quiet">Declared at</span> {line}' in text
    assert f'<td data-label="desired">true</td> <td data-label="from">{line}' in text
    assert "https://git.example/c0ffee/profiles/a%20b.yaml#L6" in text
    assert 'href="https://portal.example/c%2F1"' in text
    assert "git.example" not in without_commit


def test_drift_that_was_put_right_is_told_and_needs_nobody(site: Site) -> None:
    site.latest = latest(drifted("acme"), outcomes={"acme": Applied(1)})
    text = " ".join(site.api.get("/").text.split())
    assert "<b>0</b>drifted" in text
    assert "put right" in text.split("Newest drift")[1]
    assert "mapping-changed" not in text.split("<h2>Merchants</h2>")[1]


def test_a_selector_that_is_none_is_explained(site: Site) -> None:
    site.latest = latest(merchant("a"))
    answer = site.api.get("/", params={"label": "a in b"})
    assert answer.status_code == 400
    assert "expected ( here" in answer.text


def test_ten_thousand_merchants_are_shown_a_page_at_a_time(site: Site) -> None:
    site.latest = latest(*(merchant(f"m-{n:05d}") for n in range(10_000)))
    first = site.api.get("/")
    assert listed(first) == [f"m-{n:05d}" for n in range(50)]
    assert len(first.content) < 40_000
    assert listed(site.api.get("/", params={"page": 200}))[-1] == "m-09999"
    assert "page 200 of 200" in site.api.get("/", params={"page": 900}).text
    assert "page 1 of 200" in site.api.get("/", params={"page": "-1e9"}).text
    assert "name=m-00&amp;page=2" in site.api.get("/", params={"name": "m-00"}).text


def test_whatever_a_merchant_is_called_it_is_text(site: Site) -> None:
    plan = merchant(
        NASTY, PlanStatus.BLOCKED, findings=(finding("unknown", NASTY, Actor.OPERATOR, link="javascript:alert(1)"),)
    )
    site.latest = latest(
        plan, drifted(NASTY + "2"), diagnostics=(Diagnostic("a.yaml", 1, 1, NASTY),), pass_failure=NASTY
    )
    name = {"name": NASTY, "label": ""}
    for page in (site.api.get("/"), site.api.get("/", params=name), site.api.get(f"/merchants/{quote(NASTY, '')}")):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text
        assert "javascript:" not in page.text
        assert "⁦" not in page.text


def test_a_refusal_complaints_and_what_was_not_read_stand_at_the_top(site: Site) -> None:
    refusal = Refusal((LimitExceeded("disable", 7, 1, "--allow disable"),))
    plan = replace(fleet(merchant("a")), refusal=refusal, is_complete=False, unread_reasons=("page 2 was not read",))
    complaint = Diagnostic("manifests/a.yaml", 7, 5, "unknown key")
    site.latest = ControllerStatus(
        plan=plan, diagnostics=(complaint,), pass_failure="no answer from Codat", report_only=True
    )
    site.not_ready = "the first look is under way"
    text = site.api.get("/").text
    for words in ("disable: 7", "--allow disable", "manifests/a.yaml:7:5", "page 2 was not read", "no answer from",
                  "reports only", "the first look is under way"):  # fmt: skip
        assert words in text


def test_a_page_loads_nothing_foreign_and_may_not_be_framed(site: Site) -> None:
    answer = site.api.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    own = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert all(each.startswith(("/", "data:,", "#main")) for each in own)
    for part in ("/style.css", "/refresh.js"):
        assert site.api.get(part).status_code == 200


def test_a_merchants_page_tells_findings_changes_consent_and_history(site: Site) -> None:
    name = "page/of one?"
    plan = replace(changing(name), findings=waiting(name).findings, conditions=waiting(name).conditions)
    site.latest = latest(plan, fleet=declared(name, country="gb"))

    async def something_happened(store: Store) -> None:
        run = await store.runs.begin("run", NOW)
        what = {"changes": [{"kind": "create-company", "fields": []}], "reason": "402: limit of companies"}
        await store.runs.record_events(run, [EventRow(NOW - timedelta(days=3), run, name, "failed", what)])

    site.ask(something_happened)
    text = " ".join(site.api.get(f"/merchants/{quote(name, '')}").text.split())
    assert "<dt>platform</dt><dd>xero</dd>" in text, "as manifests call it"
    for words in ("connection-pending", "https://link.example/x", "Set the configuration", "Tips payable (820)",
                  "AccountingConnected", "✗ not met", "country=gb", "create the company; 402: limit",
                  "3 days ago"):  # fmt: skip
        assert words in text


def test_what_was_put_right_is_told_with_what_was_changed(site: Site) -> None:
    site.latest = latest(changing("acme"), outcomes={"acme": Applied(1)})
    text = site.api.get("/merchants/acme").text
    assert "Changed in the last pass" in text
    assert '<span class="badge tone-good">in-sync</span>' in text


def test_a_merchant_that_is_only_remembered_still_has_a_page(site: Site) -> None:
    async def something_happened(store: Store) -> None:
        await store.runs.record_events(await store.runs.begin("run", NOW), [EventRow(NOW, 1, "gone-by", "done")])

    site.ask(something_happened)
    assert "No manifest declares this merchant any more" in site.api.get("/merchants/gone-by").text


def test_nobody_and_nothing_are_not_found(site: Site) -> None:
    assert site.api.get("/merchants/nobody").status_code == 404
    assert site.api.get("/no-such-page").status_code == 404
    assert site.api.post("/").status_code == 405


def test_over_loopback_only_a_name_of_loopback_is_answered(site: Site) -> None:
    """A page of a stranger may point its own name at us; it must not read along."""
    for name in ("127.0.0.1", "localhost:8788", "[::1]:1", "LOCALHOST"):
        assert site.api.get("/", headers={"Host": name}).status_code == 200
    for path in ("/", "/merchants/acme", "/style.css", "/nothing"):
        assert site.api.get(path, headers={"Host": "rebound.example"}).status_code == 421
    for name in ("", "[::1", "127.0.0.1.rebound.example", "127.0.0.1@rebound.example", "::", "[x]:1", "a:b:c"):
        assert site.api.get("/", headers={"Host": name}).status_code == 421
    for path in ("/healthz", "/metrics"):
        assert site.api.get(path, headers={"Host": "controller.internal"}).status_code == 200
    assert site.api.post("/webhooks", headers={"Host": "hooks.example.com"}).status_code == 401


def test_health_readiness_and_metrics(site: Site) -> None:
    site.latest = latest(waiting("secret-merchant-name"))
    assert site.api.get("/healthz").text == "ok\n"
    assert site.api.get("/readyz").status_code == 200
    site.not_ready = "the state cannot be used"
    assert (site.api.get("/readyz").status_code, site.api.get("/readyz").text) == (503, "the state cannot be used\n")
    metrics = site.api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'merchantctl_merchants{state="waiting"} 1.0' in metrics.text
    assert "secret-merchant-name" not in metrics.text


ASKED = ["state", "code", "actor", "drift", "label", "name", "profile", "platform", "sort", "page", "other"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.dictionaries(st.sampled_from(ASKED), st.binary(max_size=20)), name=st.binary(min_size=1, max_size=20))
def test_whatever_is_asked_for_the_page_stands(site: Site, asked: dict[str, bytes], name: bytes) -> None:
    site.latest = latest(merchant("a"), waiting("b"))
    words = "&".join(f"{key}={quote(value, '')}" for key, value in asked.items())
    assert site.api.get(f"/?{words}").status_code in (200, 400)
    assert site.api.get(f"/merchants/x{quote(name, '')}").status_code == 404


def test_a_history_that_cannot_be_read_takes_nothing_else_away(tmp_path: Path) -> None:
    import sqlite3

    with Site(tmp_path) as site:
        site.latest = latest(waiting("acme"))
        with sqlite3.connect(site.state) as database:
            database.execute("DROP TABLE events")
        answer = site.api.get("/merchants/acme")
        assert answer.status_code == 200
        assert "connection-pending" in answer.text
        assert "cannot be used" in answer.text


def test_every_page_bears_the_environment(site: Site) -> None:
    plain = latest(merchant("ann"), fleet=declared("ann"))
    site.latest = plain
    assert 'badge">sandbox' not in site.api.get("/").text
    site.latest = replace(plain, plan=replace(fleet(merchant("ann")), environment="sandbox"))
    assert 'class="badge">sandbox</span>' in site.api.get("/").text
    assert 'class="badge">sandbox</span>' in site.api.get("/merchants/ann").text


def test_who_is_suspended_is_found_by_that_and_says_why(site: Site) -> None:
    why = "suspended until 2026-12-31: in dispute with the bank"
    found = (replace(finding("suspended", "ann"), cause=why),)
    suspended = merchant("ann", findings=found, hold=Hold(HeldBy.SUSPENSION, why))
    site.latest = latest(suspended, merchant("bob"), fleet=declared("ann", "bob"))
    assert listed(site.api.get("/", params={"code": "suspended"})) == ["ann"]
    assert why in site.api.get("/merchants/ann").text


def test_what_is_wrong_with_the_accounts_own_settings_has_a_card(site: Site) -> None:
    found = finding("flow-changed", "(account)", field=NASTY, direction=Direction.DRIFT)
    account = merchant("(account)", PlanStatus.CHANGE, findings=(found,))
    site.latest = ControllerStatus(plan=replace(fleet(merchant("ann")), account=account))
    text = site.api.get("/").text
    assert "flow-changed" in text.split("The account's own settings")[1]
    assert NASTY not in text
    assert listed(site.api.get("/")) == ["ann"]
