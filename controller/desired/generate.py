"""Imported merchants as manifests: what the merchants of a platform have in common goes into one profile. Pure.

declared alike by more than half of the platform's mapped merchants ─▶ the profile
each merchant declares what differs: another value, `null`, or `unmanaged` for what it does not declare at all
a merchant whose manifest would be no shorter with the profile gets none
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from controller.desired.manifest import TAX_RATES_PATH
from controller.desired.merge import EXCLUDED_PATHS, TIME_ZONE_PATH
from controller.desired.schema import ACCOUNT_KEYS, MERCHANT_KIND, PROFILE_KIND, is_manifest_name
from controller.desired.validation import find_schema_problems
from controller.desired.yaml_writer import NewManifest, SpecPath
from controller.model.schedule import local_date
from controller.model.values import (
    CONNECTION_STATE_PATH,
    CUSTOMER_PATH,
    ENABLED_PATH,
    FEES_SYNC_PATH,
    FREQUENCY_PATH,
    GROUPING_PERIOD_PATH,
    INVOICE_GROUPING_PATH,
    INVOICE_LINE_GROUPING_PATH,
    INVOICE_STATUS_PATH,
    LOCAL_TIME_PATH,
    PAYMENTS_SYNC_PATH,
    PLATFORM_PATH,
    SALES_SYNC_PATH,
    START_DATE_PATH,
    SUPPLIER_PATH,
    SYNC_HOUR_PATH,
    DeclaredValue,
    LocalTime,
    Ref,
    parse_account_path,
    parse_tax_rate_path,
    ref_to_manifest,
)
from controller.quick_dataclasses import dataclass

ManifestValue = bool | int | str | tuple[str, ...] | Ref | None
ManifestFields = Mapping[str, ManifestValue]
"""By field path, the value as a manifest has it."""

_FIELD_ORDER = (
    *(PLATFORM_PATH, CONNECTION_STATE_PATH, ENABLED_PATH),
    *(FREQUENCY_PATH, START_DATE_PATH, LOCAL_TIME_PATH, TIME_ZONE_PATH, SYNC_HOUR_PATH),
    *(SALES_SYNC_PATH, INVOICE_STATUS_PATH, CUSTOMER_PATH, "mapping.sales.accounts", TAX_RATES_PATH),
    *(GROUPING_PERIOD_PATH, INVOICE_GROUPING_PATH, INVOICE_LINE_GROUPING_PATH),
    *(PAYMENTS_SYNC_PATH, "mapping.payments.accounts"),
    *(FEES_SYNC_PATH, SUPPLIER_PATH, "mapping.fees.accounts"),
)


@dataclass(frozen=True, slots=True)
class MerchantDraft:
    """One merchant to be written.

    fields           what its manifest would declare without a profile; None where `null` may stand and is not needed
    reference_names  by field path, the name of what a code or an id points at, for the reader
    notes            comment lines above the manifest
    has_mapping      it has a mapping to share
    """

    name: str
    company_name: str
    fields: ManifestFields
    reference_names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    has_mapping: bool = False


# One merchant -------------------------------------------------------------------------------------------


def to_manifest_values(fields: Mapping[str, DeclaredValue], zone: str | None) -> dict[str, ManifestValue]:
    """Declared values as a manifest has them; `zone` is that of the time and the start date, None = UTC."""
    values: dict[str, ManifestValue] = {TIME_ZONE_PATH: zone} if zone else {}
    for path, value in fields.items():
        if isinstance(value, LocalTime):
            values[path] = value.time
        else:
            values[path] = local_date(value, zone).isoformat() if isinstance(value, datetime) else value
    return values


def drop_invalid_fields(draft: MerchantDraft) -> tuple[MerchantDraft, dict[str, str]]:
    """The draft without the values that the schema does not allow, and by field path why not."""
    manifest = _manifest_without_profile(draft)
    reasons: dict[str, str] = {}
    problems = [(problem.path[1:], problem.what) for problem in find_schema_problems(MERCHANT_KIND, manifest.as_dict)]
    for field_path in draft.fields:
        spec_path = spec_path_of(field_path)
        for path_below_spec, what in problems:
            # A problem may be about a field, a part of its value, or a mapping around it.
            shorter = min(len(spec_path), len(path_below_spec))
            if spec_path[:shorter] == path_below_spec[:shorter]:
                reasons[field_path] = f"no manifest can say it: {what.removeprefix('spec.')}"
    fields = {path: value for path, value in draft.fields.items() if path not in reasons}
    return replace(draft, fields=fields), reasons


def spec_path_of(path: str) -> SpecPath:
    """The keys of a field path, from `spec` down: a key may hold dots itself."""
    rate, account = parse_tax_rate_path(path), parse_account_path(path)
    if rate is not None:
        return ("mapping", "sales", "taxRates", rate)
    if account is not None:
        return ("mapping", account[0], "accounts", account[1])
    return tuple(path.split("."))


def choose_manifest_name(company_name: str, taken: Collection[str]) -> str:
    """A free manifest name for a company: its own name where it can be one, else letters and digits of it."""
    if is_manifest_name(company_name) and company_name not in taken:
        return company_name
    return unique_name(slug(company_name), taken)


def slug(text: str) -> str:
    """Small letters, digits and hyphens; for names and files."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:100] or "merchant"


def unique_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of name-2, name-3, … that is not taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


# Many merchants -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _SharedProfile:
    name: str
    common: ManifestFields
    members: tuple[MerchantDraft, ...]


