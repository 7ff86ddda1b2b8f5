"""`merchantctl apply`: shows the plan, asks, carries it out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.formats import APPLY_FORMATS, PLAN_FORMATS, View, render_isolating_faults
from controller.cli.options import (
    AllowParameter,
    NonEmptyArgument,
    lock_timeout_option,
    output_option,
    parse_scope,
    selection_options,
)
from controller.model.errors import UsageError
from controller.model.run_policy import RunPolicy, Scope
from controller.settings import Settings
from controller.untrusted_text import escape_control

if TYPE_CHECKING:
    from controller.model.report import FleetPlan

_EXAMPLES = """
\b
Examples:
  merchantctl apply                           everyone, after asking
  merchantctl apply manifests/acme.yaml       one manifest
  merchantctl apply today.plan --yes          a plan that was saved with plan --out
  merchantctl apply --yes --allow unlink      for a CI job; lifts the limit on unlinking
  merchantctl apply --yes -o html > done.html what was done, as a page to send or to keep
  merchantctl apply --allow re-create=acme    makes anew what acme has lost at Codat
  merchantctl apply --allow create-record=acme
                                              creates the account that acme's books lack
\b
Exit codes: 0 fine, 1 error or declined, 3 some merchants failed or are blocked, 4 refused by a
safety limit, 5 something could not be read, 6 locked by another run, 64 wrong usage or no
terminal to ask on, 65 invalid manifests, 130/143 stopped by a signal.
"""


@click.command(epilog=_EXAMPLES)
@click.argument(
    "source", required=False, metavar="[PATH or PLAN]", type=click.Path(path_type=Path), cls=NonEmptyArgument
)
@selection_options
@output_option(APPLY_FORMATS)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--allow",
    multiple=True,
    type=AllowParameter(),
    help="Lift the limit on this class; may be repeated. What is held for one merchant is released by name, "
    "re-create=NAME, delete=NAME, remap=NAME or take-down=NAME, or by how many are held, re-create:57.",
)
@click.option(
    "--revision",
    "puts_in_force",
    is_flag=True,
    help="These manifests are in force from now on, for every `run` on this state: of the whole root only.",
)
@click.option("--retry", is_flag=True, help="Try quarantined merchants too, as --target does.")
@click.option("--max-changes", type=click.IntRange(0), metavar="N", help="Refuse more than N changes in all.")
@click.option("--parallelism", type=click.IntRange(1), metavar="N", help="At most N merchants at a time.")
@lock_timeout_option()
@click.pass_context
def command(ctx: click.Context, /, source: Path | None, output: str, yes: bool, **options: Any) -> None:
    """Show the plan, ask, and carry it out: for everyone, the manifests at PATH, or as saved in PLAN."""
    from controller.cli.terminal import environment, paint_for, progress, run_async
    from controller.model.exit_codes import exit_code
    from controller.operations.apply import plan_and_apply
    from controller.operations.bootstrap import RunRequest

    settings: Settings = ctx.obj
    saved_plan = _read_saved_plan(source)
    if saved_plan and (options["targets"] or options["selector"]):
        raise UsageError("a saved plan says by itself whom it is for: leave out --target and -l")
    if not yes and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on; say --yes to apply without asking. Nothing was done.")
    with progress("Working") as on_progress:
        request = RunRequest(
            scope=Scope() if saved_plan else parse_scope(source, options["targets"], options["selector"]),
            policy=RunPolicy(
                allowed=frozenset(options["allow"]),
                max_changes=options["max_changes"],
                retry_quarantined=options["retry"],
            ),
            confirm=_show_and_confirm_callback(output, yes),
            saved_plan=saved_plan,
            parallelism=options["parallelism"],
            lock_timeout=options["lock_timeout"],
            puts_in_force=options["puts_in_force"],
            on_message=lambda sentence: click.echo(escape_control(sentence), err=True),
        )
        result = run_async(plan_and_apply(settings, request, on_progress=on_progress, environment=environment()))
    view = View(paint_for(sys.stdout))
    text, result = render_isolating_faults(result, APPLY_FORMATS[output], view)
    click.echo(text)
    ctx.exit(exit_code("apply", result))


def _read_saved_plan(source: Path | None) -> dict[str, Any] | None:
    """The saved plan in a file or pipe (- = stdin), recognised by its content; None where it is something else.

    Raises MalformedPlan for a file that is neither a plan nor a manifest.
    """
    if source is None or source.is_dir():
        return None
    from controller.reporting.as_json import read_saved_plan

    try:
        with click.open_file(str(source), encoding="utf-8") as file:
            saved_plan = read_saved_plan(file.read())
    except (OSError, UnicodeDecodeError):
        return None
    if saved_plan is None and source.is_file() and source.suffix.lower() not in (".yaml", ".yml"):
        # By its name it should be a plan. Taken for a manifest, a damaged plan would yield a wall of diagnostics.
        from controller.desired.loader import load_fleet
        from controller.reporting.as_json import MalformedPlan

        fleet = load_fleet(source)
        if fleet.diagnostics and not fleet.known_names and not fleet.profile_names:
            raise MalformedPlan(
                f"{source} holds neither a saved plan nor a manifest. Nothing was done. "
                "A plan is made by: merchantctl plan --out FILE"
            )
    return saved_plan


def _show_and_confirm_callback(output: str, yes: bool) -> Callable[[FleetPlan], bool]:
    """A callback that shows a plan, on stderr where stdout is for a program, and asks unless `--yes`."""

    def confirm_plan(plan: FleetPlan) -> bool:
        from controller.cli.terminal import confirm, paint_for
        from controller.reconcile.fleet import PlanNotShown
        from controller.reporting.formatting import format_list
        from controller.reporting.text import merchants_with_destruction

        stream = sys.stdout if output == "text" else sys.stderr
        text, shown = render_isolating_faults(plan, PLAN_FORMATS["text"], View(paint_for(stream)))
        if shown is not plan:
            # Nobody agrees to what could not be shown: those merchants are left out, and the others asked about again.
            raise PlanNotShown({each.merchant: each for each in shown.every_plan if each not in plan.every_plan})
        click.echo(text + "\n", file=stream)
        to_destroy = merchants_with_destruction(plan)
        question = f"Apply? It deletes or unlinks {format_list(to_destroy)}." if to_destroy else "Apply these changes?"
        return yes or confirm(question)

    return confirm_plan
