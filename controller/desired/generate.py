"""Imported merchants as manifests: what merchants of a platform have in common goes into profiles. Pure.

merchants of a platform ─▶ groups that share most (often one) ─▶ a profile of what more than half of a group declare
what the profiles of all groups declare alike ─▶ a profile that they extend, where that is shorter
each merchant declares what differs: another value, `null`, or `unmanaged` for what it does not declare at all
a merchant whose manifest would be no shorter with the profile gets none
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal
from math import inf
from typing import Any

from controller.desired.merchant_clustering import Group, find_groups, min_group_size
from controller.desired.merge import EXCLUDED_PATHS, TIME_ZONE_PATH
from controller.desired.parsed_manifest import TAX_RATES_PATH
from controller.desired.schema import MERCHANT_KIND, PROFILE_KIND, is_manifest_name
from controller.desired.schema_checks import ACCOUNT_KEYS
from controller.desired.schema_problems import find_schema_problems
from controller.desired.yaml_writer import NewManifest, SpecPath, yaml_text
from controller.model.field_values import (
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
    parse_tax_rate_path,
    ref_to_manifest,
    split_account_path,
)
from controller.model.local_times import local_date
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

_LINES_AROUND_A_SPEC = 6
"""What one more document takes: its comment, mark, apiVersion, kind, metadata and spec."""


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
    rate, account = parse_tax_rate_path(path), split_account_path(path)
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
    """A profile and the merchants that are written with it.

    common   what it declares, together with its base
    members  who names it; of a base, whoever is nearer to it than to a profile that extends it
    sharers  whose values it declares
    """

    name: str
    common: ManifestFields
    members: tuple[MerchantDraft, ...]
    sharers: Sequence[MerchantDraft] = ()
    base: _SharedProfile | None = None
    note: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        if self.base is None:
            return _spec_tree(self.common)
        own = {path: value for path, value in self.common.items() if path not in self.base.common}
        return {"extends": self.base.name, **_spec_tree(own)}


def build_manifests(
    drafts: Sequence[MerchantDraft],
    taken: Collection[str],
    existing: Mapping[str, Any] | None = None,
    *,
    profiles: bool = True,
) -> Iterator[NewManifest]:
    """The new profiles, then the merchants in their order.

    taken     names of profiles that exist already
    existing  by name, the `spec` of those: one with the same values is used, and not written again
    profiles  False: every merchant declares everything itself
    """
    shared = list(_shared_profiles(drafts, taken, existing or {})) if profiles else []
    yield from (_profile_manifest(profile) for profile in shared if profile.name not in taken)
    profile_of = {draft.name: profile for profile in shared for draft in profile.members}
    for draft in drafts:
        profile = profile_of.get(draft.name)
        yield _manifest_with_profile(draft, profile) if profile else _manifest_without_profile(draft)


def _shared_profiles(
    drafts: Sequence[MerchantDraft], taken: Collection[str], existing: Mapping[str, Any]
) -> Iterator[_SharedProfile]:
    by_platform: dict[str, list[MerchantDraft]] = {}
    # By name: groups must not depend on the order in which the merchants come.
    for draft in sorted(drafts, key=lambda draft: draft.name):
        if draft.has_mapping:
            by_platform.setdefault(str(draft.fields[PLATFORM_PATH]), []).append(draft)
    used = set(taken)
    for platform, candidates in sorted(by_platform.items()):
        for profile in _profiles_of_platform(platform, candidates, used, existing):
            used.add(profile.name)
            yield profile


def _profiles_of_platform(
    platform: str, drafts: Sequence[MerchantDraft], taken: Collection[str], existing: Mapping[str, Any]
) -> list[_SharedProfile]:
    """The base, if one saves lines, and a profile for each group of merchants."""
    groups = find_groups([_shareable_fields(draft) for draft in drafts], LineCounter(drafts))
    members = [[drafts[position] for position in group] for group in groups]
    commons = [_majority_fields(group) for group in members]
    names, profiles = set(taken), list[_SharedProfile]()
    base = None
    if shared := _base_fields(commons):
        note = f"What the {len(groups)} groups of merchants on {platform} have in common, as they were imported."
        base = _with_existing_or_free_name(_SharedProfile("", shared, (), drafts, note=note), platform, names, existing)
        names.add(base.name)
    on_base: list[MerchantDraft] = []
    for group, common, label in zip(members, commons, _distinguishing_labels(commons), strict=True):
        shorter = [draft for draft in group if _count_entries_with_profile(draft, common) < _count_entries_alone(draft)]
        if base:
            nearer = [
                draft
                for draft in group
                if _count_entries_with_profile(draft, base.common)
                < min(_count_entries_with_profile(draft, common), _count_entries_alone(draft))
            ]
            staying = [draft for draft in shorter if draft not in nearer]
            # Odd merchants are no reason to leave a group with too few.
            if len(staying) >= min_group_size(len(drafts)):
                shorter = staying
                on_base += nearer
        if len(shorter) > 1:
            note = f"What most of {len(shorter)} merchants on {platform} have in common, as they were imported."
            wished = slug(f"{platform}-{label}") if label else platform
            profile = _SharedProfile("", common, tuple(shorter), shorter, base, note)
            profiles.append(_with_existing_or_free_name(profile, wished, names, existing))
            names.add(profiles[-1].name)
    return [replace(base, members=tuple(on_base)), *profiles] if base else profiles


def _with_existing_or_free_name(
    profile: _SharedProfile, wished: str, taken: Collection[str], existing: Mapping[str, Any]
) -> _SharedProfile:
    """With the name of the profile there that says the same, else with a free one."""
    same = (name for name, spec in sorted(existing.items()) if spec == profile.spec)
    return replace(profile, name=next(same, None) or unique_name(wished, taken))


class LineCounter:
    """How many lines groups of these merchants take, profiles and all.

    Merchants that differ from their profile in the same fields take the same lines: one of them is written out. Each is
    looked at once for each profile.
    """

    def __init__(self, drafts: Sequence[MerchantDraft]) -> None:
        self._drafts = drafts
        self._common_by_group: dict[Group, ManifestFields] = {}
        self._by_profile: dict[frozenset[tuple[str, ManifestValue]], dict[int, tuple[int, bool]]] = {}
        self._by_fields: dict[Hashable, int] = {}

    def __call__(self, groups: Sequence[Group]) -> float:
        """Infinite where a group has too few merchants that would use its profile."""
        for group in groups:
            # Most groups come again with the next cut.
            if group not in self._common_by_group:
                self._common_by_group[group] = _majority_fields([self._drafts[position] for position in group])
        commons = [self._common_by_group[group] for group in groups]
        base = _SharedProfile("base", shared, ()) if (shared := _base_fields(commons)) else None
        profiles = [_SharedProfile("profile", common, (), base=base) for common in commons]
        written = [_profile_manifest(profile) for profile in ([base, *profiles] if base else profiles)]
        lines = sum(yaml_text([manifest]).count("\n") for manifest in written)
        for group, profile in zip(groups, profiles, strict=True):
            known = self._by_profile.setdefault(frozenset(profile.common.items()), {})
            for position in group:
                if position not in known:
                    known[position] = self._count_merchant_lines(self._drafts[position], profile)
            if len(groups) > 1 and sum(known[position][1] for position in group) < min_group_size(len(self._drafts)):
                return inf
            lines += sum(known[position][0] for position in group)
        return lines

    def _count_merchant_lines(self, draft: MerchantDraft, profile: _SharedProfile) -> tuple[int, bool]:
        """The lines of its manifest, and whether that is with the profile."""
        own, unmanaged = _own_fields(draft, profile.common), _unmanaged_paths(draft, profile.common)
        uses_profile = len(own) + len(unmanaged) < _count_entries_alone(draft)
        if not uses_profile:
            own, unmanaged = dict(_shareable_fields(draft)), []
        fields = (uses_profile, tuple((path, value is None) for path, value in own.items()), tuple(unmanaged))
        if fields not in self._by_fields:
            written = _manifest_with_profile(draft, profile) if uses_profile else _manifest_without_profile(draft)
            self._by_fields[fields] = yaml_text([written]).count("\n")
        return self._by_fields[fields], uses_profile


def _shareable_fields(draft: MerchantDraft) -> dict[str, ManifestValue]:
    """What a profile could declare for the merchant."""
    return {path: value for path, value in draft.fields.items() if value is not None and path != CONNECTION_STATE_PATH}


def _count_entries_with_profile(draft: MerchantDraft, common: ManifestFields) -> int:
    """How many things its manifest says beside a profile."""
    return len(_own_fields(draft, common)) + len(_unmanaged_paths(draft, common))


def _count_entries_alone(draft: MerchantDraft) -> int:
    return sum(value is not None for value in draft.fields.values())


def _base_fields(commons: Sequence[ManifestFields]) -> dict[str, ManifestValue]:
    """What all profiles declare alike; nothing where a base would be longer than the repetition."""
    first, *others = commons
    shared = {path: value for path, value in first.items() if all(path in one and one[path] == value for one in others)}
    saved = len(shared) * len(others) - len(commons) - _LINES_AROUND_A_SPEC
    return shared if saved > 0 else {}


def _distinguishing_labels(commons: Sequence[ManifestFields]) -> list[str]:
    """By profile, what tells it from the others: a time zone, customer, supplier or tax rates; empty = none of them."""
    kinds = [
        [str(common.get(TIME_ZONE_PATH, "")).rpartition("/")[2] for common in commons],
        *([_referenced_name(common.get(path)) for common in commons] for path in (CUSTOMER_PATH, SUPPLIER_PATH)),
        [_tax_rates_label(common) for common in commons],
    ]
    labels = []
    for position in range(len(commons)):
        telling = (kind[position] for kind in kinds if kind.count(kind[position]) == 1)
        # Of a name without a Latin letter or digit, nothing would stay in a file's name.
        labels.append(next((label for label in telling if re.search("[A-Za-z0-9]", label)), ""))
    return labels if len(commons) > 1 else [""]


def _referenced_name(value: ManifestValue) -> str:
    return value.value if isinstance(value, Ref) and value.by == "name" else ""


def _tax_rates_label(common: ManifestFields) -> str:
    rates = [rate for path in sorted(common, key=_sort_key) if (rate := parse_tax_rate_path(path)) is not None]
    return f"tax-{'-'.join(rates)}" if rates else ""


def _majority_fields(drafts: Sequence[MerchantDraft]) -> dict[str, ManifestValue]:
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
    comments = {}
    for path, value in profile.common.items():
        names = {draft.reference_names.get(path) for draft in profile.sharers if draft.fields.get(path) == value}
        # A comment only where the reference has one name in everybody's books.
        if len(names) == 1 and (name := names.pop()):
            comments[spec_path_of(path)] = name
    return NewManifest(PROFILE_KIND, profile.name, profile.spec, (profile.note,), comments)


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
    spec = {**first, **company, **_spec_tree(fields), **last}
    return NewManifest(MERCHANT_KIND, draft.name, spec, draft.notes, comments)


def _spec_tree(fields: ManifestFields) -> dict[str, Any]:
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
    account, rate = split_account_path(path), parse_tax_rate_path(path)
    if account:
        key = account[1]
        position = ACCOUNT_KEYS.index(key) if key in ACCOUNT_KEYS else len(ACCOUNT_KEYS)
        return _FIELD_ORDER.index(f"mapping.{account[0]}.accounts"), position, key
    if rate is not None:
        number = Decimal(rate) if rate.replace(".", "", 1).isdecimal() else Decimal(1000)
        return _FIELD_ORDER.index(TAX_RATES_PATH), number, rate
    return _FIELD_ORDER.index(path), 0, path
