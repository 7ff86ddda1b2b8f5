"""`merchantctl sync`: one manual sync, for testing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import output
from controller.model.errors import UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.sync import Prospect, Span, Sync

_EXAMPLES = """
\b
Examples:
  merchantctl sync acme-coffee --wait              from the last success until now
  merchantctl sync acme-coffee --to 2026-11-20     until then
  merchantctl sync acme-coffee --start 2026-11-01 --finish 2026-11-02T12:00
  merchantctl sync acme-coffee --status            how the latest one went; begins none
\b
Times are UTC unless they say otherwise; a date is its 00:00.
Exit codes: 0 done or begun, 1 it cannot begin or you declined, 3 the sync failed, 5 something could not
be read, 64 wrong usage or no terminal to ask on.
"""


class Instant(click.ParamType[datetime]):
    """`2026-11-20` or `2026-11-20T12:00[+01:00]`, as an aware instant."""

    name = "when"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date or time like 2026-11-20 or 2026-11-20T12:00", param, ctx)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.option("--to", "until", type=Instant(), metavar="WHEN", help="From the last success until WHEN; default: now.")
@click.option("--start", type=Instant(), metavar="WHEN", help="The first instant of a range; with --finish.")
@click.option("--finish", type=Instant(), metavar="WHEN", help="The end of that range.")
@click.option("--status", "only_status", is_flag=True, help="Show the latest sync instead; begins none.")
@click.option("--wait", is_flag=True, help="Wait until it has ended, for a quarter of an hour at most.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output("text", "json")
@click.pass_context
def command(ctx: click.Context, /, name: str, wait: bool, yes: bool, output: str, **given: Any) -> None:
    """Put the sales of the merchant NAME into the books now: for testing, since schedules do it day by day."""
    from controller.app import latest_sync, sync
    from controller.cli.terminal import await_now

    settings: Settings = ctx.obj
    span = _span(**given)
    if given["only_status"]:
        found = await_now(latest_sync(settings, name, wait=wait))
    else:
        if not yes and not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on; say --yes to sync without asking. Nothing was done.")
        found = await_now(sync(settings, name, span, _agreement(name, yes), wait=wait))
        if found is None:
            click.echo("Nothing was done.", err=True)
            ctx.exit(1)
    _tell(name, found, output)
    ctx.exit(_verdict(found))


def _span(until: datetime | None, start: datetime | None, finish: datetime | None, only_status: bool) -> Span:
    from controller.model.sync import Span

    if only_status and (until or start or finish):
        raise UsageError("--status begins no sync: leave out --to, --start and --finish")
    if (start is None) != (finish is None) or (until and start):
        raise UsageError("say --start and --finish together, or --to alone")
    if start and finish and finish <= start:
        raise UsageError("--finish must be later than --start")
    return Span(start, finish or until)


def _agreement(name: str, yes: bool) -> Callable[[Prospect], bool]:
    """Shows on stderr what would be covered, with its warning, and asks unless `--yes`."""

    def agree(prospect: Prospect) -> bool:
        from controller.cli.terminal import ask
        from controller.reporting.sync import prospect_text

        click.echo(prospect_text(name, prospect), err=True)
        return yes or ask("Sync now?")

    return agree


def _tell(name: str, found: Sync | None, output: str) -> None:
    import json

    from controller.cli.terminal import paint_for
    from controller.reporting.sync import sync_json, sync_text

    if output == "json":
        click.echo(json.dumps(sync_json(name, found), indent=2, ensure_ascii=False))
    else:
        click.echo(sync_text(name, found, paint_for(sys.stdout)) if found else f"{name} was never synchronised.")


def _verdict(found: Sync | None) -> int:
    from controller.model.sync import Progress
    from controller.reporting.verdict import BLOCKED, FINE

    return BLOCKED if found and found.progress is Progress.FAILED else FINE
