"""Three-way comparison: live, wanted, and what we set last. The one door to deepdiff, for the words of a move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.model.plan import Direction, FieldChange
from controller.model.values import LOCAL_TIME, SYNC_HOUR, Value, Values, locate, same, to_json


def remembered_as(path: str) -> str:
    """Under which path «last applied» keeps a field: a wall-clock time is remembered as the hour it became."""
    return SYNC_HOUR if path == LOCAL_TIME else path


def direction(path: str, live: Value, wanted: Value, applied: Values) -> Direction | None:
    """Who moved. Nothing recorded counts as drift; None when live is as wanted.

    last applied ── wanted   differ: the manifest moved   (pending)
         └───────── live     differ: live moved           (drift)      both: conflict
    """
    if same(live, wanted):
        return None
    if remembered_as(path) not in applied:
        return Direction.DRIFT
    last = applied[remembered_as(path)]
    manifest_moved, live_moved = not same(last, wanted), not same(last, live)
    if manifest_moved and live_moved:
        return Direction.CONFLICT
    return Direction.PENDING if manifest_moved else Direction.DRIFT


def compare(wanted: Values, live: Values, applied: Values) -> tuple[FieldChange, ...]:
    """The declared fields that live holds otherwise."""
    changes = []
    for path, wish in sorted(wanted.items()):
        stands = live.get(locate(live, path) or path)
        moved = direction(path, stands, wish, applied)
        if moved:
            changes.append(FieldChange(path, stands, wish, moved))
    return tuple(changes)


def moves(before: Values, after: Values) -> str:
    """In words, how declared live values moved between two reads; empty when they did not."""
    if all(path in after and same(value, after[path]) for path, value in before.items()):
        return ""
    from deepdiff import DeepDiff  # a slow import, for the words alone

    found = DeepDiff(_ids(before), _ids(after), verbose_level=2)
    return "; ".join(line.replace("root", "") for line in found.pretty().splitlines())


def _ids(values: Values) -> Mapping[str, Any]:
    return {path: to_json(value) for path, value in values.items()}
