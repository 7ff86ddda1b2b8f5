"""What a push is to send and why, what keeps it back, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from controller.model.syncs_and_uploads import TransferStatus, UploadFailure, UploadStatus
from controller.quick_dataclasses import dataclass

MAX_EXAMPLES = 5
"""Ids that are named of many."""


@dataclass(frozen=True, slots=True)
class PushCounts:
    """How many records of one type are what, against what was sent before.

    in_books  changed or to be deleted, and in the merchant's books already: not sent unless somebody said so
    """

    new: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    in_books: int = 0

    def __add__(self, other: PushCounts) -> PushCounts:
        return PushCounts(
            self.new + other.new,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.unchanged + other.unchanged,
            self.in_books + other.in_books,
        )

    @property
    def to_send(self) -> int:
        return self.new + self.changed + self.deleted


class PushLimit(StrEnum):
    """What a push is refused for until it is allowed by name (`push --allow`)."""

    UNMAPPED = "unmapped"
    BEFORE_START = "before-start"
    SHRINK = "shrink"


@dataclass(frozen=True, slots=True)
class PushRefusal:
    """Why nothing is sent, and what to do about it other than to allow it."""

    limit: PushLimit
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PushReport:
    """A push.

    counts    by data type
    in_books  examples of records that were held back since they are in the books
    refusals  any: nothing was sent
    sent      False: it was to show what would be sent
    """

    counts: Mapping[str, PushCounts]
    in_books: Sequence[str] = ()
    refusals: Sequence[PushRefusal] = ()
    uploads: Sequence[UploadStatus | UploadFailure] = ()
    sent: bool = True

    @property
    def total(self) -> PushCounts:
        """Of all types together."""
        return sum(self.counts.values(), start=PushCounts())

    @property
    def has_failed(self) -> bool:
        """Whether something that was to be sent was not, or was not processed."""
        return any(
            isinstance(upload, UploadFailure) or upload.transfer_status is TransferStatus.FAILED
            for upload in self.uploads
        )


@dataclass(frozen=True, slots=True)
class PushedDataset:
    """One upload as the state has it, with its status as Codat told it last.

    dataset_id  None: its answer was lost, and the next push looks what became of it; or it certainly did not arrive
    """

    dataset_id: str | None
    data_type: str
    records: int
    status: str
    message: str
    begun_at: datetime
