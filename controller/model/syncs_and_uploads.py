"""One sync of a merchant's sales into the books, one upload of commerce data, and the status of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from controller.quick_dataclasses import dataclass

LAST_SYNC_FAILED, SYNC_OVERDUE, MANUAL_SYNC = "last-sync-failed", "sync-overdue", "manual-sync"
"""The codes of findings about a sync that is over, or was not begun; about one that somebody runs by hand."""


def is_sync_failure(code: int | None) -> bool:
    """Whether a sync's status code means failure; its first digit is all that is documented (API notes 5.5)."""
    return code is not None and code // 1000 in (4, 5)


class TransferStatus(StrEnum):
    """The status of something that Codat does in its own time."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync as Codat tells it (API notes 3.12).

    covers_from, covers_until   the sales in it; some answers lack them
    detail   the raw message, where it says more than `message`: which section, which account key
    """

    id: str
    code: int
    status: str
    message: str
    started_at: datetime | None
    covers_from: datetime | None = None
    covers_until: datetime | None = None
    data_pushed: bool = False
    detail: str = ""

    @property
    def transfer_status(self) -> TransferStatus:
        """By the first digit of the code (API notes 5.5)."""
        return {1: TransferStatus.RUNNING, 2: TransferStatus.SUCCESS}.get(self.code // 1000, TransferStatus.FAILED)


@dataclass(frozen=True, slots=True)
class SyncRange:
    """What a manual sync is to cover. Without `start`: from the last success on; without `finish`: until now."""

    start: datetime | None = None
    finish: datetime | None = None


@dataclass(frozen=True, slots=True)
class SyncPreview:
    """What a manual sync would cover if it began now.

    start            None where there was no success and no start date is set
    enabled          scheduled syncs are on: they are switched off for it, and on again when it has ended
    leaves_out_from  from then to `start` nothing is booked, by no later sync either; None: it leaves out nothing
    """

    start: datetime | None
    finish: datetime
    enabled: bool
    leaves_out_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenManualSync:
    """A manual sync that switched a merchant off, and has not switched it on again.

    id           its number in the state
    was_enabled  scheduled syncs were on before it: they are to be on again after it
    has_ended    nothing more of it runs: the merchant is only to be switched on again
    owner        the process that carries it out, in words; None = it has ended, and whoever looks next goes on
    """

    id: int
    begun_at: datetime
    was_enabled: bool
    has_ended: bool
    owner: str | None


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """An upload in the pull history (API notes 3.9); `records` is how many were in it."""

    id: str
    data_type: str
    status: str
    message: str = ""
    records: int = 0

    @property
    def transfer_status(self) -> TransferStatus:
        """By Codat's word for it (API notes 5.4); an unknown word counts as running."""
        if self.status == "Complete":
            return TransferStatus.SUCCESS
        if self.status in ("NotSupported", "Cancelled", "PrerequisiteNotMet") or self.status.endswith("Error"):
            return TransferStatus.FAILED
        return TransferStatus.RUNNING


@dataclass(frozen=True, slots=True)
class UploadFailure:
    """An upload that Codat rejected, or whose answer was lost; the batches after it were not sent.

    Of no records: why no more of a type was sent.
    """

    data_type: str
    records: int
    reason: str
