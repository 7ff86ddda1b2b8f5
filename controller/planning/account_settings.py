"""What to do about the account's own settings: a plan as a merchant has one, called `(account)`. Pure.

declared, live, last applied ─▶ who moved each setting ─▶ one change for each part (= one write)
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import sha256

from controller.model.account_settings import (
    ACCOUNT_NAME,
    DATA_TYPES_ROOT,
    PROFILE_PART,
    TEXT_ROOT,
    VISIBLE_ACCOUNTS_PATH,
    AppliedSetting,
    LiveSettings,
    is_as_declared,
    part_of_setting,
    parts_of_settings,
)
from controller.model.desired import DesiredSettings
from controller.model.drift import CAUSE_BY_DIRECTION
from controller.model.field_values import Value
from controller.model.plan import (
    Actor,
    Change,
    ChangeKind,
    CheckedPart,
    Direction,
    FieldChange,
    Finding,
    Plan,
    PlanStatus,
)
from controller.planning.hooks import NO_HOOKS, HookPlan
from controller.planning.remedies import APPLY_COMMAND

_CHANGE_KINDS = {
    VISIBLE_ACCOUNTS_PATH: ChangeKind.SET_VISIBLE_ACCOUNTS,
    PROFILE_PART: ChangeKind.SET_PROFILE,
    DATA_TYPES_ROOT: ChangeKind.SET_DATA_TYPES,
}


def plan_settings(
    desired: DesiredSettings,
    live: LiveSettings,
    applied: Mapping[str, AppliedSetting],
    hooks: HookPlan = NO_HOOKS,
) -> Plan:
    """The changes that make live as declared, part by part, and what was found. A part that was not read is left alone,
    and is no reason to leave another one alone.

    hooks  what is to be done about rules and consumers; which of them could not be read is in `live`
    """
    findings = [_unread_part_finding(part, why) for part, why in sorted(live.unread.items())]
    differences: dict[str, Direction] = {}
    changes = []
    for part in parts_of_settings(desired.values):
        if part in live.unread:
            continue
        fields = []
        for path in (path for path in sorted(desired.values) if part_of_setting(path) == part):
            found = _compare(path, desired, live, applied.get(path))
            findings += [found] if isinstance(found, Finding) else []
            if isinstance(found, FieldChange):
                differences[path] = found.direction
                findings.append(_changed_finding(found, desired))
                fields += [] if _is_left_alone(found, desired) else [found]
        if fields:
            kind = ChangeKind.SET_FLOW_TEXT if part.startswith(f"{TEXT_ROOT}.") else _CHANGE_KINDS[part]
            changes.append(Change(kind, (), tuple(fields)))
    changes += hooks.changes
    findings += hooks.findings
    observed = {path: live.values[path] for path in desired.values if path in live.values}
    observed |= hooks.adopted
    wanted = {path: str(each.hook) for path, each in desired.hooks.items()}
    return Plan(
        ACCOUNT_NAME,
        _status(changes, findings, differences),
        changes=tuple(changes),
        findings=tuple(findings),
        differences=differences,
        resolved_values={**desired.values, **wanted},
        observed_values=observed,
        fingerprint=sha256(repr((desired.digest, sorted(observed.items()))).encode()).hexdigest(),
        checked_parts=frozenset() if live.unread else frozenset({CheckedPart.ACCOUNT, CheckedPart.EVERYTHING}),
    )


def _compare(
    path: str, desired: DesiredSettings, live: LiveSettings, applied: AppliedSetting | None
) -> FieldChange | Finding | None:
    """What is to change; or why that cannot be, or what became of it; None where all is well."""
    declared = desired.values[path]
    if path not in live.values:
        return _unknown_setting_finding(path, desired, live)
    found = live.values[path]
    if is_as_declared(path, found, declared, applied):
        # As Codat stored it when we set it, and yet not to the letter.
        return _not_kept_finding(path, desired, found) if not is_as_declared(path, found, declared, None) else None
    if path in live.locked:
        return _invalid_finding(
            path, desired, found, "Codat has locked it", "ask Codat, or remove it from the manifest"
        )
    return FieldChange(path, found, declared, _direction(path, found, declared, applied))


def _direction(path: str, live: Value, declared: Value, applied: AppliedSetting | None) -> Direction:
    """Who moved. What was never set by us counts as drift, as in a merchant's configuration."""
    if applied is None:
        return Direction.DRIFT
    manifest_moved = applied.declared != declared
    live_moved = not is_as_declared(path, live, applied.declared, applied)
    if manifest_moved and live_moved:
        return Direction.CONFLICT
    return Direction.PENDING if manifest_moved else Direction.DRIFT


