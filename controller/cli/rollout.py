"""`merchantctl rollout`: a bulk change in waves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from controller.cli.options import output, path_argument, scope, selection
from controller.model.errors import UsageError
from controller.model.run import ALLOWABLE
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.report import FleetPlan
    from controller.model.rollout import Rollout, Terms
    from controller.reporting.paint import Paint
    from controller.rollouts import Rolled, Watcher

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
What it leaves to apply: creating, first configurations, unlinking, deleting. Whom it has not
reached yet, apply and run leave alone until it is done.
\b
Exit codes: 0 fine, 1 error or declined, 3 it stopped before its end or some merchants failed,
4 refused by a safety limit, 6 locked by another run, 64 wrong usage or no terminal to ask on,
65 invalid manifests, 130/143 stopped by a signal: it is paused then.
"""

_allow = click.option(
    "--allow", multiple=True, type=click.Choice(ALLOWABLE), help="Lift the limit on this class; may be repeated."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_lock_timeout = click.option(
    "--lock-timeout", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Wait so long for another run."
)
_name = click.argument("name", required=False)


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Bring a change to many merchants in waves, each with a look before the next."""


@command.command(epilog=_EXAMPLES)
@path_argument
@selection
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
@click.option("--name", metavar="NAME", help="What to call it; else rollout-1, rollout-2 …")
@_yes
@output("text", "json")
@click.pass_context
def start(
    ctx: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    yes: bool,
    output: str,
    **given: Any,
) -> None:
    """Plan everyone, or the manifests at PATH, show the waves, ask, and carry them out."""
    from controller.cli.terminal import await_now
    from controller.model.rollout import Prospect
    from controller.reporting.rollout import prospect_text
    from controller.rollouts import Opening
    from controller.rollouts import start as begin

    name, lock_timeout = given.pop("name"), given.pop("lock_timeout")
    terms = _terms(**given)
    _terminal_or(yes)
    agree = _agreement(output, yes, prospect_text, "Roll it out?")
    opening = Opening(scope(path, targets, selector), terms, agree, name, lock_timeout)
    with _watching() as watcher:
        result = await_now(begin(_settings(ctx), opening, watcher))
    if isinstance(result, Prospect):
        for sentence in () if result.waves else result.left:
            click.echo(sentence, err=True)
        ctx.exit(_untouched(result.plan, output))
    ctx.exit(_told(result, output))


@command.command(epilog="Example: merchantctl rollout status -o json")
@_name
@output("text", "json")
@click.pass_context
def status(ctx: click.Context, /, name: str | None, output: str) -> None:
    """Show how far the rollout NAME is, or the newest one."""
    from controller.cli.terminal import await_now
    from controller.rollouts import look_up

    _show(await_now(look_up(_settings(ctx), name)), output)


@command.command(epilog="Example: merchantctl rollout pause")
@_name
@click.pass_context
def pause(ctx: click.Context, /, name: str | None) -> None:
    """Stop the running rollout between two merchants; resume goes on."""
    from controller.cli.terminal import await_now
    from controller.rollouts import pause as stop

    _show(await_now(stop(_settings(ctx), name)), "text")


@command.command(epilog="Example: merchantctl rollout resume --max-failures 2")
@_name
@click.option("--max-failures", type=click.IntRange(0), metavar="N", help="Tolerate N of each wave from now on.")
@output("text", "json")
@click.pass_context
def resume(ctx: click.Context, /, name: str | None, max_failures: int | None, output: str) -> None:
    """Go on where the rollout stands; whoever failed in the wave in hand is tried again."""
    from controller.cli.terminal import await_now
    from controller.rollouts import resume as go_on

    with _watching() as watcher:
        result = await_now(go_on(_settings(ctx), name, max_failures, watcher))
    ctx.exit(_told(result, output))


@command.command(epilog="Example: merchantctl rollout abort")
@_name
@click.pass_context
def abort(ctx: click.Context, /, name: str | None) -> None:
    """No further waves. What is done stays, and nobody else is touched until the manifests change."""
    from controller.cli.terminal import await_now
    from controller.rollouts import abort as end

    _show(await_now(end(_settings(ctx), name)), "text")


@contextmanager
def _watching() -> Iterator[Watcher]:
    """Each step as a line on stderr, and a bar while merchants are gone through."""
    from controller.cli.terminal import progress
    from controller.rollouts import Watcher

    with progress("Working") as tell:
        yield Watcher(lambda sentence: click.echo(sentence, err=True), tell)


@command.command(epilog="Example: merchantctl rollout undo --allow remap")
@_name
@_allow
@_lock_timeout
@_yes
@output("text", "json")
@click.pass_context
def undo(
    ctx: click.Context, /, name: str | None, allow: tuple[str, ...], lock_timeout: float, yes: bool, output: str
) -> None:
    """Put back what the rollout changed. What somebody else has changed since is left alone, and named.

    Its merchants are then left alone until the manifests ask for something else.
    """
    from controller.cli.terminal import await_now
    from controller.model.report import FleetPlan
    from controller.reporting.text import plan_text
    from controller.rollouts import Undoing
    from controller.rollouts import undo as put_back

    _terminal_or(yes)
    told = Undoing(name, allow, _agreement(output, yes, plan_text, "Put it back?"), lock_timeout)
    with _watching() as watcher:
        result = await_now(put_back(_settings(ctx), told, watcher))
    ctx.exit(_untouched(result, output) if isinstance(result, FleetPlan) else _told(result, output))


def _settings(ctx: click.Context) -> Settings:
    settings: Settings = ctx.obj
    return settings


def _terms(waves: tuple[str, ...], soak: str, max_failures: int, step: bool, allow: tuple[str, ...]) -> Terms:
    """Raises UsageError where a wave or a time cannot be read."""
    from controller.desired.selector import parse
    from controller.model.rollout import Terms
    from controller.planning.waves import USUAL, is_selector
    from controller.settings import duration

    for spec in waves:
        if is_selector(spec):
            parse(spec)
    try:
        seconds = duration(soak)
    except ValueError as error:
        raise UsageError(f"--soak {soak!r} {error}") from None
    return Terms(waves or USUAL, seconds, max_failures, step, allow)


def _terminal_or(yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on; say --yes to go on without asking. Nothing was done.")


def _agreement(output: str, yes: bool, words: Callable[[T, Paint], str], question: str) -> Callable[[T], bool]:
    """Shows what would be done, on stderr where stdout is for a program, and asks unless `--yes`."""

    def agree(what: T) -> bool:
        from controller.cli.terminal import ask, paint_for

        stream = sys.stdout if output == "text" else sys.stderr
        click.echo(words(what, paint_for(stream)) + "\n", file=stream)
        return yes or ask(question)

    return agree


def _untouched(plan: FleetPlan, output: str) -> int:
    """What is said where nothing was done, and its exit code."""
    from controller.cli.render import report_as
    from controller.cli.terminal import paint_for
    from controller.reporting.verdict import exit_code

    click.echo(report_as(output, plan, paint_for(sys.stdout)))
    return exit_code("apply", plan)


def _told(result: Rolled, output: str) -> int:
    from controller.reporting.rollout import rolled_code

    _show(result.rollout, output)
    return rolled_code(result.rollout, result.signal)


def _show(rollout: Rollout, output: str) -> None:
    from controller.cli.terminal import paint_for
    from controller.reporting.as_json import dumps
    from controller.reporting.rollout import rollout_json, rollout_text

    click.echo(dumps(rollout_json(rollout)) if output == "json" else rollout_text(rollout, paint_for(sys.stdout)))
