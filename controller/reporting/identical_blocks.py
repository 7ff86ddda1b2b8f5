"""Merchants of whom the same is to be said are told of once: a change to thousands is one block, not thousands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from controller.model.statement_groups import without_name_and_ids
from controller.reporting.formatting import format_list
from controller.reporting.paint import Paint

MIN_GROUP_SIZE = 5
"""So many that say the same, but for the name, are one block."""
MAX_NAMES_IN_GROUP = 12
"""So many of the others are named under it, where a number will do; JSON has them all."""

MerchantBlock = tuple[str, Sequence[str]]
"""A merchant and the lines about it."""


def collapse_identical(
    blocks: Iterable[MerchantBlock],
    paint: Paint,
    max_names: int = MAX_NAMES_IN_GROUP,
    min_group_size: int = MIN_GROUP_SIZE,
) -> list[list[str]]:
    """The blocks' lines in their order; of `min_group_size` alike the first speaks for all.

    max_names  so many of the others are named
    """
    blocks = list(blocks)
    alike = _names_by_block(blocks)
    told: list[list[str]] = []
    for name, block in blocks:
        group = alike[_block_without_name(name, block)]
        if len(group) < min_group_size:
            told.append([*block])
        elif name == group[0]:
            told.append([*block, paint("strong", "  likewise ") + format_list(group[1:], max_names)])
    return told


def _names_by_block(blocks: Sequence[MerchantBlock]) -> dict[tuple[str, ...], list[str]]:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, block in blocks:
        groups[_block_without_name(name, block)].append(name)
    return groups


def _block_without_name(name: str, block: Sequence[str]) -> tuple[str, ...]:
    return tuple(without_name_and_ids(line, name) for line in block)
