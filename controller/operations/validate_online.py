"""Every declared reference, looked up in its merchant's own books: what `validate --online` asks. Plans nothing."""

from __future__ import annotations

from collections.abc import Iterator

from controller.codat.from_wire import read_configuration
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.desired import DesiredMerchant, LinkState
from controller.model.errors import (
    RemoteError,
)
from controller.model.field_values import Ref, resolve_live_path
from controller.model.observed import Absent, Company, Configuration, Unread
from controller.model.reference_check import (
    CheckedReferences,
    FleetReferenceCheck,
    NotYetCheckable,
    ReferenceCheck,
    UnresolvedReference,
)
from controller.model.run_policy import Scope
from controller.operations.bootstrap import (
    OnProgress,
    RunRequest,
    build_run,
    ignore_message,
    load_manifests,
    no_progress,
    open_reader,
    open_store,
    refuse_empty_root_and_state,
)
from controller.operations.shared_budget import shared_budget
from controller.planning.configuration_rules import find_violations
from controller.planning.new_accounts import unresolved_new_accounts
from controller.planning.remedies import candidate_texts
from controller.planning.resolve import (
    KnownReferences,
    ResolutionProblem,
    ResolvedFields,
    describe_near_misses,
    resolve_fields,
)
from controller.reconcile.concurrency import map_bounded
from controller.reconcile.context import RunContext
from controller.reconcile.failure_policy import ends_run, log_internal_error
from controller.reconcile.load_snapshot import load_snapshot
from controller.reconcile.observe import BasicObservation, observe_basic, unread_field_reason
from controller.reconcile.snapshot import RunSnapshot
from controller.settings import Settings

COMPANY_NOT_CREATED = "not created yet"
CONSENT_PENDING = "waits for the merchant's consent"
BOOKS_NOT_PULLED = "its books are not pulled yet"
DECLARED_UNLINKED = "wanted unlinked"


async def check_references(
    settings: Settings,
    scope: Scope,
    on_progress: OnProgress = no_progress,
    *,
    environment: Environment = REAL_ENVIRONMENT,
) -> FleetReferenceCheck:
    """Looks up every reference of everyone in scope, and records nothing. Raises InvalidManifests."""
    fleet = load_manifests(settings, scope, strict=True)
    async with (
        open_store(settings, ignore_message) as store,
        open_reader(settings, environment) as api,
        shared_budget(settings, store, api),
    ):
        await refuse_empty_root_and_state(settings, fleet, store)
        run = build_run(settings, RunRequest(scope), fleet, store, api, on_progress, environment)
        return await check_all_references(run)


async def check_all_references(run: RunContext) -> FleetReferenceCheck:
    """One listing, and at most one configuration per merchant. What cannot be read is Unread."""
    snapshot = await load_snapshot(run)
    names = sorted(snapshot.desired)

    async def check_one(merchant: str) -> ReferenceCheck:
        try:
            return await check_merchant_references(merchant, snapshot)
        except RemoteError as error:
            return Unread(str(error))
        except Exception as error:
            if ends_run(error):
                raise
            return Unread(log_internal_error(merchant, error))

    answers = await map_bounded(names, check_one, run.parallelism, run.on_progress)
    return FleetReferenceCheck(dict(zip(names, answers, strict=True)))


async def check_merchant_references(merchant: str, snapshot: RunSnapshot) -> ReferenceCheck:
    wanted = snapshot.desired[merchant]
    if wanted.link_state is LinkState.UNLINKED:
        return NotYetCheckable(DECLARED_UNLINKED)
    live = _parse_checkable_configuration(await observe_basic(merchant, snapshot), snapshot)
    if not isinstance(live, Configuration):
        return live
    if unread := unread_field_reason(live, wanted):
        return Unread(f"a configuration document cannot be read: {unread}")
    resolved = resolve_fields(
        wanted.fields, live, snapshot.run.service_now(), KnownReferences(snapshot.recorded_state(merchant).last_applied)
    )
    misfits = tuple(_to_unresolved_reference(wanted, problem, live) for problem in resolved.problems)
    return CheckedReferences((*misfits, *_rule_violations(wanted, resolved, live)))


def _rule_violations(
    wanted: DesiredMerchant, resolved: ResolvedFields, live: Configuration
) -> Iterator[UnresolvedReference]:
    """Declared fields that have their answers, and do not go together: two that lead to one account, above all."""
    declared = {resolve_live_path(live.values, path) or path: path for path in resolved.values}
    values = {**live.values, **{place: resolved.values[path] for place, path in declared.items()}}
    for place, sentence in find_violations(values, live):
        if path := declared.get(place):
            yield UnresolvedReference(wanted.origins[path][-1], path, "refused", sentence)


def _parse_checkable_configuration(
    basic: BasicObservation, snapshot: RunSnapshot
) -> Configuration | NotYetCheckable | Unread:
    """The merchant's own options; without any there is nothing to look in."""
    match basic:
        case BasicObservation(company=Absent()):
            return NotYetCheckable(COMPANY_NOT_CREATED)
        case BasicObservation(company=Unread() as unread) | BasicObservation(document=Unread(failed=True) as unread):
            return unread
        case BasicObservation(document=Unread()):
            return NotYetCheckable(BOOKS_NOT_PULLED)
        case BasicObservation(company=Company(), document=bytes() as document):
            live = read_configuration(document, snapshot.run.service_now())
            return live if live.offers_options else NotYetCheckable(BOOKS_NOT_PULLED)
    return NotYetCheckable(CONSENT_PENDING)


def _to_unresolved_reference(
    wanted: DesiredMerchant, problem: ResolutionProblem, live: Configuration
) -> UnresolvedReference:
    path, place = problem.field, resolve_live_path(live.values, problem.field) or problem.field
    written, ref = tuple(candidate_texts(problem, wanted.fields[path], live, place)), wanted.fields[path]
    options = live.options.get(place, ())
    if path in unresolved_new_accounts(wanted.fields, live):
        return UnresolvedReference(wanted.origins[path][-1], path, "to-create", problem.reference)
    alike = describe_near_misses(ref, options) if isinstance(ref, Ref) and problem.kind == "unresolved" else ""
    return UnresolvedReference(
        wanted.origins[path][-1], path, problem.kind, problem.reference, problem.candidates, written, alike
    )
