"""Merchants of whom the same is to be said are told of once: a change to thousands is one block, not thousands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from controller.reporting.paint import Paint
from controller.reporting.words import listed

MANY = 5
"""So many that say the same, but for the name, are one block."""
NAMED = 12
"""So many of the others are named under it, where a number will do; JSON has them all."""

Block = tuple[str, Sequence[str]]
"""A merchant and the lines about it."""


def told_once(blocks: Iterable[Block], paint: Paint, named: int = NAMED) -> list[list[str]]:
    """The blocks' lines in their order; of many alike the first speaks for all, and `named` others are named."""
    blocks = list(blocks)
    alike = _alike(blocks)
    told: list[list[str]] = []
    for name, block in blocks:
        group = alike[_said(name, block)]
        if len(group) < MANY:
            told.append([*block])
        elif name == group[0]:
            told.append([*block, paint("strong", "  likewise ") + listed(group[1:], named)])
    return told


def _alike(blocks: Sequence[Block]) -> dict[tuple[str, ...], list[str]]:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, block in blocks:
        groups[_said(name, block)].append(name)
    return groups


def _said(name: str, block: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.replace(name, "") for line in block)
