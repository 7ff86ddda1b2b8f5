"""`push`: commerce data of one merchant, sent to Codat one request after another, since concurrent ones may be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from controller.codat.client import Client
from controller.codat.convert import read_configuration
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import MerchantctlError, OutcomeUnknown, RemoteError
from controller.model.observed import LINKED, Company
from controller.model.syncs_and_uploads import TransferStatus, UploadFailure, UploadStatus
from controller.model.upload_batch import UploadBatch, split_into_batches
from controller.operations.bootstrap import open_writer
from controller.operations.one_merchant import open_merchant
from controller.settings import Settings

UPLOAD_CHECK_INTERVAL_S = 1.0
"""Seconds between two looks at an upload that is being processed."""
MAX_UPLOAD_CHECKS = 300


async def push(
    settings: Settings,
    name: str,
    document: Mapping[str, Any],
    *,
    wait: bool,
    environment: Environment = REAL_ENVIRONMENT,
) -> tuple[UploadStatus | UploadFailure, ...]:
    """Sends a validated document's commerce data (see `model.upload_batch`), and says how each upload stands."""
    async with open_merchant(settings, name, open_writer, environment) as (api, company, _):
        return await send_uploads(name, company, split_into_batches(document), api, environment, wait=wait)


async def send_uploads(
    name: str, company: Company, batches: Iterable[UploadBatch], api: Client, environment: Environment, *, wait: bool
) -> tuple[UploadStatus | UploadFailure, ...]:
    """How each request's records stand; the first that fails is the last that is sent.

    Raises MerchantctlError before the first, where Codat takes none yet (API notes 3.13).
    """
    if not any(each.source_type == "Commerce" and each.status == LINKED for each in company.connections):
        raise MerchantctlError(f"{name} has no linked commerce connection; see merchantctl status {name}")
    if not read_configuration(await api.configuration(company.id), environment.clock()).configured:
        raise MerchantctlError(f"{name} is not configured yet: merchantctl apply --target {name}")
    sent: list[UploadStatus | UploadFailure] = []
    for batch in batches:
        sent.append(await _send(company.id, batch, api))
        if isinstance(sent[-1], UploadFailure):
            break
    checks = MAX_UPLOAD_CHECKS if wait else 1
    return tuple([await _check_until_processed(company.id, upload, api, environment, checks) for upload in sent])


async def _send(company_id: str, batch: UploadBatch, api: Client) -> UploadStatus | UploadFailure:
    try:
        dataset_id = await api.upload(company_id, batch.data_type, batch.body)
    except OutcomeUnknown as error:
        return UploadFailure(
            batch.data_type, batch.records, f"may or may not have arrived; see the pull history: {error}"
        )
    except RemoteError as error:
        return UploadFailure(batch.data_type, batch.records, str(error))
    return UploadStatus(dataset_id, batch.data_type, "Queued", records=batch.records)


async def _check_until_processed(
    company_id: str, upload: UploadStatus | UploadFailure, api: Client, environment: Environment, checks: int
) -> UploadStatus | UploadFailure:
    """The upload once it has been processed, or as it stands after so many checks."""
    if isinstance(upload, UploadFailure):
        return upload
    for check in range(checks):
        if check:
            await environment.sleep(UPLOAD_CHECK_INTERVAL_S)
        status = await api.upload_status(company_id, upload.id)
        upload = replace(status, data_type=upload.data_type, records=upload.records)
        if upload.transfer_status is not TransferStatus.RUNNING:
            break
    return upload
