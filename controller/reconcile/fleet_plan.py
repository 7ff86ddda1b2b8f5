"""The plans of a run, judged together: the limits, what was not seen, and what is said of the fleet as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from controller.model.errors import UsageError
from controller.model.observed import Listing
from controller.model.plan import ChangeClass, ChangeKind, Plan
from controller.model.report import FleetPlan, RetainedMerchant
from controller.model.run_policy import RELEASABLE_BY_NAME
from controller.model.yaml_snippets import quote_yaml_if_needed
from controller.planning.clock_skew import describe_skew
from controller.planning.holds import closing_hold, is_held_for_rollout
from controller.planning.limits import LIMITS, FleetSize, limit_plans
from controller.planning.unattended_limits import park_over_limit
from controller.reconcile.failure_policy import QUOTA_USED_UP
from controller.reconcile.load_snapshot import merchants_without_manifest, retained_merchants
from controller.reconcile.request_estimate import estimate_requests, quota_shortfall_notes
from controller.reconcile.snapshot import RunSnapshot
from controller.reporting.formatting import format_count, format_list
from controller.untrusted_text import unknown_merchant_text


def build_fleet_plan(
    snapshot: RunSnapshot, plans: Sequence[Plan], reads_to_repeat: int, recent_changes: Mapping[ChangeClass, int]
) -> FleetPlan:
    """The plans judged together.

    reads_to_repeat  reads that it took to see all this, where carrying it out begins with as many
    recent_changes   what unattended runs have written within the window, by class
    """
    run = snapshot.run
    _refuse_unknown_released_names(snapshot)
    # Who is closed counts in no limit: whatever is the matter with it, nothing is written.
    judgement = limit_plans((plan for plan in plans if not plan.is_closed), _fleet_size(snapshot), run.policy)
    if run.policy.automatic:
        at_once = run.scope.is_everyone or run.policy.judges_revision
        judgement = park_over_limit(
            judgement,
            _fleet_size(snapshot),
            recent_changes,
            everyone=at_once,
            unjudged=run.policy.unjudged,
            parked=run.policy.parked,
        )
    judged = {plan.merchant: plan for plan in judgement.plans}
    plans = tuple(judged.get(plan.merchant, plan) for plan in plans)
    cost = estimate_requests(plans, reads_to_repeat, run.requests_per_minute, run.api.quota)
    incomplete = _unread_reasons(snapshot, plans)
    unmanaged = _unmanaged_company_names(_listing(snapshot), plans, snapshot)
    retained = retained_merchants(snapshot)
    return FleetPlan(
        plans=plans,
        fleet_digest=run.fleet.digest,
        commit=run.fleet.commit,
        is_complete=not (incomplete or run.fleet.diagnostics or any(each.has_unread for each in plans)),
        unmanaged_names=unmanaged,
        refusal=judgement.refusal,
        request_estimate=cost,
        made_at=run.service_now(),
        counts=judgement.counts,
        findings=judgement.findings,
        notes=(
            *_clock_notes(snapshot),
            *_empty_state_notes(plans, unmanaged, snapshot),
            *_possible_rename_notes(plans),
            *_leaving_notes(retained),
            *_rollout_notes(plans, snapshot),
            *quota_shortfall_notes(cost, run.api.quota),
        ),
        unread_reasons=incomplete,
        diagnostics=run.fleet.diagnostics,
        scope=run.scope,
        retained=retained,
        base_url=run.base_url,
        environment=run.environment_name,
        resume_at=run.api.resume_at if any(each.has_unread or each.changes for each in plans) else None,
    )


def _refuse_unknown_released_names(snapshot: RunSnapshot) -> None:
    """A name that nobody bears is a mistype, and would release nobody."""
    run = snapshot.run
    for word in RELEASABLE_BY_NAME:
        for name in sorted(run.policy.released_merchants(word) - snapshot.desired.keys() - snapshot.recorded.keys()):
            raise UsageError(f"--allow {word}={name}: {unknown_merchant_text(name, snapshot.desired)}")


def _listing(snapshot: RunSnapshot) -> Listing | None:
    return snapshot.company_index.listing if snapshot.company_index else None


def _unread_reasons(snapshot: RunSnapshot, plans: Sequence[Plan]) -> tuple[str, ...]:
    """What was not read, in sentences for the whole fleet."""
    run = snapshot.run
    listing, back = _listing(snapshot), run.api.resume_at
    missed = ((listing.incomplete_reason,) if listing and not listing.complete else ()) + _unread_sync_reasons(snapshot)
    unread = sum(each.has_unread for each in plans)
    if not back or not unread:
        return missed
    return (
        *missed,
        f"{QUOTA_USED_UP} until {back:%Y-%m-%d %H:%M} UTC: {unread} of {len(plans)} merchants were not read",
    )


def _unread_sync_reasons(snapshot: RunSnapshot) -> tuple[str, ...]:
    if not snapshot.syncs_unread:
        return ()
    name, why = next(iter(snapshot.syncs_unread.items()))
    return (
        f"the latest sync of {format_count(len(snapshot.syncs_unread), 'merchant')} "
        f"({format_list(list(snapshot.syncs_unread))}): {name}: {why}",
    )


def _fleet_size(snapshot: RunSnapshot) -> FleetSize:
    run = snapshot.run
    now = run.service_now()
    closed = {name for name, desired in run.fleet.merchants.items() if closing_hold(desired, now)}
    bound = sum(name not in closed for name in snapshot.merchant_by_company_id.values())
    lost = merchants_without_manifest(run.fleet, run.scope, snapshot.recorded)
    if lost is not None:  # whoever is only called otherwise has not been lost
        lost = tuple(name for name in lost if name not in snapshot.contested)
    gone = _merchants_with_missing_company(snapshot) - closed
    return FleetSize(
        bound,
        lost,
        len(run.fleet.known_names),
        len(gone),
        len(gone & run.fleet.merchants.keys()),
        limits=LIMITS | dict(run.limits),
    )


def _merchants_with_missing_company(snapshot: RunSnapshot) -> set[str]:
    """Merchants whose bound company a complete listing lacks, whether that was read for everyone or for one who is
    missing."""
    seen = snapshot.company_index or snapshot.absence_index_if_read
    if seen is None or not seen.listing.complete:
        return set()
    return {merchant for id_, merchant in snapshot.merchant_by_company_id.items() if id_ not in seen.by_id}


def _unmanaged_company_names(listing: Listing | None, plans: Sequence[Plan], snapshot: RunSnapshot) -> tuple[str, ...]:
    """Companies that neither a binding nor a plan claims."""
    ours = set(snapshot.merchant_by_company_id) | {plan.company_id for plan in plans}
    return tuple(each.name for each in listing.companies if each.id not in ours) if listing else ()


def _clock_notes(snapshot: RunSnapshot) -> tuple[str, ...]:
    note = describe_skew(snapshot.run.now(), snapshot.run.api.skew)
    return (note,) if note else ()


def _empty_state_notes(plans: Sequence[Plan], unmanaged: Sequence[str], snapshot: RunSnapshot) -> tuple[str, ...]:
    creates = sum(1 for plan in plans for each in plan.changes if each.kind is ChangeKind.CREATE_COMPANY)
    if snapshot.recorded or not creates or not unmanaged:
        return ()
    there, wanted = format_count(len(unmanaged), "company", "companies"), format_count(creates, "company", "companies")
    return (
        f"the state is empty, while {there} exist that no manifest names: is it the right one to create {wanted} with?",
    )


def _possible_rename_notes(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Somebody is taken down while somebody else is created: the company's name may have moved along with a rename."""
    going = sorted(plan.merchant for plan in plans if plan.is_removal and plan.changes)
    coming = sorted(
        plan.merchant for plan in plans if any(each.kind is ChangeKind.CREATE_COMPANY for each in plan.changes)
    )
    if not going or not coming:
        return ()
    return (
        f"{format_list(going)} will be taken down, and {format_list(coming)} created: if that is a "
        "merchant under another name, "
        "write metadata.renamedFrom in the manifest that it has now",
    )


