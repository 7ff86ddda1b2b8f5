"""What a delivery says, in either generation's words (REFERENCE 6.2, 6.4). Pure.

newer    {"id", "eventType", "payload": {"referenceCompany": {"id"}, …}}       company.*: the payload is the company
legacy   {"AlertId", "RuleType" or "Type", "CompanyId", …}                     names of members in any case

Whatever it says, it only ever means «look at this merchant». Which connection it was is not asked: the legacy
generation names none, or one of all zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 200
"""No id and no event name is longer."""

_RATE_LIMIT = "ratelimit"


@dataclass(frozen=True, slots=True)
class Event:
    """`id` tells repetitions, None where the body has none; `company_id` is None for events of the whole account."""

    id: str | None
    name: str
    company_id: str | None

    @property
    def about_limits(self) -> bool:
        """`client.rateLimit.reached`, `Rate Limit Reset`, `ClientRateLimitReached`."""
        return _RATE_LIMIT in self.name.replace(" ", "").lower()


def event_of(body: Mapping[str, Any]) -> Event:
    """Any JSON object is an event; one that says nothing we know is about nobody."""
    members = {name.lower(): value for name, value in body.items()}
    if "eventtype" in members:
        return Event(_word(members.get("id")), _word(members["eventtype"]) or "", _newer_company(members))
    name = _word(members.get("ruletype")) or _word(members.get("type")) or ""
    return Event(_word(members.get("alertid")), name, _word(members.get("companyid")))


def _newer_company(members: Mapping[str, Any]) -> str | None:
    payload = members.get("payload")
    if not isinstance(payload, Mapping):
        return None
    company = payload.get("referenceCompany")
    if isinstance(company, Mapping):
        return _word(company.get("id"))
    whole_company = str(members["eventtype"]).startswith("company.")
    return _word(payload.get("id")) if whole_company else None


def _word(value: object) -> str | None:
    """A text that can be stored and shown; anything else is as good as absent."""
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST else None
