"""Are both connections there and Linked? The accounting one can be created and unlinked, never linked by us.

accounting: none, never had one → create        PendingAuth   ┐
            none, bound id gone → re-create     Unlinked      ├ wait for the merchant
            of another platform → report        Deauthorized  ┘
              or replace it, as declared: see `connection_replacement`
            Linked, declared Unlinked → configuration off, then unlink
"""

from __future__ import annotations

from dataclasses import replace

from controller.model.desired import DriftPolicy
from controller.model.observed import DEAUTHORIZED, LINKED, PENDING_AUTH, UNLINKED, Company, Connection
from controller.model.plan import RECHECK_WAITING_AFTER, Actor, ChangeClass, Direction, Finding
from controller.model.platforms import platform_name
from controller.planning.company import connection_creation_change, re_create_command, re_create_remedy
from controller.planning.connection_replacement import (
    find_connections_to_replace,
    note_if_old_connection_is_linked,
    plan_deletion_of_replaced,
    plan_new_connection_beside_old,
    replaced_already_findings,
)
from controller.planning.context import PlanningContext, StepResult, condition_met, condition_unmet, stop_result
from controller.planning.remedies import APPLY_COMMAND, avoid_replay_remedy, command_line, join_steps

COMMERCE_CONNECTED = "CommerceConnected"
ACCOUNTING_CONNECTED = "AccountingConnected"


def check_commerce_connection(context: PlanningContext) -> StepResult:
    """The connection that stands for the commerce side: Codat creates it with the company, and only Codat can."""
    connections = [
        connection
        for connection in _require_company(context).connections
        if connection.source_type.lower() == "commerce"
    ]
    if any(connection.status == LINKED for connection in connections):
        return StepResult(context, condition_met(COMMERCE_CONNECTED))
    code = "commerce-connection-unlinked" if connections else "commerce-connection-missing"
    cause = (
        f"the commerce connection is {connections[0].status}"
        if connections
        else "the company has no commerce connection"
    )
    ask_support = "ask Codat's support to restore it; or delete the company there, and have it made anew:"
    remedy = join_steps(ask_support, re_create_remedy(context))
    finding = context.finding(code, cause, remedy, Actor.OPERATOR)
    return StepResult(
        context, condition_unmet(COMMERCE_CONNECTED, code), proceed=context.is_to_be_taken_down, findings=(finding,)
    )


def check_accounting_connection(context: PlanningContext) -> StepResult:
    """One accounting connection of the declared platform, Linked; with the link to send where consent is missing."""
    connections = [
        connection
        for connection in _require_company(context).connections
        if connection.source_type.lower() == "accounting"
    ]
    if context.is_to_be_taken_down:
        return _check_connections_before_take_down(context, connections)
    if not connections:
        return _check_absent_connection(context)
    of_platform = [connection for connection in connections if context.desired.platform in (None, connection.platform)]
    context = replace(context, replaced=find_connections_to_replace(context, connections))
    if not of_platform and context.replaced:
        finding, change = plan_new_connection_beside_old(context)
        return stop_result(context, ACCOUNTING_CONNECTED, finding, changes=(change,))
    if not of_platform:
        return stop_result(context, ACCOUNTING_CONNECTED, _wrong_platform_finding(context, connections[0]))
    chosen = choose_connection(of_platform, context.recorded.connection_id)
    context = replace(context, connection=chosen)
    # Beside those that it replaces the new one is Linked for a while: they are to be deleted, and no rivals.
    rivals = of_platform if context.replaced else connections
    if chosen is None or sum(connection.status == LINKED for connection in rivals) > 1:
        return stop_result(context, ACCOUNTING_CONNECTED, _duplicate_finding(context, connections, Actor.OPERATOR))
    return _check_chosen_connection(context, chosen, connections)


def _check_chosen_connection(context: PlanningContext, chosen: Connection, connections: list[Connection]) -> StepResult:
    """Waits for consent; then deletes what the chosen one replaces; only then goes on to its data."""
    others = [each for each in connections if each is not chosen and each not in context.replaced]
    findings = (_duplicate_finding(context, connections, Actor.NOBODY),) if others else ()
    if chosen.status != LINKED:
        waiting = note_if_old_connection_is_linked(context, _waiting_finding(context, chosen))
        return stop_result(context, ACCOUNTING_CONNECTED, waiting, *findings)
    if context.replaced:
        finding, changes = plan_deletion_of_replaced(context)
        return stop_result(context, ACCOUNTING_CONNECTED, finding, *findings, changes=changes)
    return StepResult(
        context, condition_met(ACCOUNTING_CONNECTED), findings=(*findings, *replaced_already_findings(context))
    )


def choose_connection(connections: list[Connection], bound_id: str | None) -> Connection | None:
    """The one connection that is meant: of the Linked ones, or of all where none is, the bound one, else the only one.

    None where several could be meant. A Linked one goes before the bound one, since the Sync Flow makes a connection of
    its own (API notes 5.10).
    """
    candidates = [connection for connection in connections if connection.status == LINKED] or connections
    candidates = [connection for connection in candidates if connection.id == bound_id] or candidates
    return candidates[0] if len(candidates) == 1 else None


def _require_company(context: PlanningContext) -> Company:
    assert context.company is not None, "a connection is judged after its company"
    return context.company


