"""What reconciling needs of the API: the reading half, and the writing half on top of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from controller.codat.quota import Quota
from controller.model.observed import Absent, Company, Connection, Listing, Pull, Record
from controller.model.sync import Sync
from controller.model.values import RefKind


class Reading(Protocol):
    """Looking. Raises RemoteError; only a 404 is Absent.

    reads      sent so far
    quota      as of the last answer; None where the service does not say
    resume_at  when requests go through again, once the quota is used up; None while they do
    """

    @property
    def reads(self) -> int: ...

    @property
    def quota(self) -> Quota | None: ...

    @property
    def resume_at(self) -> datetime | None: ...

    async def companies(self) -> Listing: ...

    async def company(self, company_id: str) -> Company | Absent: ...

    async def configuration(self, company_id: str) -> bytes: ...

    async def data_status(self, company_id: str) -> Mapping[str, Pull]: ...

    async def record(self, company_id: str, kind: RefKind, record_id: str) -> Record | Absent: ...

    async def last_successful_sync(self, company_id: str) -> datetime | None: ...

    async def latest_sync(self, company_id: str) -> Sync | None: ...


class Api(Reading, Protocol):
    """Looking and writing. A write that may have been done raises OutcomeUnknown."""

    async def create_company(self, name: str) -> Company: ...

    async def rename_company(self, company_id: str, name: str) -> Company: ...

    async def delete_company(self, company_id: str) -> None: ...

    async def create_connection(self, company_id: str, platform: str) -> Connection: ...

    async def unlink(self, company_id: str, connection_id: str) -> Connection: ...

    async def set_configuration(self, company_id: str, document: bytes) -> bytes: ...
