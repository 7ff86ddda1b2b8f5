"""An export of a state before it is imported: whether a run would understand what it holds.

The state checks that rows fit its tables; what their words mean, only we know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.model.desired import DeletionPolicy
from controller.model.errors import StateError
from controller.model.field_values import START_DATE_PATH, value_from_json
from controller.model.plan import ChangeKind
from controller.model.rollout import MemberState, RolloutSpec, RolloutState
from state import parse_export
from state.errors import UnusableExport
from state.rollouts import parse_owner


def check_state_export_values(document: Mapping[str, Any]) -> None:
    """Raises StateError with the place in the file, as in `tables.applied[3].deletion`."""
    try:
        tables = parse_export(document)
    except UnusableExport as error:
        raise StateError(str(error)) from None
    for (table, column), understand in _MEANINGS.items():
        for number, row in enumerate(tables[table]):
            try:
                understand(row[column])
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                place = f"tables.{table}[{number}].{column}"
                raise StateError(
                    f"{place}: this is nothing that a run would understand. Nothing was changed."
                ) from None
    for number, intent in enumerate(tables["intents"]):
        if intent["kind"] != "company" and intent["company_id"] is None:
            place = f"tables.intents[{number}].company_id"
            raise StateError(f"{place}: only a company is made without one. Nothing was changed.")


def _check_applied_fields(fields: Any) -> None:
    for path, value in fields.items():
        if isinstance(value, dict):
            _require(isinstance(value["id"], str) and set(value) <= {"id", "name", "code", "by"})
            _require(all(each is None or isinstance(each, str) for each in value.values()))
        elif isinstance(value, list):
            _require(all(isinstance(each, str) for each in value))
        understood = value_from_json(path, value)
        _require(path != START_DATE_PATH or value is None or getattr(understood, "tzinfo", None) is not None)


def _check_event_detail(detail: Any) -> None:
    for change in detail.get("changes", ()):
        ChangeKind(change["kind"])
        _require(all(isinstance(each, str) for each in change["fields"]))
    _require(isinstance(detail.get("reason", ""), str | None))


def _check_changed_fields(fields: Any) -> None:
    _require(all(isinstance(each, dict) for each in fields.values()))


def _check_rollout_owner(written: str) -> None:
    owner = parse_owner(written)
    _require(isinstance(owner.pid, int) and all(isinstance(each, str) for each in (owner.host, owner.started)))


def _require(understood: bool) -> None:
    if not understood:
        raise ValueError


_MEANINGS: Mapping[tuple[str, str], Callable[[Any], object]] = {
    ("applied", "deletion"): DeletionPolicy,
    ("applied", "fields"): _check_applied_fields,
    ("events", "detail"): _check_event_detail,
    ("rollouts", "state"): RolloutState,
    ("rollouts", "terms"): RolloutSpec.from_json,
    ("rollouts", "owner"): _check_rollout_owner,
    ("rollout_merchants", "state"): MemberState,
    ("rollout_merchants", "changed"): _check_changed_fields,
}
