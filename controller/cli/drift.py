"""`merchantctl drift`: what was changed outside merchantctl."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from controller.cli.filter_options import LAST, filter_options, parse_filter, parse_since, since_option
from controller.cli.formats import DRIFT_FORMATS, View, render_isolating_faults
from controller.cli.options import output_option, parse_scope, path_argument, record_option, selection_options
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl drift                     everyone, each finding with cause and remedy
  merchantctl drift -o markdown         for a pull request or a chat
  merchantctl drift --data              also how old each merchant's reference data is
  merchantctl drift --syncs             also read how each merchant's latest sync went
  merchantctl drift --unmanaged         also list companies that no manifest claims
  merchantctl drift --only drift --since 7d
  merchantctl drift --actor merchant --group-by country
  merchantctl drift --code 'account-*' --code sync-disabled -l tier=gold
\b
Exit codes: 0 no drift, 2 drift or a failed sync, 5 something could not be read, 64 wrong usage,
65 some manifests are invalid (the others are reported on). Where findings are filtered, 2 is
about those that are shown; 5 and 65 stay.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection_options
@filter_options
@since_option("First seen since then: 7d, 2026-11-01, or last: since the last one with --record.")
@output_option(DRIFT_FORMATS)
@click.option("--data", is_flag=True, help="Ask for each merchant's reference data by type, and say how old it is.")
@click.option("--syncs", is_flag=True, help="Read each merchant's latest sync: one request more for each.")
@click.option("--unmanaged", is_flag=True, help="List the companies that no manifest claims.")
@record_option
@click.pass_context
def command(ctx: click.Context, /, path: Path | None, output: str, group_by: str | None, **options: Any) -> None:
    """Report what has moved since, for everyone or for the manifests at PATH. Cannot write to the API."""
    from dataclasses import replace

    from controller.cli.terminal import environment, paint_for, print_notice, progress, run_async
    from controller.model.exit_codes import exit_code, has_unread
    from controller.model.finding_filter import Shown, filter_findings
    from controller.operations.plan import PlanOptions, plan_only
    from controller.planning.limits import without_release_all_command

    settings: Settings = ctx.obj
    scope = parse_scope(path, options["targets"], options["selector"])
    wanted = parse_filter(options, _resolve_since(settings, options["since"]))
    also_read = [part for part in ("data", "syncs") if options[part]]
    look = PlanOptions(also_read, strict=False, record_as="drift" if options["record"] else None, labelled=True)
    with progress("Looking") as on_progress:
        plan = run_async(
            plan_only(
                settings, scope, look, on_progress=on_progress, on_message=print_notice, environment=environment()
            )
        )
    plan = replace(plan, findings=tuple(map(without_release_all_command, plan.findings)))
    filtered, left_out = filter_findings(plan, wanted)
    shown = Shown(wanted, left_out, group_by)
    view = View(paint_for(sys.stdout), unmanaged=options["unmanaged"], data=options["data"], shown=shown)
    text, filtered = render_isolating_faults(filtered, DRIFT_FORMATS[output], view)
    click.echo(text)
    for diagnostic in plan.diagnostics:
        click.echo(str(diagnostic), err=True)
    ctx.exit(exit_code("drift", plan if has_unread(plan) else filtered))


def _resolve_since(settings: Settings, text: str | None) -> datetime | None:
    """None where everything is shown, also because no last time is known: everything is new then, and that is said."""
    from controller.cli.state_access import query_state
    from controller.cli.terminal import environment, print_notice

    now = environment().clock().astimezone(UTC)
    if text != LAST:
        return parse_since(text, now) if text is not None else None
    last = query_state(settings, lambda store: store.runs.load_last_start("drift", now))
    if last is None:
        print_notice("no drift --record has been made on this state, so everything counts as new")
    return last
