"""Who goes when: a population cut into waves.

    10          ten merchants
    25%         as many as it takes until a quarter of all have gone
    tier=canary those who bear the label, and have not gone yet

Whoever no wave names goes in one more at the end. Within a wave of a number or a share the order is that of a hash of
the names, so that neighbours in the alphabet, who often have much in common, do not go together.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from controller.model.errors import UsageError

DEFAULT_WAVES = ("1", "5%", "25%", "100%")

Labels = Mapping[str, str]
SelectorMatch = Callable[[str, Labels], bool]
"""Whether a selector picks a merchant of these labels."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%")


def split_into_waves(
    population: Mapping[str, Labels], specs: Sequence[str], selects: SelectorMatch
) -> tuple[tuple[str, ...], ...]:
    """Every merchant in exactly one wave. Raises UsageError as `is_selector_or_raise` does.

    A wave of labels keeps its place though none of those who bear them is to change: the second wave never becomes the
    first. A number or a share of which nobody is left is no wave, and nor is anything after the last merchant.
    """
    left = sorted(population, key=_shuffle_key)
    found: list[tuple[str, ...]] = []
    for spec in (*specs, "100%"):
        wave = _next_wave(spec, left, population, selects)
        gone = frozenset(wave)
        if wave or (left and is_selector_or_raise(spec)):
            found.append(wave)
        left = [name for name in left if name not in gone]
    return tuple(found)


def is_selector_or_raise(spec: str) -> bool:
    """Whether a wave is given by labels. Raises UsageError for a number or a share that is none."""
    if re.fullmatch(r"[0-9.]*%?", spec) is None:
        return True
    share = _SHARE.fullmatch(spec)
    in_range = 0 < Fraction(share[1]) <= 100 if share else bool(_NUMBER.fullmatch(spec)) and int(spec) > 0
    if not in_range:
        raise UsageError(
            f"bad wave {spec!r}: say a number of merchants (10), a share of all of them (25%), or labels (tier=canary)"
        )
    return False


def _next_wave(
    spec: str, left: Sequence[str], population: Mapping[str, Labels], selects: SelectorMatch
) -> tuple[str, ...]:
    if is_selector_or_raise(spec):
        return tuple(name for name in left if selects(spec, population[name]))
    share = _SHARE.fullmatch(spec)
    if share is None:
        return tuple(left[: int(spec)])
    gone = len(population) - len(left)
    # Not in floating point, where 16.1 % of 1,000 are 162.
    due = math.ceil(len(population) * Fraction(share[1]) / 100)
    return tuple(left[: max(0, due - gone)])


def _shuffle_key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
