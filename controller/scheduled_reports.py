"""Reports that `run` makes and sends by itself, as `merchantctl.toml` names them.

    [[reports]]
    name = "finance"
    cron = "0 7 * * mon"            minute hour day-of-month month day-of-week
    time_zone = "Europe/London"     UTC without it
    formats = ["html", "csv"]       what is put into the folder, or attached
    only = "drift"                  codes, actors, selector, group_by: as the options of `report`
    folder = "reports"              and, or: webhook_variable, the variable that holds the URL; mail_to and mail_from;
    to = ["FINANCE_SLACK"]          variables that hold an address of Apprise: slack://…, msteams://…

What is secret (an address that takes posts, the password of a mail server) is in a variable, never in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from controller.named_environments import NAME_IN_FILE, InvalidSettings
from controller.quick_dataclasses import dataclass

REPORTS_KEY = "reports"
REPORT_FORMATS = ("text", "json", "markdown", "html", "csv")

_TEXTS = ("name", "cron", "time_zone", "only", "selector", "group_by", "folder", "webhook_variable", "mail_from")
_LISTS = ("formats", "codes", "actors", "mail_to", "to")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class ScheduledReport:
    """One report. Its filter is in the words of the command line; `webhook` and `addresses` are secrets.

    to         variables, each with the address of a chat as Apprise writes it
    addresses  what those that are set hold
    """

    name: str
    cron: str
    time_zone: str = "UTC"
    formats: tuple[str, ...] = ("html",)
    only: str | None = None
    codes: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    selector: str | None = None
    group_by: str | None = None
    folder: Path | None = None
    webhook_variable: str | None = None
    webhook: str | None = field(default=None, repr=False)
    to: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""

    @property
    def destinations(self) -> tuple[str, ...]:
        """Each is delivered to by itself: one that fails keeps nothing from the others."""
        there = {"folder": self.folder, "webhook": self.webhook_variable, "mail": self.mail_to}
        return (*(name for name, value in there.items() if value), *self.to)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show."""
        return tuple(filter(None, (self.webhook, *self.addresses.values())))


def parse_reports(file: str, entries: Any, environ: Mapping[str, str]) -> tuple[ScheduledReport, ...]:
    """The reports of a settings file. Raises InvalidSettings."""
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise InvalidSettings(f"{file}: {REPORTS_KEY} are tables: [[reports]]")
    reports = tuple(_parse(f"{file}: [[reports]] {number}", entry, environ) for number, entry in enumerate(entries, 1))
    names = [report.name for report in reports]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSettings(f"{file}: two [[reports]] are called {name}: give each a name of its own")
    return reports


def _parse(address: str, entry: Mapping[str, Any], environ: Mapping[str, str]) -> ScheduledReport:
    _check_entry(address, entry)
    variable = entry.get("webhook_variable")
    given: dict[str, Any] = {key: tuple(entry[key]) if key in _LISTS else entry[key] for key in entry}
    given["folder"] = Path(entry["folder"]) if "folder" in entry else None
    webhook = environ.get(variable, "").strip() or None if variable else None
    addresses = {name: held for name in entry.get("to", ()) if (held := environ.get(name, "").strip())}
    report = ScheduledReport(**given, webhook=webhook, addresses=addresses)
    if report.mail_to and not report.mail_from:
        raise InvalidSettings(f"{address}: mail_from: missing; who is the mail from?")
    if not report.destinations:
        raise InvalidSettings(f"{address}: it goes nowhere: say folder, webhook_variable, to or mail_to")
    return report


def _check_entry(address: str, entry: Mapping[str, Any]) -> None:
    """Each key by itself: known, of its type, and one of the words that it takes."""
    for key, value in entry.items():
        if key not in (*_TEXTS, *_LISTS):
            raise InvalidSettings(f"{address}: {key}: unknown; known are {', '.join((*_TEXTS, *_LISTS))}")
        texts: Sequence[Any] = value if key in _LISTS and isinstance(value, list) else (value,)
        is_list = isinstance(value, list) or key not in _LISTS
        if not is_list or not all(isinstance(text, str) and text.strip() for text in texts):
            shown = "this" if key == "to" else repr(value)  # which may be an address, and so a secret
            raise InvalidSettings(f"{address}: {key}: {shown} is no {'list of texts' if key in _LISTS else 'text'}")
    missing = [key for key in ("name", "cron") if key not in entry]
    if missing:
        raise InvalidSettings(f"{address}: {' and '.join(missing)}: missing")
    if not NAME_IN_FILE.fullmatch(entry["name"]):
        raise InvalidSettings(f"{address}: name: a name is of small letters, digits and -")
    if wrong := set(entry.get("formats", ())).difference(REPORT_FORMATS):
        what = f"there is no {', '.join(sorted(wrong))}; there are {', '.join(REPORT_FORMATS)}"
        raise InvalidSettings(f"{address}: formats: {what}")
    if not all(map(_VARIABLE.fullmatch, entry.get("to", ()))):
        hint = "an address is a secret: put it into a variable, and name that: FINANCE_SLACK"
        raise InvalidSettings(f"{address}: to: this is no name of a variable; {hint}")
