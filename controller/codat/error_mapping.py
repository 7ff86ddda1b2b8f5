"""An answer that is no success, or no answer at all → a typed error with address, fact and Codat's own words.

status          of a read            of a write
400             Rejected             Rejected         without messages where not in Codat's own words
401 403         Unauthorized         Unauthorized     `transport` makes it ApiKeyRefused where the key is to blame
402             RemoteLimitReached   RemoteLimitReached
404             NotFound             NotFound
409             DataNotReady         DataNotReady
404 409         TransientError       OutcomeUnknown   not in Codat's own words: a gateway's
429             RateLimited          RateLimited      certainly not done
                RemoteLimitReached   when the quota returns too late to wait for
408 5xx         TransientError       OutcomeUnknown   done or not
any other       PermanentError       PermanentError
2xx unreadable  UnexpectedAnswer     OutcomeUnknown   of an unknown form, or too large
                TransientError       OutcomeUnknown   cut short
no answer       TransientError       OutcomeUnknown   TransientError(not_sent) when it provably never left
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from controller.codat.answer_parsing import sanitize_json
from controller.codat.quota_headers import Quota, instant_after, seconds_until
from controller.codat.rate_limiter import MAX_QUOTA_WAIT_S
from controller.model import errors
from controller.quick_dataclasses import dataclass

_ACCOUNT_AT_LIMIT = "the account is at its limit; raise it at Codat, or make room"


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What came back. `headers` look up without regard to case.

    unreadable_reason  why a success was not read to its end (its body is empty then); else empty
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    unreadable_reason: str = ""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer came. `description` says why; `not_sent` only where the request provably never left."""

    description: str
    not_sent: bool


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Codat's error body (API notes 2.5); all of it empty where the body is empty or no JSON (gateways).

    messages       each sentence of Codat's validation
    is_from_codat  it has the form of Codat's own: only then does a 404 say that something is not there
    """

    sentence: str = ""
    correlation_id: str | None = None
    messages: tuple[str, ...] = ()
    is_from_codat: bool = False


def error_for_answer(answer: ApiAnswer, address: str, *, write: bool) -> errors.RemoteError:
    """The error that an answer of this status means. `address` is METHOD and path."""
    body, status = parse_error_body(answer.body), answer.status
    sentence = "; ".join(dict.fromkeys((body.sentence, *body.messages))) if body.sentence else ""
    correlation_id = body.correlation_id
    suffix = f" (correlation id {correlation_id})" if correlation_id else ""
    text = f"{address}: {status} {sentence}".rstrip() + suffix
    match status:
        case 400 if not body.is_from_codat:
            return errors.Rejected(f"{text}, but not in Codat's own words", correlation_id=correlation_id)
        case 400:
            return errors.Rejected(text, messages=body.messages, correlation_id=correlation_id)
        case 401 | 403:
            return errors.Unauthorized(text, status=status, correlation_id=correlation_id)
        case 402:
            text = f"{text}: {_ACCOUNT_AT_LIMIT}"
            return errors.RemoteLimitReached(text, status=status, correlation_id=correlation_id)
        # A gateway's 404 during a deployment must not be taken for «this company was deleted».
        case 404 | 409 if not body.is_from_codat:
            error_class = errors.OutcomeUnknown if write else errors.TransientError
            text = f"{text}, but not in Codat's own words"
            return error_class(text, status=status, correlation_id=correlation_id)
        case 404:
            return errors.NotFound(text, status=status, correlation_id=correlation_id)
        case 409:
            return errors.DataNotReady(text, status=status, correlation_id=correlation_id)
        case 429:
            return _error_for_429(answer, text, correlation_id)
        # Codat may have done the write and failed, or timed out, only afterwards.
        case _ if status == 408 or status >= 500:
            error_class = errors.OutcomeUnknown if write else errors.TransientError
            return error_class(text, status=status, correlation_id=correlation_id)
        case _:
            return errors.PermanentError(text, status=status, correlation_id=correlation_id)


def error_for_no_answer(outcome: NoAnswer, address: str, *, write: bool) -> errors.RemoteError:
    """The error that the absence of an answer means."""
    if outcome.not_sent:
        return errors.TransientError(f"{address}: not sent: {outcome.description}", not_sent=True)
    if write:
        return errors.OutcomeUnknown(f"{address}: sent, but no answer: {outcome.description}; look before asking again")
    return errors.TransientError(f"{address}: no answer: {outcome.description}")


def error_for_unreadable_answer(address: str, status: int, reason: str, *, write: bool) -> errors.RemoteError:
    """The error for a success whose body cannot be read: a write may or may not have been done.

    reason  what in it is of a form that we do not know, or too large; empty where it is cut short or another's
    """
    # What is cut short may come whole on a retry; another form would come again.
    read_error = errors.UnexpectedAnswer if reason else errors.TransientError
    error_class = errors.OutcomeUnknown if write else read_error
    fault = f"cannot be read: {reason}" if reason else "is cut short or not what was asked for"
    return error_class(f"{address}: {status}, but the answer {fault}", status=status)


def error_for_exhausted_quota(address: str, seconds: float) -> errors.RemoteLimitReached:
    """The error for a request that was not sent: Codat said before that its quota is used up for so long."""
    resume_at = instant_after(seconds)
    text = f"{address}: not sent: {_quota_sentence(resume_at)}"
    return errors.RemoteLimitReached(text, status=429, resume_at=resume_at)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds that Codat asks us to wait, None where it does not say (API notes 2.2)."""
    value = headers.get("retry-after")
    return seconds_until(value, headers) if value else None


