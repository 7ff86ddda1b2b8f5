"""`merchantctl doctor`: is everything in place?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller.cli.options import output

if TYPE_CHECKING:
    from controller.cli.checks import Check

_EXAMPLES = """
\b
Examples:
  merchantctl doctor
  merchantctl --base-url http://127.0.0.1:8787 doctor
  merchantctl doctor -o json               for a support ticket: the API key is not in it
\b
Exit codes: 0 all is well, 1 something is not.
"""


@click.command(epilog=_EXAMPLES)
@output("text", "json")
@click.pass_context
def command(ctx: click.Context, /, output: str) -> None:
    """Look at settings, key, API, clock, quota, state, lock and manifests, and say what to do where one is not well.

    Makes one GET request, and changes nothing.
    """
    from controller.cli.terminal import await_now

    checks = await_now(_examined(ctx, tell=output == "text"))
    if output == "json":
        click.echo(_as_json(checks))
    elif all(each.ok for each in checks):
        click.echo("Doctor: all is well.")
    else:
        click.echo(f"Doctor: {sum(not each.ok for each in checks)} of {len(checks)} checks failed.")
    ctx.exit(0 if all(each.ok for each in checks) else 1)


async def _examined(ctx: click.Context, *, tell: bool) -> list[Check]:
    """All checks; told one by one, since the network may take its time."""
    from controller.cli.checks import examine

    checks = []
    async for check in examine(os.environ, Path.cwd(), ctx.find_root().params):
        checks.append(check)
        if tell:
            _tell(check)
    return checks


def _tell(check: Check) -> None:
    from controller.cli.terminal import paint_for
    from controller.reporting.words import clean

    paint = paint_for(sys.stdout)
    mark = paint("good", "ok  ") if check.ok else paint("bad", "FAIL")
    click.echo(f"{mark}  {check.name:<12}  {clean(check.fact)}")
    if check.step:
        click.echo(f"{'':<20}{paint('strong', '>')} {clean(check.step)}")


def _as_json(checks: list[Check]) -> str:
    import json
    from dataclasses import asdict

    document = {"schemaVersion": 1, "kind": "Doctor", "complete": all(each.ok for each in checks)}
    return json.dumps(document | {"checks": [asdict(each) for each in checks]}, indent=2, ensure_ascii=False)
