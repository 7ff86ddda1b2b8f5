"""`merchantctl refresh`: asks the service to read the merchants' books again."""

from __future__ import annotations

from pathlib import Path

import click

from controller.cli.options import output, path_argument, scope, selection
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl refresh                          everyone with a linked connection
  merchantctl refresh --target acme-coffee --wait && merchantctl drift
\b
Exit codes: 0 asked of everyone who has given consent, 3 some could not be asked.
"""
_ASKED = ("asked", "done")
_WAITING = "not "
"""How the answer begins where nothing could be asked yet: waiting for consent is no failure."""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection
@output("text", "json")
@click.option("--wait", is_flag=True, help="Wait until the service has pulled everything.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    output: str,
    wait: bool,
) -> None:
    """Ask the service to pull the reference data again: what a merchant's options offer is as old as the last pull."""
    import json

    from controller.app import refresh
    from controller.cli.terminal import await_now, progress
    from controller.reporting.words import clean, count

    settings: Settings = ctx.obj
    whom = scope(path, targets, selector)
    with progress("Refreshing") as tell:
        answers = await_now(refresh(settings, whom, wait=wait, on_progress=tell))
    left_out = {name: answer for name, answer in answers.items() if answer not in _ASKED}
    failed = [answer for answer in left_out.values() if not answer.startswith(_WAITING)]
    if output == "json":
        merchants = [{"merchant": name, "result": answer} for name, answer in sorted(answers.items())]
        document = {"schemaVersion": 1, "kind": "Refresh", "complete": not failed, "merchants": merchants}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for name, answer in sorted(left_out.items()):
            click.echo(f"{clean(name)}  {clean(answer)}")
        click.echo(f"Refresh: {count(len(answers) - len(left_out), 'merchant')} {'done' if wait else 'asked'}.")
    ctx.exit(3 if failed else 0)