def throttle_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds until a 429 with these headers is over, None where they do not say.

    The longer of `Retry-After` and the reset of a quota that is used up.
    """
    quota, retry_after_s = Quota.from_headers(headers), retry_after_seconds(headers)
    reset_s = quota.seconds_until_reset if quota and quota.remaining == 0 else 0.0
    # `Retry-After: 0` stays 0, which is known, and no header None.
    return max(retry_after_s or 0.0, reset_s) or retry_after_s


def parse_error_body(body: bytes) -> ErrorBody:
    """What an error body says, as far as it has Codat's form. `messages` is the sentence alone without validation."""
    try:
        wire = json.loads(sanitize_json(body))
    except (ValueError, RecursionError):
        return ErrorBody()
    if not isinstance(wire, dict):
        return ErrorBody()
    sentence, correlation_id, validation = wire.get("error"), wire.get("correlationId"), wire.get("validation")
    rows = validation.get("errors") if isinstance(validation, dict) else None
    messages = [row.get("message") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    # Never none in a body of Codat's: a rejection without messages counts as a gateway's, which is everybody's trouble.
    texts = [message for message in messages if isinstance(message, str)]
    return ErrorBody(
        sentence if isinstance(sentence, str) else "",
        correlation_id if isinstance(correlation_id, str) else None,
        tuple(texts or ([sentence] if isinstance(sentence, str) else ())),
        is_from_codat=isinstance(sentence, str) and isinstance(wire.get("statusCode"), int),
    )


def _error_for_429(answer: ApiAnswer, text: str, correlation_id: str | None) -> errors.RemoteError:
    """RateLimited, to be retried; RemoteLimitReached where the wait is longer than a run can take."""
    wait_s, retry_after_s = throttle_seconds(answer.headers), retry_after_seconds(answer.headers)
    if wait_s is not None and wait_s > MAX_QUOTA_WAIT_S:
        resume_at = instant_after(wait_s)
        text = f"{text}: {_quota_sentence(resume_at)}"
        return errors.RemoteLimitReached(text, status=429, resume_at=resume_at, correlation_id=correlation_id)
    retry_at = None if retry_after_s is None else instant_after(retry_after_s)
    return errors.RateLimited(text, retry_at=retry_at, correlation_id=correlation_id)


def _quota_sentence(resume_at: datetime) -> str:
    return f"the quota is used up; nothing more goes through before {resume_at:%Y-%m-%d %H:%M:%S} UTC"
