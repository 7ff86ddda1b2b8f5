"""The ledger of findings: each time that one came and went. Best effort: a state that cannot be written never ends a
run.

Only a look under the manifests in force writes it (`RunContext.records`); any other reads it, for the age of what
it shows.
A finding is over only on a look that could have seen it (`model.finding_evidence`):

a part of the merchant was not read       what rests on that part stays open, with its age
the merchant was not read, or not looked at at all, or has a create that is not settled    all of it stays open
found of the whole fleet                  a look at everyone ends it; a mass loss only one that was complete

What a run puts right ends at once, by that run. A write that could not be seen to arrive is noted as tried, so that
the look which sees it done knows by whom.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.desired import Fleet
from controller.model.drift import is_drift
from controller.model.field_values import COMPANY_NAME_PATH, CONNECTION_STATE_PATH, ENABLED_PATH, value_to_json
from controller.model.finding_evidence import Ended, FindingAbsence, classify_absence, classify_ending
from controller.model.plan import Actor, ChangeKind, Condition, Direction, Finding, Plan
from controller.model.report import Applied, ChangedSincePlan, Failed, FleetPlan, Outcome
from controller.model.run_policy import Author, Records
from controller.planning.flapping import FLAPPING_CODE, LEAST, WITHIN, Occurrence, find_flapping
from controller.planning.limits import MASS_LOSS_CODE
from controller.quick_dataclasses import dataclass
from controller.reconcile.condition_ages import record_conditions
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import log_internal_error, save_without_unfit_rows
from controller.reconcile.last_looks import record_last_looks
from controller.reporting.formatting import format_value
from controller.reporting.history import stored_value_text
from state import FindingEnding, FindingRow, OccurrenceRow, Store
from state.errors import StateProblem

LedgerKey = tuple[str, str, str]
"""(merchant, code, field)"""

NOT_ALL_RECORDED = "what this run saw and did is not all recorded"
"""What a report says where a fault of ours comes up while it is recorded; the report is there all the same."""

FLEET_KEY = ""
"""Under which name the ledger keeps what was found of the whole fleet."""

OCCURRENCE_COUNT_WINDOW = timedelta(days=30)
"""`occurrences` of a finding are those within it."""


@dataclass(frozen=True, slots=True)
class ExecutedRun:
    """What a run that wrote made of its plans: by merchant the outcome, its number in the history, when it ended."""

    outcomes: Mapping[str, Outcome]
    run_id: int
    ended: datetime


@dataclass(frozen=True, slots=True)
class _LedgerState:
    """What the ledger says at the beginning: the open ones, and how often each came within OCCURRENCE_COUNT_WINDOW."""

    open_findings: Mapping[LedgerKey, OccurrenceRow]
    occurrence_counts: Mapping[LedgerKey, int] = field(default_factory=dict)


async def record_look_and_date_findings(
    plan: FleetPlan, run: RunContext, at: datetime, executed: ExecutedRun | None = None
) -> FleetPlan:
    """The plan with since when and how often each finding came, and since when a condition is not met; noted down
    where the run is one that writes the ledger. `at`: when it was looked."""
    store = run.store
    try:
        plan = await _add_flapping_findings(plan, store, at)
        found = _all_findings(plan)
        names = {each.merchant for each in found}
        ledger = _LedgerState(
            {each.key: each for each in await store.findings.load_open(_covered_merchants(plan))},
            await store.findings.count_occurrences(names, at - OCCURRENCE_COUNT_WINDOW),
        )
        since = {key: each.found_at for key, each in ledger.open_findings.items()}
        known = (
            plan if run.records is Records.NONE else plan.without(await _merchants_looked_at_later(run, at, executed))
        )
        if run.records is not Records.NONE:
            since |= await _record_findings(known, run, at, ledger, executed)
        if run.records is Records.ALL:
            await record_conditions(_plans_without_writes(known, executed), store, at, plan.scope.is_everyone)
        plan = _with_finding_ages(plan, since, ledger)
        if run.records is not Records.NONE:
            await record_last_looks(plan, executed.outcomes if executed else {}, run, at)
    except StateProblem as problem:
        if run.records is not Records.NONE:
            run.on_message(f"nothing of this look is noted in the ledger: {problem}")
        return plan
    except Exception as error:
        why = f"{NOT_ALL_RECORDED}: {log_internal_error('the ledger', error)}"
        return replace(plan, is_complete=False, unread_reasons=(*plan.unread_reasons, why))
    return plan


async def _merchants_looked_at_later(run: RunContext, at: datetime, executed: ExecutedRun | None) -> frozenset[str]:
    """Whom another run has looked at since this one looked, and to whom this one wrote nothing: that one knows better.

    What is dated in the future comes from a clock that was wrong.
    """
    believed_until = run.now() + MAX_CLOCK_DIFFERENCE
    outcomes = executed.outcomes if executed else {}
    return frozenset(
        name
        for name, seen_at in (await run.store.last_looks.load_times(since=at)).items()
        if at < seen_at <= believed_until and not isinstance(outcomes.get(name), Applied)
    )


def _plans_without_writes(plan: FleetPlan, executed: ExecutedRun | None) -> list[Plan]:
    """Of whom the run wrote nothing: how the others stand by now the next look tells."""
    return [each for each in plan.plans if not (executed and each.changes)]


def _all_findings(plan: FleetPlan) -> list[Finding]:
    return [*plan.findings, *(each for one in plan.every_plan for each in one.findings)]


def _covered_merchants(plan: FleetPlan) -> frozenset[str] | None:
    return None if plan.scope.is_everyone else frozenset({FLEET_KEY, *(each.merchant for each in plan.every_plan)})


# Noting -------------------------------------------------------------------------------------------------


async def _record_findings(
    plan: FleetPlan, run: RunContext, at: datetime, ledger: _LedgerState, executed: ExecutedRun | None
) -> dict[LedgerKey, datetime]:
    """When each finding of the plan was found; empty where only what was mended is noted."""
    store, fleet, everything = run.store, run.fleet, run.records is Records.ALL
    found = [*_all_findings(plan), *_findings_left_to_merchants(executed)] if everything else []
    gone: tuple[LedgerKey, ...] = ()
    if everything:
        unsettled = {each.merchant for each in await store.intents.load_open()}
        gone = tuple(
            cleared_findings(ledger.open_findings, plan, unsettled, fleet.known_names if fleet.is_complete else None)
        )
    rows = {each.key: _finding_row(each, fleet, news=run.policy.automatic) for each in found}
    known = ledger.open_findings
    is_new = any(key not in known or known[key].live_or_wanted_differs_from(row) for key, row in rows.items())
    number = executed.run_id if executed else await _record_look_as_run(run, at, is_new or bool(gone))
    plans = {each.merchant: each for each in plan.every_plan}
    endings = [_ending(ledger.open_findings[key], plans.get(key[0]), fleet, number) for key in gone]
    mended, tried = _mended_and_tried_findings(plan, executed)
    since: dict[LedgerKey, datetime] = {}

    async def note(some: Sequence[Finding]) -> None:
        over_now = [mended[each.key] for each in some if each.key in mended]
        since.update(await store.findings.record([rows[each.key] for each in some], gone=over_now, at=at, run=number))

    if not everything:
        endings = list(mended.values())
    # Endings first: what the look found over and its write brings anew, like a consent to wait for, comes once more.
    await store.findings.record((), gone=endings, at=at, run=number)
    await save_without_unfit_rows(note, found)
    # Last, since only a finding that is recorded as open can be marked as tried.
    await store.findings.record((), tried=tried, at=at, run=number)
    return since


async def _record_look_as_run(run: RunContext, at: datetime, needed: bool) -> int | None:
    """A look that changed the ledger is a line in the history of runs, though it wrote nothing over there."""
    if not needed:
        return None
    number = await begin_run(run, at)
    await run.store.runs.end(number, 0, {"writes": 0}, at)
    return number


async def begin_run(run: RunContext, at: datetime) -> int:
    """Its number in the history."""
    author = run.author
    who = {"user": author.user or None, "host": author.host or None}
    return await run.store.runs.begin(author.verb, at, **who, revision=run.fleet.revision or None)


def cleared_findings(
    open_: Iterable[LedgerKey], plan: FleetPlan, unsettled: Collection[str] = (), known: frozenset[str] | None = None
) -> frozenset[LedgerKey]:
    """What of the open findings this look shows to be over. Pure.

    unsettled  merchants with a create whose answer was lost: what stands there now may be otherwise in a moment
    known      who has a manifest, where all manifests were read; whoever has none has left
    """
    shown = {each.key for each in _all_findings(plan)}
    plans = {each.merchant: each for each in plan.every_plan}
    doubted = {name for each in plan.findings if each.code == MASS_LOSS_CODE for name in each.affected_merchants}
    doubted.update(unsettled)

    def is_over(key: LedgerKey) -> bool:
        merchant, code, field = key
        if merchant == FLEET_KEY:  # where a class is judged, whoever was not read counts as if he wanted the same
            return plan.scope.is_everyone and (plan.is_complete or code != MASS_LOSS_CODE)
        has_left = known is not None and merchant not in known
        if merchant in plans and has_left:  # held or taken down: what was found of its manifest is found no more
            return merchant not in doubted and not plans[merchant].has_unread
        if merchant in plans:
            return merchant not in doubted and classify_absence(code, field, plans[merchant]) is FindingAbsence.CLOSED
        return plan.scope.is_everyone and has_left

    return frozenset(key for key in open_ if key not in shown and is_over(key))


def _ending(open_: OccurrenceRow, plan: Plan | None, fleet: Fleet, run: int | None) -> FindingEnding:
    merchant, code, field = open_.key
    has_left = merchant not in fleet.known_names if fleet.is_complete else plan is None
    if has_left and merchant not in (FLEET_KEY, ACCOUNT_NAME):
        return FindingEnding(open_.key, Ended.LEFT, run)
    wish = declared_value_at_finding(open_.key, fleet)
    manifest_changed = (open_.wish is not None and wish != open_.wish) or (
        plan is not None and (code, field) in plan.ignored
    )
    how = classify_ending(code, written=open_.tried_run is not None, manifest_changed=manifest_changed)
    wanted = value_to_json(plan.resolved_values[field]) if plan and field in plan.resolved_values else None
    return FindingEnding(open_.key, how, open_.tried_run if how is Ended.MENDED else run, wanted)


def declared_value_at_finding(key: LedgerKey, fleet: Fleet) -> str | None:
    """The manifest's part in a finding: what it declares at the field, or all that it says where there is none."""
    merchant, _, field = key
    if merchant == ACCOUNT_NAME:
        declared = fleet.account_settings.values
        return json.dumps(value_to_json(declared[field])) if field in declared else "undeclared"
    wanted = fleet.merchants.get(merchant)
    if wanted is None:
        return None
    if not field:
        return wanted.digest
    others = {
        COMPANY_NAME_PATH: wanted.company_name,
        CONNECTION_STATE_PATH: wanted.link_state.value,
        "connection.platform": wanted.platform,
        "company.books": wanted.books,
    }
    if field in others:
        return json.dumps(others[field])
    return json.dumps(value_to_json(wanted.fields[field])) if field in wanted.fields else "undeclared"


