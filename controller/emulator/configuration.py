"""Saving a configuration: what a caller may write, who else changes it (REFERENCE 3.3, 4.5 to 4.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.emulator import connections, document, validation
from controller.emulator.datasets import MAPPING_TYPES
from controller.emulator.document import Document
from controller.emulator.errors import NOT_REQUESTED, ApiError, Complaint, not_valid
from controller.emulator.records import Company
from controller.emulator.world import World

_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def save(world: World, company: Company, body: Document) -> Company:
    """Take `body` as the company's configuration, wholly or not at all.

    Replace semantics: what the body lacks becomes null, false or nothing; with `settings.merge` it stays.
    Raises ApiError 400 (with every message of REFERENCE 4.8 that applies), 409 (reference data not pulled).
    """
    _needs_two_linked(company)
    _needs_reference_data(company)
    stored, empty = company.chosen or {}, document.skeleton(company)
    body = _in_one_spelling(body)
    if world.settings.strict:
        _refuse_unknown(body, empty, stored)
    chosen = _writable(body, empty, stored)
    if world.settings.merge:
        chosen = _merged(stored, chosen)
    candidate = replace(company, chosen=chosen, configured=True)
    _refuse(validation.complaints(document.shown(candidate), chosen, empty))
    _refuse_earlier_start(company, candidate)
    return _put(world, candidate, checked=True)


def portal_edit(world: World, company: Company, patch: Mapping[str, Any]) -> Company:
    """A JSON Merge Patch that nobody checks: whatever the portal, or a newer service, may have put there."""
    chosen, pinned = _split(patch, document.skeleton(company))
    configured = pinned.pop("configured", company.configured)
    return _put(
        world,
        replace(
            company,
            chosen=_merge_patch(company.chosen or {}, chosen),
            pinned=_merge_patch(company.pinned, pinned),
            configured=bool(configured),
        ),
        checked=False,
    )


def switch_off(world: World, company_id: str) -> None:
    """The server gives up on a merchant's scheduled syncs (REFERENCE 4.7)."""
    company = world.companies[company_id]
    _put(world, replace(company, chosen={**(company.chosen or {}), "enabled": False}))


def _put(world: World, company: Company, *, checked: bool | None = None) -> Company:
    world.companies[company.id] = company
    world.emit("configuration.changed", company.id, checked=checked)
    return company


def _needs_two_linked(company: Company) -> None:
    linked = [connections.source_type(each) for each in company.connections if each.status == "Linked"]
    if sorted(linked) != ["Accounting", "Commerce"]:
        _refuse([Complaint("dataConnections", validation.TWO_CONNECTIONS, validation.VALIDATOR)])


def _needs_reference_data(company: Company) -> None:
    connection = document.accounting_connection(company)
    if connection is None or any(each not in connection.pulled for each in MAPPING_TYPES):
        raise ApiError(409, NOT_REQUESTED, "PullApi")


def _refuse(found: list[Complaint]) -> None:
    if found:
        raise ApiError(400, found[0].message, validation=found)


def _refuse_earlier_start(before: Company, after: Company) -> None:
    """`startDate` may not move earlier once configured (REFERENCE 4.5 #13, 7); a portal edit may have left none."""
    if not before.configured:
        return
    try:
        start = validation.start_of(document.shown(before))
    except (ApiError, TypeError, KeyError, ValueError):
        return
    if validation.start_of(document.shown(after)) < start:
        _refuse([Complaint("schedule.startDate", "Start date cannot be backdated.", validation.VALIDATOR)])


def _refuse_unknown(body: Mapping[str, Any], known: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """In strict mode a field that the service does not have is an error instead of being passed over."""
    for field, value in body.items():
        if field not in known and field not in stored:
            raise ApiError(400, f"Could not find member '{field}' on object of type 'CompanyConfiguration'.")
        if isinstance(value, dict) and isinstance(known.get(field), dict):
            _refuse_unknown(value, known[field], _below(stored, field))


def _in_one_spelling(body: Document) -> Document:
    """The later `syncHour` read as `syncHourUtc` (REFERENCE 7 #7), a bare date as its midnight (4.2)."""
    schedule = body.get("schedule")
    if not isinstance(schedule, dict):
        return body
    spelled = {field: value for field, value in schedule.items() if field != "syncHour"}
    if "syncHour" in schedule:
        spelled = {"syncHourUtc": schedule["syncHour"], **spelled}
    start = schedule.get("startDate")
    if isinstance(start, str) and _BARE_DATE.fullmatch(start):
        spelled["startDate"] = f"{start}T00:00:00"
    return {**body, "schedule": spelled}


def _writable(body: Mapping[str, Any], known: Mapping[str, Any], stored: Mapping[str, Any]) -> Document:
    """What of `body` is taken: no read-only field, and an unknown one only if the stored document has it."""
    taken: Document = {}
    for field, value in body.items():
        if field not in known:
            if field in stored:
                taken[field] = value
        elif not isinstance(known[field], dict):
            if not document.is_read_only(field):
                taken[field] = value
        elif isinstance(value, dict):
            taken[field] = _writable(value, known[field], _below(stored, field))
        elif value is not None:
            raise not_valid()
    return taken


def _split(patch: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Document, Document]:
    """A portal edit in two: what callers may write, and what only the server may."""
    chosen: Document = {}
    pinned: Document = {}
    for field, value in patch.items():
        shape = known.get(field)
        if isinstance(shape, dict) and isinstance(value, dict):
            chosen[field], pinned[field] = _split(value, shape)
        elif field in known and document.is_read_only(field):
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


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Document:
    merged = dict(below)
    for field, value in above.items():
        under = merged.get(field)
        merged[field] = _merged(under, value) if isinstance(value, dict) and isinstance(under, dict) else value
    return merged


def _below(stored: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = stored.get(field)
    return value if isinstance(value, dict) else {}
