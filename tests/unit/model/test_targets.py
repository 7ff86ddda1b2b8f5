"""Which merchants a name on the command line means."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from controller.model.name_matching import match_names_by_glob

names = st.text("ab1[]*?!-", min_size=1, max_size=6)


@given(st.sets(names), names)
def test_a_name_that_somebody_bears_means_that_one_and_nobody_else(others: set[str], name: str) -> None:
    assert match_names_by_glob(name, {*others, name}) == {name}


@given(st.sets(names), names)
def test_a_name_that_nobody_bears_is_a_glob(others: set[str], glob: str) -> None:
    others.discard(glob)
    assert match_names_by_glob(glob, others) == {name for name in others if fnmatchcase(name, glob)}
