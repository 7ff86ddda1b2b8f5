"""The rows of `World.companies`: frozen values, replaced and never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BooksRow = Mapping[str, Any]
"""One account, tax rate, customer, ... as `/data/...` shows it, without `modifiedDate`."""


@dataclass(frozen=True, slots=True)
class CachedRows:
    """What Codat's cache holds of one data type of one connection.

    `rows` None means the platform's untouched starting books (kept once for all companies).
    """

    at: datetime
    """When the last successful pull finished."""
    first: datetime
    """When the rows that never changed since came in."""
    rows: tuple[BooksRow, ...] | None = None
    modified: Mapping[str, datetime] = field(default_factory=dict)
    """When the cache changed a row, by row id; absent: `first`."""


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One link from a company to one external platform (API notes 3.2)."""

    id: str
    platform: str
    """The four-letter key; name, source type and ids follow from `integrations`."""
    status: str
    created: datetime
    last_sync: datetime | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    pulled: Mapping[str, CachedRows] = field(default_factory=dict)
    """By data type."""


@dataclass(frozen=True, slots=True)
class PullRecord:
    """One pull: its life is settled when it is requested and told by the clock (API notes 3.9, 5.4)."""

    id: str
    connection_id: str
    data_type: str
    requested: datetime
    finishes: datetime
    outcome: str = "Complete"
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CompanyRecord:
    """One merchant at Codat, with its books at the platforms it has linked."""

    id: str
    name: str
    created: datetime
    description: str | None = None
    tags: Mapping[str, str] | None = None
    connections: tuple[ConnectionRecord, ...] = ()
    datasets: tuple[PullRecord, ...] = ()
    """Oldest first."""
    books: Mapping[str, Mapping[str, tuple[BooksRow, ...]]] = field(default_factory=dict)
    """The merchant's own books: platform key → kind → rows. What is absent is as it started."""
    chosen: Mapping[str, Any] | None = None
    """The configuration as last accepted: what callers may write, and nothing the server computes."""
    pinned: Mapping[str, Any] = field(default_factory=dict)
    """Server-owned configuration values that a portal edit changed."""
    configured: bool = False
    categories: tuple[Mapping[str, str], ...] = ()
    """Product categories, taken over where that feature is on: a sales row for each (API notes 3.13 #42)."""
