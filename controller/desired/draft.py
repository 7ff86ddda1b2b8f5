"""Merchants that were found live, as manifests: what a platform's merchants have in common stands in one profile. Pure.

said by more than half of the platform's mapped merchants ─▶ the profile
each merchant says what differs: another value, `null`, or that it does not manage what the profile says
whoever would be no shorter with the profile stands alone
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from controller.desired.check import problems
from controller.desired.layers import INSTEAD, TIME_ZONE
from controller.desired.schema import ACCOUNT_KEYS, MERCHANT, PROFILE, is_name
from controller.desired.writing import Manifest, Place
from controller.model.schedule import local_date
from controller.model.values import (
    CONNECTION_STATE,
    LOCAL_TIME,
    START_DATE,
    SYNC_HOUR,
    Clock,
    Declared,
    Ref,
    account_key,
    tax_rate_key,
)

PLATFORM = "connection.platform"
Wish = bool | int | str | tuple[str, ...] | Ref | None
Said = Mapping[str, Wish]
"""By field path what a manifest says."""

_ORDER = (
    *(PLATFORM, CONNECTION_STATE, "enabled"),
    *("schedule.frequency", START_DATE, LOCAL_TIME, TIME_ZONE, SYNC_HOUR),
    *("mapping.sales.sync", "mapping.sales.invoiceStatus", "mapping.sales.customer"),
    *("mapping.sales.accounts", "mapping.sales.taxRates"),
    *("mapping.sales.grouping.period", "mapping.sales.grouping.invoice", "mapping.sales.grouping.invoiceLine"),
    *("mapping.payments.sync", "mapping.payments.accounts"),
    *("mapping.fees.sync", "mapping.fees.supplier", "mapping.fees.accounts"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """One merchant to be written.

    said    what its manifest would declare if it stood alone; None where `null` may stand and nothing needs to
    called  by field path the name of what a code or an id points at, for the reader
    notes   comment lines above the manifest
    mapped  it has a mapping to share
    """

    name: str
    company: str
    said: Said
    called: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mapped: bool = False


# One merchant -------------------------------------------------------------------------------------------


def spelled(fields: Mapping[str, Declared], zone: str | None) -> dict[str, Wish]:
    """Wishes as a manifest says them; `zone` is the one that time and start date are meant in, None = UTC."""
    said = {path: _spelled(wish, zone) for path, wish in fields.items()}
    return said | ({TIME_ZONE: zone} if zone else {})


def _spelled(wish: Declared, zone: str | None) -> Wish:
    if isinstance(wish, Clock):
        return wish.time
    return local_date(wish, zone).isoformat() if isinstance(wish, datetime) else wish


def fitting(draft: Draft) -> tuple[Draft, dict[str, str]]:
    """The draft without what the shape of a manifest has no words for, and by field path why not."""
    wrong = {problem.path[1:]: problem.what for problem in problems(MERCHANT, _alone(draft).values)}
    unsaid = {path: _why(what) for path in draft.said for at, what in wrong.items() if _touches(place_of(path), at)}
    return replace(draft, said={path: wish for path, wish in draft.said.items() if path not in unsaid}), unsaid


def _why(what: str) -> str:
    return f"no manifest can say it: {what.removeprefix('spec.')}"


def _touches(place: Place, at: tuple[str | int, ...]) -> bool:
    """Whether one of two places is the other or stands below it."""
    shorter = min(len(place), len(at))
    return place[:shorter] == at[:shorter]


def place_of(path: str) -> Place:
    """The keys of a field path, from `spec` down: a key may hold dots itself."""
    rate, account = tax_rate_key(path), account_key(path)
    if rate is not None:
        return ("mapping", "sales", "taxRates", rate)
    if account is not None:
        return ("mapping", account[0], "accounts", account[1])
    return tuple(path.split("."))


def named(wish: str, taken: Collection[str]) -> str:
    """A free manifest name for a company: its own name where it can be one, else letters and digits of it."""
    if is_name(wish) and wish not in taken:
        return wish
    return free(slug(wish), taken)


def slug(text: str) -> str:
    """Small letters, digits and hyphens; for names and files."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:100] or "merchant"


