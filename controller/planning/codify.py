"""Which live values may become declared ones, and in whose manifest: the drift that a person accepts. Pure.

each field that live moved ─▶ may it be declared? ─▶ a profile's line, where all who take it have the same ─▶ its line
                                    └─ no: why not                                └─ else ─▶ the merchant's own line
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from controller.model.desired import DesiredMerchant
from controller.model.drift import MOVED_REFERENCE_CODES
from controller.model.field_values import (
    COMPANY_NAME_PATH,
    ENABLED_PATH,
    LOCAL_TIME_PATH,
    START_DATE_PATH,
    SYNC_HOUR_PATH,
    DeclaredValue,
    LocalTime,
    Option,
    Ref,
    resolve_live_path,
    values_equal,
)
from controller.model.local_times import local_date, local_midnight, utc_hour
from controller.model.observed import Configuration
from controller.model.plan import Direction, Finding, Plan
from controller.planning.diff import recorded_path
from controller.planning.from_live import declare_from_live
from controller.quick_dataclasses import dataclass

MERCHANT_TITLE, PROFILE_TITLE = "Merchant", "MappingProfile"


@dataclass(frozen=True, slots=True)
class LiveMerchant:
    """One merchant as it was looked at: what is desired, its plan, and its document where that was read."""

    desired: DesiredMerchant
    plan: Plan
    live: Configuration | None
    last_applied: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CodifiedField:
    """A declared value that a live one replaces.

    manifest   which one: `Merchant acme`, `MappingProfile uk-xero`; `file` is where it is
    value      as a manifest declares it
    old_name   what the declared reference meant, and `new_name` what the new one means, for a comment beside it
    merchants  whose live value it is
    """

    manifest: str
    file: str
    path: str
    value: DeclaredValue
    merchants: tuple[str, ...]
    old_name: str = ""
    new_name: str = ""


@dataclass(frozen=True, slots=True)
class RefusedField:
    """A difference that is not codified, and why."""

    merchant: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Accepted:
    """One merchant's live value that may be declared."""

    merchant: str
    path: str
    value: DeclaredValue
    old_name: str
    new_name: str


def choose_fields_to_codify(
    looked_at: Iterable[LiveMerchant], fleet: Mapping[str, DesiredMerchant], now: datetime
) -> tuple[tuple[CodifiedField, ...], tuple[RefusedField, ...]]:
    """What is to be written into the manifests, and what is left, with the reason.

    fleet  everyone who is declared: a profile's line changes only where all of those who take it were looked at, and
           have the same value
    """
    accepted: dict[tuple[str, str], _Accepted] = {}
    refused: list[RefusedField] = []
    for merchant in looked_at:
        for answer in _judge_merchant(merchant, now):
            if isinstance(answer, RefusedField):
                refused.append(answer)
            else:
                accepted[answer.merchant, answer.path] = answer
    takers = _merchants_by_profile_field(fleet)
    codified: dict[tuple[str, str], CodifiedField] = {}
    for (name, path), each in accepted.items():
        origins = fleet[name].origins.get(path, ())
        title = origins[-1].manifest if origins else ""
        shared = takers.get((title, path), ())
        if shared and all(_is_shareable_and_same(accepted.get((taker, path)), each) for taker in shared):
            codified[title, path] = CodifiedField(
                title, origins[-1].file, path, each.value, shared, each.old_name, each.new_name
            )
        else:
            own = f"{MERCHANT_TITLE} {name}"
            comments = (each.old_name, each.new_name) if title == own else ("", "")
            codified[own, path] = CodifiedField(
                own, _own_manifest_file(fleet[name]), path, each.value, (name,), *comments
            )
    return tuple(codified.values()), tuple(refused)


