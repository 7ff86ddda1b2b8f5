"""Save a configuration: validated for API callers, unchecked for portal edits (API notes 3.3, 4.5 to 4.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.emulator.service import configuration_document, connections, normalising, validation
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.configuration_document import Document
from controller.emulator.service.errors import NOT_REQUESTED, ApiError, ValidationItem, not_valid
from controller.emulator.service.pulls import MAPPING_TYPES
from controller.emulator.service.world import World

_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def save(world: World, company: CompanyRecord, body: Document) -> CompanyRecord:
    """Store `body` as the company's configuration, completely or not at all.

    Replace semantics: what the body lacks becomes null, false or nothing; with `settings.merge` it stays.
    Raises ApiError 400 (with every message of API notes 4.8 that applies), 409 (reference data not pulled).
    """
    _require_two_linked(company)
    _require_reference_data(company)
    stored, empty = company.chosen or {}, configuration_document.empty_document(company)
    body = _normalise_schedule(body)
    if world.settings.strict:
        _refuse_unknown_fields(body, empty, stored)
    chosen = normalising.to_option_spelling(_writable_part(body, empty, stored), world.settings)
    if world.settings.merge:
        chosen = _deep_merge(stored, chosen)
    candidate = replace(company, chosen=chosen, configured=True)
    _refuse_if_any(validation.validate_document(configuration_document.to_json(candidate), chosen, empty))
    _refuse_earlier_start(company, candidate)
    stored_form = normalising.to_stored_form(chosen, world.settings)
    return _store_and_emit_change(world, replace(candidate, chosen=stored_form), checked=True)


def edit_in_portal(world: World, company: CompanyRecord, patch: Mapping[str, Any]) -> CompanyRecord:
    """Apply a JSON Merge Patch without validation: whatever the portal, or a newer API version, may have stored."""
    chosen, pinned = _split_chosen_and_pinned(patch, configuration_document.empty_document(company))
    configured = pinned.pop("configured", company.configured)
    return _store_and_emit_change(
        world,
        replace(
            company,
            chosen=_merge_patch(company.chosen or {}, chosen),
            pinned=_merge_patch(company.pinned, pinned),
            configured=bool(configured),
        ),
        checked=False,
    )


def disable_sync(world: World, company_id: str) -> None:
    """Switch off a merchant's scheduled syncs, as the server does after failures (API notes 4.7)."""
    company = world.companies[company_id]
    _store_and_emit_change(world, replace(company, chosen={**(company.chosen or {}), "enabled": False}))


def _store_and_emit_change(world: World, company: CompanyRecord, *, checked: bool | None = None) -> CompanyRecord:
    world.companies[company.id] = company
    world.emit("configuration.changed", company.id, checked=checked)
    return company


def _require_two_linked(company: CompanyRecord) -> None:
    linked = [
        connections.source_type(connection) for connection in company.connections if connection.status == "Linked"
    ]
    if sorted(linked) != ["Accounting", "Commerce"]:
        _refuse_if_any([ValidationItem("dataConnections", validation.TWO_CONNECTIONS_TEXT, validation.VALIDATOR_NAME)])


def _require_reference_data(company: CompanyRecord) -> None:
    connection = configuration_document.accounting_connection(company)
    if connection is None or any(data_type not in connection.pulled for data_type in MAPPING_TYPES):
        raise ApiError(409, NOT_REQUESTED, "PullApi")


def _refuse_if_any(items: list[ValidationItem]) -> None:
    if items:
        raise ApiError(400, items[0].message, validation=items)


def _refuse_earlier_start(before: CompanyRecord, after: CompanyRecord) -> None:
    """`startDate` may not move earlier once configured (API notes 4.5 #13, 7); a portal edit may have left none."""
    if not before.configured:
        return
    try:
        start = validation.start_instant(configuration_document.to_json(before))
    except (ApiError, TypeError, KeyError, ValueError):
        return
    if validation.start_instant(configuration_document.to_json(after)) < start:
        _refuse_if_any(
            [ValidationItem("schedule.startDate", "Start date cannot be backdated.", validation.VALIDATOR_NAME)]
        )


def _refuse_unknown_fields(body: Mapping[str, Any], known: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Raises ApiError 400 for a field that the API does not have; only in strict mode, else it is ignored."""
    for field, value in body.items():
        if field not in known and field not in stored:
            raise ApiError(400, f"Could not find member '{field}' on object of type 'CompanyConfiguration'.")
        if isinstance(value, dict) and isinstance(known.get(field), dict):
            _refuse_unknown_fields(value, known[field], _subtree(stored, field))


def _normalise_schedule(body: Document) -> Document:
    """The later `syncHour` read as `syncHourUtc` (API notes 7 #7), a bare date as its midnight (4.2)."""
    schedule = body.get("schedule")
    if not isinstance(schedule, dict):
        return body
    normalised = {field: value for field, value in schedule.items() if field != "syncHour"}
    if "syncHour" in schedule:
        normalised = {"syncHourUtc": schedule["syncHour"], **normalised}
    start = schedule.get("startDate")
    if isinstance(start, str) and _BARE_DATE.fullmatch(start):
        normalised["startDate"] = f"{start}T00:00:00"
    return {**body, "schedule": normalised}


def _writable_part(body: Mapping[str, Any], known: Mapping[str, Any], stored: Mapping[str, Any]) -> Document:
    """The part of `body` that is stored: no read-only field, and an unknown one only if the stored document has it."""
    writable: Document = {}
    for field, value in body.items():
        if field not in known:
            if field in stored:
                writable[field] = value
        elif not isinstance(known[field], dict):
            if not configuration_document.is_read_only(field):
                writable[field] = value
        elif isinstance(value, dict):
            writable[field] = _writable_part(value, known[field], _subtree(stored, field))
        elif value is not None:
            raise not_valid()
    return writable


def _split_chosen_and_pinned(patch: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Document, Document]:
    """A portal edit in two: what callers may write, and what only the server may."""
    chosen: Document = {}
    pinned: Document = {}
    for field, value in patch.items():
        shape = known.get(field)
        if isinstance(shape, dict) and isinstance(value, dict):
            chosen[field], pinned[field] = _split_chosen_and_pinned(value, shape)
        elif field in known and configuration_document.is_read_only(field):
            pinned[field] = value
        else:
            chosen[field] = value
    return chosen, pinned


def _merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        else:
            result[field] = _merge_patch(result.get(field), value)
    return result


def _deep_merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Document:
    merged = dict(below)
    for field, value in above.items():
        under = merged.get(field)
        merged[field] = _deep_merge(under, value) if isinstance(value, dict) and isinstance(under, dict) else value
    return merged


def _subtree(stored: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = stored.get(field)
    return value if isinstance(value, dict) else {}
