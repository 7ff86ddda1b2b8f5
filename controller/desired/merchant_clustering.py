"""Groups of merchants that have most of what they declare in common. Pure.

everyone ─▶ halved by the value that saves most ─▶ each merchant to the half that it differs from less
            and again each half, as long as the manifests get shorter

A half is made only where values that go together tell it from the other, so that chance makes no groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cached_property

Group = tuple[int, ...]
"""The positions of its merchants, ascending."""

_MIN_SIZE, _MIN_PERCENT = 3, 2
_MIN_TELLING_FIELDS = 3
_MIN_TELLING_PERCENT = 60
"""A field tells two halves apart where so many more of one have the same value, in percentage points. Independent
values reach 50 when merchants are sorted by three of them."""

_MIN_TELLING_SHARE = 1 / 3
"""So many of the fields on which merchants differ must tell the halves apart: a few of many fields agree by chance."""

_MAX_CANDIDATES = 200
"""So many values at most are tried to halve a group: it bounds the time, not the result of a fleet with groups."""

_MAX_ROUNDS = 5


def min_group_size(merchant_count: int) -> int:
    """How many merchants a group needs among so many."""
    return max(_MIN_SIZE, -(-merchant_count * _MIN_PERCENT // 100))


def find_groups(
    declared: Sequence[Mapping[str, Hashable]], count_lines: Callable[[Sequence[Group]], float]
) -> tuple[Group, ...]:
    """The groups whose manifests take the fewest lines, the largest first; one where more would save none.

    declared     by field path, what each merchant declares
    count_lines  how many lines all manifests take when each of the groups has its profile
    """
    everyone = tuple(range(len(declared)))
    table, min_size = _Table(declared), min_group_size(len(declared))
    groups, waiting = [everyone], [everyone]
    lines: float | None = None
    while waiting:
        group = waiting.pop()
        halves = _halve(table, group, min_size)
        if not halves:
            continue
        if lines is None:
            lines = count_lines(groups)
        more = [*(other for other in groups if other != group), *halves]
        if (fewer := count_lines(more)) < lines:
            groups, lines = more, fewer
            waiting += halves
    if lines is not None and len(groups) > 2:
        # A merchant that an early cut put on the wrong side may be nearer to a group that was found later.
        settled = _move_to_nearest_groups(table, groups, min_size)
        if settled and count_lines(settled) < lines:
            groups = settled
    return tuple(sorted(groups, key=lambda group: (-len(group), group)))


class _Table:
    """What is declared, by numbers: one for each value of each path, in the order in which they are met.

    declared  by merchant, the numbers of its values
    paths     by merchant, the paths that it declares
    """

    def __init__(self, declared: Sequence[Mapping[str, Hashable]]) -> None:
        numbers: dict[tuple[str, Hashable], int] = {}
        # By path: values are numbered alike whatever the order of a merchant's fields.
        self.declared = [
            frozenset(numbers.setdefault((path, fields[path]), len(numbers)) for path in sorted(fields))
            for fields in declared
        ]
        self.paths = [frozenset(fields) for fields in declared]
        self.path_of = [path for path, _ in numbers]

    @cached_property
    def merchant_bits_by_value(self) -> list[int]:
        """By value, who has it: bit n is merchant n. An intersection of thousands takes a microsecond."""
        holders: list[list[int]] = [[] for _ in self.path_of]
        for merchant, values in enumerate(self.declared):
            for value in values:
                holders[value].append(merchant)
        return [_bit_mask(each) for each in holders]

    def majority_values(self, group: Group) -> frozenset[int]:
        """The values that more than half of a group have."""
        counts = Counter(value for merchant in group for value in self.declared[merchant])
        return frozenset(value for value, count in counts.items() if count * 2 > len(group))

    def group_by_nearest_profile(self, merchants: Collection[int], profiles: Sequence[frozenset[int]]) -> list[Group]:
        """By profile, the merchants that differ from it least; of those that are alike, the one that says less."""
        paths = [frozenset(self.path_of[value] for value in profile) for profile in profiles]
        nearest: list[list[int]] = [[] for _ in profiles]
        for merchant in sorted(merchants):
            values, own = self.declared[merchant], self.paths[merchant]
            # What it has to write beside the profile, less what it declares at all: that is the same for all.
            differences = [
                (len(profile) - len(values & profile) - len(own & below), len(profile))
                for profile, below in zip(profiles, paths, strict=True)
            ]
            nearest[differences.index(min(differences))].append(merchant)
        return [tuple(each) for each in nearest]


def _bit_mask(positions: Collection[int]) -> int:
    marked = bytearray((max(positions) >> 3) + 1)
    for position in positions:
        marked[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(marked, "little")


def _halve(table: _Table, group: Group, min_size: int) -> list[Group]:
    """The two halves of a group that have most in common each; none where nothing tells two halves apart."""
    size, members = len(group), _bit_mask(group)
    if size < 2 * min_size:
        return []
    counts = Counter(value for merchant in group for value in table.declared[merchant])
    # What is rarer is in no half's profile.
    held = {
        value: table.merchant_bits_by_value[value] & members for value in sorted(counts) if counts[value] * 2 > min_size
    }
    candidates = dict.fromkeys(
        held[value]
        for value in sorted(held, key=lambda value: (-counts[value], value))
        if min_size <= counts[value] <= size - min_size
    )
    disputed = _count_disputed_fields(table, counts, size)
    best, best_half = 0, 0
    for half in [*candidates][:_MAX_CANDIDATES]:
        inside, outside = half.bit_count(), size - half.bit_count()
        shared, telling = 0, set()
        for value, holders in held.items():
            here = (half & holders).bit_count()
            there = counts[value] - here
            shared += here * (here * 2 > inside) + there * (there * 2 > outside)
            # Less one merchant of the smaller half: of three, two may agree by chance.
            difference = abs(here * outside - there * inside) - max(inside, outside)
            if difference * 100 >= _MIN_TELLING_PERCENT * inside * outside:
                telling.add(table.path_of[value])
        enough = max(_MIN_TELLING_FIELDS, disputed * _MIN_TELLING_SHARE)
        if shared > best and len(telling) >= enough:
            best, best_half = shared, half
    if not best:
        return []
    halves = [tuple(merchant for merchant in group if best_half >> merchant & 1 == bit) for bit in (1, 0)]
    return _move_to_nearest_groups(table, halves, min_size)


def _count_disputed_fields(table: _Table, counts: Mapping[int, int], size: int) -> int:
    """On how many fields more than a quarter of a group's merchants differ from the most frequent value."""
    most_frequent: dict[str, int] = {}
    for value, count in counts.items():
        path = table.path_of[value]
        most_frequent[path] = max(count, most_frequent.get(path, 0))
    return sum((size - count) * 4 > size for count in most_frequent.values())


def _move_to_nearest_groups(table: _Table, groups: Sequence[Group], min_size: int) -> list[Group]:
    """The groups once each merchant is where it differs least; none where one gets too small."""
    settled = [*groups]
    merchants = [merchant for group in groups for merchant in group]
    for _ in range(_MAX_ROUNDS):
        moved = table.group_by_nearest_profile(merchants, [table.majority_values(group) for group in settled])
        if any(len(group) < min_size for group in moved):
            return []
        if moved == settled:
            break
        settled = moved
    return settled