def free(name: str, taken: Collection[str]) -> str:
    """The name, or the first of name-2, name-3, … that is not taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


# Many merchants -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Profile:
    name: str
    common: Said
    members: tuple[Draft, ...]


def manifests(drafts: Sequence[Draft], taken: Collection[str], *, profiles: bool = True) -> Iterator[Manifest]:
    """The profiles, then the merchants in their order. `taken` are the names of profiles that exist already."""
    shared = list(_profiles(drafts, taken)) if profiles else []
    yield from map(_of_profile, shared)
    profile_of = {draft.name: profile for profile in shared for draft in profile.members}
    for draft in drafts:
        profile = profile_of.get(draft.name)
        yield _on(draft, profile) if profile else _alone(draft)


def _profiles(drafts: Sequence[Draft], taken: Collection[str]) -> Iterator[_Profile]:
    by_platform: dict[str, list[Draft]] = {}
    for draft in drafts:
        if draft.mapped:
            by_platform.setdefault(str(draft.said[PLATFORM]), []).append(draft)
    for platform, alike in sorted(by_platform.items()):
        common = _common(alike)
        members = tuple(draft for draft in alike if _is_shorter_on(draft, common))
        if len(members) > 1:
            yield _Profile(free(platform, taken), common, members)


def _common(drafts: Sequence[Draft]) -> dict[str, Wish]:
    """What more than half of them say alike. Unlinked is each for itself: a profile that says so unlinks everyone."""
    counted = Counter(item for draft in drafts for item in draft.said.items() if item[1] is not None)
    common = {path: wish for (path, wish), number in counted.items() if number * 2 > len(drafts)}
    common.pop(CONNECTION_STATE, None)
    return common


def _is_shorter_on(draft: Draft, common: Said) -> bool:
    alone = sum(1 for wish in draft.said.values() if wish is not None)
    return len(_differing(draft, common)) + len(_unmanaged(draft, common)) < alone


def _differing(draft: Draft, common: Said) -> dict[str, Wish]:
    """What the merchant has to say itself; `null` only where the profile says something."""
    absent = object()
    return {
        path: wish
        for path, wish in draft.said.items()
        if common.get(path, absent) != wish and (wish is not None or path in common)
    }


def _unmanaged(draft: Draft, common: Said) -> list[str]:
    """What the profile says and the merchant does not; an hour said in the other way needs no word."""
    displaced = {other for path in _differing(draft, common) for other in INSTEAD.get(path, ())}
    return sorted((path for path in common if path not in draft.said and path not in displaced), key=_rank)


# Manifests ----------------------------------------------------------------------------------------------


def _of_profile(profile: _Profile) -> Manifest:
    size, platform = len(profile.members), profile.common.get(PLATFORM, "")
    note = f"What most of {size} merchants on {platform} have in common, as they were imported."
    asides = {path: name for path in profile.common if (name := _called_by_all(path, profile))}
    return Manifest(PROFILE, profile.name, _tree(profile.common), (note,), _placed(asides))


def _called_by_all(path: str, profile: _Profile) -> str | None:
    """The name that all who share a reference know it by."""
    alike = (draft for draft in profile.members if draft.said.get(path) == profile.common[path])
    names = {draft.called.get(path) for draft in alike}
    return names.pop() if len(names) == 1 else None


def _on(draft: Draft, profile: _Profile) -> Manifest:
    said, unmanaged = _differing(draft, profile.common), _unmanaged(draft, profile.common)
    more = {"unmanaged": unmanaged} if unmanaged else {}
    return _merchant(draft, {"profile": profile.name}, said, more)


def _alone(draft: Draft) -> Manifest:
    return _merchant(draft, {}, {path: wish for path, wish in draft.said.items() if wish is not None}, {})


def _merchant(draft: Draft, first: Mapping[str, Any], said: Said, last: Mapping[str, Any]) -> Manifest:
    company = {"company": {"name": draft.company}} if draft.company != draft.name else {}
    asides = {path: name for path, name in draft.called.items() if path in said}
    return Manifest(MERCHANT, draft.name, {**first, **company, **_tree(said), **last}, draft.notes, _placed(asides))


def _placed(asides: Mapping[str, str]) -> dict[Place, str]:
    return {place_of(path): name for path, name in asides.items()}


def _tree(said: Said) -> dict[str, Any]:
    """Field paths as the nested keys of a manifest, in the order in which people read them."""
    root: dict[str, Any] = {}
    for path in sorted(said, key=_rank):
        *way, last = place_of(path)
        below = root
        for key in way:
            below = below.setdefault(key, {})
        below[last] = _plain(said[path])
    return root


def _plain(wish: Wish) -> Any:
    if isinstance(wish, Ref):
        return {wish.by: wish.value}
    return list(wish) if isinstance(wish, tuple) else wish


def _rank(path: str) -> tuple[int, Decimal | int, str]:
    """Sections as in the manifests of this project, accounts as the reference lists them, rates by size."""
    account, rate = account_key(path), tax_rate_key(path)
    if account:
        key = account[1]
        known = ACCOUNT_KEYS.index(key) if key in ACCOUNT_KEYS else len(ACCOUNT_KEYS)
        return _ORDER.index(f"mapping.{account[0]}.accounts"), known, key
    if rate is not None:
        number = Decimal(rate) if rate.replace(".", "", 1).isdecimal() else Decimal(1000)
        return _ORDER.index("mapping.sales.taxRates"), number, rate
    return _ORDER.index(path), 0, path
