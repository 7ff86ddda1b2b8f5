"""`merchantctl validate`: are the manifests sound? Asks nothing of the API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller.cli.options import output, path_argument

if TYPE_CHECKING:
    from controller.model.merchant import Fleet

_INVALID = 65
_EXAMPLES = """
\b
Examples:
  merchantctl validate                        the whole root
  merchantctl validate manifests/acme.yaml    one file, compiled with the root's profiles
  merchantctl validate -o json                for an editor or a CI job
\b
Exit codes: 0 sound, 64 no such path, 65 complaints.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@output("text", "json")
@click.pass_context
def command(context: click.Context, path: Path | None, output: str) -> None:
    """Check the manifests offline: shape, profiles, names, schedules, dependency rules.

    Complaints come all at once, one a line, each with its file, line and column.
    """
    from controller.desired.fleet import load

    fleet = load(context.obj.manifests, path)
    if output == "json":
        click.echo(_as_json(fleet))
    else:
        _tell(fleet)
    if fleet.complaints:
        context.exit(_INVALID)


def _tell(fleet: Fleet) -> None:
    for complaint in fleet.complaints:
        click.echo(str(complaint), err=True)
    if fleet.complaints:
        click.echo(f"{_counted(len(fleet.complaints), 'complaint')}: mend them and validate again.", err=True)
    else:
        click.echo(f"{_counted(len(fleet.merchants), 'merchant')}: all sound.")


def _as_json(fleet: Fleet) -> str:
    import json
    from dataclasses import asdict

    return json.dumps(
        {
            "schemaVersion": 1,
            "kind": "Validation",
            "complete": not fleet.complaints,
            "complaints": [asdict(complaint) for complaint in fleet.complaints],
            "merchants": len(fleet.merchants),
        },
        indent=2,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
