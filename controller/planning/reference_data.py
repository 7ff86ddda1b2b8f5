"""Is there anything to choose from, and is it of the right books? Whoever goes down does not wait for either.

configured, with options ───────────────────────────┐
not yet: all six types pulled, and options offered ─┴─▶ the right books? ─▶ on to the mapping
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from controller.model.observed import DATA_TYPES, Configuration, Pull, Unread
from controller.model.plan import Actor, Finding
from controller.planning.case import Case, Verdict, met, stop, unknown

DATA, BOOKS = "DataReady", "RightBooks"
STALE = timedelta(days=30)
ERRORS = ("Error", "PrerequisiteNotMet")
REFRESH = "merchantctl refresh, then wait a minute"


def data_ready(case: Case) -> Verdict:
    """Configured with options, or all six data types pulled (REFERENCE 5.8: an earlier success is enough)."""
    live, pulls = case.observed.configuration, case.observed.pulls
    if isinstance(live, Unread) and live.failed:
        return unknown(case, DATA, "the configuration", live.reason)
    if case.goes_down:
        return Verdict(case, met(DATA, "not needed any more"), go=isinstance(live, Configuration))
    if isinstance(pulls, Unread):
        return unknown(case, DATA, "the data status", pulls.reason)
    offers = isinstance(live, Configuration) and live.offers_options
    if offers and isinstance(live, Configuration) and live.configured:
        return Verdict(case, met(DATA), findings=(*_failed(case, pulls or {}, Actor.NOBODY), *_stale(case)))
    missing = tuple(name for name in DATA_TYPES if not _succeeded(pulls or {}, name))
    if missing:
        return stop(case, DATA, *_unready(case, pulls or {}, missing))
    if not offers:
        cause = "everything is pulled, but the service offers nothing to choose from yet"
        return stop(case, DATA, case.found("data-not-pulled", cause, REFRESH, Actor.SERVICE))
    return Verdict(case, met(DATA), findings=(*_failed(case, pulls or {}, Actor.NOBODY), *_stale(case)))


def _unready(case: Case, pulls: Mapping[str, Pull], missing: tuple[str, ...]) -> tuple[Finding, ...]:
    waiting = [name for name in missing if not (name in pulls and _ended_badly(pulls[name]))]
    cause = f"not pulled yet: {', '.join(waiting)}"
    not_pulled = (case.found("data-not-pulled", cause, REFRESH, Actor.SERVICE),) if waiting else ()
    return (*_failed(case, pulls, Actor.SERVICE), *not_pulled)


def _failed(case: Case, pulls: Mapping[str, Pull], actor: Actor) -> tuple[Finding, ...]:
    """One finding for all types whose last pull failed; `AuthError` needs the merchant (REFERENCE 5.4)."""
    failed = [pulls[name] for name in DATA_TYPES if name in pulls and _ended_badly(pulls[name])]
    if not failed:
        return ()
    cause = "the last pull failed: " + ", ".join(f"{pull.data_type} ({pull.status})" for pull in failed)
    if all(pull.status != "AuthError" for pull in failed):
        return (case.found("data-pull-failed", cause, REFRESH, actor),)
    link = case.connection.link_url or None if case.connection else None
    remedy = "send the merchant the link, to authorise again; then merchantctl refresh"
    return (case.found("data-pull-failed", cause, remedy, Actor.MERCHANT, link=link),)


def _succeeded(pulls: Mapping[str, Pull], name: str) -> bool:
    return name in pulls and (pulls[name].last_success is not None or pulls[name].status == "Complete")


def _ended_badly(pull: Pull) -> bool:
    return bool(pull.status) and str(pull.status).endswith(ERRORS)


def _stale(case: Case) -> tuple[Finding, ...]:
    last = case.connection.last_sync if case.connection else None
    if last is None or case.now - last <= STALE:
        return ()
    cause = f"the reference data is {(case.now - last).days} days old; what was deleted since is still offered"
    return (case.found("data-stale", cause, "merchantctl refresh", Actor.NOBODY),)


def wrong_books(case: Case) -> Finding | None:
    """The guard that the merchant linked the books that were meant; None when they did, or nobody asked."""
    live, books = case.observed.configuration, case.wanted.books
    if isinstance(live, Unread) or not books or not live.books or live.books == books or case.goes_down:
        return None
    return case.found(
        "company-wrong-books",
        f"the linked books are {live.books!r}, not {books!r}",
        "have the merchant link the right books, or mend company.books",
        Actor.US,
        field="company.books",
        live=live.books,
        wanted=books,
    )
