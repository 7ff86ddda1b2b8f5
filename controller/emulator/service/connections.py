"""Links from a company to a platform: made, authorised, failed, severed, deleted (API notes 3.2, 5.1).

(none) --create--> PendingAuth --authorise--> Linked --unlink--------> Unlinked
                    |     ^                    ^  |                        |
                    '-fail'                    |  '---deauthorise--> Deauthorized
                                               '------authorise------------'
any --delete--> (gone, and the configuration with it)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from controller.emulator.service import pulls, sync_settings
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.company_records import CompanyRecord, ConnectionRecord
from controller.emulator.service.errors import ApiError, no_connection, not_valid
from controller.emulator.service.platforms import PLATFORMS
from controller.emulator.service.world import World

_AUTHORISATION_EVENTS = {
    "PendingAuth": "connection.connected",
    "Unlinked": "connection.reconnected",
    "Deauthorized": "connection.reconnected",
}
_PULLS_AFTER_SEVERING = {"Unlinked": "Cancelled", "Deauthorized": "AuthError"}


def find(company: CompanyRecord, connection_id: str) -> ConnectionRecord:
    """The company's connection of that id. Raises ApiError 404."""
    for connection in company.connections:
        if connection.id == connection_id.lower():
            return connection
    raise no_connection(connection_id)


def source_type(connection: ConnectionRecord) -> str:
    """`Accounting` or `Commerce`."""
    return PLATFORMS[connection.platform].source_type


def list_of_type(company: CompanyRecord, kind: str) -> list[ConnectionRecord]:
    """The company's connections of one source type, oldest first."""
    return [connection for connection in company.connections if source_type(connection) == kind]


def first_linked(company: CompanyRecord, kind: str) -> ConnectionRecord | None:
    """The first `Linked` connection of one source type, if any."""
    return next((connection for connection in list_of_type(company, kind) if connection.status == "Linked"), None)


def create(world: World, company_id: str, platform_key: str, *, status: str = "PendingAuth") -> ConnectionRecord:
    """One more connection, whatever there is already. Raises ApiError 404 for a key that is not offered."""
    platform = PLATFORMS.get(platform_key)
    if platform is None or not platform.enabled:
        raise ApiError(404, f"Integration {platform_key} not found")
    connection = ConnectionRecord(str(uuid4()), platform_key, status, world.now())
    company = world.companies[company_id]
    world.companies[company_id] = replace(company, connections=(*company.connections, connection))
    _emit_change(world, "connection.created", company_id, connection, old_status=None)
    return connection


def authorise(world: World, company_id: str, connection_id: str) -> ConnectionRecord:
    """What a merchant does on the link page: `Linked`, and the first pulls are queued.

    An accounting connection that is `Linked` already stays as it is.
    """
    connection = find(world.companies[company_id], connection_id)
    if connection.status == "Linked":
        return connection
    old_status = connection.status
    connection = _store_connection(world, company_id, replace(connection, status="Linked", errors=()))
    _emit_change(world, _AUTHORISATION_EVENTS[old_status], company_id, connection, old_status)
    queue_first_pulls(world, company_id, connection)
    return connection


def queue_first_pulls(world: World, company_id: str, connection: ConnectionRecord) -> None:
    """Queue what is fetched on first link, all at one moment: after consent, and on «refresh all»."""
    with world.clock.frozen_at(world.now()):
        for data_type in sync_settings.first_link_data_types(world, company_id, connection):
            pulls.queue_pull_unless_running(world, company_id, connection.id, data_type)


def unlink(world: World, company_id: str, connection_id: str, *, severed: bool = False) -> ConnectionRecord:
    """`Linked` → `Unlinked`, by API, or by the merchant (`severed`). Raises ApiError 400."""
    return _disconnect(world, company_id, connection_id, "Unlinked", severed)


