"""What of a push is new, changed or to be deleted, against what was sent before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from controller.model.commerce_records import CommerceRecord
from controller.model.syncs_and_uploads import Sync
from controller.quick_dataclasses import dataclass
from state import RememberedRecord
from state.uploads import DELETED, UNCERTAIN

Remembered = Mapping[tuple[str, str], RememberedRecord]
"""By id and kind."""


@dataclass(frozen=True, slots=True)
class Books:
    """What of the sent records is in the merchant's books: what the last successful sync covered.

    until   the end of its range
    ran_at  when it ran: what was sent later it had not
    """

    until: datetime
    ran_at: datetime

    @classmethod
    def from_last_success(cls, last_success: Sync | None) -> Books | None:
        """None where nothing is in the books yet."""
        if last_success is None:
            return None
        known = [each for each in (last_success.covers_until, last_success.started_at) if each]
        # Where Codat told only one of the two, it stands for the other.
        return cls(known[0], known[-1]) if known else None

    def may_contain(self, sent_at: datetime | None, created: datetime | None) -> bool:
        """Whether a record is in them, or may be. `created` None: its date is not known."""
        return (sent_at is None or sent_at <= self.ran_at) and (created is None or created < self.until)


@dataclass(frozen=True, slots=True)
class ComparedRecords:
    """Records of one type, by what is to become of them."""

    new: Sequence[CommerceRecord]
    changed: Sequence[CommerceRecord]
    in_books: Sequence[CommerceRecord]
    unchanged: int


def compare_records(
    records: Iterable[CommerceRecord], remembered: Remembered, books: Books | None, *, resend: bool
) -> ComparedRecords:
    """Against what was sent before. A changed record that is in the books is sent only where `resend`."""
    new, changed, in_books, unchanged = list[CommerceRecord](), list[CommerceRecord](), list[CommerceRecord](), 0
    for record in records:
        before = remembered.get((record.record_id, record.kind))
        if before is None or before.digest in (DELETED, UNCERTAIN):
            new.append(record)
        elif before.digest == record.digest:
            unchanged += 1
        elif books and books.may_contain(before.sent_at, record.created) and not resend:
            in_books.append(record)
        else:
            changed.append(record)
    return ComparedRecords(new, changed, in_books, unchanged)


@dataclass(frozen=True, slots=True)
class ComparedDeletions:
    """Ids to be deleted, those that were not since they are in the books, and how many are gone already."""

    to_send: Sequence[str]
    in_books: Sequence[str]
    unchanged: int


def compare_deletions(
    record_ids: Iterable[str],
    remembered: Remembered,
    kept: Mapping[str, Collection[str]],
    books: Books | None,
    *,
    resend: bool,
) -> ComparedDeletions:
    """Against what was sent before.

    kept  by id, the kinds of its records that the same push sends: such a record is replaced, which needs no deletion
    """
    by_id: dict[str, dict[str, RememberedRecord]] = {}
    for (record_id, kind), row in remembered.items():
        by_id.setdefault(record_id, {})[kind] = row
    to_send, in_books, unchanged = list[str](), list[str](), 0
    for record_id in record_ids:
        rows = by_id.get(record_id, {})
        present = {kind: row for kind, row in rows.items() if row.digest != DELETED}
        certain = [row for row in present.values() if row.digest != UNCERTAIN]
        # An id that nothing is remembered of is deleted all the same: Codat may have it from elsewhere.
        if (rows or record_id in kept) and present.keys() <= set(kept.get(record_id, ())):
            unchanged += 1
        elif books and any(books.may_contain(row.sent_at, None) for row in certain) and not resend:
            in_books.append(record_id)
        else:
            to_send.append(record_id)
    return ComparedDeletions(to_send, in_books, unchanged)
