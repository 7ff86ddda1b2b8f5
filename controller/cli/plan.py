"""`merchantctl plan`: what would change."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from controller.cli.options import output, path_argument, scope, selection
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl plan                                    everyone
  merchantctl plan --target 'acme-*' -l country=gb    some
  merchantctl plan --out today.plan && merchantctl apply today.plan
  merchantctl plan --detailed-exitcode -o json        for a CI job: 2 when there is something to do
\b
Exit codes: 0 fine (2 changes or blocked merchants, with --detailed-exitcode),
5 something could not be read, 64 wrong usage, 65 invalid manifests.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection
@output("text", "json", "markdown", "html")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Save it for `apply FILE`."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is something to do.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    output: str,
    out: Path | None,
    detailed_exitcode: bool,
) -> None:
    """Show what would change, for everyone or for the manifests at PATH. Cannot write to the API."""
    from controller.app import look
    from controller.cli.render import plan_as
    from controller.cli.terminal import await_now, paint_for, progress, write_whole
    from controller.reporting.as_json import dumps, plan_json
    from controller.reporting.verdict import exit_code

    settings: Settings = ctx.obj
    whom = scope(path, targets, selector)
    with progress("Looking") as tell:
        plan = await_now(look(settings, whom, on_progress=tell))
    if out:
        write_whole(out, dumps(plan_json(plan)) + "\n")
    click.echo(plan_as(output, plan, paint_for(sys.stdout)))
    ctx.exit(exit_code("plan", plan, detailed_exitcode))
