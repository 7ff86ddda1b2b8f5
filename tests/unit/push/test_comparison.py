"""What of a push is sent, and in which requests, against what was sent before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from controller.model.commerce_records import MAX_RECORDS_PER_UPLOAD, CommerceRecord, parse_record
from controller.model.syncs_and_uploads import Sync, UploadFailure, UploadStatus
from controller.push.comparison import Books, compare_deletions, compare_records
from controller.push.sending import Upload, send_in_batches
from state import RememberedRecord
from state.uploads import DELETED

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOOKS = Books(until=NOON, ran_at=NOON + HOUR)
BEFORE, AFTER = RememberedRecord("old", NOON), RememberedRecord("old", NOON + 2 * HOUR)


def order(created: str = "2026-11-28T10:00:00Z") -> CommerceRecord:
    record = parse_record("orders", {"id": "o", "createdDate": created})
    assert isinstance(record, CommerceRecord)
    return record


@pytest.mark.parametrize(
    ("before", "created", "in_books"),
    [
        (BEFORE, "2026-11-28T10:00:00Z", True),
        (BEFORE, "2026-11-28T12:30:00", False),  # behind the range that was synchronised
        (AFTER, "2026-11-28T10:00:00+02:00", False),  # sent after that sync
        (RememberedRecord("old", None), "2026-11-28T10:00:00Z", True),  # so long ago that nobody knows
    ],
)
def test_a_changed_record_is_in_the_books_where_the_last_success_covered_it(
    before: RememberedRecord, created: str, in_books: bool
) -> None:
    record = order(created)
    found = compare_records([record], {("o", ""): before}, BOOKS, resend=False)
    assert ([*found.in_books], [*found.changed]) == (([record], []) if in_books else ([], [record]))
    assert [*compare_records([record], {("o", ""): before}, BOOKS, resend=True).changed] == [record]
    assert [*compare_records([record], {("o", ""): before}, None, resend=False).changed] == [record], (
        "there was no sync yet"
    )


def test_the_books_are_as_old_as_codat_says() -> None:
    sync = Sync("s", 2000, "Complete", "", NOON + HOUR, covers_until=NOON)
    assert Books.from_last_success(sync) == BOOKS
    assert Books.from_last_success(Sync("s", 2000, "", "", NOON)) == Books(NOON, NOON)
    assert Books.from_last_success(None) is None
    assert Books.from_last_success(Sync("s", 2000, "", "", None)) is None


def test_a_record_that_was_deleted_is_new_when_it_comes_back() -> None:
    assert len(compare_records([order()], {("o", ""): RememberedRecord(DELETED, NOON)}, BOOKS, resend=False).new) == 1


def test_deletions_that_change_nothing_are_not_sent() -> None:
    present, gone = RememberedRecord("h", NOON + 2 * HOUR), RememberedRecord(DELETED, NOON)
    remembered = {("known", ""): present, ("gone", ""): gone, ("both", "A"): present, ("both", "B"): present}
    found = compare_deletions(
        ["known", "gone", "strange", "both", "replaced"],
        remembered,
        {"both": {"A"}, "replaced": {""}},
        BOOKS,
        resend=False,
    )
    assert (found.to_send, found.unchanged) == (["known", "strange", "both"], 2)
    booked = compare_deletions(["known"], {("known", ""): BEFORE}, {}, BOOKS, resend=False)
    assert (booked.to_send, booked.in_books) == ([], ["known"])


async def portions(*sizes: int) -> AsyncIterator[Sequence[int]]:
    for size in sizes:
        yield range(size)


async def test_many_records_go_in_full_requests_until_one_fails() -> None:
    sizes: list[int] = []

    async def send(batch: Sequence[int]) -> Upload:
        sizes.append(len(batch))
        if len(sizes) == 3:
            return UploadFailure("commerce-orders", len(batch), "no")
        return UploadStatus("d", "commerce-orders", "Queued")

    await send_in_batches(portions(500, 0, MAX_RECORDS_PER_UPLOAD), send)
    assert sizes == [MAX_RECORDS_PER_UPLOAD, 500]
    await send_in_batches(portions(2 * MAX_RECORDS_PER_UPLOAD, 7), send)
    assert sizes[2:] == [MAX_RECORDS_PER_UPLOAD], "the first that fails is the last"
    assert MAX_RECORDS_PER_UPLOAD < 5000
