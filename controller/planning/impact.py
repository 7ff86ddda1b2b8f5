"""Who depends on an account, a profile or a platform, and what would become of them. Pure.

From what is declared and recorded, without a look: it is right as far as live is as it was applied last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from controller.model.desired import DesiredMerchant, LinkState
from controller.model.field_values import (
    ENABLED_PATH,
    PLATFORM_PATH,
    REPLACED_CONNECTIONS_PATH,
    Option,
    Ref,
    RefKind,
    ref_kind,
)
from controller.model.impact import Dependent, Effect, Impact
from controller.model.observed import RecordedState
from controller.model.plan import ChangeClass
from controller.model.platforms import platform_name
from controller.planning.diff import recorded_path
from controller.planning.holds import closing_hold
from controller.planning.limits import LIMITS, MASS_LOSS_LIMIT, effective_limit

Recorded = Mapping[str, RecordedState]


def account_impact(reference: str, merchants: Iterable[DesiredMerchant], recorded: Recorded, now: datetime) -> Impact:
    """Who books on the account that has this code, name or id, by what is declared or by what was set last."""
    asked, dependents = tuple(merchants), []
    by_key: dict[str, list[str]] = {"id": [], "code": [], "name": []}
    set_up: list[str] = []
    created: set[str] = set()
    for desired in asked:
        record = recorded.get(desired.name, RecordedState())
        for path, ref in _account_references(desired):
            last = record.last_applied.get(recorded_path(path))
            led_here = isinstance(last, Option) and reference in (last.id, last.code, last.name)
            # A reference by another key leads there where it did so when it was set.
            if not (led_here or ref.value == reference):
                continue
            origins = desired.origins.get(path)
            how = f'{ref.by} "{ref.value}"' + ("" if ref.value == reference else ", which led there")
            where = str(origins[-1]) if origins else ""
            dependents.append(Dependent(desired.name, path, how, where, _standing(record), closing_hold(desired, now)))
            by_key[ref.by].append(desired.name)
            if ref.create:
                created.add(desired.name)
            if led_here and record.last_configured_at:
                set_up.append(desired.name)
    return Impact(
        f"account {reference}",
        tuple(dependents),
        tuple(_account_effects(dependents, by_key, set_up, created)),
        len(asked),
        _bound_count(recorded),
    )


def _account_references(desired: DesiredMerchant) -> Iterator[tuple[str, Ref]]:
    for path, value in desired.fields.items():
        if isinstance(value, Ref) and ref_kind(path) is RefKind.ACCOUNT:
            yield path, value


def _account_effects(
    dependents: Collection[Dependent],
    by_key: Mapping[str, list[str]],
    set_up: Collection[str],
    created: Collection[str],
) -> Iterator[Effect]:
    """`created`: the merchants whose manifest has it created where the books lack it."""
    configured = _sorted_distinct(set_up)
    new = _sorted_distinct(each.merchant for each in dependents if each.merchant not in set(configured))
    blocked = "blocked, and nothing is written to it, until it is restored or another is named; its syncs fail"
    if configured:
        instead = "; or, where its manifest has it created, until a person releases that: --allow create-record=NAME"
        deleted = blocked + (instead if any(name in created for name in configured) else "")
        yield Effect("it is deleted in the books", configured, "account-deleted", deleted)
        yield Effect("it is archived in the books", configured, "account-archived", blocked)
    if made := _sorted_distinct(name for name in new if name in created):
        waits = "created there once a person releases each: --allow create-record=NAME; then configured"
        yield Effect("it is not in the books, and its manifest has it created", made, "create-record-held", waits)
    if others := _sorted_distinct(name for name in new if name not in created):
        waits = "not configured until it is there or another is named"
        yield Effect("it is not in the books", others, "account-unresolved", waits)
    for key, event in (("name", "it is renamed in the books"), ("code", "it is renumbered in the books")):
        concerned = _sorted_distinct(by_key[key])
        if concerned:
            follows = "its selection stays, and nothing is written to it, until the manifest has the new one"
            yield Effect(event, concerned, "account-unresolved", follows)


def profile_impact(
    name: str,
    merchants: Iterable[DesiredMerchant],
    recorded: Recorded,
    now: datetime,
    limits: Mapping[ChangeClass, tuple[int, int]] = LIMITS,
) -> Impact:
    """Who takes which fields from a profile, through others or directly, and what a change of it would be."""
    asked, dependents = tuple(merchants), []
    title = f"MappingProfile {name}"
    for desired in asked:
        standing = _standing(recorded.get(desired.name, RecordedState()))
        for path, origins in desired.origins.items():
            if origins[-1].manifest == title:
                how = "directly" if desired.profile == name else f"through profile {desired.profile}"
                hold = closing_hold(desired, now)
                dependents.append(Dependent(desired.name, path, how, str(origins[-1]), standing, hold))
    bound = _bound_count(recorded)
    return Impact(
        f"profile {name}", tuple(dependents), tuple(_profile_effects(dependents, bound, limits)), len(asked), bound
    )


def _profile_effects(
    dependents: Collection[Dependent], bound: int, limits: Mapping[ChangeClass, tuple[int, int]]
) -> Iterator[Effect]:
    takers: dict[ChangeClass, set[str]] = {}
    for each in dependents:
        change_class = _change_class_of_field(each.field or "")
        if change_class and each.standing == CONFIGURED and not each.hold:
            takers.setdefault(change_class, set()).add(each.merchant)
    for change_class, names in takers.items():
        limit = effective_limit(limits[change_class], bound)
        over = f"over the limit of {limit:,}: merchantctl rollout start, or --allow {change_class.value}"
        within = f"within the limit of {limit:,}"
        event = _CLASS_EVENTS[change_class]
        yield Effect(
            event, _sorted_distinct(names), None, f"{change_class.value}: {over if len(names) > limit else within}"
        )
    of_platform = [each for each in dependents if each.field == PLATFORM_PATH and not each.hold]
    if connected := _sorted_distinct(each.merchant for each in of_platform if each.standing == CONFIGURED):
        moves = "nothing is written to it, unless policy.replaceConnection moves it: once it has consented, and by name"
        yield Effect("its platform changes", connected, "connection-wrong-platform", moves)
    everyone = _sorted_distinct(each.merchant for each in dependents)
    if everyone:
        yield Effect("it is deleted or invalid", everyone, None, "no run begins: exit 65; `run` keeps what was before")


_CLASS_EVENTS = {
    ChangeClass.REMAP: "a line of its mapping changes",
    ChangeClass.RESCHEDULE: "its schedule changes",
    ChangeClass.DISABLE: "it switches its merchants off",
}


def _change_class_of_field(path: str) -> ChangeClass | None:
    if path == ENABLED_PATH:
        return ChangeClass.DISABLE
    if path.startswith("schedule."):
        return ChangeClass.RESCHEDULE
    return ChangeClass.REMAP if path.startswith("mapping.") else None


def connection_impact(platform: str, merchants: Iterable[DesiredMerchant], recorded: Recorded, now: datetime) -> Impact:
    """Who is, or is to be, connected to a platform. `platform`: its four-letter key."""
    asked, dependents = tuple(merchants), []
    for desired in asked:
        if desired.platform != platform or desired.link_state is LinkState.UNLINKED:
            continue
        record = recorded.get(desired.name, RecordedState())
        origins = desired.origins.get("connection.platform")
        where, how = str(origins[-1]) if origins else "", "connected" if record.connection_id else "to be connected"
        if REPLACED_CONNECTIONS_PATH in record.last_applied:
            how = "connected once it has consented; until then to another platform"
        dependents.append(Dependent(desired.name, None, how, where, _standing(record), closing_hold(desired, now)))
    bound = _bound_count(recorded)
    subject = f"connection {platform_name(platform) or platform}"
    return Impact(subject, tuple(dependents), tuple(_connection_effects(dependents, bound)), len(asked), bound)


def _connection_effects(dependents: Collection[Dependent], bound: int) -> Iterator[Effect]:
    connected = _sorted_distinct(each.merchant for each in dependents if each.how == "connected")
    if not connected:
        return
    again = "nothing is written to it until the merchant has given consent again: merchantctl link NAME"
    yield Effect("its access is revoked or expires", connected, "connection-deauthorized", again)
    yield Effect("it is unlinked", connected, "connection-unlinked", again)
    held = (
        "its mapping goes along; held until --allow re-create=NAME, then consent and a start that books nothing twice"
    )
    limit = effective_limit(MASS_LOSS_LIMIT, bound)
    open_ = sum(not each.hold for each in dependents if each.how == "connected")
    if open_ > limit:
        held = f"more than {limit:,} at once are a mass loss: nobody is created or taken down; {held}"
    yield Effect("it is deleted at Codat", connected, "mass-loss" if open_ > limit else "connection-deleted", held)


CONFIGURED, BOUND, NEW = "configured", "bound", "not created yet"


def _standing(record: RecordedState) -> str:
    if record.last_configured_at and not record.removed_at:
        return CONFIGURED
    return BOUND if record.company_id and not record.removed_at else NEW


def _bound_count(recorded: Recorded) -> int:
    return sum(bool(record.company_id) and not record.removed_at for record in recorded.values())


def _sorted_distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