def _check_connections_before_take_down(context: PlanningContext, connections: list[Connection]) -> StepResult:
    """For a merchant to be taken down: any status but Linked will do; a Linked one must be switched off first."""
    linked = [connection for connection in connections if connection.status == LINKED]
    if not linked:
        context = replace(context, connection=choose_connection(connections, context.recorded.connection_id))
        return StepResult(context, condition_met(ACCOUNTING_CONNECTED, "unlinked, as wanted"), proceed=False)
    connection = choose_connection(linked, context.recorded.connection_id) or linked[0]
    return StepResult(
        replace(context, connection=connection), condition_met(ACCOUNTING_CONNECTED, "linked, to be unlinked")
    )


def _check_absent_connection(context: PlanningContext) -> StepResult:
    if context.desired.platform is None:
        return stop_result(context, ACCOUNTING_CONNECTED, _no_platform_finding(context))
    if context.recorded.connection_id is None:
        finding = context.finding(
            "connection-missing",
            "the company has no accounting connection yet",
            APPLY_COMMAND,
            Actor.APPLY,
            field="connection.platform",
            wanted=context.desired.platform,
            direction=Direction.PENDING,
        )
        return stop_result(
            context, ACCOUNTING_CONNECTED, finding, changes=(connection_creation_change(context, ChangeClass.CREATE),)
        )
    is_reported_only = context.desired.policy.drift is DriftPolicy.REPORT
    finding = context.finding(
        "connection-deleted",
        f"accounting connection {context.recorded.connection_id} was deleted, and the mapping with it",
        re_create_remedy(context),
        Actor.OPERATOR if is_reported_only else Actor.APPLY,
        direction=Direction.DRIFT,
    )
    changes = () if is_reported_only else (connection_creation_change(context, ChangeClass.RE_CREATE),)
    return stop_result(context, ACCOUNTING_CONNECTED, finding, changes=changes)


def _no_platform_finding(context: PlanningContext) -> Finding:
    return context.finding(
        "connection-missing",
        "the company has no accounting connection, and no manifest says of which platform it should be",
        f"in the manifest of {context.desired.name} write connection: {{platform: xero}}; or another one; "
        f"then {APPLY_COMMAND}",
        Actor.OPERATOR,
        field="connection.platform",
    )


WAITING_STATUSES = {
    PENDING_AUTH: ("connection-pending", "the merchant has not given consent yet", None),
    UNLINKED: ("connection-unlinked", "somebody unlinked the accounting connection", Direction.DRIFT),
    DEAUTHORIZED: (
        "connection-deauthorized",
        "the merchant revoked the access, or it expired at the accounting platform",
        Direction.DRIFT,
    ),
}


def _waiting_finding(context: PlanningContext, connection: Connection) -> Finding:
    """What a connection that is not Linked waits for."""
    unknown_status = (
        "connection-error",
        f"Codat says {connection.status!r}, which this version does not know",
        None,
    )
    code, cause, direction = WAITING_STATUSES.get(connection.status, unknown_status)
    if connection.status == UNLINKED and context.recorded.unlinked_by_us:
        cause, direction = "we unlinked it as the manifest said then; now it is to be linked again", Direction.PENDING
    if connection.error and connection.status == PENDING_AUTH:
        code, cause = "connection-error", f"linking failed: {connection.error}"
    recheck_after = RECHECK_WAITING_AFTER if code == "connection-pending" else None
    return replace(
        consent_finding(context.desired.name, connection),
        code=code,
        cause=cause,
        direction=direction,
        recheck_after=recheck_after,
    )


def consent_finding(merchant: str, connection: Connection) -> Finding:
    """What a new connection waits for: the merchant's consent.

    The link is in the finding; where Codat left it out of its answer (API notes 7 #51), the remedy is a command for it.
    """
    code, cause, _ = WAITING_STATUSES[PENDING_AUTH]
    remedy = "send the merchant the link, to give consent"
    return Finding(
        code,
        merchant,
        cause,
        remedy if connection.link_url else f"{remedy}: {command_line('link', merchant)}",
        Actor.MERCHANT,
        field="connection.state",
        live=connection.status,
        wanted=LINKED,
        link=connection.link_url or None,
    )


def _wrong_platform_finding(context: PlanningContext, other: Connection) -> Finding:
    wanted = platform_name(context.desired.platform or "") or context.desired.platform
    declare = f"in the manifest of {context.desired.name} write policy.replaceConnection: {{to: {wanted}}}"
    next_command = re_create_command(context) if context.recorded.connection_id else APPLY_COMMAND
    return context.finding(
        "connection-wrong-platform",
        f"the company is connected to {platform_name(other.platform) or other.platform}, not to {wanted}",
        join_steps(
            avoid_replay_remedy(context),
            f"delete connection {other.id} at Codat; then {next_command}",
            f"or, to have it go on until the merchant has consented to the new one: {declare}; then {APPLY_COMMAND}",
        ),
        Actor.OPERATOR,
        field="connection.platform",
        live=other.platform,
        wanted=context.desired.platform,
    )


def _duplicate_finding(context: PlanningContext, connections: list[Connection], actor: Actor) -> Finding:
    ids = ", ".join(
        f"{connection.id} ({platform_name(connection.platform) or connection.platform}, {connection.status})"
        for connection in connections
    )
    return context.finding(
        "connection-duplicate",
        f"the company has {len(connections)} accounting connections: {ids}",
        "delete the wrong one at Codat; then merchantctl plan",
        actor,
    )
