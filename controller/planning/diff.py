"""Three-way comparison: live, desired, and what we set last. The only user of deepdiff, for describing changes."""

from __future__ import annotations

from controller.model.field_values import (
    COMPANY_NAME_PATH,
    LOCAL_TIME_PATH,
    SYNC_HOUR_PATH,
    Value,
    Values,
    resolve_live_path,
    value_to_json,
    values_equal,
)
from controller.model.name_matching import company_name_key
from controller.model.plan import Direction, FieldChange


def recorded_path(path: str) -> str:
    """The path under which «last applied» records a field: a local time is recorded as the UTC hour that it became."""
    return SYNC_HOUR_PATH if path == LOCAL_TIME_PATH else path


def change_direction(path: str, live: Value, wanted: Value, applied: Values) -> Direction | None:
    """Who changed the field; None when live is as desired. What was never set by us counts as drift.

    last applied ── wanted   differ: the manifest changed   (pending)
         └───────── live     differ: live changed           (drift)      both: conflict
    """
    equal = _company_names_equal if path == COMPANY_NAME_PATH else values_equal
    if equal(live, wanted):
        return None
    if recorded_path(path) not in applied:
        return Direction.DRIFT
    last = applied[recorded_path(path)]
    manifest_changed, live_changed = not equal(last, wanted), not equal(last, live)
    if manifest_changed and live_changed:
        return Direction.CONFLICT
    return Direction.PENDING if manifest_changed else Direction.DRIFT


def _company_names_equal(a: Value, b: Value) -> bool:
    """Case counts in a company's name; Codat trims it and joins its spaces, which is no rename."""
    return company_name_key(str(a)) == company_name_key(str(b))


def compare_fields(wanted: Values, live: Values, applied: Values) -> tuple[FieldChange, ...]:
    """The declared fields in which live differs, by path."""
    changes = []
    for path, value in sorted(wanted.items()):
        live_value = live.get(resolve_live_path(live, path) or path)
        direction = change_direction(path, live_value, value, applied)
        if direction:
            changes.append(FieldChange(path, live_value, value, direction))
    return tuple(changes)


def describe_changes(before: Values, after: Values) -> str:
    """In words, how live values changed between two reads; empty when they did not."""
    if all(path in after and values_equal(value, after[path]) for path, value in before.items()):
        return ""
    from deepdiff import DeepDiff  # slow to import, and rarely needed

    old, new = ({path: value_to_json(value) for path, value in values.items()} for values in (before, after))
    return "; ".join(line.replace("root", "") for line in DeepDiff(old, new, verbose_level=2).pretty().splitlines())