def _is_left_alone(change: FieldChange, desired: DesiredSettings) -> bool:
    return change.field in desired.report_only and change.direction is not Direction.PENDING


def _status(changes: list[Change], findings: list[Finding], differences: Mapping[str, Direction]) -> PlanStatus:
    if changes:
        return PlanStatus.CHANGE
    if any(each.code == "unknown" for each in findings):
        return PlanStatus.UNKNOWN
    # A `flow-changed` that waits for the operator is drift that policy leaves alone: it blocks nothing.
    if any(each.waits_for is Actor.OPERATOR and each.code != "flow-changed" for each in findings):
        return PlanStatus.BLOCKED
    if any(each.waits_for is Actor.CODAT for each in findings):
        return PlanStatus.WAITING
    return PlanStatus.DRIFTED if differences else PlanStatus.IN_SYNC


# Findings -----------------------------------------------------------------------------------------------


def _changed_finding(change: FieldChange, desired: DesiredSettings) -> Finding:
    is_left_alone = _is_left_alone(change, desired)
    return Finding(
        "flow-changed",
        ACCOUNT_NAME,
        CAUSE_BY_DIRECTION[change.direction],
        "change the manifest, or put it back in Codat's portal: policy.drift is Report"
        if is_left_alone
        else APPLY_COMMAND,
        Actor.OPERATOR if is_left_alone else Actor.APPLY,
        field=change.field,
        live=change.live,
        wanted=change.wanted,
        direction=change.direction,
        manifest=_manifest_place(change.field, desired),
    )


def _unknown_setting_finding(path: str, desired: DesiredSettings, live: LiveSettings) -> Finding:
    """A whole part would be refused because of one key that Codat does not have."""
    part = part_of_setting(path)
    # The part itself makes any two paths alike.
    offered = {each.removeprefix(part): each for each in live.values if part_of_setting(each) == part}
    nearest = get_close_matches(path.removeprefix(part), offered, n=1, cutoff=0.8)
    remove = "remove it from the manifest"
    remedy = f"did you mean {offered[nearest[0]]}? Else {remove}" if nearest else remove
    return _invalid_finding(
        path, desired, None, f"Codat has no setting {path}, so that nothing was compared there", remedy
    )


def _invalid_finding(path: str, desired: DesiredSettings, live: Value, cause: str, remedy: str) -> Finding:
    return Finding(
        "flow-invalid",
        ACCOUNT_NAME,
        cause,
        remedy,
        Actor.OPERATOR,
        field=path,
        live=live,
        wanted=desired.values[path],
        manifest=_manifest_place(path, desired),
    )


def _not_kept_finding(path: str, desired: DesiredSettings, live: Value) -> Finding | None:
    """Codat made something else of it. It is not sent again: that would bring the same, every hour."""
    if desired.values[path] is None:
        return None
    cause = "Codat accepted it, and stored something else"
    return Finding(
        "flow-not-kept",
        ACCOUNT_NAME,
        cause,
        "write in the manifest what Codat stored, or remove it there",
        Actor.NOBODY,
        field=path,
        live=live,
        wanted=desired.values[path],
        manifest=_manifest_place(path, desired),
    )


def _unread_part_finding(part: str, why: str) -> Finding:
    remedy = "it is looked at again with the next run; nothing was changed there"
    return Finding("unknown", ACCOUNT_NAME, f"could not be read: {why}", remedy, Actor.CODAT, field=part)


def _manifest_place(path: str, desired: DesiredSettings) -> str | None:
    return str(desired.origins[path]) if path in desired.origins else None
