"""Who goes when."""

from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies._internal.random import ArtificialRandom

from controller.desired.selector import matches_selector
from controller.model.errors import UsageError
from controller.rollout.waves import DEFAULT_WAVES, is_selector_or_raise, split_into_waves

NAMES = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=6)
LABELS = st.dictionaries(st.sampled_from(["tier", "country"]), st.sampled_from(["canary", "gold", "gb"]), max_size=2)
FLEETS = st.dictionaries(NAMES, LABELS, max_size=60)
SPECS = st.lists(
    st.integers(1, 70).map(str) | st.integers(1, 100).map("{}%".format) | st.sampled_from(["tier=canary", "!country"]),
    max_size=5,
)


@given(FLEETS, SPECS)
def test_every_merchant_goes_in_exactly_one_wave_and_the_last_is_never_empty(
    fleet: dict[str, Any], specs: list[str]
) -> None:
    found = split_into_waves(fleet, specs, matches_selector)
    assert sorted(name for wave in found for name in wave) == sorted(fleet)
    assert all(found[-1:])
    assert all(found) or any(map(is_selector_or_raise, specs))


@given(FLEETS, SPECS, st.randoms())
def test_the_same_merchants_make_the_same_waves_in_whatever_order_they_come(
    fleet: dict[str, Any], specs: list[str], random: ArtificialRandom
) -> None:
    shuffled = list(fleet.items())
    random.shuffle(shuffled)
    assert split_into_waves(dict(shuffled), specs, matches_selector) == split_into_waves(fleet, specs, matches_selector)


@given(FLEETS, SPECS)
def test_the_words_bound_the_waves(fleet: dict[str, Any], specs: list[str]) -> None:
    """A number is a size; a share is of all, with those before; a label is all who bear it and have not gone.

    While anybody is left, a wave of labels has its number though nobody goes in it.
    """
    left, gone = dict(fleet), 0
    found = iter(split_into_waves(fleet, specs, matches_selector))
    for spec in specs:
        if is_selector_or_raise(spec):
            due = [name for name, labels in left.items() if matches_selector(spec, labels)]
            size = len(due)
        elif spec.endswith("%"):
            size = max(0, ceil(len(fleet) * int(spec[:-1]) / 100) - gone)
        else:
            size = min(int(spec), len(left))
        wave = next(found) if size or (left and is_selector_or_raise(spec)) else ()
        assert len(wave) == size
        assert not is_selector_or_raise(spec) or sorted(wave) == sorted(due)
        gone += size
        left = {name: labels for name, labels in left.items() if name not in wave}


def test_the_usual_waves_of_a_thousand() -> None:
    fleet: dict[str, dict[str, str]] = {f"m-{number:04}": {} for number in range(1000)}
    assert [len(wave) for wave in split_into_waves(fleet, DEFAULT_WAVES, matches_selector)] == [1, 49, 200, 750]


def test_neighbours_in_the_alphabet_do_not_go_together() -> None:
    fleet: dict[str, dict[str, str]] = {f"m-{number:04}": {} for number in range(1000)}
    first, *_ = split_into_waves(fleet, ["10"], matches_selector)
    hundreds = {name[2:4] for name in first}
    assert len(hundreds) > 5


@pytest.mark.parametrize("spec", ["0", "0%", "101%", "00", "1.5", "5.0001%", "%", "", "9" * 10])
def test_a_number_or_a_share_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="bad wave"):
        is_selector_or_raise(spec)
