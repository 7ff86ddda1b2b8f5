"""What can go wrong, and whether asking again helps.

MerchantctlError                   a sentence for a person: fact, then next step; `exit_code`
├─ UsageError               64     the command line or the settings do not make sense
├─ InvalidManifests         65     carries every complaint
├─ Locked                    6     another run holds the state
├─ StateError                1     the state cannot be opened or does not fit this version
├─ Stopped             130, 143    a signal came before anything was written
├─ WritesForbidden           1     a read-only client was asked to write: a fault of ours
└─ RemoteError               1     the API said no, or nothing
   ├─ Transient                    asking again may help
   │  ├─ RateLimited               asked too often; `retry_at`
   │  ├─ NotReady                  409: reference data not pulled yet
   │  └─ OutcomeUnknown            a write was sent and its answer was lost: look before asking again
   └─ Permanent                    asking again cannot help
      ├─ NotFound                  404
      ├─ Rejected                  400: `messages` of the service's validation
      ├─ Unauthorized              401, 403: the key
      └─ LimitReached              402, or a daily quota: no more writes today; `resume_at`
"""

from __future__ import annotations

from datetime import datetime

from controller.model.merchant import Complaint


class MerchantctlError(Exception):
    """A sentence for a person, with the next step in it."""

    exit_code = 1


class UsageError(MerchantctlError):
    """The command line or the settings do not make sense."""

    exit_code = 64


class InvalidManifests(MerchantctlError):
    """The manifests do not say what each merchant should be; `complaints` holds every reason at once."""

    exit_code = 65

    def __init__(self, complaints: tuple[Complaint, ...]) -> None:
        number = "1 complaint" if len(complaints) == 1 else f"{len(complaints)} complaints"
        super().__init__(f"{number} about the manifests; nothing was done")
        self.complaints = complaints


class Locked(MerchantctlError):
    """Another run holds the state."""

    exit_code = 6


class StateError(MerchantctlError):
    """The state cannot be opened, or does not fit this version."""


class Stopped(MerchantctlError):
    """A signal came while everyone was still only looked at: nothing was written. `exit_code` tells which."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped by a signal; nothing was written")
        self.exit_code = 128 + number


class WritesForbidden(MerchantctlError):
    """A read-only client was asked to write."""


class RemoteError(MerchantctlError):
    """The API refused or did not answer. Carries no secret: neither headers nor the key.

    `status` is the HTTP status, None when there was no answer; `correlation_id` is the service's own
    (REFERENCE 1.3), None when it gave none; `not_sent` is True only when the request provably never left.
    """

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        correlation_id: str | None = None,
        not_sent: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.correlation_id = correlation_id
        self.not_sent = not_sent


class Transient(RemoteError):
    """Asking again may help."""


class RateLimited(Transient):
    """Asked too often (REFERENCE 2.3)."""

    def __init__(self, message: str, *, retry_at: datetime | None, correlation_id: str | None = None) -> None:
        super().__init__(message, status=429, correlation_id=correlation_id)
        self.retry_at = retry_at


class NotReady(Transient):
    """409: the reference data was never pulled, or is being pulled (REFERENCE 2.6)."""


class OutcomeUnknown(Transient):
    """A write may or may not have been carried out. Look before asking again (REFERENCE 1.9)."""


class Permanent(RemoteError):
    """Asking again cannot help until something changes."""


class NotFound(Permanent):
    """404: the company, connection or record is not there."""


class Rejected(Permanent):
    """400: the service's own validation. `messages` holds every sentence of it (REFERENCE 4.8)."""

    def __init__(self, message: str, *, messages: tuple[str, ...] = (), correlation_id: str | None = None) -> None:
        super().__init__(message, status=400, correlation_id=correlation_id)
        self.messages = messages


class Unauthorized(Permanent):
    """401 or 403: the API key is missing, wrong, outdated or not allowed."""


class LimitReached(Permanent):
    """402, or the daily quota is used up: further writes make no sense before `resume_at` (None = a human acts)."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        resume_at: datetime | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, correlation_id=correlation_id)
        self.resume_at = resume_at
