"""Since when each condition is as it is, also one that holds. Best effort, as the ledger is.

Written by the same looks as the ledger, and only where one moved. A look that could not read a condition says nothing
of it: what stood before stands, with its age.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from controller.model.plan import Condition, ConditionStatus, Plan
from state import ConditionsRow, Store

UNKNOWN = ConditionStatus.UNKNOWN.value[0]


async def record_conditions(plans: Sequence[Plan], store: Store, at: datetime, everyone: bool) -> None:
    """What moved since the last look that could see it, from `at` on."""
    before = await store.conditions.load_statuses(None if everyone else {each.merchant for each in plans})
    now = {each.merchant: statuses_as_text(each.conditions) for each in plans if each.conditions}
    moved = [name for name, standing in now.items() if before.get(name) != standing]
    rows = await store.conditions.load(moved) if moved else {}
    # Folded, what could only not be read this time stands as before, and nothing is left to write of it.
    folded = (_fold_statuses(name, now[name], rows.get(name), at) for name in moved)
    await store.conditions.save([each for each in folded if each.standing != before.get(each.merchant)])


def statuses_as_text(conditions: Iterable[Condition]) -> str:
    """`CompanyReady=T CommerceConnected=T …`: one text to compare."""
    return " ".join(f"{each.type}={each.status.value[0]}" for each in conditions)


def _fold_statuses(merchant: str, now: str, row: ConditionsRow | None, at: datetime) -> ConditionsRow:
    """What stands now over what stood; a condition that is not known stays as it was."""
    stood = parse_statuses(row.standing) if row else {}
    since = dict(row.since) if row else {}
    stands = {}
    for kind, status in parse_statuses(now).items():
        if status == UNKNOWN and kind in stood:
            stands[kind] = stood[kind]
            continue
        stands[kind] = status
        if stood.get(kind) != status or kind not in since:
            since[kind] = at.astimezone(UTC).isoformat()
    known = {kind: when for kind, when in since.items() if kind in stands}
    return ConditionsRow(merchant, " ".join(f"{kind}={status}" for kind, status in stands.items()), known)


def parse_statuses(standing: str) -> dict[str, str]:
    """By condition the letter of its status, from what `statuses_as_text` wrote."""
    return dict(part.split("=", 1) for part in standing.split(" ") if "=" in part)


async def add_condition_ages(plans: Sequence[Plan], store: Store) -> tuple[Plan, ...]:
    """The plans, whose conditions say since when, as far as that is remembered."""
    rows = await store.conditions.load({each.merchant for each in plans})
    return tuple(replace(each, conditions=_add_known_ages(each.conditions, rows.get(each.merchant))) for each in plans)


def _add_known_ages(conditions: tuple[Condition, ...], row: ConditionsRow | None) -> tuple[Condition, ...]:
    """What a finding dates already stays; one that stands otherwise by now is not dated by what stood before."""
    if row is None:
        return conditions
    stood = parse_statuses(row.standing)
    return tuple(_add_age_if_known(each, stood.get(each.type), row.since) for each in conditions)


def _add_age_if_known(condition: Condition, stood: str | None, since: Mapping[str, str]) -> Condition:
    when = since.get(condition.type)
    if condition.since or when is None or stood != condition.status.value[0]:
        return condition
    return replace(condition, since=datetime.fromisoformat(when))
