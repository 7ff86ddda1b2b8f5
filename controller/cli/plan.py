"""`merchantctl plan`: what would change."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from controller.cli.formats import PLAN_FORMATS, View, render_isolating_faults
from controller.cli.options import output_option, parse_scope, path_argument, record_option, selection_options
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl plan                                    everyone
  merchantctl plan --target 'acme-*' -l country=gb    some
  merchantctl -v plan                                 with the fields that new merchants get after consent
  merchantctl plan --out today.plan && merchantctl apply today.plan
  merchantctl plan --detailed-exitcode -o json        for a CI job: 2 when there is something to do
\b
Exit codes: 0 fine (2 changes or blocked merchants, with --detailed-exitcode),
5 something could not be read, 64 wrong usage, 65 invalid manifests.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection_options
@output_option(PLAN_FORMATS)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Save it for `apply FILE`."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is something to do.")
@record_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    output: str,
    out: Path | None,
    **flags: bool,
) -> None:
    """Show what would change, for everyone or for the manifests at PATH. Cannot write to the API."""
    from controller.cli.files import write_output_file
    from controller.cli.terminal import environment, paint_for, print_notice, progress, run_async
    from controller.model.exit_codes import exit_code
    from controller.operations.plan import PlanOptions, plan_only

    settings: Settings = ctx.obj
    scope = parse_scope(path, targets, selector)
    options = PlanOptions(record_as="plan" if flags["record"] else None)
    with progress("Looking") as on_progress:
        plan = run_async(
            plan_only(
                settings, scope, options, on_progress=on_progress, on_message=print_notice, environment=environment()
            )
        )
    view = View(paint_for(sys.stdout), in_depth=ctx.find_root().params["verbose"] > 0)
    text, plan = render_isolating_faults(plan, PLAN_FORMATS[output], view)
    if out:
        document, plan = render_isolating_faults(plan, PLAN_FORMATS["json"], view)
        write_output_file(out, document + "\n")
    click.echo(text)
    ctx.exit(exit_code("plan", plan, flags["detailed_exitcode"]))
