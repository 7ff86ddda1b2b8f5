"""Which rules and consumers are created, replaced and retired: the cases one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.model.desired import DesiredSettings
from controller.model.hooks import (
    DeclaredHook,
    Hook,
    HookKind,
    LiveHook,
    LiveHooks,
    ProvenSource,
    RecordedHook,
    SecretRef,
)
from controller.planning.hooks import HookMemory, HookPlan, is_replacement_proven, plan_hooks

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
MAIN = Hook(HookKind.CONSUMER, frozenset({"connection.deleted"}), "https://hooks.example.com")
FIRST, SECOND = SecretRef("env", "FIRST"), SecretRef("env", "SECOND")
DECLARED = DeclaredHook("main", MAIN, FIRST)
BOUND = RecordedHook(1, DECLARED, NOON, remote_id="c1")
LOST = RecordedHook(1, DECLARED, NOON, frozenset({"x"}))


def planned(
    *live: LiveHook, recorded: tuple[RecordedHook, ...] = (), seconds: int = 0, declared: DeclaredHook = DECLARED
) -> HookPlan:
    proven = (ProvenSource(str(FIRST), "k1", NOON - timedelta(days=1), NOON),)
    memory = HookMemory(recorded, proven)
    desired = DesiredSettings(hooks={declared.path: declared})
    return plan_hooks(desired, LiveHooks({HookKind.CONSUMER: live}), memory, NOON + timedelta(seconds=seconds))


def kinds(plan: HookPlan) -> list[str]:
    return [each.kind.value for each in plan.changes]


def codes(plan: HookPlan) -> list[str]:
    return [each.code for each in plan.findings]


def test_a_lost_answer_is_waited_for_and_then_counts_as_not_created() -> None:
    assert codes(planned(recorded=(LOST,), seconds=59)) == ["consumer-pending"]
    assert kinds(planned(recorded=(LOST,), seconds=60)) == ["create-consumer"]


def test_what_was_there_before_is_not_the_child_of_a_lost_answer() -> None:
    assert planned(LiveHook("x", MAIN), recorded=(LOST,), seconds=1).adopted == {}
    assert planned(LiveHook("x", MAIN), LiveHook("new", MAIN), recorded=(LOST,)).adopted == {"consumers.main": "new"}


def test_one_that_has_a_name_already_is_taken_over_by_no_other() -> None:
    other = replace(DECLARED, name="other")
    plan = planned(LiveHook("c1", MAIN), recorded=(BOUND,), declared=other)
    assert (kinds(plan), plan.adopted) == (["create-consumer"], {})


def test_a_disabled_one_is_not_taken_over() -> None:
    assert kinds(planned(LiveHook("c9", MAIN, disabled=True))) == ["create-consumer"]


@pytest.mark.parametrize(
    ("proven", "is_enough"),
    [
        ([], False),
        ([ProvenSource("env SECOND", "k2", NOON, NOON)], True),
        ([ProvenSource("env SECOND", "k2", NOON - timedelta(days=1), NOON - timedelta(seconds=1))], False),
        ([ProvenSource("env SECOND", "k1", NOON, NOON), ProvenSource("env FIRST", "k1", NOON, NOON)], False),
        ([ProvenSource("env SECOND", "k1", NOON, NOON), ProvenSource("", "k1", NOON - timedelta(days=1), NOON)], False),
        ([ProvenSource("env FIRST", "k2", NOON, NOON)], False),
    ],
)
def test_only_a_key_that_nobody_had_before_proves_the_new_one(proven: list[ProvenSource], is_enough: bool) -> None:
    new = RecordedHook(2, replace(DECLARED, secret=SECOND), NOON, remote_id="c2")
    assert is_replacement_proven(replace(BOUND, replaced=True), new, proven) is is_enough


def test_what_could_not_be_read_is_left_alone() -> None:
    desired = DesiredSettings(hooks={DECLARED.path: DECLARED})
    assert plan_hooks(desired, LiveHooks(unread={HookKind.CONSUMER: "503"}), HookMemory(), NOON) == HookPlan()


def test_one_that_has_its_name_now_is_never_deleted_whatever_was_recorded_of_it_before() -> None:
    twice = (replace(BOUND, replaced=True), RecordedHook(2, replace(DECLARED, secret=SECOND), NOON, remote_id="c1"))
    proven = (ProvenSource("env SECOND", "k2", NOON, NOON),)
    desired = DesiredSettings(hooks={DECLARED.path: replace(DECLARED, secret=SECOND)})
    live = LiveHooks({HookKind.CONSUMER: (LiveHook("c1", MAIN),)})
    assert plan_hooks(desired, live, HookMemory(twice, proven), NOON).changes == ()
