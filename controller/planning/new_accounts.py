"""Accounts that the books lack and that a manifest lets us create: whether that may be done now. Pure.

resolves to nothing ─▶ nothing under way, nothing of that code or name ─▶ data of the last hour ─▶ a type that is taken
                                                                                                   └▶ one change, held

What is created in a merchant's books stays there. So each of these is asked when it is planned, and again just before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum

from controller.model.desired import DriftPolicy
from controller.model.field_values import (
    ENABLED_PATH,
    DeclaredValue,
    NewAccount,
    Option,
    Ref,
    RefKind,
    ref_kind,
    resolve_live_path,
)
from controller.model.name_matching import nfc
from controller.model.observed import BooksForNewAccounts, BooksRecord, Configuration, DataTypeStatus, Unread
from controller.model.plan import (
    RECHECK_WAITING_AFTER,
    Actor,
    Change,
    ChangeClass,
    ChangeKind,
    Direction,
    FieldChange,
    Finding,
)
from controller.model.yaml_snippets import ref_as_yaml
from controller.planning.context import PlanningContext, unknown_result
from controller.planning.holds import allow_command
from controller.planning.remedies import APPLY_COMMAND, join_steps, refresh_command, where_to_write
from controller.planning.resolve import ResolutionProblem, ResolvedFields, describe_near_misses
from controller.quick_dataclasses import dataclass

MAX_DATA_AGE = timedelta(hours=1)
"""Since the chart of accounts was pulled: what is older may lack an account that somebody has added by hand."""
CHART_OF_ACCOUNTS = "chartOfAccounts"
UNRESOLVED_CODE = f"{RefKind.ACCOUNT}-unresolved"
MAX_TYPES_SHOWN = 3

DataStatus = Mapping[str, DataTypeStatus] | Unread | None


class ObstacleKind(StrEnum):
    """What has to happen before an account may be created."""

    UNREAD = "unread"
    UNDER_WAY = "under way"
    THERE = "there"
    OLD_DATA = "old data"
    PULLING = "pulling"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an account must not be created now. `there`: the one that the books have already."""

    kind: ObstacleKind
    cause: str
    there: BooksRecord | None = None


def unresolved_new_accounts(fields: Mapping[str, DeclaredValue], live: Configuration) -> dict[str, Ref]:
    """By declared path, the references that would have an account created: they find nothing in what is offered.

    None where nothing at all is offered, where a reader takes an option for the same, or for a merchant that is to be
    off, whose switch must wait for nothing.
    """
    if fields.get(ENABLED_PATH) is False:
        return {}
    to_create = {path: ref for path, ref in fields.items() if isinstance(ref, Ref) and ref.create}
    return {path: ref for path, ref in to_create.items() if _surely_finds_nothing(path, ref, live)}


def _surely_finds_nothing(path: str, ref: Ref, live: Configuration) -> bool:
    options = live.options.get(resolve_live_path(live.values, path) or "", ())
    found = any(nfc(getattr(option, ref.by) or "") == ref.value for option in options)
    return bool(options) and not found and not describe_near_misses(ref, options)


def find_obstacle(
    path: str, new: NewAccount, books: BooksForNewAccounts | Unread | None, status: DataStatus, now: datetime
) -> Obstacle | None:
    """Why the account must not be created now; None where it may."""
    if not isinstance(books, BooksForNewAccounts) or not isinstance(status, Mapping):
        unread = next((each.reason for each in (books, status) if isinstance(each, Unread)), "it was not looked at")
        return Obstacle(ObstacleKind.UNREAD, unread)
    if books.unfinished:
        return Obstacle(ObstacleKind.UNDER_WAY, books.unfinished)
    if there := [record for record in books.same.get(path, ()) if not record.deleted]:
        return Obstacle(ObstacleKind.THERE, f"the books have {_describe(there[0])}", there[0])
    if obstacle := _data_obstacle(status.get(CHART_OF_ACCOUNTS), now):
        return obstacle
    if books.types and new.type not in books.types:
        return Obstacle(ObstacleKind.TYPE, f"the books take no account of the type {new.type!r}")
    return None


def _data_obstacle(chart: DataTypeStatus | None, now: datetime) -> Obstacle | None:
    pulled_at = chart.last_pulled_at if chart else None
    word = chart.status if chart and chart.status else "never pulled"
    if word == "Complete" and pulled_at and now - pulled_at <= MAX_DATA_AGE:
        return None
    if word == "Complete" or pulled_at is None or word.endswith("Error"):
        as_of = f"as of {pulled_at:%Y-%m-%d %H:%M} UTC" if pulled_at else "not there"
        return Obstacle(ObstacleKind.OLD_DATA, f"the chart of accounts is {as_of}, too old to create an account on")
    return Obstacle(ObstacleKind.PULLING, f"the chart of accounts is being pulled ({word})")


def _describe(record: BooksRecord) -> str:
    code = f" (code {record.code})" if record.code else ""
    return f"{record.name or record.id}{code}, {record.status}"


@dataclass(frozen=True, slots=True)
class NewAccountsPlan:
    """The accounts that are to be created, and by field path what is said of each reference instead of «unresolved»."""

    changes: tuple[Change, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)

    def replace_unresolved_finding(self, finding: Finding) -> Finding:
        """What is said in the place of a finding that a reference finds nothing."""
        return self.findings.get(finding.field or "", finding) if finding.code == UNRESOLVED_CODE else finding


