"""A manifest that goes under `deletion: Retain`: the plan names who leaves, `drift` lists it, the history says it."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.place import Place


@pytest.fixture
def left(place: Place) -> Place:
    place.provision(*(f"m-{number}" for number in range(12)))
    place.remove_manifests("m-3")
    return place


def test_the_plan_says_who_leaves_until_an_apply_has_noted_it(left: Place) -> None:
    said = left.run_in_process("plan").stdout
    assert "m-3: the manifest is gone, and policy deletion: Retain" in said
    document = json.loads(left.run_in_process("plan", "-o", "json").stdout)
    assert [each["merchant"] for each in document["retained"]] == ["m-3"]
    left.apply()
    assert "the manifest is gone" not in left.run_in_process("plan").stdout


@pytest.mark.parametrize("output", ["text", "json", "markdown", "html", "csv"])
def test_drift_lists_it_among_the_unmanaged_and_it_changes_no_exit_code(left: Place, output: str) -> None:
    left.apply()
    done = left.run_in_process("drift", "--unmanaged", "-o", output)
    assert done.returncode == 0
    assert "m-3" in done.stdout.replace("\\", "")
    assert "company-unmanaged: 1 company" in left.run_in_process("drift").stdout


def test_the_history_says_when_it_left_and_when_it_came_back(left: Place) -> None:
    left.apply()
    assert "left management" in left.run_in_process("history", "m-3").stdout
    left.merchant("m-3")
    left.apply()
    past = left.run_in_process("history", "m-3").stdout
    assert "came back" in past
    left.apply()
    assert left.run_in_process("history", "m-3").stdout == past
    assert "company-unmanaged" not in left.run_in_process("drift").stdout


def test_a_look_at_a_part_says_nobody_left(left: Place) -> None:
    assert "the manifest is gone" not in left.run_in_process("plan", "--target", "m-1").stdout
