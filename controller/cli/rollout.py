"""`merchantctl rollout`: start, show, pause, resume, abort and undo a bulk change in waves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from controller.cli.options import (
    NonEmptyArgument,
    lock_timeout_option,
    output_option,
    parse_scope,
    path_argument,
    selection_options,
)
from controller.model.errors import UsageError
from controller.model.run_policy import ALLOW_CLASSES
from controller.settings import Settings
from controller.untrusted_text import escape_control

if TYPE_CHECKING:
    from controller.model.report import FleetPlan
    from controller.model.rollout import Rollout, RolloutSpec
    from controller.reporting.paint import Paint
    from controller.rollout.operations import ProgressSink, RolloutResult

T = TypeVar("T")

_EXAMPLES = """
\b
Examples:
  merchantctl rollout start                                  1 merchant, 5%, 25%, then everyone
  merchantctl rollout start --wave tier=canary --wave 10% --soak 25h
  merchantctl rollout start --yes --step                     for CI: one wave, then resume after resume
  merchantctl rollout status                                 wave by wave, who failed and why
  merchantctl rollout undo                                   puts back exactly what it changed
\b
Where `merchantctl run` works on this state at the same manifests, it carries the waves out, also
over a restart, and `start` ends when it has begun; --foreground keeps it here.
\b
What it leaves to apply: creating, first configurations, unlinking, deleting. Whom it has not
reached yet, apply and run leave alone until it is done.
\b
Exit codes: 0 fine, 1 error or declined, 3 it stopped before its end or some merchants failed,
4 refused by a safety limit, 6 locked by another run, 64 wrong usage or no terminal to ask on,
65 invalid manifests, 130/143 stopped by a signal: it is paused then.
"""

_allow = click.option(
    "--allow", multiple=True, type=click.Choice(ALLOW_CLASSES), help="Lift the limit on this class; may be repeated."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_lock_timeout = lock_timeout_option()
_name = click.argument("name", required=False, cls=NonEmptyArgument)
_foreground = click.option(
    "--foreground", is_flag=True, help="Carry it out in this process, also where `merchantctl run` would."
)


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Bring a change to many merchants in waves, each with a look before the next."""


@command.command(epilog=_EXAMPLES)
@path_argument
@selection_options
@click.option(
    "--wave",
    "waves",
    multiple=True,
    metavar="SPEC",
    help="So many merchants (10), a share of all, those before included (25%), or labels (tier=canary). "
    "May be repeated; the rest goes last. Default: 1 5% 25% 100%.",
)
@click.option("--soak", default="0", metavar="TIME", help="Watch each wave so long, as 30m or 25h, then look again.")
@click.option("--max-failures", type=click.IntRange(0), default=0, metavar="N", help="Tolerate N of each wave.")
@click.option("--step", is_flag=True, help="Pause after every wave; resume does the next one.")
@_allow
@_lock_timeout
@_foreground
@click.option("--name", metavar="NAME", help="What to call it; else rollout-1, rollout-2 …")
@_yes
@output_option()
@click.pass_context
def start(
    ctx: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    yes: bool,
    output: str,
    **options: Any,
) -> None:
    """Plan everyone, or the manifests at PATH, show the waves, ask, and carry them out."""
    from controller.cli.terminal import environment, run_async
    from controller.model.rollout import RolloutPreview
    from controller.reporting.rollout import preview_text
    from controller.rollout.operations import StartRequest, start_rollout

    name, lock_timeout, foreground = (options.pop(each) for each in ("name", "lock_timeout", "foreground"))
    rollout_spec = _parse_spec(**options)
    _require_terminal(yes)
    confirm = _show_and_confirm_callback(output, yes, preview_text, "Roll it out?")
    request = StartRequest(parse_scope(path, targets, selector), rollout_spec, confirm, name, lock_timeout, foreground)
    with _progress_sink() as sink:
        result = run_async(start_rollout(_settings(ctx), request, sink, environment=environment()))
    if isinstance(result, RolloutPreview):
        for sentence in () if result.waves else result.not_included:
            click.echo(escape_control(sentence), err=True)
        ctx.exit(_print_nothing_done(result.plan, output))
    ctx.exit(_print_result(result, output))