def build_manifests(
    drafts: Sequence[MerchantDraft],
    taken: Collection[str],
    there: Mapping[str, Any] | None = None,
    *,
    profiles: bool = True,
) -> Iterator[NewManifest]:
    """The new profiles, then the merchants in their order.

    taken     names of profiles that exist already
    there     by name, the `spec` of those: one with the same values is used, and not written again
    profiles  False: every merchant declares everything itself
    """
    shared = list(_shared_profiles(drafts, taken, there or {})) if profiles else []
    yield from (_profile_manifest(profile) for profile in shared if profile.name not in taken)
    profile_of = {draft.name: profile for profile in shared for draft in profile.members}
    for draft in drafts:
        profile = profile_of.get(draft.name)
        yield _manifest_with_profile(draft, profile) if profile else _manifest_without_profile(draft)


def _shared_profiles(
    drafts: Sequence[MerchantDraft], taken: Collection[str], there: Mapping[str, Any]
) -> Iterator[_SharedProfile]:
    by_platform: dict[str, list[MerchantDraft]] = {}
    for draft in drafts:
        if draft.has_mapping:
            by_platform.setdefault(str(draft.fields[PLATFORM_PATH]), []).append(draft)
    for platform, candidates in sorted(by_platform.items()):
        common = _common_fields(candidates)
        members = []
        for draft in candidates:
            with_profile = len(_own_fields(draft, common)) + len(_unmanaged_paths(draft, common))
            if with_profile < sum(value is not None for value in draft.fields.values()):
                members.append(draft)
        if len(members) > 1:
            same = (name for name, spec in sorted(there.items()) if spec == _tree(common))
            yield _SharedProfile(next(same, None) or unique_name(platform, taken), common, tuple(members))


def _common_fields(drafts: Sequence[MerchantDraft]) -> dict[str, ManifestValue]:
    """The values that more than half of them have."""
    counts = Counter(item for draft in drafts for item in draft.fields.items() if item[1] is not None)
    common = {path: value for (path, value), count in counts.items() if count * 2 > len(drafts)}
    # Each merchant declares for itself that it is Unlinked: a profile with that would unlink everyone who uses it.
    common.pop(CONNECTION_STATE_PATH, None)
    return common


def _own_fields(draft: MerchantDraft, common: ManifestFields) -> dict[str, ManifestValue]:
    """What the merchant has to declare itself; `null` only where the profile has a value."""
    absent = object()
    return {
        path: value
        for path, value in draft.fields.items()
        if common.get(path, absent) != value and (value is not None or path in common)
    }


def _unmanaged_paths(draft: MerchantDraft, common: ManifestFields) -> list[str]:
    """What the profile declares and the merchant does not; not an hour that it declares in the other way."""
    replaced = {other for path in _own_fields(draft, common) for other in EXCLUDED_PATHS.get(path, ())}
    return sorted((path for path in common if path not in draft.fields and path not in replaced), key=_sort_key)


# Manifests ----------------------------------------------------------------------------------------------


def _profile_manifest(profile: _SharedProfile) -> NewManifest:
    size, platform = len(profile.members), profile.common.get(PLATFORM_PATH, "")
    note = f"What most of {size} merchants on {platform} have in common, as they were imported."
    comments = {}
    for path, value in profile.common.items():
        names = {draft.reference_names.get(path) for draft in profile.members if draft.fields.get(path) == value}
        # A comment only where the reference has one name in everybody's books.
        if len(names) == 1 and (name := names.pop()):
            comments[spec_path_of(path)] = name
    return NewManifest(PROFILE_KIND, profile.name, _tree(profile.common), (note,), comments)


def _manifest_with_profile(draft: MerchantDraft, profile: _SharedProfile) -> NewManifest:
    fields, unmanaged = _own_fields(draft, profile.common), _unmanaged_paths(draft, profile.common)
    last = {"unmanaged": unmanaged} if unmanaged else {}
    return _merchant_manifest(draft, {"profile": profile.name}, fields, last)


def _manifest_without_profile(draft: MerchantDraft) -> NewManifest:
    fields = {path: value for path, value in draft.fields.items() if value is not None}
    return _merchant_manifest(draft, {}, fields, {})


def _merchant_manifest(
    draft: MerchantDraft, first: Mapping[str, Any], fields: ManifestFields, last: Mapping[str, Any]
) -> NewManifest:
    company = {"company": {"name": draft.company_name}} if draft.company_name != draft.name else {}
    comments = {spec_path_of(path): name for path, name in draft.reference_names.items() if path in fields}
    spec = {**first, **company, **_tree(fields), **last}
    return NewManifest(MERCHANT_KIND, draft.name, spec, draft.notes, comments)


def _tree(fields: ManifestFields) -> dict[str, Any]:
    """Field paths as the nested keys of a manifest, in the order in which people read them."""
    root: dict[str, Any] = {}
    for path in sorted(fields, key=_sort_key):
        *parents, last = spec_path_of(path)
        node = root
        for key in parents:
            node = node.setdefault(key, {})
        value = fields[path]
        if isinstance(value, Ref):
            node[last] = ref_to_manifest(value)
        else:
            node[last] = list(value) if isinstance(value, tuple) else value
    return root


def _sort_key(path: str) -> tuple[int, Decimal | int, str]:
    """Sections as in the manifests of this project, accounts as API notes 4.4 lists them, rates by size."""
    account, rate = parse_account_path(path), parse_tax_rate_path(path)
    if account:
        key = account[1]
        position = ACCOUNT_KEYS.index(key) if key in ACCOUNT_KEYS else len(ACCOUNT_KEYS)
        return _FIELD_ORDER.index(f"mapping.{account[0]}.accounts"), position, key
    if rate is not None:
        number = Decimal(rate) if rate.replace(".", "", 1).isdecimal() else Decimal(1000)
        return _FIELD_ORDER.index(TAX_RATES_PATH), number, rate
    return _FIELD_ORDER.index(path), 0, path