def _leaving_notes(retained: Sequence[RetainedMerchant]) -> tuple[str, ...]:
    """Said until an apply over everyone has noted it; `drift --unmanaged` lists them from then on."""
    leaving = [each for each in retained if each.retained_since is None]
    names = [each.merchant for each in leaving]
    if not names:
        return ()
    return (
        *(
            f"{format_list(each.newcomers)} came when the manifest of {each.merchant} went, and may be it: then write "
            f"metadata.renamedFrom: {quote_yaml_if_needed(each.merchant)} in the manifest that it has now"
            for each in leaving
            if each.newcomers
        ),
        f"{format_list(names, most=20)}: the manifest is gone, and policy deletion: Retain keeps "
        "company, connection and "
        "sync as they are. From the next apply on nobody manages what is there; a manifest of that name takes it back, "
        "merchantctl drift --unmanaged lists it",
    )


def _rollout_notes(plans: Sequence[Plan], snapshot: RunSnapshot) -> tuple[str, ...]:
    """One sentence per rollout that keeps this run from writing."""
    held = Counter(snapshot.holds[plan.merchant].rollout for plan in plans if is_held_for_rollout(plan))
    return tuple(
        f"{format_count(number, 'merchant')} left to rollout {name}: merchantctl rollout status {name}"
        for name, number in sorted(held.items())
    )