@command.command(epilog="Example: merchantctl rollout status -o json")
@_name
@output_option()
@click.pass_context
def status(ctx: click.Context, /, name: str | None, output: str) -> None:
    """Show how far the rollout NAME is, or the newest one."""
    from controller.cli.terminal import run_async
    from controller.rollout.operations import load_status

    _print_rollout(run_async(load_status(_settings(ctx), name)), output)


@command.command("list", epilog="Example: merchantctl rollout list -o json")
@output_option()
@click.pass_context
def list_(ctx: click.Context, /, output: str) -> None:
    """List all rollouts, the newest first."""
    from controller.cli.json_envelope import render_document
    from controller.cli.state_access import query_state
    from controller.reporting.formatting import align_columns, clean, format_iso, format_time

    settings = _settings(ctx)
    rows = query_state(settings, lambda store: store.rollouts.load_all())
    if output == "json":
        rollouts = [
            {
                "name": row.name,
                "state": row.state,
                "reason": row.reason or None,
                "wave": row.wave,
                "started": format_iso(row.started_at),
                "since": format_iso(row.since),
            }
            for row in rows
        ]
        head = {"schemaVersion": 1, "kind": "RolloutList", "complete": True}
        click.echo(render_document(head | {"rollouts": rollouts}, settings.base_url))
        return
    if not rows:
        click.echo("There was no rollout yet: merchantctl rollout start begins one.")
        return
    lines = [
        (
            clean(row.name),
            row.state,
            str(row.wave),
            format_time(row.started_at),
            format_time(row.since),
            clean(row.reason),
        )
        for row in rows
    ]
    for line in align_columns([("NAME", "STATE", "WAVE", "STARTED", "SINCE", ""), *lines], ""):
        click.echo(line)


@command.command(epilog="Example: merchantctl rollout pause")
@_name
@click.pass_context
def pause(ctx: click.Context, /, name: str | None) -> None:
    """Stop the running rollout between two merchants; resume goes on."""
    from controller.cli.terminal import environment, run_async
    from controller.rollout.operations import pause_rollout

    _print_rollout(run_async(pause_rollout(_settings(ctx), name, environment=environment())), "text")


@command.command(epilog="Example: merchantctl rollout resume --max-failures 2")
@_name
@click.option("--max-failures", type=click.IntRange(0), metavar="N", help="Tolerate N of each wave from now on.")
@_foreground
@output_option()
@click.pass_context
def resume(ctx: click.Context, /, name: str | None, max_failures: int | None, foreground: bool, output: str) -> None:
    """Go on where the rollout stands; whoever failed in the wave in hand is tried again."""
    from controller.cli.terminal import environment, run_async
    from controller.rollout.operations import resume_rollout

    with _progress_sink() as sink:
        result = run_async(
            resume_rollout(_settings(ctx), name, max_failures, sink, foreground=foreground, environment=environment())
        )
    ctx.exit(_print_result(result, output))


@command.command(epilog="Example: merchantctl rollout abort")
@_name
@click.pass_context
def abort(ctx: click.Context, /, name: str | None) -> None:
    """No further waves. What is done stays, and nobody else is touched until the manifests change."""
    from controller.cli.terminal import environment, run_async
    from controller.rollout.operations import abort_rollout

    _print_rollout(run_async(abort_rollout(_settings(ctx), name, environment=environment())), "text")


@contextmanager
def _progress_sink() -> Iterator[ProgressSink]:
    """Progress on stderr: a line for each step, and a bar over the merchants of a wave."""
    from controller.cli.terminal import progress
    from controller.rollout.operations import ProgressSink

    with progress("Working") as on_progress:
        yield ProgressSink(lambda sentence: click.echo(escape_control(sentence), err=True), on_progress)


