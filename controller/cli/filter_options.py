"""`--only`, `--code`, `--actor`, `--since`, `--group-by`: what a report shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import click

from controller.cli.options import Command
from controller.model.errors import UsageError
from controller.model.finding_evidence import EVIDENCE_BY_CODE
from controller.model.plan import Actor
from controller.model.report_filter import UNMANAGED_CODE, FindingFilter, Only
from controller.settings import Settings

ACTORS = {
    "operator": Actor.OPERATOR,
    "merchant": Actor.MERCHANT,
    "codat": Actor.CODAT,
    "apply": Actor.APPLY,
    "nobody": Actor.NOBODY,
    "us": Actor.OPERATOR,
    "service": Actor.CODAT,
}
"""The words of the glossary, and those of JSON where they are others."""

LAST = "last"
_CODES = frozenset({*EVIDENCE_BY_CODE, UNMANAGED_CODE})


def filter_options(command: Command) -> Command:
    """The options that narrow a report to some findings, and divide it."""
    options = (
        click.option("--only", type=click.Choice([each.value for each in Only]), help="Drift alone, or pending alone."),
        click.option(
            "--code", "codes", metavar="CODE", multiple=True, help="Findings of this code or glob; may be repeated."
        ),
        click.option(
            "--actor",
            "actors",
            multiple=True,
            type=click.Choice(list(ACTORS), case_sensitive=False),
            metavar="WHO",
            help="Findings on which this one must act: operator, merchant, codat, apply or nobody; may be repeated.",
        ),
        click.option(
            "--since",
            metavar="WHEN",
            help="First seen since then: last (since the last one with --record), 7d, 2026-11-01.",
        ),
        click.option("--group-by", metavar="LABEL", help="One part for each value of this label."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def parse_filter(settings: Settings, verb: str, options: Mapping[str, Any]) -> FindingFilter:
    """The filter of a command line. Raises UsageError for a code that no finding has, and a time that is none.

    verb  whose last time `--since last` is about
    """
    only, since = options["only"], options["since"]
    return FindingFilter(
        only=Only(only) if only else None,
        codes=frozenset(code for pattern in options["codes"] for code in _matching_codes(pattern)),
        actors=frozenset(ACTORS[actor.lower()] for actor in options["actors"]),
        since=_parse_since(settings, verb, since) if since is not None else None,
    )


def _matching_codes(pattern: str) -> list[str]:
    matching = [code for code in sorted(_CODES) if fnmatchcase(code, pattern)]
    if not matching:
        similar = get_close_matches(pattern, _CODES, n=1)
        hint = f" Did you mean {similar[0]!r}?" if similar else " docs/reference.md lists them."
        raise UsageError(f"--code: no finding has the code {pattern!r}.{hint}")
    return matching


def _parse_since(settings: Settings, verb: str, text: str) -> datetime | None:
    """None where nothing is known of a last time: everything is new then, and that is said."""
    if text == LAST:
        return _last_time(settings, verb)
    if span := re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text):
        hours = {"h": 1, "d": 24, "w": 7 * 24}[span[2]]
        return datetime.now(UTC) - timedelta(hours=int(span[1]) * hours)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since: {text!r} is not last, a time like 7d, or a day like 2026-11-01.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _last_time(settings: Settings, verb: str) -> datetime | None:
    from controller.cli.state_access import query_state
    from controller.cli.terminal import print_notice

    last = query_state(settings, lambda store: store.runs.load_last_start(verb))
    if last is None:
        print_notice(f"no {verb} --record has been made on this state, so everything counts as new")
    return last
