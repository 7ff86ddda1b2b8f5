"""Merchants at Codat: how they are named, made, changed, deleted and shown (REFERENCE 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload
from uuid import uuid4

from controller.emulator import connections
from controller.emulator.clock import stamp
from controller.emulator.errors import ApiError, Complaint, no_company, not_valid
from controller.emulator.platforms import COMMERCE_KEY, PLATFORMS
from controller.emulator.records import Company, Connection
from controller.emulator.world import World

_FORBIDDEN = re.compile(r"[^A-Za-z0-9\s\-'&@.,?!]", re.ASCII)
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 10, 27, 100


def find(world: World, company_id: str) -> Company:
    """The company of that id. Raises ApiError 404."""
    company = world.companies.get(company_id) or world.companies.get(company_id.lower())
    if company is None:
        raise no_company(company_id)
    return company


def create(world: World, wanted: Mapping[str, Any], *, for_commerce: bool) -> Company:
    """A new company from `{"name", "description"?, "tags"?}`; with a commerce connection, or with none.

    Names need not be unique. Raises ApiError 400 (bad name or tags), 402 (company limit).
    """
    _within_limit(world)
    company = Company(
        id=str(uuid4()),
        name=stripped(wanted.get("name")),
        created=world.now(),
        description=_text(wanted.get("description")),
        tags=_tags(wanted.get("tags")),
    )
    world.companies[company.id] = company
    world.emit("company.created", company.id, company=shown(world, company))
    if for_commerce:
        connections.create(world, company.id, COMMERCE_KEY, status="Linked")
    return world.companies[company.id]


def amend(world: World, company: Company, **changes: Any) -> Company:
    """The company with other `name`, `description` or `tags`; what is not given stays."""
    if "name" in changes:
        changes["name"] = stripped(changes["name"])
    if "description" in changes:
        changes["description"] = _text(changes["description"])
    if "tags" in changes:
        changes["tags"] = _tags(changes["tags"])
    world.companies[company.id] = replace(company, **changes)
    return world.companies[company.id]


def delete(world: World, company: Company) -> None:
    """Remove the company with its connections, configuration and data, for good."""
    last = shown(world, company)
    reference = {key: last[key] for key in ("id", "name", "description", "tags") if key in last}
    del world.companies[company.id]
    for connection in last["dataConnections"]:
        facts = {"oldStatus": connection["status"], "severed": False, "withCompany": True}
        world.emit("connection.deleted", company.id, company=reference, connection=connection, **facts)
    world.emit("company.deleted", company.id, company=last)


def stripped(name: Any) -> str:
    """`name` without forbidden characters. Raises ApiError 400 when nothing is left."""
    if not isinstance(name, str) or not (kept := _FORBIDDEN.sub("", name)):
        raise not_valid()
    return kept


def shown(world: World, company: Company) -> dict[str, Any]:
    """The company as the API shows it, connections embedded; fields without a value are left out."""
    view: dict[str, Any] = {
        "id": company.id,
        "name": company.name,
        "platform": _accounting_platform(company),
        "redirect": f"{world.settings.base_url}/company/{company.id}",
    }
    if company.description is not None:
        view["description"] = company.description
    if last_sync := max((c.last_sync for c in company.connections if c.last_sync), default=None):
        view["lastSync"] = stamp(last_sync)
    view["created"] = stamp(company.created)
    view["dataConnections"] = [connections.shown(world, company.id, each) for each in company.connections]
    if company.tags is not None:
        view["tags"] = dict(company.tags)
    return view


class Shown(Sequence[dict[str, Any]]):
    """All companies in order of creation, each rendered only when looked at: a page of 100 costs 100."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._companies = list(world.companies.values())

    def __len__(self) -> int:
        return len(self._companies)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [shown(self._world, each) for each in self._companies[index]]
        return shown(self._world, self._companies[index])


def _accounting_platform(company: Company) -> str:
    linked = connections.linked(company, "Accounting")
    return PLATFORMS[linked.platform].name if isinstance(linked, Connection) else ""


def _within_limit(world: World) -> None:
    limit = world.settings.company_limit
    if limit is not None and len(world.companies) >= limit:
        raise ApiError(
            402,
            "CompanyValidationException: Company limit exceeded",
            validation=[Complaint("Company", "Company limit exceeded.", "CreateCompany")],
        )


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise not_valid()
    return value


def _tags(value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MOST_TAGS:
        raise not_valid()
    for key, tag in value.items():
        if len(key) > _LONGEST_TAG_KEY or not isinstance(tag, str) or len(tag) > _LONGEST_TAG_VALUE:
            raise not_valid()
    return value
