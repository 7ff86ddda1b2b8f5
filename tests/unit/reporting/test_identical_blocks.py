"""Many merchants of whom the same is to be said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.model.report import Skipped
from controller.reporting.identical_blocks import MAX_NAMES_IN_GROUP, MIN_GROUP_SIZE, collapse_identical
from controller.reporting.paint import WITHOUT_COLOUR
from controller.reporting.text import apply_text, plan_text
from tests.unit.reporting.fleets import changing, fleet, report, waiting

BLOCKS = st.dictionaries(st.from_regex(r"m-[0-9]{3}", fullmatch=True), st.sampled_from(["one", "other"]), max_size=40)


def test_a_change_to_a_whole_fleet_is_one_block_that_names_the_others() -> None:
    text = plan_text(fleet(*(changing(f"m-{number:03}") for number in range(100))))
    assert text.count("set the configuration") == 1
    assert "m-000  change" in text
    assert "likewise m-001, m-002, " in text
    assert f"and {99 - MAX_NAMES_IN_GROUP} more" in text


def test_a_few_are_told_of_one_by_one() -> None:
    text = plan_text(fleet(*(changing(f"m-{number}") for number in range(MIN_GROUP_SIZE - 1))))
    assert text.count("set the configuration") == MIN_GROUP_SIZE - 1


def test_one_that_differs_keeps_its_own_block() -> None:
    text = plan_text(fleet(*(changing(f"m-{number}") for number in range(MIN_GROUP_SIZE)), waiting("other")))
    assert "https://link.example/x" in text
    assert "\nother  waiting" in text


def test_many_outcomes_alike_are_one_line_with_every_name() -> None:
    names = [f"m-{number:02}" for number in range(5 * MAX_NAMES_IN_GROUP)]
    text = apply_text(report(fleet(), {name: Skipped("stopped by SIGTERM") for name in names}))
    assert text.count("stopped by SIGTERM") == 1
    assert f"likewise {', '.join(names[1:])}\n" in text
    assert f"{len(names)} skipped" in text


@given(BLOCKS)
def test_nobody_is_left_out_and_nobody_is_told_of_twice(said: dict[str, str]) -> None:
    blocks = collapse_identical([(name, [name, f"  {word}"]) for name, word in said.items()], WITHOUT_COLOUR)
    told = "\n".join(line for block in blocks for line in block)
    groups = [[name for name, word in said.items() if word == each] for each in ("one", "other")]
    shown = {
        name for group in groups for name in (group if len(group) < MIN_GROUP_SIZE else group[: MAX_NAMES_IN_GROUP + 1])
    }
    assert [told.count(name) for name in said] == [1 if name in shown else 0 for name in said]
