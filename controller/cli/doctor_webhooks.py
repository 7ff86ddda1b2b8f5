"""The checks of `doctor` about webhooks: are the secrets there, is Codat told to call, and did it ever.

Where no webhook is set up nothing is asked: whatever happens is found all the same, a little later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from pathlib import Path
from shlex import quote

from controller.cli.doctor_checks import DoctorCheck
from controller.codat.client import Client
from controller.desired.loader import load_fleet
from controller.environment import Environment
from controller.model.desired import DesiredSettings
from controller.model.errors import MerchantctlError, NotFound, RemoteError
from controller.model.hooks import HookKind, LiveHook
from controller.operations.bootstrap import open_reader
from controller.reporting.formatting import format_time
from controller.setting_secrets import exposure_text, is_exposed, read_named_secret
from controller.settings import Settings
from state.errors import StateProblem
from state.inspection import inspect_state

# what `run` has to hear of ─▶ the events that tell it: all of one of these
NEEDED: Mapping[str, tuple[frozenset[str], ...]] = {
    "a connection that is linked or unlinked": (
        frozenset({"connection.connected", "connection.disconnected", "connection.reconnected"}),
        frozenset({"DataConnectionStatusChanged"}),
    ),
    "a connection that is deleted": (
        frozenset({"connection.deleted"}),
        frozenset({"Sync Connection Deleted"}),
        frozenset({"SyncConnectionDeleted"}),
    ),
    "books that were pulled": (
        frozenset({"read.completed"}),
        frozenset({"Data sync completed"}),
        frozenset({"DataSyncCompleted"}),
    ),
}


async def check_webhooks(
    settings: Settings, environment: Environment, environ: Mapping[str, str], cwd: Path
) -> AsyncGenerator[DoctorCheck, None]:
    """Secrets, then what Codat is told to call for, then what came."""
    declared = _load_account_settings(settings)
    places = sorted({each.secret for each in declared.hooks.values() if each.secret}, key=str)
    if not (declared.hooks or settings.webhook_secret or settings.webhook_authorization):
        fact = "no secret is set: what happens is found by looking, within minutes"
        yield DoctorCheck("webhooks", True, fact, "docs/reference.md says how to set them up")
        return
    for place in places:
        if read_named_secret(place.kind, place.name, environ, cwd) is None:
            step = "copy the consumer's signing secret there from Codat's portal; merchantctl run reads it from there"
            yield DoctorCheck("webhooks", True, f"there is no secret in {place} here", step, warns=True)
        elif place.kind == "file" and is_exposed(cwd / place.name):
            file = cwd / place.name
            yield DoctorCheck("secrets", True, exposure_text(file), f"chmod 600 {quote(str(file))}", warns=True)
    if settings.api_key:
        try:
            async with open_reader(settings, environment) as api:
                yield _check_coverage(
                    [*await _load_hooks(api, HookKind.CONSUMER), *await _load_hooks(api, HookKind.RULE)]
                )
        except MerchantctlError as error:
            yield DoctorCheck("webhooks", True, f"what Codat calls for could not be read: {error}", warns=True)
    yield await _check_deliveries(settings)


def _load_account_settings(settings: Settings) -> DesiredSettings:
    """What the manifests say; a check of its own says where they cannot be read."""
    try:
        return load_fleet(settings.manifests, selector=settings.selector).account_settings
    except MerchantctlError:
        return DesiredSettings()


async def _load_hooks(api: Client, kind: HookKind) -> tuple[LiveHook, ...]:
    """Those that are there; an account without this generation has none of it."""
    try:
        return await api.hooks(kind)
    except NotFound:
        return ()


def _check_coverage(hooks: Iterable[LiveHook]) -> DoctorCheck:
    lacking = missing_event_descriptions(hooks)
    if not lacking:
        return DoctorCheck("webhooks", True, "Codat calls for every event that run needs")
    step = "declare a consumer of these events in a manifest of kind AlertRules, and merchantctl apply"
    return DoctorCheck("webhooks", True, f"Codat calls nobody for {' and '.join(lacking)}", step, warns=True)


def missing_event_descriptions(hooks: Iterable[LiveHook]) -> list[str]:
    """What `run` would not be told of. Only those count that deliver, and for every company. Pure."""
    told: Collection[str] = {
        event
        for each in hooks
        if each.hook.url and not (each.disabled or each.company_id or each.hook.tags)
        for event in each.hook.events
    }
    return [what for what, choices in NEEDED.items() if not any(choice <= {*told} for choice in choices)]


async def _check_deliveries(settings: Settings) -> DoctorCheck:
    try:
        deliveries = (await inspect_state(settings.state)).deliveries
    except (StateProblem, RemoteError):
        deliveries = ()
    if not deliveries:
        step = "nothing has to have happened yet; if something has: is /webhooks reachable from outside?"
        return DoctorCheck("deliveries", True, "none was proven yet on this state", step, warns=True)
    return DoctorCheck(
        "deliveries", True, "last proven: " + "; ".join(f"{event} {format_time(at)}" for event, at in deliveries)
    )
