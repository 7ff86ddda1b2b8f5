"""Label selectors: kubectl's grammar and its treatment of absent labels."""

from __future__ import annotations

import pytest

from controller.desired.selector import matches_selector, parse_selector
from controller.model.errors import UsageError

GOLD = {"tier": "gold", "country": "gb", "empty": ""}


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "tier",
        "tier=gold",
        "tier==gold",
        " tier = gold , country = gb ",
        "tier!=silver",
        "absent!=gold",
        "tier in (gold,silver)",
        "tier in (gold)",
        "tier notin (silver, bronze)",
        "absent notin (silver)",
        "!absent",
        "! absent",
        "empty=",
        "empty=,tier",
        "tier in(gold),!absent",
    ],
)
def test_what_selects(selector: str) -> None:
    assert matches_selector(selector, GOLD)


@pytest.mark.parametrize(
    "selector",
    ["absent", "tier=silver", "tier!=gold", "tier in (silver)", "tier notin (gold)", "!tier", "tier,absent", "absent="],
)
def test_what_does_not_select(selector: str) -> None:
    assert not matches_selector(selector, GOLD)


@pytest.mark.parametrize(
    "selector",
    [
        *(
            "=",
            "tier=gold,",
            ",",
            "tier in",
            "tier in (",
            "tier in ()",
            "tier in (a",
            "tier in a",
            "tier gold",
            "a=b=c",
        ),
        *("!", "!!a", "tier ~ gold", "tier=(a)", "(a)", "tier notin (a,)", "a,,b"),
    ],
)
def test_a_selector_that_cannot_be_read_is_shown_with_where_it_ends_to_make_sense(selector: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_selector(selector)
    assert ">>>" in str(error.value)
    assert selector in str(error.value).replace(">>>", "")


def test_the_mark_stands_before_what_is_wrong() -> None:
    with pytest.raises(UsageError, match="tier >>>gold"):
        parse_selector("tier gold")
