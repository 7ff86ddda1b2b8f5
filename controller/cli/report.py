"""`merchantctl report`: how the fleet stands and what happened in a period, from the state alone."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from typing import Any

import click

from controller.cli.filter_options import filter_options, parse_filter, parse_since, since_option
from controller.cli.options import NonEmptyArgument, output_option, parse_scope, selection_options
from controller.reporting.period_formats import PERIOD_FORMATS
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl report                                   the last 7 days
  merchantctl report --since 30d -o html > june.html   a page to send to somebody
  merchantctl report --since last --record -o markdown what came and went since the last one
  merchantctl report --group-by country --only drift
  merchantctl report -o json > today.json && merchantctl report diff yesterday.json today.json
\b
It also lists who is not being booked: by cause, since when, last success, next sync. Nothing is
asked of Codat: it is what `run`, `apply` and `drift --record` saw last, and what their ledger
says; the report tells how old that is.
\b
Exit codes: 0 there is a report, whatever it says; 1 error, 64 wrong usage.
"""


@click.group(epilog=_EXAMPLES, invoke_without_command=True)
@selection_options
@filter_options
@since_option("Where the period begins: 7d, 2026-11-01, or last: at the last one with --record.", "7d")
@output_option(PERIOD_FORMATS)
@click.option("--record", is_flag=True, help="Note that this report was made, for the next --since last.")
@click.pass_context
def command(ctx: click.Context, /, output: str, group_by: str | None, **options: Any) -> None:
    """Report how the fleet stands and what came, what is open and what went in a period, without asking Codat."""
    if ctx.invoked_subcommand is not None:
        return
    from controller.cli.terminal import environment, paint_for, print_notice, run_async
    from controller.model.finding_filter import Shown
    from controller.operations.period_report import report_from_state
    from controller.reporting.period_text import period_report_text

    settings: Settings = ctx.obj
    now = environment().clock().astimezone(UTC)
    report = run_async(
        report_from_state(
            settings,
            parse_scope(None, options["targets"], options["selector"]),
            since=parse_since(options["since"], now),
            shown=Shown(parse_filter(options), group_by=group_by),
            now=now,
            record=options["record"],
            on_message=print_notice,
        )
    )
    if output == "text":
        click.echo(period_report_text(report, paint_for(sys.stdout)))
    else:
        click.echo(PERIOD_FORMATS[output](report))


_DIFF_EXAMPLES = """
\b
Examples:
  merchantctl report diff monday.json friday.json
  merchantctl report diff monday.json friday.json -o json
\b
Both are what `report -o json` or `drift -o json` printed. Exit codes: 0 they were compared (2 where
they differ, with --detailed-exitcode), 64 one of them is no such report.
"""


@command.command(epilog=_DIFF_EXAMPLES)
@click.argument("before", type=click.Path(path_type=Path), metavar="A", cls=NonEmptyArgument)
@click.argument("after", type=click.Path(path_type=Path), metavar="B", cls=NonEmptyArgument)
@output_option()
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when they differ.")
@click.pass_context
def diff(ctx: click.Context, /, before: Path, after: Path, output: str, detailed_exitcode: bool) -> None:
    """Compare two JSON reports: which findings are new in B, which are gone, and how the numbers moved."""
    from controller.cli.files import read_file
    from controller.cli.terminal import paint_for
    from controller.model.exit_codes import EXIT_CHANGES, EXIT_OK
    from controller.reporting.as_json import dumps
    from controller.reporting.report_diff import compare_reports, diff_json, diff_text, read_report

    documents = [read_report(read_file(path), str(path)) for path in (before, after)]
    difference = compare_reports(*documents)
    click.echo(dumps(diff_json(difference)) if output == "json" else diff_text(difference, paint_for(sys.stdout)))
    ctx.exit(EXIT_CHANGES if detailed_exitcode and difference.is_different else EXIT_OK)


_SEND_EXAMPLES = """
\b
Examples:
  merchantctl report send finance      what [[reports]] in merchantctl.toml calls so
\b
`merchantctl run` sends by schedule; this sends now, whatever was sent before. Exit codes: 0 delivered
everywhere, 1 not, 64 no report is called so.
"""


@command.command(epilog=_SEND_EXAMPLES)
@click.argument("name", shell_complete=lambda ctx, _, start: _complete_report_name(ctx, start), cls=NonEmptyArgument)
@click.pass_context
def send(ctx: click.Context, /, name: str) -> None:
    """Make the report NAME of merchantctl.toml now and deliver it to its folder, URL and mail addresses."""
    from controller.cli.state_access import query_state
    from controller.cli.terminal import environment
    from controller.model.exit_codes import EXIT_ERROR, EXIT_OK
    from controller.operations.scheduled_report import send_report_now
    from controller.reporting.formatting import clean

    settings: Settings = ctx.obj
    now = environment().clock().astimezone(UTC)
    deliveries = query_state(settings, lambda store: send_report_now(settings, name, store, now))
    for each in deliveries:
        click.echo(clean(f"{each.destination}: {each.failure.reason if each.failure else 'delivered'}"))
    ctx.exit(EXIT_ERROR if any(each.failure for each in deliveries) else EXIT_OK)


def _complete_report_name(ctx: click.Context, start: str) -> list[str]:
    """For the shell; whatever is wrong, a key press tells no error."""
    import os

    from controller.settings import InvalidSettings, load_settings

    try:
        reports = load_settings(os.environ, Path.cwd(), ctx.find_root().params).reports
    except InvalidSettings:
        return []
    return [report.name for report in reports if report.name.startswith(start)]