def plan_new_accounts(context: PlanningContext, live: Configuration, resolved: ResolvedFields) -> NewAccountsPlan:
    """One change for each account that is to be created, however many fields it is for."""
    wanted = unresolved_new_accounts(context.desired.fields, live)
    fields: dict[NewAccount, list[FieldChange]] = {}
    findings: dict[str, Finding] = {}
    for problem in resolved.problems:
        ref = wanted.get(problem.field)
        if ref is None or ref.create is None or _must_not_be_created(context, problem):
            continue
        obstacle = find_obstacle(
            problem.field,
            ref.create,
            context.observed.books_for_new_accounts,
            context.observed.data_status,
            context.now,
        )
        findings[problem.field] = _unresolved_account_finding(context, problem, ref, ref.create, obstacle, live)
        if obstacle is None:
            change = _field_change(problem.field, ref.create, live)
            fields.setdefault(ref.create, []).append(change)
    creates = (ChangeClass.CREATE_RECORD,)
    changes = (Change(ChangeKind.CREATE_ACCOUNT, creates, tuple(each)) for each in fields.values())
    return NewAccountsPlan(tuple(changes), findings)


def _must_not_be_created(context: PlanningContext, problem: ResolutionProblem) -> bool:
    """The account that was meant is there under another name; or it was deleted, and `Report` leaves that so."""
    deleted = problem.field in context.recorded.last_applied and context.desired.policy.drift is DriftPolicy.REPORT
    return ref_kind(problem.field) is not RefKind.ACCOUNT or problem.renamed_option is not None or deleted


def _field_change(path: str, new: NewAccount, live: Configuration) -> FieldChange:
    selected = live.values.get(resolve_live_path(live.values, path) or path)
    to_come = Option("", new.name, new.code)
    return FieldChange(path, selected, to_come, Direction.PENDING, f"created in the books as {new.type}")


def _unresolved_account_finding(
    context: PlanningContext,
    problem: ResolutionProblem,
    ref: Ref,
    new: NewAccount,
    obstacle: Obstacle | None,
    live: Configuration,
) -> Finding:
    """That the reference finds nothing, and what comes of it."""
    if obstacle and obstacle.kind is ObstacleKind.UNREAD:
        (unread,) = unknown_result(context, "", "whether the account is in the books", obstacle.cause).findings
        return replace(unread, field=problem.field)
    actor, remedy = _actor_and_remedy(context, problem.field, ref, new, obstacle)
    what_next = obstacle.cause if obstacle else f"it is to be created in the books: {new.name}, {new.type}"
    if obstacle and obstacle.there:
        choose = _choose_existing_remedy(context, problem.field, obstacle.there, live)
        what_next += ", and no second one of that name or code is made" if choose else ", and it is not offered here"
        remedy = choose or remedy
    return context.finding(
        UNRESOLVED_CODE,
        f"{problem.reference} matches none of this merchant's options; {what_next}",
        remedy,
        actor,
        field=problem.field,
        live=live.values.get(resolve_live_path(live.values, problem.field) or problem.field),
        wanted=ref,
        recheck_after=RECHECK_WAITING_AFTER if actor is Actor.CODAT else None,
    )


def _choose_existing_remedy(context: PlanningContext, path: str, there: BooksRecord, live: Configuration) -> str:
    """How to choose the account that the books have already; empty where it is not offered."""
    for option in live.options.get(resolve_live_path(live.values, path) or "", ()):
        if option.id == there.id:
            ref = Ref("code", option.code) if option.code else Ref("name", option.name or "")
            choose = f"{where_to_write(context, path)}: {ref_as_yaml(ref)}"
            return f"{choose}; or give the new account a name and a code of its own"
    return ""


def _actor_and_remedy(
    context: PlanningContext, path: str, ref: Ref, new: NewAccount, obstacle: Obstacle | None
) -> tuple[Actor, str]:
    """Who must act, and how, until the account is there."""
    create = allow_command(ChangeClass.CREATE_RECORD, context.desired.name)
    select = f"then, once Codat has pulled it, {APPLY_COMMAND}"
    refresh = refresh_command(context)
    match obstacle.kind if obstacle else None:
        case ObstacleKind.UNDER_WAY:
            again = f"should it stay so: {refresh} && {APPLY_COMMAND}"
            return Actor.CODAT, join_steps(f"wait a minute; then {APPLY_COMMAND}", again)
        case ObstacleKind.PULLING:
            again = f"should it stay so: {refresh} && {create}; {select}"
            return Actor.CODAT, join_steps(f"wait a minute; then {create}; {select}", again)
        case ObstacleKind.OLD_DATA:
            return Actor.OPERATOR, f"{refresh} && {create}; {select}"
        case ObstacleKind.THERE:
            restore = "restore it in the books, or have it take payments there"
            return Actor.OPERATOR, f"{restore}; then {refresh} && {APPLY_COMMAND}"
        case ObstacleKind.TYPE:
            return Actor.OPERATOR, f"{_type_remedy(context, path, ref, new)}; then {create}; {select}"
        case _:
            return Actor.APPLY, f"{create}; {select}"


def _type_remedy(context: PlanningContext, path: str, ref: Ref, new: NewAccount) -> str:
    """The reference with a type that the books take, the most similar ones first."""
    books = context.observed.books_for_new_accounts
    taken = books.types if isinstance(books, BooksForNewAccounts) else ()
    similar = get_close_matches(new.type, taken, n=MAX_TYPES_SHOWN, cutoff=0.6) or taken[:MAX_TYPES_SHOWN]
    written = [ref_as_yaml(replace(ref, create=replace(new, type=each))) for each in similar]
    return f"{where_to_write(context, path)}: {'; or '.join(written)}"
