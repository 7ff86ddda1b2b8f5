"""Are both connections there and Linked? The accounting one can be created and unlinked, never linked by us.

accounting: none, never had one → create        PendingAuth   ┐
            none, bound id gone → re-create     Unlinked      ├ wait for the merchant
            of another platform → report        Deauthorized  ┘
            Linked, wanted Unlinked → configuration off, then unlink
"""

from __future__ import annotations

from dataclasses import replace

from controller.model.merchant import Drift
from controller.model.observed import DEAUTHORIZED, LINKED, PENDING, UNLINKED, Company, Connection
from controller.model.plan import Actor, ChangeClass, Direction, Finding
from controller.planning.case import Case, Verdict, met, stop, unmet
from controller.planning.company import new_connection

COMMERCE = "CommerceConnected"
ACCOUNTING = "AccountingConnected"


def commerce_connected(case: Case) -> Verdict:
    """The connection that stands for our own platform: made with the company, never by us alone."""
    found = [each for each in _company(case).connections if each.source_type.lower() == "commerce"]
    if any(each.status == LINKED for each in found):
        return Verdict(case, met(COMMERCE))
    code = "commerce-connection-unlinked" if found else "commerce-connection-missing"
    cause = f"the commerce connection is {found[0].status}" if found else "the company has no commerce connection"
    remedy = "ask the service's support to restore it, or delete the company and apply with --allow re-create"
    finding = case.found(code, cause, remedy, Actor.US)
    return Verdict(case, unmet(COMMERCE, code), go=case.goes_down, findings=(finding,))


def accounting_connected(case: Case) -> Verdict:
    """One accounting connection of the wanted platform, Linked; the link to send where consent is missing."""
    all_of_them = [each for each in _company(case).connections if each.source_type.lower() == "accounting"]
    if case.goes_down:
        return _wanted_unlinked(case, all_of_them)
    if not all_of_them:
        return _none(case)
    ours = [each for each in all_of_them if case.wanted.platform in (None, each.platform)]
    if not ours:
        return stop(case, ACCOUNTING, _wrong_platform(case, all_of_them[0]))
    chosen = choose(ours, case.memory.connection_id)
    case = replace(case, connection=chosen)
    if chosen is None or sum(each.status == LINKED for each in all_of_them) > 1:
        return stop(case, ACCOUNTING, _duplicate(case, all_of_them, Actor.US))
    spare = (_duplicate(case, all_of_them, Actor.NOBODY),) if len(all_of_them) > 1 else ()
    return _by_status(case, chosen, spare)


def choose(connections: list[Connection], bound: str | None) -> Connection | None:
    """The one that is meant: of the Linked ones, or of all where none is, the bound one, else the only one.

    A Linked one goes before the bound one, since the Sync Flow makes a connection of its own (REFERENCE 5.10).
    """
    few = [each for each in connections if each.status == LINKED] or connections
    ours = [each for each in few if each.id == bound] or few
    return ours[0] if len(ours) == 1 else None


def _company(case: Case) -> Company:
    assert case.company is not None, "a connection is judged after its company"
    return case.company


def _wanted_unlinked(case: Case, connections: list[Connection]) -> Verdict:
    """None, PendingAuth, Unlinked and Deauthorized all satisfy; Linked goes on, to be switched off first."""
    linked = [each for each in connections if each.status == LINKED]
    if not linked:
        bound = choose(connections, case.memory.connection_id)
        return Verdict(replace(case, connection=bound), met(ACCOUNTING, "unlinked, as wanted"), go=False)
    first = choose(linked, case.memory.connection_id) or linked[0]
    return Verdict(replace(case, connection=first), met(ACCOUNTING, "linked, to be unlinked"))


def _none(case: Case) -> Verdict:
    if case.wanted.platform is None:
        return stop(case, ACCOUNTING, _no_platform(case))
    if case.memory.connection_id is None:
        finding = case.found(
            "connection-missing",
            "the company has no accounting connection yet",
            "merchantctl apply creates it",
            Actor.APPLY,
            field="connection.platform",
            wanted=case.wanted.platform,
            direction=Direction.PENDING,
        )
        return stop(case, ACCOUNTING, finding, changes=(new_connection(case, ChangeClass.CREATE),))
    kept = case.wanted.policy.drift is Drift.REPORT
    finding = case.found(
        "connection-deleted",
        f"accounting connection {case.memory.connection_id} was deleted, and the mapping with it",
        "policy drift: Report writes nothing; set drift: Correct to have it made anew"
        if kept
        else "merchantctl apply --allow re-create, and new consent from the merchant",
        Actor.US if kept else Actor.APPLY,
        direction=Direction.DRIFT,
    )
    changes = () if kept else (new_connection(case, ChangeClass.RE_CREATE),)
    return stop(case, ACCOUNTING, finding, changes=changes)


def _no_platform(case: Case) -> Finding:
    return case.found(
        "connection-missing",
        "the company has no accounting connection, and no manifest says of which platform it should be",
        "declare connection.platform",
        Actor.US,
        field="connection.platform",
    )


def _by_status(case: Case, chosen: Connection, spare: tuple[Finding, ...]) -> Verdict:
    if chosen.status == LINKED:
        return Verdict(case, met(ACCOUNTING), findings=spare)
    return stop(case, ACCOUNTING, _waits(case, chosen), *spare)


WAITS = {
    PENDING: ("connection-pending", "the merchant has not given consent yet", None),
    UNLINKED: ("connection-unlinked", "somebody unlinked the accounting connection", Direction.DRIFT),
    DEAUTHORIZED: (
        "connection-deauthorized",
        "the merchant revoked the access, or it expired at the accounting platform",
        Direction.DRIFT,
    ),
}


def _waits(case: Case, connection: Connection) -> Finding:
    strange = ("connection-error", f"the service says {connection.status!r}, which this version does not know", None)
    code, cause, moved = WAITS.get(connection.status, strange)
    if connection.status == UNLINKED and case.memory.unlinked:
        cause, moved = "we unlinked it as the manifest said then; now it is to be linked again", Direction.PENDING
    if connection.error and connection.status == PENDING:
        code, cause = "connection-error", f"linking failed: {connection.error}"
    return replace(consent(case.wanted.name, connection), code=code, cause=cause, direction=moved)


def consent(merchant: str, connection: Connection) -> Finding:
    """What a new connection waits for. The service may leave the link out of an answer (REFERENCE 7 row 51)."""
    code, cause, _ = WAITS[PENDING]
    remedy = "send the merchant the link, to give consent"
    return Finding(
        code,
        merchant,
        cause,
        remedy if connection.link_url else f"{remedy}: merchantctl link {merchant}",
        Actor.MERCHANT,
        field="connection.state",
        live=connection.status,
        wanted=LINKED,
        link=connection.link_url or None,
    )


def _wrong_platform(case: Case, other: Connection) -> Finding:
    again = " --allow re-create" if case.memory.connection_id else ""
    return case.found(
        "connection-wrong-platform",
        f"the company is connected to {other.platform!r}, not to {case.wanted.platform!r}",
        f"delete connection {other.id} at the service, then merchantctl apply{again}",
        Actor.US,
        field="connection.platform",
        live=other.platform,
        wanted=case.wanted.platform,
    )


def _duplicate(case: Case, connections: list[Connection], actor: Actor) -> Finding:
    ids = ", ".join(f"{each.id} ({each.platform}, {each.status})" for each in connections)
    return case.found(
        "connection-duplicate",
        f"the company has {len(connections)} accounting connections: {ids}",
        "delete the wrong one at the service",
        actor,
    )
