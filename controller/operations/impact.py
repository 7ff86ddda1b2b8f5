"""`impact`: who depends on something, from manifests and state, without a request."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.desired import DesiredMerchant, Fleet
from controller.model.errors import UsageError
from controller.model.impact import Impact
from controller.model.name_matching import nfc
from controller.model.plan import ChangeClass
from controller.model.platforms import nearest_platforms, platform_key
from controller.model.run_policy import Scope
from controller.operations.bootstrap import ignore_message, load_manifests, open_store
from controller.planning.impact import Recorded, account_impact, connection_impact, profile_impact
from controller.planning.limits import LIMITS
from controller.reconcile.load_snapshot import select_merchants
from controller.reconcile.persist import recorded_state_of
from controller.settings import Settings

Question = Callable[[Collection[DesiredMerchant], Recorded, datetime], Impact]


async def load_books_account_impact(
    settings: Settings, scope: Scope, reference: str, environment: Environment = REAL_ENVIRONMENT
) -> Impact:
    """Who books on the account of this code, name or id."""
    ref = nfc(reference)
    return await _load_impact(settings, scope, lambda *known: account_impact(ref, *known), environment)


async def load_profile_impact(
    settings: Settings, scope: Scope, name: str, environment: Environment = REAL_ENVIRONMENT
) -> Impact:
    """Who takes what from a profile. UsageError where there is none of that name."""

    def refuse_unknown(fleet: Fleet) -> None:
        if name not in fleet.profile_names:
            raise UsageError(
                f"there is no profile {name!r}; there are {', '.join(sorted(fleet.profile_names)) or 'none'}"
            )

    limits = LIMITS | {ChangeClass(word): limit for word, limit in settings.limits.items()}

    def question(merchants: Collection[DesiredMerchant], recorded: Recorded, now: datetime) -> Impact:
        return profile_impact(name, merchants, recorded, now, limits)

    return await _load_impact(settings, scope, question, environment, refuse_unknown)


async def load_connection_impact(
    settings: Settings, scope: Scope, platform: str, environment: Environment = REAL_ENVIRONMENT
) -> Impact:
    """Who is connected to a platform. UsageError for a word that names none."""
    key = platform_key(platform)
    if key is None:
        raise UsageError(f"there is no accounting platform {platform!r}; the nearest: {nearest_platforms(platform)}")
    return await _load_impact(settings, scope, lambda *known: connection_impact(key, *known), environment)


async def _load_impact(
    settings: Settings,
    scope: Scope,
    question: Question,
    environment: Environment,
    check: Callable[[Fleet], None] = lambda fleet: None,
) -> Impact:
    fleet = load_manifests(settings, scope, strict=True)
    check(fleet)
    async with open_store(settings, ignore_message) as store:
        recorded = {name: recorded_state_of(row) for name, row in (await store.records.load()).items()}
    return question(tuple(select_merchants(fleet, scope).values()), recorded, environment.clock())
