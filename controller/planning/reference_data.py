"""Is there reference data to choose from, and is it of the right books? A merchant to be taken down needs neither.

configured, with options ───────────────────────────────┐
not yet: something of all six types in the document ────┤
  else by the data status: all six pulled, with options ┴▶ the right books? ─▶ on to the mapping
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from controller.model.desired import DeletionPolicy
from controller.model.name_matching import company_name_key
from controller.model.observed import REQUIRED_DATA_TYPES, Configuration, DataTypeStatus, Unread
from controller.model.plan import RECHECK_WAITING_AFTER, Actor, Finding
from controller.model.yaml_snippets import quote_yaml
from controller.planning.context import PlanningContext, StepResult, condition_met, stop_result, unknown_result
from controller.planning.remedies import command_line, refresh_command

BOOKS_PATH = "company.books"
DATA_READY, RIGHT_BOOKS = "DataReady", "RightBooks"

STALE_AFTER = timedelta(days=30)
FAILED_PULL_SUFFIXES = ("Error", "PrerequisiteNotMet")


def check_reference_data(context: PlanningContext) -> StepResult:
    """Configured with options, or all six data types pulled (API notes 5.8: an earlier success is enough).

    The document proves the pulls where it shows something of each. The data status decides where it was read.
    """
    live, statuses = context.observed.configuration, context.observed.data_status
    if isinstance(live, Unread) and live.failed:
        return unknown_result(context, DATA_READY, "the configuration", live.reason)
    if context.is_to_be_taken_down:
        if isinstance(live, Unread) and _may_be_on_unseen(context):
            return unknown_result(context, DATA_READY, "the configuration", live.reason)
        return StepResult(
            context, condition_met(DATA_READY, "not needed any more"), proceed=isinstance(live, Configuration)
        )
    if isinstance(statuses, Unread):
        return unknown_result(context, DATA_READY, "the data status", statuses.reason)
    if not _is_ready_by_document(live, statuses):
        statuses, offers_options = statuses or {}, isinstance(live, Configuration) and live.offers_options
        unpulled = tuple(name for name in REQUIRED_DATA_TYPES if not _was_ever_pulled(statuses, name))
        if unpulled:
            return stop_result(context, DATA_READY, *_not_pulled_findings(context, statuses, unpulled))
        if not offers_options:
            cause = "everything is pulled, but Codat offers nothing to choose from yet"
            finding = context.finding(
                "data-not-pulled", cause, refresh_command(context), Actor.CODAT, recheck_after=RECHECK_WAITING_AFTER
            )
            return stop_result(context, DATA_READY, finding)
    findings = (*_failed_pull_findings(context, statuses or {}, Actor.NOBODY), *_stale_findings(context))
    return StepResult(context, condition_met(DATA_READY), findings=findings)


def _may_be_on_unseen(context: PlanningContext) -> bool:
    """Whether a document that Codat keeps back (409) while data is read anew may be switched on, where switching off is
    all that policy asks for: an unlinked merchant does not synchronise anyway."""
    was_asked_for = context.observed.data_status is not None
    is_to_be_switched_off = context.desired.removal is DeletionPolicy.DISABLE
    return was_asked_for and is_to_be_switched_off and context.recorded.last_configured_at is not None


def needs_data_status(live: Configuration) -> bool:
    """Whether the document alone does not tell that there is reference data to choose from."""
    # What is configured was pulled once; its data may be old, but there is something to choose from.
    return not (live.offers_options if live.configured else live.shows_all_data_types)


def _is_ready_by_document(live: Configuration | Unread, statuses: Mapping[str, DataTypeStatus] | None) -> bool:
    if not isinstance(live, Configuration) or needs_data_status(live):
        return False
    # Read all the same, as `drift --data` does, the status knows better than what a first document shows.
    return live.configured or statuses is None


def _not_pulled_findings(
    context: PlanningContext, statuses: Mapping[str, DataTypeStatus], missing: tuple[str, ...]
) -> tuple[Finding, ...]:
    unpulled = [name for name in missing if not (name in statuses and _pull_failed(statuses[name]))]
    if not unpulled:
        return _failed_pull_findings(context, statuses, Actor.CODAT)
    running = [name for name in unpulled if name in statuses and statuses[name].status]
    cause, remedy = f"not pulled yet: {', '.join(unpulled)}", refresh_command(context)
    if running:
        # A pull is running: `refresh` would make Codat begin it again from the start.
        cause += f"; Codat is at it ({', '.join(f'{name}: {statuses[name].status}' for name in running)})"
        remedy = f"wait a minute; then {command_line('plan', '--target', context.desired.name)}"
    return (
        *_failed_pull_findings(context, statuses, Actor.CODAT),
        context.finding("data-not-pulled", cause, remedy, Actor.CODAT, recheck_after=RECHECK_WAITING_AFTER),
    )


def _failed_pull_findings(
    context: PlanningContext, statuses: Mapping[str, DataTypeStatus], actor: Actor
) -> tuple[Finding, ...]:
    """One finding for all types whose last pull failed; after `AuthError` the merchant must act (API notes 5.4)."""
    failed = [statuses[name] for name in REQUIRED_DATA_TYPES if name in statuses and _pull_failed(statuses[name])]
    if not failed:
        return ()
    cause = "the last pull failed: " + ", ".join(f"{status.data_type} ({status.status})" for status in failed)
    if all(status.status != "AuthError" for status in failed):
        return (context.finding("data-pull-failed", cause, refresh_command(context), actor),)
    link = context.connection.link_url or None if context.connection else None
    remedy = f"send the merchant the link, to authorise again; then {refresh_command(context)}"
    return (context.finding("data-pull-failed", cause, remedy, Actor.MERCHANT, link=link),)


def _was_ever_pulled(statuses: Mapping[str, DataTypeStatus], name: str) -> bool:
    return name in statuses and (statuses[name].last_pulled_at is not None or statuses[name].status == "Complete")


def _pull_failed(status: DataTypeStatus) -> bool:
    return bool(status.status) and str(status.status).endswith(FAILED_PULL_SUFFIXES)


def _stale_findings(context: PlanningContext) -> tuple[Finding, ...]:
    last = context.connection.last_pulled_at if context.connection else None
    if last is None or context.now - last <= STALE_AFTER:
        return ()
    cause = f"the reference data is {(context.now - last).days} days old; what was deleted since is still offered"
    return (context.finding("data-stale", cause, refresh_command(context), Actor.NOBODY),)


def wrong_books_finding(context: PlanningContext) -> Finding | None:
    """A finding where the merchant linked other books than the manifest names; None where it names none."""
    live, books = context.observed.configuration, context.desired.books
    if isinstance(live, Unread) or not books or not live.books or context.is_to_be_taken_down:
        return None
    if company_name_key(live.books) == company_name_key(books):
        return None
    return context.finding(
        "company-wrong-books",
        f"the linked books are {live.books!r}, not {books!r}",
        f"have the merchant link the right books; or in the manifest of {context.desired.name} write company.books: "
        f"{quote_yaml(live.books)}",
        Actor.OPERATOR,
        field=BOOKS_PATH,
        live=live.books,
        wanted=books,
    )
