"""`--only`, `--code`, `--actor`, `--since`, `--group-by`: what a report shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import Command, LabelParameter
from controller.model.errors import UsageError
from controller.model.finding_filter import ACTORS_BY_WORD, FINDING_CODES, FindingFilter, Only, filter_from_words

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LAST = "last"


class CodeParameter(click.ParamType[str]):
    """A code of findings, or a glob."""

    name = "code"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(code) for code in sorted(FINDING_CODES) if code.startswith(incomplete)]


def filter_options(command: Command) -> Command:
    """The options that narrow a report to some findings, and divide it."""
    options = (
        click.option("--only", type=click.Choice([each.value for each in Only]), help="Drift alone, or pending alone."),
        click.option(
            "--code",
            "codes",
            metavar="CODE",
            multiple=True,
            type=CodeParameter(),
            help="Findings of this code or glob; may be repeated.",
        ),
        click.option(
            "--actor",
            "actors",
            multiple=True,
            type=click.Choice(list(ACTORS_BY_WORD), case_sensitive=False),
            metavar="WHO",
            help="Findings on which this one must act: operator, merchant, codat, apply or nobody; may be repeated.",
        ),
        click.option(
            "--group-by", metavar="LABEL", type=LabelParameter(), help="One part for each value of this label."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def since_option(help_text: str, default: str | None = None) -> Callable[[Command], Command]:
    """`--since`: a time like 7d, a day, or `last`."""
    return click.option("--since", metavar="WHEN", default=default, show_default=default is not None, help=help_text)


def parse_filter(options: Mapping[str, Any], since: datetime | None = None) -> FindingFilter:
    """The filter of a command line. Raises UsageError for a code that no finding has."""
    return filter_from_words(options["only"], options["codes"], options["actors"], since)


def parse_since(text: str, now: datetime) -> datetime | None:
    """The instant that is meant; None = since the last time. Raises UsageError."""
    if text == LAST:
        return None
    if span := re.fullmatch(r"([1-9][0-9]{0,3})([hdw])", text):
        hours = {"h": 1, "d": 24, "w": 7 * 24}[span[2]]
        return now - timedelta(hours=int(span[1]) * hours)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since: {text!r} is not last, a time like 7d, or a day like 2026-11-01.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
