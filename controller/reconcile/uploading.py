"""Commerce data of one merchant, sent to the service: one request after another, since concurrent ones may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from controller.codat.convert import read_configuration
from controller.model.commerce import Upload
from controller.model.errors import MerchantctlError, OutcomeUnknown, RemoteError, Unauthorized
from controller.model.observed import LINKED, Company
from controller.model.sync import Dataset, Progress, Unsent
from controller.reconcile.ports import Reading
from controller.reconcile.survey import now

EVERY = 1.0
"""Seconds between two looks at an upload that is being processed."""
LOOKS = 300


class Uploading(Reading, Protocol):
    async def upload(self, company_id: str, data_type: str, body: Mapping[str, Any]) -> str: ...

    async def dataset(self, company_id: str, dataset_id: str) -> Dataset: ...


async def upload_all(
    name: str, company: Company, parts: Iterable[Upload], api: Uploading, *, wait: bool
) -> tuple[Dataset | Unsent, ...]:
    """How each request's records stand; the first that fails is the last.

    MerchantctlError before the first, where the service expects none yet.
    """
    await _stop_too_early(name, company, api)
    sent: list[Dataset | Unsent] = []
    for part in parts:
        sent.append(await _sent(company.id, part, api))
        if isinstance(sent[-1], Unsent):
            break
    look = _ended if wait else _looked
    return tuple([each if isinstance(each, Unsent) else await look(company.id, each, api) for each in sent])


async def _stop_too_early(name: str, company: Company, api: Uploading) -> None:
    """Data is uploaded only once the configuration was accepted (REFERENCE 3.13)."""
    if not any(each.source_type == "Commerce" and each.status == LINKED for each in company.connections):
        raise MerchantctlError(f"{name} has no linked commerce connection; see merchantctl status {name}")
    if not read_configuration(await api.configuration(company.id), now()).configured:
        raise MerchantctlError(f"{name} is not configured yet: merchantctl apply --target {name}")


async def _sent(company_id: str, part: Upload, api: Uploading) -> Dataset | Unsent:
    try:
        dataset_id = await api.upload(company_id, part.data_type, part.body)
    except Unauthorized:
        raise
    except OutcomeUnknown as error:
        return Unsent(part.data_type, part.records, f"may or may not have arrived; see the pull history: {error}")
    except RemoteError as error:
        return Unsent(part.data_type, part.records, str(error))
    return Dataset(dataset_id, part.data_type, "Queued", records=part.records)


async def _looked(company_id: str, sent: Dataset, api: Uploading) -> Dataset:
    return replace(await api.dataset(company_id, sent.id), data_type=sent.data_type, records=sent.records)


async def _ended(company_id: str, sent: Dataset, api: Uploading) -> Dataset:
    """The upload once it has been processed, or as it stands after five minutes."""
    for _ in range(LOOKS):
        looked = await _looked(company_id, sent, api)
        if looked.progress is not Progress.RUNNING:
            return looked
        await asyncio.sleep(EVERY)
    return looked
