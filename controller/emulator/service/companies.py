"""Companies at Codat: naming, creating, changing, deleting and rendering them (API notes 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload
from uuid import uuid4

from controller.emulator.service import connections, normalising
from controller.emulator.service.clock import format_timestamp
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.errors import ApiError, ValidationItem, no_company, not_valid
from controller.emulator.service.platforms import COMMERCE_KEY, PLATFORMS
from controller.emulator.service.world import World

_FORBIDDEN_IN_NAMES = re.compile(r"[^A-Za-z0-9\s\-'&@.,?!]", re.ASCII)
_MAX_COMPANY_TAGS, _MAX_TAG_KEY_LENGTH, _MAX_TAG_VALUE_LENGTH = 10, 27, 100


def find(world: World, company_id: str) -> CompanyRecord:
    """The company of that id, in any case. Raises ApiError 404."""
    company = world.companies.get(company_id) or world.companies.get(company_id.lower())
    if company is None:
        raise no_company(company_id)
    return company


def create(world: World, fields: Mapping[str, Any], *, for_commerce: bool) -> CompanyRecord:
    """A new company from `{"name", "description"?, "tags"?}`; with a commerce connection, or with none.

    Names need not be unique. Raises ApiError 400 (bad name or tags), 402 (company limit).
    """
    limit = world.settings.company_limit
    if limit is not None and len(world.companies) >= limit:
        raise ApiError(
            402,
            "CompanyValidationException: Company limit exceeded",
            validation=[ValidationItem("Company", "Company limit exceeded.", "CreateCompany")],
        )
    company = CompanyRecord(
        id=str(uuid4()),
        name=normalising.normalise_name(remove_forbidden_characters(fields.get("name")), world.settings),
        created=world.now(),
        description=_checked_text(fields.get("description")),
        tags=_checked_tags(fields.get("tags")),
    )
    world.companies[company.id] = company
    world.emit("company.created", company.id, company=to_json(world, company))
    if for_commerce:
        connections.create(world, company.id, COMMERCE_KEY, status="Linked")
    return world.companies[company.id]


def update(world: World, company: CompanyRecord, **changes: Any) -> CompanyRecord:
    """The company with other `name`, `description` or `tags`; what is not given stays."""
    if "name" in changes:
        changes["name"] = normalising.normalise_name(remove_forbidden_characters(changes["name"]), world.settings)
    if "description" in changes:
        changes["description"] = _checked_text(changes["description"])
    if "tags" in changes:
        changes["tags"] = _checked_tags(changes["tags"])
    world.companies[company.id] = replace(company, **changes)
    return world.companies[company.id]


def delete(world: World, company: CompanyRecord) -> None:
    """Remove the company with its connections, configuration and data, for good."""
    last = to_json(world, company)
    reference = {key: last[key] for key in ("id", "name", "description", "tags") if key in last}
    del world.companies[company.id]
    for connection in last["dataConnections"]:
        facts = {"oldStatus": connection["status"], "severed": False, "withCompany": True}
        world.emit("connection.deleted", company.id, company=reference, connection=connection, **facts)
    world.emit("company.deleted", company.id, company=last)


def remove_forbidden_characters(name: Any) -> str:
    """`name` without forbidden characters. Raises ApiError 400 when nothing is left."""
    if not isinstance(name, str) or not (kept := _FORBIDDEN_IN_NAMES.sub("", name)):
        raise not_valid()
    return kept


def to_json(world: World, company: CompanyRecord) -> dict[str, Any]:
    """The company as the API shows it, connections embedded; fields without a value are left out."""
    accounting = connections.first_linked(company, "Accounting")
    view: dict[str, Any] = {
        "id": company.id,
        "name": company.name,
        "platform": PLATFORMS[accounting.platform].name if accounting else "",
        "redirect": f"{world.settings.base_url}/company/{company.id}",
    }
    if company.description is not None:
        view["description"] = company.description
    if last_sync := max((c.last_sync for c in company.connections if c.last_sync), default=None):
        view["lastSync"] = format_timestamp(last_sync)
    view["created"] = format_timestamp(company.created)
    view["dataConnections"] = [connections.to_json(world, company.id, connection) for connection in company.connections]
    if company.tags is not None:
        view["tags"] = dict(company.tags)
    return view


class LazyCompanyList(Sequence[dict[str, Any]]):
    """All companies in order of creation, rendered on access: a page of 100 renders 100."""

    def __init__(self, world: World, *, newest_first: bool = False) -> None:
        self._world = world
        self._companies = list(world.companies.values())
        self._companies.sort(key=lambda company: company.created, reverse=newest_first)

    def __len__(self) -> int:
        return len(self._companies)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [to_json(self._world, company) for company in self._companies[index]]
        return to_json(self._world, self._companies[index])


def _checked_text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise not_valid()
    return value


def _checked_tags(value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MAX_COMPANY_TAGS:
        raise not_valid()
    for key, tag in value.items():
        if len(key) > _MAX_TAG_KEY_LENGTH or not isinstance(tag, str) or len(tag) > _MAX_TAG_VALUE_LENGTH:
            raise not_valid()
    return value