def deauthorise(world: World, company_id: str, connection_id: str) -> ConnectionRecord:
    """`Linked` → `Deauthorized`: revoked or expired at the platform. Raises ApiError 400."""
    return _disconnect(world, company_id, connection_id, "Deauthorized", False)


def record_link_failure(world: World, company_id: str, connection_id: str, error: dict[str, Any]) -> ConnectionRecord:
    """An attempt to link came to nothing: the status stays, `dataConnectionErrors` says why."""
    connection = find(world.companies[company_id], connection_id)
    error_json = {**error, "erroredOnUtc": format_timestamp(world.now()), "status": "Active"}
    connection = _store_connection(world, company_id, replace(connection, errors=(*connection.errors, error_json)))
    _emit_change(world, "connection.failed", company_id, connection, connection.status)
    return connection


def delete(world: World, company_id: str, connection_id: str, *, severed: bool = False) -> None:
    """Gone, with its cached data and pulls; the company's configuration goes too (API notes 3.2 #10)."""
    company = world.companies[company_id]
    connection = find(company, connection_id)
    last = to_json(world, company_id, connection)
    world.companies[company_id] = replace(
        company,
        connections=tuple(other for other in company.connections if other.id != connection.id),
        datasets=tuple(other for other in company.datasets if other.connection_id != connection.id),
        chosen=None,
        pinned={},
        configured=False,
    )
    _emit_event(world, "connection.deleted", company_id, last, connection.status, severed)
    world.emit("configuration.changed", company_id)


def to_json(world: World, company_id: str, connection: ConnectionRecord) -> dict[str, Any]:
    """The connection as the API shows it; its `linkUrl` is a page of this very service."""
    platform = PLATFORMS[connection.platform]
    view: dict[str, Any] = {
        "id": connection.id,
        "integrationId": platform.integration_id,
        "integrationKey": platform.key,
        "sourceId": platform.source_id,
        "platformName": platform.name,
        "linkUrl": f"{world.settings.base_url}/companies/{company_id}/connections/{connection.id}/start",
        "status": connection.status,
    }
    if connection.last_sync:
        view["lastSync"] = format_timestamp(connection.last_sync)
    view["created"] = format_timestamp(connection.created)
    view["sourceType"] = platform.source_type
    if connection.errors:
        view["dataConnectionErrors"] = [dict(error) for error in connection.errors]
    return view


def _disconnect(world: World, company_id: str, connection_id: str, status: str, severed: bool) -> ConnectionRecord:
    connection = find(world.companies[company_id], connection_id)
    if connection.status != "Linked":
        raise not_valid()
    pulls.end_running_pulls(world, company_id, connection.id, _PULLS_AFTER_SEVERING[status])
    connection = _store_connection(
        world, company_id, replace(find(world.companies[company_id], connection_id), status=status)
    )
    _emit_event(
        world,
        "connection.disconnected",
        company_id,
        to_json(world, company_id, connection),
        "Linked",
        severed,
    )
    return connection


def _store_connection(world: World, company_id: str, connection: ConnectionRecord) -> ConnectionRecord:
    company = world.companies[company_id]
    updated = tuple(connection if other.id == connection.id else other for other in company.connections)
    world.companies[company_id] = replace(company, connections=updated)
    return connection


def _emit_change(
    world: World, event_name: str, company_id: str, connection: ConnectionRecord, old_status: str | None
) -> None:
    _emit_event(world, event_name, company_id, to_json(world, company_id, connection), old_status, False)


def _emit_event(
    world: World,
    event_name: str,
    company_id: str,
    connection: dict[str, Any],
    old_status: str | None,
    severed: bool,
) -> None:
    company = world.companies[company_id]
    reference: dict[str, Any] = {"id": company.id, "name": company.name}
    if company.description is not None:
        reference["description"] = company.description
    world.emit(
        event_name,
        company_id,
        company=reference,
        connection=connection,
        oldStatus=old_status,
        severed=severed,
    )
