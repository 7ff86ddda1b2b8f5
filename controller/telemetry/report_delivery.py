"""Deliver a finished report: into a folder, to a URL or a chat, by mail. What went wrong is a value, never raised.

A mail server or a receiver that went silent in the middle may have the report: it is not sent there again.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from controller.quick_dataclasses import dataclass
from controller.telemetry.apprise_client import notify_once
from controller.telemetry.json_post import post_once

SMTP_TIMEOUT_S = 30.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One format of a report. `media_type` as in `text/html`."""

    name: str
    media_type: str
    content: str


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """Why a report did not arrive, or is not known to have. `may_retry`: it certainly did not, and may next time."""

    reason: str
    may_retry: bool


async def deliver_to_folder(folder: Path, files: Sequence[ReportFile]) -> NotDelivered | None:
    """Each file completely or not at all; one of that name is replaced, so that doing it twice is doing it once."""
    return await asyncio.to_thread(_write, folder, files)


def _write(folder: Path, files: Sequence[ReportFile]) -> NotDelivered | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            temporary = folder / f".{file.name}.{os.getpid()}"
            try:
                temporary.unlink(missing_ok=True)  # of a process that was killed; or a link, which leads elsewhere
                with temporary.open("x", encoding="utf-8") as stream:
                    stream.write(file.content)
                temporary.replace(folder / file.name)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        return NotDelivered(f"{folder} cannot be written: {error.strerror}", may_retry=True)
    return None


async def deliver_to_url(url: str, message: Mapping[str, Any]) -> NotDelivered | None:
    """A POST of JSON. The URL is a secret, and in no result."""
    outcome = await post_once(url, message)
    return None if outcome is None else NotDelivered(*outcome)


async def deliver_to_chat(address: str, title: str, text: str) -> NotDelivered | None:
    """A message by Apprise. The address is a secret, and in no result."""
    outcome = await notify_once(address, title, text)
    return None if outcome is None else NotDelivered(*outcome)


async def deliver_by_mail(smtp_url: str, message: EmailMessage) -> NotDelivered | None:
    """To all of its recipients in one transaction with the mail server."""
    return await asyncio.to_thread(_send, smtp_url, message)


def _send(smtp_url: str, message: EmailMessage) -> NotDelivered | None:
    parts = urlsplit(smtp_url)
    host, context = parts.hostname or "", ssl.create_default_context()
    is_begun = False
    try:
        port = parts.port or (465 if parts.scheme == "smtps" else 587)
        server = (
            smtplib.SMTP_SSL(host, port, timeout=SMTP_TIMEOUT_S, context=context)
            if parts.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT_S)
        )
        with server:
            server.ehlo()
            is_encrypted = parts.scheme == "smtps"
            if not is_encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                is_encrypted = True
            if parts.username and not is_encrypted and host not in _LOOPBACK:
                return NotDelivered(
                    "the mail server encrypts nothing, and a password would be readable", may_retry=False
                )
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            is_begun = True
            refused = server.send_message(message)
            # It has the mail, whatever it answers to this; left to `with`, any answer but 221 would raise.
            with suppress(smtplib.SMTPException):
                server.quit()
    except smtplib.SMTPResponseException as error:
        return NotDelivered(f"the mail server answered {error.smtp_code}", may_retry=error.smtp_code < 500)
    except smtplib.SMTPRecipientsRefused as error:
        may_retry = any(code < 500 for code, _ in error.recipients.values())  # greylisting, above all
        return NotDelivered("the mail server refused every recipient", may_retry)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        reason = f"the mail server did not answer ({type(error).__name__})"
        return NotDelivered(reason, may_retry=not is_begun)
    return NotDelivered(f"the mail server refused {', '.join(sorted(refused))}", may_retry=False) if refused else None
