"""An answer that is no success, or no answer at all → a typed error with address, fact and the service's own words.

status          of a read            of a write
400             Rejected             Rejected
401 403         Unauthorized         Unauthorized
402             LimitReached         LimitReached
404             NotFound             NotFound
409             NotReady             NotReady
429             RateLimited          RateLimited      certainly not done
                LimitReached when the quota returns too late to wait for
408 5xx         Transient            OutcomeUnknown   done or not
any other       Permanent            Permanent
none            Transient            OutcomeUnknown; Transient(not_sent) when it provably never left
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.codat.pace import PATIENCE
from controller.codat.quota import Quota, after, seconds_until
from controller.model import errors

_FULL = "the account is at its limit; raise it at the service, or make room"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` look up without regard to case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer. `not_sent` only where the request provably never left."""

    what: str
    not_sent: bool


@dataclass(frozen=True, slots=True)
class Words:
    """The service's error body (REFERENCE 2.5); empty where it is empty or no JSON (gateways)."""

    sentence: str = ""
    correlation_id: str | None = None
    messages: tuple[str, ...] = ()


def refused(answer: Answer, address: str, *, write: bool) -> errors.RemoteError:
    """The error that an answer of this status means. `address` is METHOD and path."""
    words = read_words(answer.body)
    text = _text(address, answer.status, words)
    status, known = answer.status, words.correlation_id
    match status:
        case 400:
            return errors.Rejected(text, messages=words.messages, correlation_id=known)
        case 401 | 403:
            return errors.Unauthorized(f"{text}: check the API key", status=status, correlation_id=known)
        case 402:
            return errors.LimitReached(f"{text}: {_FULL}", status=status, correlation_id=known)
        case 404:
            return errors.NotFound(text, status=status, correlation_id=known)
        case 409:
            return errors.NotReady(text, status=status, correlation_id=known)
        case 429:
            return _too_many(answer, text, known)
        case _ if status == 408 or status >= 500:
            kind = errors.OutcomeUnknown if write else errors.Transient
            return kind(text, status=status, correlation_id=known)
        case _:
            return errors.Permanent(text, status=status, correlation_id=known)


def lost(loss: Lost, address: str, *, write: bool) -> errors.RemoteError:
    """The error that the absence of an answer means."""
    if loss.not_sent:
        return errors.Transient(f"{address}: not sent: {loss.what}", not_sent=True)
    if write:
        return errors.OutcomeUnknown(f"{address}: sent, but no answer: {loss.what}; look before asking again")
    return errors.Transient(f"{address}: no answer: {loss.what}")


def unreadable(address: str, status: int, *, write: bool) -> errors.RemoteError:
    """A success whose body cannot be read is not believed: a write may or may not have been done."""
    kind = errors.OutcomeUnknown if write else errors.Transient
    return kind(f"{address}: {status}, but the answer is cut short or not what was asked for", status=status)


def used_up(address: str, seconds: float) -> errors.LimitReached:
    """Not sent: the service said before that nothing is left of the quota for so long."""
    resume_at = after(seconds)
    return errors.LimitReached(f"{address}: not sent: {_until(resume_at)}", status=429, resume_at=resume_at)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks us to wait, None where it does not say (REFERENCE 2.2)."""
    value = headers.get("retry-after")
    return seconds_until(value, headers) if value else None


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds until a 429 with these headers is over: as asked for, or until a quota that is spent returns."""
    quota, asked_for = Quota.of(headers), retry_after(headers)
    period = quota.seconds_left if quota and quota.remaining == 0 else 0.0
    return max(asked_for or 0.0, period) or asked_for


def read_words(body: bytes) -> Words:
    try:
        wire = json.loads(body)
    except (ValueError, RecursionError):
        return Words()
    if not isinstance(wire, dict):
        return Words()
    sentence, known = wire.get("error"), wire.get("correlationId")
    return Words(
        sentence if isinstance(sentence, str) else "",
        known if isinstance(known, str) else None,
        _messages(wire),
    )


def _messages(wire: Mapping[str, Any]) -> tuple[str, ...]:
    """Every message of `validation.errors`, the sentence alone where there are none."""
    validation = wire.get("validation")
    items = validation.get("errors") if isinstance(validation, dict) else None
    said = [item.get("message") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return tuple(text for text in said or [wire.get("error")] if isinstance(text, str))


def _too_many(answer: Answer, text: str, correlation_id: str | None) -> errors.RemoteError:
    """429: wait, or give up where the wait is longer than a run can take."""
    wait, asked_for = wait_of(answer.headers), retry_after(answer.headers)
    if wait is not None and wait > PATIENCE:
        resume_at = after(wait)
        return errors.LimitReached(
            f"{text}: {_until(resume_at)}", status=429, resume_at=resume_at, correlation_id=correlation_id
        )
    retry_at = None if asked_for is None else after(asked_for)
    return errors.RateLimited(text, retry_at=retry_at, correlation_id=correlation_id)


def _until(resume_at: datetime) -> str:
    return f"the quota is used up; nothing more goes through before {resume_at:%Y-%m-%d %H:%M:%S} UTC"


def _text(address: str, status: int, words: Words) -> str:
    sentence = "; ".join(dict.fromkeys((words.sentence, *words.messages))) if words.sentence else ""
    known = f" (correlation id {words.correlation_id})" if words.correlation_id else ""
    return f"{address}: {status} {sentence}".rstrip() + known
