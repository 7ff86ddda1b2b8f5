"""What can go wrong, and whether trying again helps.

MerchantctlError                   a sentence for a person: fact, then next step; `exit_code`
├─ UsageError               64     the command line or the settings do not make sense
├─ InvalidManifests         65     carries every diagnostic
├─ LockedByOtherRun          6     another run holds the state's lock
├─ StateError                1     the state cannot be opened, or does not fit this version
├─ WrongAccount              1     the state is another account's, or the address is a new one
├─ StoppedBySignal    130, 143     a signal came before anything was written
├─ WritesForbidden           1     a read-only client was told to write: a bug of ours
├─ ApiUnusable               5     about no single merchant: the run ends
│  ├─ ApiKeyRefused                a request that is about no merchant was refused, too
│  └─ ApiNotAnswering              many reads in a row were not answered
└─ RemoteError               5     the API refused, or did not answer
   ├─ TransientError               trying again may help
   │  ├─ RateLimited               429; `retry_at`
   │  ├─ DataNotReady              409: reference data not pulled yet
   │  ├─ UnexpectedAnswer          an answer of a form that we do not know: nothing may be concluded
   │  └─ OutcomeUnknown            a write was sent and its answer was lost: read what became of it first
   └─ PermanentError               trying again cannot help
      ├─ NotFound                  404, in Codat's own words
      ├─ InvalidId                 what should be an id is none; nothing was sent
      ├─ Rejected                  400: `messages` of Codat's validation
      ├─ Unauthorized              401, 403: about this one resource, as long as it is not ApiKeyRefused
      └─ RemoteLimitReached        402, or a daily quota: no more writes until `resume_at`
"""

from __future__ import annotations

from datetime import datetime

from controller.model.desired import Diagnostic
from controller.untrusted_text import escape_control


class MerchantctlError(Exception):
    """A sentence for a person, on one line, with the next step in it."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(escape_control(message))


class UsageError(MerchantctlError):
    """The command line or the settings do not make sense."""

    exit_code = 64


class InvalidManifests(MerchantctlError):
    """The manifests are not valid; `diagnostics` has everything that is wrong with them."""

    exit_code = 65

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        number = "1 complaint" if len(diagnostics) == 1 else f"{len(diagnostics)} complaints"
        super().__init__(f"{number} about the manifests; nothing was done")
        self.diagnostics = diagnostics


class LockedByOtherRun(MerchantctlError):
    """Another run holds the state's lock."""

    exit_code = 6


class StateError(MerchantctlError):
    """The state cannot be opened, or does not fit this version."""


class WrongAccount(MerchantctlError):
    """The state belongs to another account or address than this run talks to: nothing further is read."""


class StoppedBySignal(MerchantctlError):
    """A signal came before anything was written. `exit_code` tells which."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped by a signal; nothing was written")
        self.exit_code = 128 + number


class WritesForbidden(MerchantctlError):
    """A read-only client was asked to write."""


class ApiUnusable(MerchantctlError):
    """The API is unusable for every merchant. No RemoteError: whatever isolates a merchant's errors lets it pass."""

    exit_code = 5


class ApiKeyRefused(ApiUnusable):
    """Codat refuses the API key: a request that is about no merchant was answered 401 or 403 as well."""


class ApiNotAnswering(ApiUnusable):
    """Many reads in a row, of whichever merchants, were not answered: Codat is down or in maintenance."""


class RemoteError(MerchantctlError):
    """The API refused, or did not answer. Contains no secret: neither headers nor the key.

    status          the HTTP status, None when there was no answer
    correlation_id  Codat's own (API notes 1.3), None when it gave none
    not_sent        True only when the request provably never left
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


class TransientError(RemoteError):
    """Trying again may help."""


class RateLimited(TransientError):
    """429: too many requests (API notes 2.3)."""

    def __init__(self, message: str, *, retry_at: datetime | None, correlation_id: str | None = None) -> None:
        super().__init__(message, status=429, correlation_id=correlation_id)
        self.retry_at = retry_at


class DataNotReady(TransientError):
    """409: the reference data was never pulled, or is being pulled (API notes 2.6)."""


class UnexpectedAnswer(TransientError):
    """Readable, and of a form that we do not know. A retry at once would bring the same."""


class OutcomeUnknown(TransientError):
    """A write may or may not have been carried out. Read what became of it before trying again (API notes 1.9).

    seen_undone  it was read, and what the write was to do was not there
    """

    seen_undone = False


class PermanentError(RemoteError):
    """Trying again cannot help until something changes."""


class NotFound(PermanentError):
    """404 in Codat's own words: the company, connection or record is not there. A gateway's is a TransientError."""


class InvalidId(PermanentError):
    """What should be an id of Codat's does not look like one; in a path it would be another request."""


class Rejected(PermanentError):
    """400. `messages` has every sentence of Codat's validation (API notes 4.8); none where a gateway refused it."""

    def __init__(self, message: str, *, messages: tuple[str, ...] = (), correlation_id: str | None = None) -> None:
        super().__init__(message, status=400, correlation_id=correlation_id)
        self.messages = messages


class Unauthorized(PermanentError):
    """401 or 403 (API notes 2.6): the key may not access this resource. For the key itself see `ApiKeyRefused`."""


class RemoteLimitReached(PermanentError):
    """402, or the daily quota is used up: no write can succeed before `resume_at` (None = a person must act)."""

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