def _mended_and_tried_findings(
    plan: FleetPlan, executed: ExecutedRun | None
) -> tuple[dict[LedgerKey, FindingEnding], tuple[LedgerKey, ...]]:
    """What the run has put right, and what it may have."""
    mended: dict[LedgerKey, FindingEnding] = {}
    tried: list[LedgerKey] = []
    for each in plan.every_plan if executed else ():
        outcome = executed.outcomes.get(each.merchant) if executed else None
        keys = [finding.key for finding in each.findings if finding.actor is Actor.APPLY] if each.changes else []
        if executed and isinstance(outcome, Applied):
            # An account that was asked for is in the books later, and what it is for is over once that is seen.
            asked_for = {
                field.field
                for change in each.changes
                if change.kind is ChangeKind.CREATE_ACCOUNT
                for field in change.fields
            }
            tried += [key for key in keys if key[2] in asked_for]
            declared = {key: each.resolved_values.get(key[2]) for key in keys if key[2] not in asked_for}
            mended |= {
                key: FindingEnding(key, Ended.MENDED, executed.run_id, value_to_json(declared[key]), executed.ended)
                for key in declared
            }
        elif isinstance(outcome, ChangedSincePlan | Failed) and (outcome.writes or getattr(outcome, "unsure", False)):
            tried += keys
    return mended, tuple(tried)


