"""`merchantctl drift`: what has moved since we set it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from controller.cli.options import output, path_argument, scope, selection
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl drift                     everyone, each finding with cause and remedy
  merchantctl drift -o markdown         for a pull request or a chat
  merchantctl drift --data              also how old each merchant's reference data is
  merchantctl drift --unmanaged         also list companies that no manifest claims
\b
Exit codes: 0 no drift, 2 drift, 5 something could not be read, 64 wrong usage,
65 some manifests are invalid (the others are reported on).
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection
@output("text", "json", "markdown", "html", "csv")
@click.option("--data", is_flag=True, help="Ask for each merchant's reference data by type, and say how old it is.")
@click.option("--unmanaged", is_flag=True, help="List the companies that no manifest claims.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    output: str,
    data: bool,
    unmanaged: bool,
) -> None:
    """Report what has moved since, for everyone or for the manifests at PATH. Cannot write to the API."""
    from controller.app import look
    from controller.cli.render import drift_as
    from controller.cli.terminal import await_now, paint_for, progress
    from controller.reporting.verdict import exit_code

    settings: Settings = ctx.obj
    whom = scope(path, targets, selector)
    with progress("Looking") as tell:
        plan = await_now(look(settings, whom, strict=False, data=data, on_progress=tell))
    click.echo(drift_as(output, plan, paint_for(sys.stdout), unmanaged=unmanaged, data=data))
    for complaint in plan.complaints:
        click.echo(str(complaint), err=True)
    ctx.exit(exit_code("drift", plan))
