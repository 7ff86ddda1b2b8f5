"""`merchantctl status`: how far each merchant has come."""

from __future__ import annotations

import sys

import click

from controller.cli.options import output, scope, selection
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl status                    one line a merchant
  merchantctl status acme-coffee        one merchant in depth
  merchantctl status -l tier=gold -o json
\b
Exit codes: 0 fine, 5 something could not be read.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", required=False)
@selection
@output("text", "json")
@click.pass_context
def command(
    ctx: click.Context, /, name: str | None, targets: tuple[str, ...], selector: str | None, output: str
) -> None:
    """Show the conditions of all merchants, or of the merchant NAME in depth."""
    from controller.app import look
    from controller.cli.render import status_as
    from controller.cli.terminal import await_now, paint_for, progress
    from controller.reporting.verdict import exit_code

    settings: Settings = ctx.obj
    whom = scope(None, (name,) if name else targets, selector)
    with progress("Looking") as tell:
        plan = await_now(look(settings, whom, on_progress=tell))
    click.echo(status_as(output, plan, paint_for(sys.stdout), in_depth=name is not None))
    ctx.exit(exit_code("status", plan))
