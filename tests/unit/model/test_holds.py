"""What keeps changes from being written."""

import re
from pathlib import Path

import pytest

import controller
from controller.model.finding_evidence import EVIDENCE_BY_CODE, NOT_IGNORABLE
from controller.model.holds import HOLD_MEANINGS, HeldBy, Hold, count_closed_by_word

MAY_NAME_WHAT_CLOSES = {"model/holds.py", "planning/holds.py", "desired/compile.py"}


def test_every_kind_of_hold_says_what_it_means() -> None:
    assert set(HOLD_MEANINGS) == set(HeldBy)


@pytest.mark.parametrize("by", [by for by in HeldBy if HOLD_MEANINGS[by].closed_word])
def test_a_merchant_that_is_closed_says_so_by_a_finding_that_nobody_can_ignore(by: HeldBy) -> None:
    assert HOLD_MEANINGS[by].closed_word in EVIDENCE_BY_CODE.keys() & NOT_IGNORABLE
    assert HOLD_MEANINGS[by].manifest_key


def test_closed_merchants_are_counted_by_their_word_and_others_not_at_all() -> None:
    holds = [Hold(HeldBy.SUSPENSION, "suspended: an audit"), Hold(HeldBy.LIMIT, "over the limit"), None]
    assert count_closed_by_word(holds) == {"suspended": 1}
    assert count_closed_by_word([None]) == {"suspended": 0}


def test_only_its_own_door_names_a_kind_of_hold_that_closes() -> None:
    """Whatever else asks for it by name would forget the next kind."""
    root = Path(controller.__file__).parent
    closing = "|".join(by.name for by in HeldBy if HOLD_MEANINGS[by].closed_word)
    named = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(rf"HeldBy\.({closing})\b", path.read_text(encoding="utf-8"))
    }
    assert named == MAY_NAME_WHAT_CLOSES
