"""A manual sync in words: what it would do, how it went, and the next step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.model.syncs_and_uploads import Sync, SyncPreview, TransferStatus, UploadStatus
from controller.model.upload_batch import MAX_RECORDS_PER_UPLOAD, split_into_batches, validate_commerce_data
from controller.reporting.sync_and_upload import sync_preview_text, sync_text
from tests.unit.reporting.fleets import NOW

DONE = Sync("id", 2000, "Complete", "", NOW, NOW - timedelta(days=1), NOW, data_pushed=True)


def test_a_prospect_warns_only_while_scheduled_syncs_are_on() -> None:
    off = SyncPreview(NOW - timedelta(days=1), NOW, enabled=False)
    assert sync_preview_text("acme", off) == (
        "Sync acme from 2026-11-21 06:00 UTC to 2026-11-22 06:00 UTC: sales go into the merchant's books."
    )
    assert "books them again" in sync_preview_text("acme", replace(off, enabled=True))


def test_a_sync_that_went_well_needs_no_step_and_one_that_failed_has_one() -> None:
    assert sync_text("acme", DONE) == (
        "acme  done (2000)  2026-11-21 06:00 UTC to 2026-11-22 06:00 UTC  begun 2026-11-22 06:00 UTC"
    )
    wrong = replace(DONE, code=4000, message="Customer x is not active.")
    assert sync_text("acme", wrong).splitlines()[1:] == [
        "  Customer x is not active.",
        "  > merchantctl plan --target acme",
    ]


@pytest.mark.parametrize(
    ("code", "progress"),
    [(1000, "running"), (1010, "running"), (2040, "success"), (4260, "failed"), (5130, "failed"), (0, "failed")],
)
def test_how_a_sync_stands_is_told_by_its_code(code: int, progress: str) -> None:
    assert replace(DONE, code=code).transfer_status == progress


@pytest.mark.parametrize(
    ("status", "progress"),
    [
        ("Queued", "running"),
        ("Polishing", "running"),
        ("Complete", "success"),
        ("FetchError", "failed"),
        ("PrerequisiteNotMet", "failed"),
        ("Cancelled", "failed"),
    ],
)
def test_how_an_upload_stands_is_told_by_its_status_and_a_strange_one_is_running(status: str, progress: str) -> None:
    assert UploadStatus("id", "commerce-orders", status).transfer_status is TransferStatus(progress)


def test_many_records_go_in_several_requests_and_orders_before_what_refers_to_them() -> None:
    orders = [{"id": str(number)} for number in range(MAX_RECORDS_PER_UPLOAD + 1)]
    parts = list(split_into_batches({"transactions": [{"id": "t"}], "orders": orders, "contractVersion": "9"}))
    assert [(each.data_type, each.records) for each in parts] == [
        ("commerce-orders", MAX_RECORDS_PER_UPLOAD),
        ("commerce-orders", 1),
        ("commerce-transactions", 1),
    ]
    assert all(each.body["contractVersion"] == "9" for each in parts)


@pytest.mark.parametrize("document", [[], {}, {"orders": {}}, {"orders": [3]}, {"orders": [{"id": ""}]}, {"sales": []}])
def test_what_is_no_commerce_data_has_a_complaint(document: dict[str, Any] | list[Any]) -> None:
    assert list(validate_commerce_data(document))
