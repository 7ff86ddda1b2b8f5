"""Scheduled reports: what is due, made and delivered once, whichever of several processes does it.

due ─▶ claimed in the state, a row a destination ─▶ made ─▶ delivered; else tried again, ever later
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

from controller.model.controller_status import MAX_CLOCK_DIFFERENCE
from controller.model.cron import Cron, parse_cron
from controller.model.errors import UsageError
from controller.model.finding_filter import Shown, filter_from_words
from controller.model.period_report import PeriodReport
from controller.model.run_policy import Scope
from controller.model.zones import time_zone
from controller.operations.period_report import make_report_from_store
from controller.quick_dataclasses import dataclass
from controller.reconcile.failure_policy import printable_line
from controller.reporting.formatting import cut_text
from controller.reporting.period_formats import FILES, PERIOD_FORMATS
from controller.reporting.period_json import period_report_json
from controller.reporting.period_words import (
    finding_counts_text,
    findings_by_code_rows,
    not_booked_text,
    status_counts_text,
)
from controller.scheduled_reports import ScheduledReport
from controller.settings import Settings
from controller.telemetry import apprise_client
from controller.telemetry.report_delivery import (
    NotDelivered,
    ReportFile,
    deliver_by_mail,
    deliver_to_chat,
    deliver_to_folder,
    deliver_to_url,
)
from state import DeliveryKey, Store

RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
"""Until the next attempt, after the first, the second …; then it is given up."""

MAX_RETRY_DELAY = max(RETRY_DELAYS) + MAX_CLOCK_DIFFERENCE
"""Whatever waits for longer was put off by this machine's clock before that was put back."""

MAX_CHAT_LINES, MAX_CHAT_CHARACTERS = 12, 1_900
"""Of the findings, and of the whole message, that a chat is sent."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one report at one destination; `failure` None = it was delivered."""

    report: str
    destination: str
    due_at: datetime
    failure: NotDelivered | None = None
    will_retry: bool = False


def check_report_and_parse_schedule(report: ScheduledReport) -> Cron:
    """Raises UsageError for a schedule, a time zone or a filter that means nothing, and for what is not installed."""
    _parse_shown(report)
    if report.to and not apprise_client.is_installed():
        raise UsageError(f"report {report.name}: to: {apprise_client.MISSING}")
    try:
        zone = time_zone(report.time_zone)
    except KeyError:
        raise UsageError(f"report {report.name}: there is no time zone {report.time_zone!r}") from None
    try:
        return parse_cron(report.cron, zone)
    except UsageError as error:
        raise UsageError(f"report {report.name}: {error}") from None


async def deliver_due_reports(settings: Settings, store: Store, now: datetime) -> list[Delivery]:
    """Everything that is due and that nobody else has begun; of each report only the latest time that was due.

    A report that is new to the state is due the next time.
    """
    deliveries = []
    for report in settings.reports:
        schedule = check_report_and_parse_schedule(report)
        due_at = schedule.last_at_or_before(now)
        if due_at is None:
            continue
        if await store.report_deliveries.load_last_due(report.name) is None:
            for destination in report.destinations:
                await store.report_deliveries.mark_skipped(DeliveryKey(report.name, due_at, destination), now)
            continue
        deliveries += await _deliver(settings, report, schedule, store, due_at, now)
    return deliveries


async def send_report_now(settings: Settings, name: str, store: Store, now: datetime) -> list[Delivery]:
    """One report to all of its destinations, whatever was sent before. Raises UsageError where none is called so."""
    report = next((each for each in settings.reports if each.name == name), None)
    if report is None:
        known = ", ".join(each.name for each in settings.reports)
        there = f"merchantctl.toml has {known}" if known else "merchantctl.toml has no [[reports]]"
        raise UsageError(f"there is no report {name!r}; {there}")
    made = await _make_report(settings, report, check_report_and_parse_schedule(report), store, now)
    deliveries = []
    for destination in report.destinations:
        try:
            failure = await _send(settings, report, made, destination, now)
        except Exception as error:  # the others are sent to all the same, and what was delivered is told
            failure = _failure_from_error(error)
        deliveries.append(Delivery(name, destination, now, failure))
    return deliveries


async def _deliver(
    settings: Settings, report: ScheduledReport, schedule: Cron, store: Store, due_at: datetime, now: datetime
) -> list[Delivery]:
    made: PeriodReport | None = None
    deliveries = []
    for destination in report.destinations:
        key = DeliveryKey(report.name, due_at, destination)
        if not await store.report_deliveries.claim(key, now, believed_until=now + MAX_RETRY_DELAY):
            continue
        try:
            made = made or await _make_report(settings, report, schedule, store, due_at)
            failure = await _send(settings, report, made, destination, due_at)
        except Exception as error:
            failure = _failure_from_error(error)
        deliveries.append(await _record_outcome(store, key, failure, now))
    return deliveries


def _failure_from_error(error: Exception) -> NotDelivered:
    return NotDelivered(f"it could not be made: {type(error).__name__}: {printable_line(str(error))}", may_retry=True)


