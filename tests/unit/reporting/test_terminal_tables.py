"""Tables on a terminal: long names are shortened where a row would be cut, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

from controller.model.plan import Actor, PlanStatus
from controller.reporting.formatting import SHORT_CELL, align_columns
from controller.reporting.paint import Paint
from controller.reporting.text import plan_text
from controller.reporting.text_drift_and_status import drift_text, status_text
from tests.unit.reporting.fleets import finding, fleet, merchant

LONG = "franchise-uk-london-high-street-of-a-long-name-0001"
UNREAD = "could not be read: GET /companies/{id}: not sent: cannot connect to 127.0.0.1:1"


def unread(number: int) -> str:
    return UNREAD.format(id=f"c33931ee-cfa7-4fbf-9c2a-db8300259c{number:02}")


def test_a_long_name_is_shortened_in_its_middle_where_the_row_is_too_wide() -> None:
    (line,) = align_columns([(LONG, "in-sync", "nothing")], "", width=60)
    name = line.split()[0]
    assert len(name) == SHORT_CELL
    assert name.startswith("franchise-uk-lo")
    assert name.endswith("a-long-name-0001")


def test_a_name_is_whole_where_there_is_room_or_no_terminal() -> None:
    assert LONG in align_columns([(LONG, "in-sync")], "", width=80)[0]
    assert LONG in align_columns([(LONG, "x" * 200)], "")[0]
    assert LONG in status_text(fleet(merchant(LONG)))
    assert LONG not in status_text(fleet(merchant(LONG)), Paint(width=60))


def test_the_last_cell_of_a_row_is_never_shortened() -> None:
    link = "https://link.example/" + "x" * 90
    assert link in align_columns([("a", link)], "", width=40)[0]


def test_where_nothing_answers_that_is_said_once_whatever_the_ids() -> None:
    plans = [
        merchant(
            name, PlanStatus.UNKNOWN, findings=(replace(finding("unknown", name, Actor.CODAT), cause=unread(number)),)
        )
        for number, name in enumerate(("acme", "bolt", "dawn"))
    ]
    for text in (plan_text(fleet(*plans)), drift_text(fleet(*plans))):
        assert text.count("cannot connect") == 1
        assert "likewise bolt, dawn" in text


def test_of_many_merchants_a_terminal_says_who_must_act() -> None:
    plans = [merchant(f"m-{number}", findings=(finding(merchant=f"m-{number}"),)) for number in range(5)]
    for show in (plan_text, drift_text):
        assert "Who must act: merchantctl apply for 5 merchants." in show(fleet(*plans)).splitlines()
        assert "Who must act" not in show(fleet(*plans[:4]))
