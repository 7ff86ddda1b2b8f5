"""A merchant while somebody synchronises it by hand: switched off, left alone, and switched on again. Pure.

open, running ─▶ the wish is `enabled: false`, and nothing is written
open, ended   ─▶ the manifest's wish; where it has none, what was before
closed        ─▶ as ever
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from shlex import quote

from controller.model.desired import DesiredMerchant
from controller.model.field_values import ENABLED_PATH
from controller.model.holds import HeldBy, Hold
from controller.model.observed import RecordedState
from controller.model.plan import Actor, Finding, Plan, PlanStatus
from controller.model.syncs_and_uploads import MANUAL_SYNC, OpenManualSync
from controller.planning.holds import hold_changes
from controller.planning.remedies import APPLY_COMMAND

RECHECK_AFTER = timedelta(seconds=10)
"""How soon `run` looks again whether a manual sync has ended."""


def desired_during_manual_sync(desired: DesiredMerchant, open_sync: OpenManualSync) -> DesiredMerchant:
    """What is desired of the merchant while the manual sync is open."""
    if desired.removal:
        return desired
    if not open_sync.has_ended:
        return replace(desired, fields={**desired.fields, ENABLED_PATH: False})
    if ENABLED_PATH not in desired.fields and open_sync.was_enabled:
        return replace(desired, fields={**desired.fields, ENABLED_PATH: True})
    return desired


def recorded_during_manual_sync(recorded: RecordedState, open_sync: OpenManualSync) -> RecordedState:
    """What is remembered of it: that we switched it off ourselves, so that it is nobody's drift."""
    if not open_sync.was_enabled:  # then it was off already, and what was applied last says why
        return recorded
    return replace(recorded, last_applied={**recorded.last_applied, ENABLED_PATH: False})


def hold_during_manual_sync(plan: Plan, open_sync: OpenManualSync | None) -> Plan:
    """The plan with all of its changes held, and told of, while the manual sync runs; once it has ended, with why the
    merchant is switched on."""
    is_told = any(finding.code == MANUAL_SYNC for finding in plan.findings)
    if open_sync is None or is_told or (plan.is_removal and open_sync.has_ended):
        return plan
    if open_sync.has_ended:
        return _explain_if_switched_on(plan, open_sync)
    since = f"{open_sync.begun_at:%Y-%m-%d %H:%M:%S} UTC"
    who = f"by {open_sync.owner}" if open_sync.owner else "and its process has ended"
    finding = Finding(
        MANUAL_SYNC,
        plan.merchant,
        f"a manual sync is open since {since}, {who}: scheduled syncs are off until it is over",
        "wait for it to end"
        if open_sync.owner
        else f"to have them on again: merchantctl apply --target {quote(plan.merchant)}; a run does it by itself",
        Actor.NOBODY,
        recheck_after=RECHECK_AFTER,
    )
    status = PlanStatus.WAITING if plan.changes or plan.status is PlanStatus.IN_SYNC else plan.status
    if not plan.changes:
        return replace(plan, status=status, findings=(finding, *plan.findings))
    return hold_changes(plan, status, Hold(HeldBy.MANUAL_SYNC, finding.cause), finding, actor=Actor.NOBODY)


def _explain_if_switched_on(plan: Plan, open_sync: OpenManualSync) -> Plan:
    switches_on = any(
        field.field == ENABLED_PATH and field.wanted is True for change in plan.changes for field in change.fields
    )
    if not switches_on:
        return plan
    cause = (
        f"the manual sync that was begun at {open_sync.begun_at:%Y-%m-%d %H:%M:%S} UTC has ended: scheduled syncs are "
        "switched on again"
    )
    finding = Finding(MANUAL_SYNC, plan.merchant, cause, APPLY_COMMAND, Actor.APPLY)
    return replace(plan, findings=(finding, *plan.findings))
