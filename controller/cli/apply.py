"""`merchantctl apply`: shows the plan, asks, carries it out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import output, scope, selection
from controller.model.errors import UsageError
from controller.model.run import ALLOWABLE, Leave, Scope
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.report import FleetPlan

_EXAMPLES = """
\b
Examples:
  merchantctl apply                           everyone, after asking
  merchantctl apply manifests/acme.yaml       one manifest
  merchantctl apply today.plan --yes          a plan that was saved with plan --out
  merchantctl apply --yes --allow unlink      for a CI job; lifts the limit on unlinking
\b
Exit codes: 0 fine, 1 error or declined, 3 some merchants failed or are blocked, 4 refused by a
safety limit, 5 something could not be read, 6 locked by another run, 64 wrong usage or no
terminal to ask on, 65 invalid manifests, 130/143 stopped by a signal.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", required=False, metavar="[PATH or PLAN]", type=click.Path(path_type=Path))
@selection
@output("text", "json")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--allow", multiple=True, type=click.Choice(ALLOWABLE), help="Lift the limit on this class; may be repeated."
)
@click.option("--max-changes", type=click.IntRange(0), metavar="N", help="Refuse more than N changes in all.")
@click.option("--parallelism", type=click.IntRange(1), metavar="N", help="At most N merchants at a time.")
@click.option(
    "--lock-timeout", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Wait so long for another run."
)
@click.pass_context
def command(ctx: click.Context, /, what: Path | None, output: str, yes: bool, **given: Any) -> None:
    """Show the plan, ask, and carry it out: for everyone, the manifests at PATH, or as saved in PLAN."""
    from controller.app import Order, plan_and_apply
    from controller.cli.render import report_as
    from controller.cli.terminal import await_now, paint_for, progress
    from controller.reporting.verdict import exit_code

    settings: Settings = ctx.obj
    saved = _saved_plan(what)
    if saved and (given["targets"] or given["selector"]):
        raise UsageError("a saved plan says by itself whom it is for: leave out --target and -l")
    if not yes and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on; say --yes to apply without asking. Nothing was done.")
    with progress("Working") as tell:
        order = Order(
            scope=Scope() if saved else scope(what, given["targets"], given["selector"]),
            leave=Leave(allow=frozenset(given["allow"]), max_changes=given["max_changes"]),
            agree=_agreement(output, yes),
            saved=saved,
            parallelism=given["parallelism"],
            lock_timeout=given["lock_timeout"],
        )
        result = await_now(plan_and_apply(settings, order, on_progress=tell))
    click.echo(report_as(output, result, paint_for(sys.stdout)))
    ctx.exit(exit_code("apply", result))


def _saved_plan(what: Path | None) -> dict[str, Any] | None:
    """The saved plan in that file or pipe (- = stdin), known by its content; None when it is something else."""
    if what is None or what.is_dir():
        return None
    from controller.reporting.as_json import read_saved_plan

    try:
        with click.open_file(str(what), encoding="utf-8") as file:
            return read_saved_plan(file.read())
    except (OSError, UnicodeDecodeError):
        return None


def _agreement(output: str, yes: bool) -> Callable[[FleetPlan], bool]:
    """Shows the plan, on stderr where stdout is for a program, and asks unless `--yes`."""

    def agree(plan: FleetPlan) -> bool:
        from controller.cli.terminal import ask, paint_for
        from controller.reporting.text import plan_text

        stream = sys.stdout if output == "text" else sys.stderr
        click.echo(plan_text(plan, paint_for(stream)) + "\n", file=stream)
        return yes or ask("Carry it out?")

    return agree
