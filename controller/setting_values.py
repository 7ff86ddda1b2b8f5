"""How the text of a setting is understood. Each raises ValueError with what the text is not, to end a sentence with."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from controller.git_address import GIT_PREFIX, GitAddress, parse_git_address
from controller.untrusted_text import is_web_address

DAY = 86_400.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}


def parse_api_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("is not the address of an API, like https://api.codat.io")
    return text.rstrip("/")


def parse_yes_or_no(text: str) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in answers:
        raise ValueError("is neither yes nor no")
    return answers[text.lower()]


def parse_state_address(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("is neither sqlite:///relative.db, sqlite:////absolute.db nor postgresql://…")
    return text


def parse_manifests_place(text: str) -> Path | GitAddress:
    if not text:
        raise ValueError("names no folder")
    return parse_git_address(text) if text.startswith(GIT_PREFIX) else Path(text)


def whole_number_parser(lowest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < lowest:
            raise ValueError(f"is not a whole number from {lowest} upward")
        return int(text)

    return parse


def parse_cache_folder(text: str) -> Path | None:
    """None for `off`, and for a home that nobody has."""
    folder = os.path.expanduser(text)
    return None if text == "off" or folder.startswith("~") else Path(folder)


def parse_seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 3600:
        raise ValueError("is not a number of seconds between 0 and 3600")
    return number


def duration_parser(lowest_s: float, longest_days: int = 365) -> Callable[[str], float]:
    """A time as `90`, `90s`, `15m`, `1h`, `7d`, in seconds."""

    def parse(text: str) -> float:
        number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", number, re.ASCII):
            raise ValueError("is no time like 90s, 15m, 1h or 7d")
        seconds = float(number) * _UNITS[unit]
        if not lowest_s <= seconds <= longest_days * DAY:
            least = f"{lowest_s / DAY:g} days" if lowest_s >= DAY else f"{lowest_s:g} seconds"
            raise ValueError(f"is not between {least} and {longest_days:,} days")
        return seconds

    return parse


def parse_duration(text: str) -> float:
    """A time as `90`, `90s`, `15m`, `1h`, `7d`, in seconds. ValueError says what is wrong with it."""
    return duration_parser(0)(text)


def parse_listen_address(text: str) -> tuple[str, int] | None:
    if text in ("", "off"):
        return None
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("is neither host:port, like 127.0.0.1:8788, nor off")
    return host.strip("[]"), int(port)


def parse_web_guard(text: str) -> str | None:
    """`header:NAME`, or `network`; None where nothing guards the port."""
    name = text.removeprefix("header:")
    if text in ("", "none", "network"):
        return text if text == "network" else None
    if name == text or not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise ValueError("is neither header:NAME, like header:X-Forwarded-User, nor network")
    return text


def parse_portal_link(text: str) -> str | None:
    """None: whatever the API's is."""
    return None if text == "" else link_parser("{company}")(text)


def link_parser(*places: str) -> Callable[[str], str]:
    """An address of the web in which these places are filled, the first of them always; `off` or nothing = none."""

    def parse(text: str) -> str:
        if text in ("", "off"):
            return ""
        rest = text
        for place in places:
            rest = rest.replace(place, "")
        if not is_web_address(rest) or places[0] not in text or "{" in rest:
            raise ValueError(f"is neither off nor an address with {', '.join(places)}")
        return text

    return parse


def parse_host_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", name):
            raise ValueError(f"holds {name!r}, which is no host name; list names without port, separated by commas")
    return names
