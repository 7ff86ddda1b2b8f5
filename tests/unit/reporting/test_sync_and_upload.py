"""A manual sync in words: what it would do, how it went, and the next step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.model.syncs_and_uploads import Sync, SyncPreview, TransferStatus, UploadStatus
from controller.reporting.sync_and_upload import sync_preview_text, sync_text
from tests.unit.reporting.fleets import NOW

DONE = Sync("id", 2000, "Complete", "", NOW, NOW - timedelta(days=1), NOW, data_pushed=True)


def test_a_prospect_warns_only_while_scheduled_syncs_are_on() -> None:
    off = SyncPreview(NOW - timedelta(days=1), NOW, enabled=False)
    assert sync_preview_text("acme", off) == (
        "Sync acme from 2026-11-21 06:00 UTC to 2026-11-22 06:00 UTC: sales go into the merchant's books."
    )
    assert "books again what falls into them" in sync_preview_text("acme", replace(off, enabled=True))


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