def _merchants_by_profile_field(fleet: Mapping[str, DesiredMerchant]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By profile and field, the merchants that have the field from there."""
    takers: dict[tuple[str, str], list[str]] = {}
    for name, desired in fleet.items():
        for path, origins in desired.origins.items():
            if origins[-1].manifest.startswith(PROFILE_TITLE):
                takers.setdefault((origins[-1].manifest, path), []).append(name)
    return {key: tuple(names) for key, names in takers.items()}


def _is_shareable_and_same(one: _Accepted | None, other: _Accepted) -> bool:
    """An id is one merchant's own, and belongs in no profile."""
    is_shareable = not (isinstance(other.value, Ref) and other.value.by == "id")
    return one is not None and is_shareable and one.value == other.value


def _own_manifest_file(desired: DesiredMerchant) -> str:
    """Where the merchant's own manifest is: its name stands there, if nothing else does."""
    own = (
        origin.file
        for origins in desired.origins.values()
        for origin in origins
        if origin.manifest == f"{MERCHANT_TITLE} {desired.name}"
    )
    return next(own, "")


# One merchant -------------------------------------------------------------------------------------------


def _judge_merchant(merchant: LiveMerchant, now: datetime) -> Iterator[_Accepted | RefusedField]:
    plan, name = merchant.plan, merchant.desired.name
    if plan.has_unread:
        yield RefusedField(name, "", "it could not be read, so nothing of it is known")
        return
    for path, direction in plan.differences.items():
        found = next((finding for finding in plan.findings if finding.field == path), None)
        if direction is Direction.PENDING:
            yield RefusedField(name, path, "the manifest moved, and not live: an apply brings it")
        elif found is not None:
            yield _judge_field(merchant, path, found, now)
    for finding in plan.findings:
        if finding.field and finding.field not in plan.differences:
            yield from _judge_reference(merchant, finding, now)


def _judge_field(merchant: LiveMerchant, path: str, found: Finding, now: datetime) -> _Accepted | RefusedField:
    name, live = merchant.desired.name, merchant.live
    if path == COMPANY_NAME_PATH:
        return _Accepted(name, path, str(found.live), "", "")
    if live is None:
        return RefusedField(name, path, "its document was not read")
    if path == ENABLED_PATH and not live.enabled:
        return RefusedField(
            name, path, "Codat may have switched it off itself; write enabled: false if it is to be off"
        )
    value, reason = _declarable_value(merchant.desired, path, live, now)
    if reason:
        return RefusedField(name, path, reason)
    return _Accepted(name, path, value, _option_name(found.wanted), _option_name(found.live))


def _judge_reference(merchant: LiveMerchant, finding: Finding, now: datetime) -> Iterator[_Accepted | RefusedField]:
    """A reference without an answer, where what it led to is still selected: renamed or renumbered in the books."""
    path, live = finding.field or "", merchant.live
    if finding.code in MOVED_REFERENCE_CODES:
        yield RefusedField(merchant.desired.name, path, f"{finding.code}: what is selected is not offered any more")
    elif finding.code.endswith(("-unresolved", "-ambiguous")) and live is not None and path in merchant.desired.fields:
        last = merchant.last_applied.get(recorded_path(path))
        selected = live.values.get(resolve_live_path(live.values, path) or path)
        if isinstance(last, Option) and isinstance(selected, Option) and values_equal(last, selected):
            yield _judge_field(merchant, path, finding, now)
        else:
            yield RefusedField(merchant.desired.name, path, f"{finding.code}: what is selected is not what it led to")
    elif finding.code == "mapping-invalid":
        yield RefusedField(merchant.desired.name, path, f"mapping-invalid: {finding.cause}")


def _declarable_value(
    desired: DesiredMerchant, path: str, live: Configuration, now: datetime
) -> tuple[DeclaredValue, str]:
    """The live value of a field as this merchant's manifest would declare it; or why it cannot."""
    local_time = desired.fields.get(LOCAL_TIME_PATH)
    zone = local_time.zone if isinstance(local_time, LocalTime) else None
    if path == START_DATE_PATH:
        return _declarable_start(desired, live, zone)
    declared = declare_from_live(live, now, zone)
    if path == LOCAL_TIME_PATH:
        found = declared.fields.get(LOCAL_TIME_PATH)
        start = desired.fields.get(START_DATE_PATH)
        fits = (
            isinstance(found, LocalTime)
            and found.zone == zone
            and utc_hour(found, now, start if isinstance(start, datetime) else None) == live.values.get(SYNC_HOUR_PATH)
        )
        return (found, "") if fits else (None, f"live's hour is no time of day in {zone}")
    live_path = resolve_live_path(live.values, path) or path
    hour = live.values.get(SYNC_HOUR_PATH)
    if path == SYNC_HOUR_PATH and isinstance(hour, int):
        return hour, ""
    if live_path not in declared.fields:
        return None, declared.undeclared.get(live_path, "no manifest can say what live has there")
    return declared.fields[live_path], ""


def _declarable_start(desired: DesiredMerchant, live: Configuration, zone: str | None) -> tuple[DeclaredValue, str]:
    start, declared = live.values.get(START_DATE_PATH), desired.fields.get(START_DATE_PATH)
    if not isinstance(start, datetime) or local_midnight(local_date(start, zone), zone) != start:
        return None, f"live's start is no midnight in {zone or 'UTC'}"
    if isinstance(declared, datetime) and start < declared:
        return None, "live starts earlier, and what was booked elsewhere before would be booked again"
    return start, ""


def _option_name(value: object) -> str:
    return value.name or "" if isinstance(value, Option) else ""
