"""Parse the body of a delivery, of either webhook generation (API notes 6.2, 6.4). Pure.

newer    {"id", "eventType", "payload": {"referenceCompany": {"id"}, …}}       company.*: the payload is the company
legacy   {"AlertId", "RuleType" or "Type", "CompanyId", …}                     names of members in any case

An event only ever leads to a pass over its merchant, so nothing else is read. Not the connection either: the legacy
generation names none, or one of all zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.quick_dataclasses import dataclass

MAX_TEXT_LENGTH = 200
"""Longest id or event name that is taken."""

_RATE_LIMIT = "ratelimit"


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """`id` is the same in repetitions, None where the body has none; `company_id` is None for account-wide events."""

    id: str | None
    name: str
    company_id: str | None

    @property
    def is_about_rate_limit(self) -> bool:
        """As `client.rateLimit.reached`, `Rate Limit Reset` and `ClientRateLimitReached` are."""
        return _RATE_LIMIT in self.name.replace(" ", "").lower()


def parse_event(body: Mapping[str, Any]) -> WebhookEvent:
    """The event in a JSON object. One without known members is an event of no company."""
    members = {name.lower(): value for name, value in body.items()}
    if "eventtype" in members:
        return WebhookEvent(
            _printable_or_none(members.get("id")),
            _printable_or_none(members["eventtype"]) or "",
            _company_id_of_newer_event(members),
        )
    name = _printable_or_none(members.get("ruletype")) or _printable_or_none(members.get("type")) or ""
    return WebhookEvent(_printable_or_none(members.get("alertid")), name, _printable_or_none(members.get("companyid")))


def _company_id_of_newer_event(members: Mapping[str, Any]) -> str | None:
    payload = members.get("payload")
    if not isinstance(payload, Mapping):
        return None
    company = payload.get("referenceCompany")
    if isinstance(company, Mapping):
        return _printable_or_none(company.get("id"))
    is_company_event = str(members["eventtype"]).startswith("company.")
    return _printable_or_none(payload.get("id")) if is_company_event else None


def _printable_or_none(value: object) -> str | None:
    """The value, if it is a printable text of up to MAX_TEXT_LENGTH characters; anything else counts as absent."""
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_TEXT_LENGTH else None