def _findings_left_to_merchants(executed: ExecutedRun | None) -> Iterable[Finding]:
    """What a new connection waits for is known before anybody looks at it."""
    for outcome in executed.outcomes.values() if executed else ():
        if isinstance(outcome, Applied):
            yield from (each for each in outcome.findings if each.actor is Actor.MERCHANT)


def _finding_row(finding: Finding, fleet: Fleet, *, news: bool) -> FindingRow:
    return FindingRow(
        *finding.key,
        direction=finding.direction and finding.direction.value,
        live=value_to_json(finding.live),
        wanted=value_to_json(finding.wanted),
        cause=finding.cause,
        wish=declared_value_at_finding(finding.key, fleet),
        is_news=news and (is_drift(finding) or finding.code == FLAPPING_CODE),
    )


# Telling ------------------------------------------------------------------------------------------------


async def _add_flapping_findings(plan: FleetPlan, store: Store, at: datetime) -> FleetPlan:
    """The plan with a finding for each that comes again and again, and who fights."""
    rows = await store.findings.load_recurring(at - WITHIN, LEAST - 1, _covered_merchants(plan))
    if not rows:
        return plan
    authors = {
        number: (str(Author(each.verb, each.user or "", each.host or "")), each.revision or "")
        for number, each in (await store.runs.load_authors(row.gone_run for row in rows)).items()
    }
    # By merchant first: where the whole fleet flaps, each of its plans would be compared with the keys of all others.
    recurring: dict[str, dict[LedgerKey, list[Occurrence]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.code != FLAPPING_CODE:
            recurring[row.merchant][row.key].append(_occurrence(row, authors))
    open_ = {row.key for row in rows if row.gone_at is None}

    def with_flapping(one: Plan) -> Plan:
        return _add_flapping_findings_to_plan(one, recurring.get(one.merchant, {}), open_, at)

    account = with_flapping(plan.account) if plan.account else None
    return replace(plan, plans=tuple(with_flapping(each) for each in plan.plans), account=account)


def _occurrence(row: OccurrenceRow, authors: Mapping[int, tuple[str, str]]) -> Occurrence:
    ended = next((each for each in Ended if each == row.how), None)
    direction = next((each for each in Direction if each == row.direction), None)
    by, revision = authors.get(row.gone_run or 0, ("", "")) if ended is Ended.MENDED else ("", "")
    live = "" if row.live is None else stored_value_text(row.field, row.live)
    return Occurrence(row.found_at, direction, ended, by, revision, live)


def _add_flapping_findings_to_plan(
    plan: Plan, recurring: Mapping[LedgerKey, list[Occurrence]], open_: Collection[LedgerKey], at: datetime
) -> Plan:
    """`recurring`: of this merchant, what came again and again."""
    if not recurring:
        return plan
    shown = {each.key: each for each in plan.findings}
    found: dict[str, Finding] = {}
    for key, occurrences in recurring.items():
        _, code, field = key
        now = shown.get(key) if key not in open_ else None
        live = "" if now is None or now.live is None else format_value(now.live, field)
        times = [*occurrences, *([Occurrence(at, now.direction, live=live)] if now else [])]
        if plan.resolved_values and _is_undeclared_field(field, plan):
            continue
        finding = find_flapping(plan.merchant, code, field or None, times)
        if finding:
            found.setdefault(field, finding)
    return replace(plan, findings=(*plan.findings, *found.values())) if found else plan


def _is_undeclared_field(field: str, plan: Plan) -> bool:
    """A field of the document that the manifests do not declare any more is nobody's fight."""
    return field.startswith(("mapping.", "schedule.", ENABLED_PATH)) and field not in plan.resolved_values


def _with_finding_ages(plan: FleetPlan, since: Mapping[LedgerKey, datetime], ledger: _LedgerState) -> FleetPlan:
    findings = tuple(_with_age_and_occurrences(each, since, ledger) for each in plan.findings)
    account = _plan_with_finding_ages(plan.account, since, ledger) if plan.account else None
    plans = tuple(_plan_with_finding_ages(each, since, ledger) for each in plan.plans)
    return replace(plan, plans=plans, findings=findings, account=account)


def _with_age_and_occurrences(finding: Finding, since: Mapping[LedgerKey, datetime], ledger: _LedgerState) -> Finding:
    times = ledger.occurrence_counts.get(finding.key, 0) + (finding.key not in ledger.open_findings)
    return replace(finding, since=since.get(finding.key), occurrences=max(1, times))


def _plan_with_finding_ages(plan: Plan, since: Mapping[LedgerKey, datetime], ledger: _LedgerState) -> Plan:
    if not plan.findings:
        return plan
    findings = tuple(_with_age_and_occurrences(each, since, ledger) for each in plan.findings)
    return replace(plan, findings=findings, conditions=_conditions_dated_by_findings(plan.conditions, findings))


def _conditions_dated_by_findings(
    conditions: tuple[Condition, ...], findings: tuple[Finding, ...]
) -> tuple[Condition, ...]:
    """Not met since the finding that is its reason was first seen, and Ready as long as what it waits for."""
    dated = [(each.code, each.since) for each in findings if each.since]
    # The newest first, so that of several findings of a code the oldest is written last, and stays.
    first = dict(sorted(dated, key=lambda one: one[1], reverse=True))
    told = tuple(replace(each, since=first.get(each.reason)) for each in conditions)
    by_type = {each.type: each.since for each in told}
    return tuple(replace(each, since=each.since or by_type.get(each.reason)) for each in told)
