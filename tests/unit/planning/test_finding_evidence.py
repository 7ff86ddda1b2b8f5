"""A finding is over only on a look that could have seen it: what each look judges, and what each finding rests on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.model.desired import DeletionPolicy, DesiredMerchant, LinkState
from controller.model.finding_evidence import EVIDENCE_BY_CODE, FindingAbsence, classify_absence
from controller.model.hooks import HookKind
from controller.model.observed import Absent, Company, DataTypeStatus, Observed, Unread
from controller.model.plan import CheckedPart
from controller.planning.plan import STEPS
from tests.build import (
    USUAL_NOW,
    company_with_connection,
    data_statuses,
    desired_merchant,
    make_usual_plan,
    observed,
    recorded_state,
    usual_company,
    usual_configuration,
)

HOUSE = Path(__file__).parents[3] / "controller"
FIELD = "mapping.sales.accounts.sales"
UNREAD = Unread("503")


# The table ----------------------------------------------------------------------------------------------

NO_CODES = frozenset({"tax-rate", "not-offered"})
"""Words of planning and reconcile that look like a finding's code and are none: kinds, classes, states, problems."""

ONE_WORD = frozenset({"unknown", "quarantined"})
PIECE = re.compile(r"-[a-z]+|[a-z]+-")
KEBAB = re.compile(r"[a-z]+(-[a-z]+)+")


def words() -> Iterator[tuple[str, str]]:
    """Every text in the two packages that has the form of a code, whole or as a piece of an f-string, and its file."""
    for path in sorted([*(HOUSE / "planning").rglob("*.py"), *(HOUSE / "reconcile").rglob("*.py")]):
        tree = ast.parse(path.read_text())
        pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if KEBAB.fullmatch(node.value) or (id(node) in pieces and PIECE.fullmatch(node.value)):
                yield node.value, path.name


def is_decided(word: str) -> bool:
    if word.startswith("-") or word.endswith("-"):
        return any(code.endswith(word) or code.startswith(word) for code in EVIDENCE_BY_CODE)
    return word in EVIDENCE_BY_CODE or word in NO_CODES


def test_every_code_that_a_finding_can_have_says_what_it_rests_on() -> None:
    undecided = sorted({f"{word} ({file})" for word, file in words() if not is_decided(word)})
    assert not undecided, "say in model/finding_evidence.py what each rests on, or in NO_CODES that it is no code"
    assert EVIDENCE_BY_CODE.keys() >= ONE_WORD


def test_the_table_has_no_code_that_nobody_finds() -> None:
    text = "\n".join(path.read_text() for path in HOUSE.rglob("*.py") if path.name != "finding_evidence.py")
    ends = re.compile(r"-(deleted|archived|recreated|remapped|unresolved|ambiguous|held)$")
    of_hooks = {f"{kind}-{fate}" for kind in HookKind for fate in re.findall(r'_finding\("([a-z]+)"', text)}
    assert [c for c in EVIDENCE_BY_CODE if f'"{c}"' not in text and c not in of_hooks and not ends.search(c)] == []


def test_every_part_is_judged_by_some_look_and_rested_on_by_some_finding() -> None:
    assert set().union(*EVIDENCE_BY_CODE.values()) == set(CheckedPart)
    everything = make_usual_plan(
        seen=observed(data_status=data_statuses(), listing_is_complete=True, company=fresh()),
        last=recorded_state(last_sync=None),
    )
    others = {CheckedPart.SYNC, CheckedPart.ACCOUNT}
    assert set(CheckedPart) - everything.checked_parts == others, (
        "nobody has read a sync yet; the account is no merchant"
    )


def fresh() -> Company:
    commerce, accounting = usual_company().connections
    return replace(usual_company(), connections=(commerce, replace(accounting, last_pulled_at=USUAL_NOW)))


# What a look judges -------------------------------------------------------------------------------------

STEP_PARTS = [part for _, part in STEPS]


@pytest.mark.parametrize(
    ("seen", "judged"),
    [
        (observed(company=UNREAD), set()),
        (observed(company=Absent()), {CheckedPart.COMPANY, CheckedPart.EVERYTHING}),
        (observed(company=company_with_connection("PendingAuth")), {*STEP_PARTS[:3], CheckedPart.EVERYTHING}),
        (observed(configuration=UNREAD), {*STEP_PARTS[:3]}),
        (observed(usual_configuration({"configured": False}), data_status=UNREAD), {*STEP_PARTS[:3]}),
        (observed(), {*STEP_PARTS, CheckedPart.EVERYTHING}),
    ],
    ids=["company unread", "company gone", "no consent", "document unread", "data status unread", "all read"],
)
def test_what_comes_after_a_part_that_is_not_met_or_not_read_is_not_judged(
    seen: Observed, judged: set[CheckedPart]
) -> None:
    assert make_usual_plan(seen=seen).checked_parts - {CheckedPart.DATA_AGE} == judged


def test_a_list_that_is_not_complete_says_nothing_of_namesakes() -> None:
    for listed in (True, False):
        look = make_usual_plan(seen=observed(listing_is_complete=listed))
        assert (classify_absence("company-duplicate", "company.name", look) is FindingAbsence.CLOSED) == listed


def test_a_failed_pull_is_over_only_where_the_data_status_was_read() -> None:
    assert classify_absence("data-pull-failed", "", make_usual_plan()) is FindingAbsence.NOT_CHECKED
    assert (
        classify_absence("data-pull-failed", "", make_usual_plan(seen=observed(data_status=data_statuses())))
        is FindingAbsence.CLOSED
    )
    failing = data_statuses(customers=DataTypeStatus("customers", "Error", USUAL_NOW))
    assert "data-pull-failed" in {each.code for each in make_usual_plan(seen=observed(data_status=failing)).findings}


def test_a_field_whose_record_was_not_read_keeps_what_stands_of_it() -> None:
    """The other fields of the same document were judged."""
    other = "mapping.sales.accounts.refund"
    live = usual_configuration()
    gone = replace(live, options={**live.options, FIELD: ()})
    look = make_usual_plan(seen=observed(gone))
    assert [each.code for each in look.findings if each.field == FIELD] == ["unknown"]
    assert classify_absence("account-archived", FIELD, look) is FindingAbsence.NOT_CHECKED
    assert classify_absence("account-archived", other, look) is FindingAbsence.CLOSED
    assert classify_absence("rollout-held", "", look) is FindingAbsence.NOT_CHECKED, (
        "it may depend on what was not read"
    )


@pytest.mark.parametrize(
    "wish", [desired_merchant(link_state=LinkState.UNLINKED), desired_merchant(removal=DeletionPolicy.UNLINK)]
)
def test_of_a_merchant_that_is_to_be_down_nobody_asks_for_what_it_would_need(wish: DesiredMerchant) -> None:
    look = make_usual_plan(wish, observed(company=company_with_connection("Unlinked")))
    assert {classify_absence(code, "", look) for code in ("mapping-changed", "data-stale", "last-sync-failed")} == {
        FindingAbsence.CLOSED
    }
    unread = make_usual_plan(wish, observed(company=UNREAD))
    assert classify_absence("mapping-changed", "", unread) is FindingAbsence.NOT_CHECKED