async def _record_outcome(store: Store, key: DeliveryKey, failure: NotDelivered | None, now: datetime) -> Delivery:
    if failure is None:
        await store.report_deliveries.mark_delivered(key, now)
        return Delivery(key.report, key.destination, key.due_at)
    rows = await store.report_deliveries.load(key.report, key.due_at)
    attempts = next((row.attempts for row in rows if row.destination == key.destination), 1)
    retry_at = now + RETRY_DELAYS[attempts - 1] if failure.may_retry and attempts <= len(RETRY_DELAYS) else None
    await store.report_deliveries.mark_failed(key, failure.reason, retry_at)
    return Delivery(key.report, key.destination, key.due_at, failure, retry_at is not None)


async def _make_report(
    settings: Settings, report: ScheduledReport, schedule: Cron, store: Store, due_at: datetime
) -> PeriodReport:
    """The period is that from the time before to this one."""
    since = schedule.last_at_or_before(due_at - timedelta(seconds=1)) or due_at - timedelta(days=7)
    scope = Scope(selector=report.selector)
    return await make_report_from_store(settings, scope, store, since=since, shown=_parse_shown(report), now=due_at)


def _parse_shown(report: ScheduledReport) -> Shown:
    return Shown(filter_from_words(report.only, report.codes, report.actors), group_by=report.group_by)


async def _send(
    settings: Settings, report: ScheduledReport, made: PeriodReport, destination: str, due_at: datetime
) -> NotDelivered | None:
    if destination == "folder" and report.folder:
        # What takes a second of 10,000 merchants keeps nobody else waiting.
        return await deliver_to_folder(report.folder, await asyncio.to_thread(_render_files, report, made, due_at))
    if destination == "mail":
        return await _send_by_mail(settings, report, made, due_at)
    if destination in report.to:
        if destination not in report.addresses:
            return NotDelivered(f"{destination} is not set", may_retry=True)
        return await deliver_to_chat(report.addresses[destination], _title(report, made), _chat_text(made))
    if report.webhook is None:
        return NotDelivered(f"{report.webhook_variable} is not set", may_retry=True)
    message: Mapping[str, Any] = {
        "schemaVersion": 1,
        "kind": "ScheduledReport",
        "name": report.name,
        "id": f"{report.name} {due_at:%Y-%m-%dT%H:%M:%SZ}",
        "text": _summary(report, made),
        "report": period_report_json(made),
    }
    return await deliver_to_url(report.webhook, message)


async def _send_by_mail(
    settings: Settings, report: ScheduledReport, made: PeriodReport, due_at: datetime
) -> NotDelivered | None:
    if settings.smtp_url is None:
        return NotDelivered("MERCHANTCTL_SMTP_URL is not set", may_retry=True)
    message = EmailMessage()
    message["Subject"] = _one_line(f"{_title(report, made)}: {status_counts_text(made)}")
    message["From"] = _one_line(report.mail_from)
    message["To"] = ", ".join(map(_one_line, report.mail_to))
    message["Date"] = format_datetime(due_at)
    message["Message-ID"] = make_msgid(f"{report.name}.{due_at:%Y%m%d%H%M}", domain="merchantctl.invalid")
    message.set_content(PERIOD_FORMATS["text"](made) + "\n")
    for file in await asyncio.to_thread(_render_files, report, made, due_at):
        maintype, _, subtype = file.media_type.partition("/")
        message.add_attachment(file.content.encode(), maintype, subtype, filename=file.name)
    return await deliver_by_mail(settings.smtp_url, message)


def _render_files(report: ScheduledReport, made: PeriodReport, due_at: datetime) -> list[ReportFile]:
    """`finance-2026-11-23T0700Z.html`: of one time there is one."""
    stem = f"{report.name}-{due_at:%Y-%m-%dT%H%MZ}"
    return [
        ReportFile(f"{stem}.{FILES[form][0]}", FILES[form][1], PERIOD_FORMATS[form](made)) for form in report.formats
    ]


def _title(report: ScheduledReport, made: PeriodReport) -> str:
    return f"[{made.environment}] {report.name}" if made.environment else report.name


def _summary(report: ScheduledReport, made: PeriodReport) -> str:
    not_booked = f" {not_booked_text(made)}." if made.not_booked else ""
    return f"{_title(report, made)}: {status_counts_text(made)}. {finding_counts_text(made)}.{not_booked}"


def _chat_text(made: PeriodReport) -> str:
    """A few lines: a chat shows no tables, and the shortest limit of a message is 2,000 characters."""
    codes = [
        f"{code}: {new} new, {still} still open, {closed} closed"
        for code, new, still, closed in findings_by_code_rows(made)
    ]
    more = len(codes) - MAX_CHAT_LINES
    not_booked = [f"{not_booked_text(made)}."] if made.not_booked else []
    lines = [f"{status_counts_text(made)}.", *not_booked, f"{finding_counts_text(made)}.", *codes[:MAX_CHAT_LINES]]
    return cut_text("\n".join([*lines, f"and {more} more codes"] if more > 0 else lines), MAX_CHAT_CHARACTERS)


def _one_line(text: str) -> str:
    return " ".join(text.split())