@command.command(epilog="Example: merchantctl rollout undo --allow disable")
@_name
@_allow
@_lock_timeout
@_yes
@output_option()
@click.pass_context
def undo(
    ctx: click.Context, /, name: str | None, allow: tuple[str, ...], lock_timeout: float, yes: bool, output: str
) -> None:
    """Put back what the rollout changed. What somebody else has changed since is left alone, and named.

    Its merchants are then left alone until the manifests ask for something else.
    """
    from controller.cli.terminal import environment, run_async
    from controller.model.report import FleetPlan
    from controller.reporting.text import plan_text
    from controller.rollout.operations import UndoRequest, undo_rollout

    _require_terminal(yes)
    request = UndoRequest(name, allow, _show_and_confirm_callback(output, yes, plan_text, "Put it back?"), lock_timeout)
    with _progress_sink() as sink:
        result = run_async(undo_rollout(_settings(ctx), request, sink, environment=environment()))
    ctx.exit(_print_nothing_done(result, output) if isinstance(result, FleetPlan) else _print_result(result, output))


def _settings(ctx: click.Context) -> Settings:
    settings: Settings = ctx.obj
    return settings


def _parse_spec(
    waves: tuple[str, ...], soak: str, max_failures: int, step: bool, allow: tuple[str, ...]
) -> RolloutSpec:
    """The spec of a rollout. Raises UsageError for an invalid wave or time."""
    from controller.desired.selector import parse_selector
    from controller.model.rollout import RolloutSpec
    from controller.rollout.waves import DEFAULT_WAVES, is_selector_or_raise
    from controller.settings import parse_duration

    for wave in waves:
        if is_selector_or_raise(wave):
            parse_selector(wave)
    try:
        seconds = parse_duration(soak)
    except ValueError as error:
        raise UsageError(f"--soak {soak!r} {error}") from None
    return RolloutSpec(waves or DEFAULT_WAVES, seconds, max_failures, step, allow)


def _require_terminal(yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on; say --yes to go on without asking. Nothing was done.")


def _show_and_confirm_callback(
    output: str, yes: bool, render: Callable[[T, Paint], str], question: str
) -> Callable[[T], bool]:
    """A callback that shows what would be done, on stderr where stdout is for a program, and asks unless `--yes`."""

    def confirm_shown(subject: T) -> bool:
        from controller.cli.terminal import confirm, paint_for

        stream = sys.stdout if output == "text" else sys.stderr
        click.echo(render(subject, paint_for(stream)) + "\n", file=stream)
        return yes or confirm(question)

    return confirm_shown


def _print_nothing_done(plan: FleetPlan, output: str) -> int:
    """Print why nothing was done; returns the exit code."""
    from controller.cli.formats import APPLY_FORMATS, View
    from controller.cli.terminal import paint_for
    from controller.model.exit_codes import exit_code

    click.echo(APPLY_FORMATS[output](plan, View(paint_for(sys.stdout))))
    return exit_code("apply", plan)


def _print_result(result: RolloutResult, output: str) -> int:
    """Print where the rollout stands; returns the exit code."""
    from controller.reporting.rollout import rollout_exit_code

    _print_rollout(result.rollout, output)
    if result.controller:
        verbs = f"merchantctl rollout status {result.rollout.name}, or pause {result.rollout.name}"
        click.echo(f"`merchantctl run` on {result.controller} carries it out: {verbs}", err=True)
        return 0
    return rollout_exit_code(result.rollout, result.signal)


def _print_rollout(rollout: Rollout, output: str) -> None:
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import paint_for
    from controller.reporting.rollout import rollout_json, rollout_text

    if output == "json":
        settings = _settings(click.get_current_context())
        click.echo(render_document(rollout_json(rollout), settings.base_url, manifests_revision(settings)))
    else:
        click.echo(rollout_text(rollout, paint_for(sys.stdout)))
