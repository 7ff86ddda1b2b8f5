"""`merchantctl status`: the conditions of each merchant."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from controller.cli.formats import STATUS_FORMATS, View, render_isolating_faults
from controller.cli.options import (
    MerchantNameParameter,
    NonEmptyArgument,
    output_option,
    parse_scope,
    selection_options,
)
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl status                    one line a merchant
  merchantctl status acme-coffee        one merchant in depth
  merchantctl status -l tier=gold -o json
  merchantctl status --refresh          look now, even where `run` keeps it up to date
\b
Exit codes: 0 fine, 5 something could not be read.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", required=False, type=MerchantNameParameter(), cls=NonEmptyArgument)
@selection_options
@click.option("--refresh", is_flag=True, help="Look at Codat now, also where a running controller has looked.")
@output_option(STATUS_FORMATS)
@click.pass_context
def command(
    ctx: click.Context, /, name: str | None, targets: tuple[str, ...], selector: str | None, refresh: bool, output: str
) -> None:
    """Show the conditions of all merchants, or of the merchant NAME in depth.

    Where `merchantctl run` works on the same state, this is what it saw last, without a request to Codat; the report
    says how long ago that was. Where none gave a sign of life within a minute, it looks.

    Ready means that Codat synchronises: both connections are linked, and the sync is switched on. A merchant may be
    Ready and not Mapped, when somebody has changed its mapping since; whether its sales arrive is said by Syncing.
    """
    from controller.cli.terminal import environment, paint_for, print_notice, progress, run_async
    from controller.model.exit_codes import exit_code
    from controller.operations.status import status

    settings: Settings = ctx.obj
    scope = replace(parse_scope(None, () if name else targets, selector), name=name)
    with progress("Looking") as on_progress:
        plan = run_async(
            status(
                settings,
                scope,
                look_now=refresh,
                on_progress=on_progress,
                on_message=print_notice,
                environment=environment(),
            )
        )
    view = View(paint_for(sys.stdout), in_depth=name is not None)
    text, plan = render_isolating_faults(plan, STATUS_FORMATS[output], view)
    click.echo(text)
    ctx.exit(exit_code("status", plan))
