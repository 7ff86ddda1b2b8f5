"""Moving a merchant to another platform, as `policy.replaceConnection` declares it. Pure.

old alone             → create the new one beside it; the old one goes on
new one waits         → for the merchant's consent; the old one goes on
new one Linked        → delete the old one, and its mapping with it: two Linked ones synchronise nothing (API notes 4.5)
new one alone         → its data, and a first configuration that books nothing twice; the line has done its work
"""

from __future__ import annotations

from dataclasses import replace

from controller.model.field_values import (
    CONNECTION_ID_PATH,
    PLATFORM_PATH,
    REPLACE_CONNECTION_PATH,
    REPLACED_CONNECTIONS_PATH,
)
from controller.model.observed import LINKED, Connection
from controller.model.plan import Actor, Change, ChangeClass, ChangeKind, Direction, FieldChange, Finding
from controller.model.platforms import platform_name
from controller.planning.company import re_create_command
from controller.planning.context import PlanningContext
from controller.planning.remedies import APPLY_COMMAND, avoid_replay_remedy, join_steps

REPLACED_ALREADY_CODE = "replaced-already"


def find_connections_to_replace(context: PlanningContext, connections: list[Connection]) -> tuple[Connection, ...]:
    """The accounting connections of other platforms that have to go, none where no replacement is declared.

    Once one of the declared platform is Linked: those that were replaced by it, and whatever else is Linked. Another
    one that waits is nobody's business: somebody may have begun it since.
    """
    to = context.desired.policy.replace_connection
    if to is None:
        return ()
    others = tuple(connection for connection in connections if connection.platform != to)
    if not any(connection.platform == to and connection.status == LINKED for connection in connections):
        return others
    noted = context.recorded.last_applied.get(REPLACED_CONNECTIONS_PATH)
    known = {context.recorded.connection_id, *(noted if isinstance(noted, tuple) else ())}
    return tuple(connection for connection in others if connection.id in known or connection.status == LINKED)


def plan_new_connection_beside_old(context: PlanningContext) -> tuple[Finding, Change]:
    """The new connection beside the old one: a plain create, unless one of ours is gone that nobody was to delete."""
    old, bound = context.replaced[0], context.recorded.connection_id
    is_lost = bound is not None and bound not in {connection.id for connection in context.replaced}
    platform = FieldChange(PLATFORM_PATH, old.platform, context.desired.platform, Direction.PENDING)
    change_class = ChangeClass.RE_CREATE if is_lost else ChangeClass.CREATE
    create = re_create_command(context) if is_lost else APPLY_COMMAND
    finding = _moving_finding(
        context,
        old,
        f"the company is connected to {_platform_name(old)}, and moves to {_wanted_platform_name(context)}: "
        "a connection is created beside the old one, which goes on until the merchant has given consent",
        join_steps(avoid_replay_remedy(context), f"{create}; then the merchant gives consent"),
    )
    return finding, Change(ChangeKind.CREATE_CONNECTION, (change_class,), (platform,))


def note_if_old_connection_is_linked(context: PlanningContext, waiting: Finding) -> Finding:
    """What the new connection waits for, and what becomes of the merchant's sales meanwhile."""
    linked = [connection for connection in context.replaced if connection.status == LINKED]
    goes_on = f"; until then the connection to {_platform_name(linked[0])} goes on" if linked else ""
    return replace(waiting, cause=waiting.cause + goes_on)


def plan_deletion_of_replaced(context: PlanningContext) -> tuple[Finding, tuple[Change, ...]]:
    """Deletes the old connection, whose mapping goes along: held until a person releases it."""
    old = context.replaced[0]
    both_linked = ": while both are linked Codat synchronises nothing" if old.status == LINKED else ""
    finding = _moving_finding(
        context,
        old,
        f"{_wanted_platform_name(context)} is linked, and the connection to {_platform_name(old)} that it "
        f"replaces is still there{both_linked}; deleted, it takes its mapping along",
        join_steps(avoid_replay_remedy(context), re_create_command(context)),
    )
    return finding, tuple(_connection_deletion_change(context, connection) for connection in context.replaced)


def _connection_deletion_change(context: PlanningContext, old: Connection) -> Change:
    fields = (
        FieldChange(CONNECTION_ID_PATH, old.id, None, Direction.PENDING),
        FieldChange(PLATFORM_PATH, old.platform, context.desired.platform, Direction.PENDING),
    )
    return Change(ChangeKind.DELETE_CONNECTION, (ChangeClass.RE_CREATE,), fields)


def replaced_already_findings(context: PlanningContext) -> tuple[Finding, ...]:
    """That the line has done its work, or has none to do."""
    if context.desired.policy.replace_connection is None:
        return ()
    origins = context.desired.origins.get(REPLACE_CONNECTION_PATH)
    kind, _, name = origins[-1].manifest.partition(" ") if origins else ("Merchant", "", context.desired.name)
    where = f"the manifest of {name}" if kind == "Merchant" else f"profile {name}"
    return (
        context.finding(
            REPLACED_ALREADY_CODE,
            f"the merchant is connected to {_wanted_platform_name(context)} alone: "
            "policy.replaceConnection has nothing left to do",
            f"delete policy.replaceConnection from {where}",
            Actor.NOBODY,
            field=REPLACE_CONNECTION_PATH,
        ),
    )


def _moving_finding(context: PlanningContext, old: Connection, cause: str, remedy: str) -> Finding:
    return context.finding(
        "connection-wrong-platform",
        cause,
        remedy,
        Actor.APPLY,
        field=PLATFORM_PATH,
        live=old.platform,
        wanted=context.desired.platform,
        direction=Direction.PENDING,
    )


def _platform_name(connection: Connection) -> str:
    return platform_name(connection.platform) or connection.platform


def _wanted_platform_name(context: PlanningContext) -> str:
    return platform_name(context.desired.platform or "") or str(context.desired.platform)
