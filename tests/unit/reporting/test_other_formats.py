"""Markdown, HTML and CSV: the same facts, and nothing that a stranger's name could do there."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from controller.model.plan import Direction
from controller.model.report import LimitExceeded, Refusal
from controller.reporting.csv import FINDING_COLUMNS, PROVENANCE_COLUMNS, drift_csv
from controller.reporting.html import drift_html, plan_html
from controller.reporting.html_page import SCRIPT
from controller.reporting.markdown import drift_markdown, plan_markdown
from tests.unit.reporting.fleets import changing, finding, fleet, merchant, waiting

REFUSED = fleet(changing(), refusal=Refusal((LimitExceeded("remap", 60, 50, "--allow remap"),)))


def test_markdown_shows_changes_as_a_table() -> None:
    assert (
        "| mapping.sales.accounts.gratuity | Tips (610) | Tips payable (820) | changed outside merchantctl |"
        in plan_markdown(REFUSED)
    )
    assert "remap: 60, and the limit is 50. To allow it: `--allow remap`" in plan_markdown(REFUSED)


def test_markdown_keeps_a_row_a_row_whatever_is_in_it() -> None:
    evil = replace(finding(), cause="a | b\n| c <img> @everyone")
    text = drift_markdown(fleet(merchant(findings=(evil,))))
    row = next(line for line in text.splitlines() if line.startswith("| a "))
    assert r"a \| b\\n\| c \<img\> @<!-- -->everyone" in row


def test_findings_show_both_values_and_who_moved_where_they_are_about_a_value() -> None:
    off = finding("sync-disabled", direction=Direction.DRIFT, field="enabled", live=False, wanted=True)
    plan = fleet(merchant(findings=(off, finding("company-duplicate"))))
    table = drift_markdown(plan).splitlines()
    assert "| enabled | false | true | changed outside merchantctl | someone changed it | merchantctl apply |" in table
    assert "| someone changed it | merchantctl apply |" in table
    cells = (("field", "enabled"), ("actual", "false"), ("desired", "true"), ("changed", "changed outside merchantctl"))
    assert "".join(f'<td data-of="{of}">{words}</td>' for of, words in cells) in drift_html(plan)


def test_a_link_leads_where_it_says_and_a_strange_one_is_left_out() -> None:
    here, strange = (
        drift_markdown(fleet(merchant(findings=(finding(link=link),))))
        for link in ("https://link.example/a_b~c", "javascript:alert(1)")
    )
    assert "Link to send: acme: <https://link.example/a_b~c>" in here
    assert "javascript" not in strange


def test_html_escapes_what_it_shows() -> None:
    evil = replace(finding(), cause="<script>alert(1)</script>", link="javascript:alert(1)")
    page = drift_html(fleet(merchant("<b>", findings=(evil,)), unmanaged_names=("<i>",)), unmanaged=True)
    assert "<script" not in page.replace(f"<script>{SCRIPT}", "")
    assert "<b>" not in page.partition("<main")[2].replace("<b>1</b>", "")
    assert "<i>" not in page
    assert "javascript:" not in page


def test_html_shows_changes_refusal_and_link() -> None:
    assert '<td data-of="actual">Tips (610)</td>' in plan_html(REFUSED)
    assert "To allow it: --allow remap" in plan_html(REFUSED)
    assert '<a href="https://link.example/x" rel="noreferrer">' in drift_html(fleet(waiting()))


def test_csv_has_a_row_for_each_finding() -> None:
    found = finding(direction=Direction.DRIFT, field="enabled", live=False, wanted=True)
    rows = list(csv.DictReader(io.StringIO(drift_csv(fleet(merchant(findings=(found,)), waiting("bolt"))))))
    assert tuple(rows[0]) == (*FINDING_COLUMNS, *PROVENANCE_COLUMNS)
    assert (rows[0]["merchant"], rows[0]["live"], rows[0]["wanted"]) == ("acme", "false", "true")
    assert rows[1]["link"] == "https://link.example/x"


def test_csv_lists_unmanaged_companies_when_asked_for() -> None:
    assert len(drift_csv(fleet(unmanaged_names=("x",))).splitlines()) == 1
    (row,) = csv.DictReader(io.StringIO(drift_csv(fleet(unmanaged_names=("x",)), unmanaged=True)))
    assert (row["code"], row["live"]) == ("company-unmanaged", "x")


def test_csv_holds_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(drift_csv(fleet(merchant(findings=(finding(merchant="=1+1"),)))))))
    assert rows[1][0] == "'=1+1"
