"""`merchantctl doctor`: check settings, API, state and manifests."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller.cli.options import output_option

if TYPE_CHECKING:
    from controller.cli.doctor_checks import DoctorCheck

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
@output_option()
@click.pass_context
def command(ctx: click.Context, /, output: str) -> None:
    """Look at settings, key, API, clock, quota, state, lock, manifests and webhooks, and say what to do where one is
    not well.

    Makes two GET requests, two more where webhooks are set up, and changes nothing.
    """
    from controller.cli.terminal import run_async

    checks = run_async(_run_checks(ctx, print_each=output == "text"))
    if output == "json":
        click.echo(_as_json(checks, ctx))
    elif all(check.ok for check in checks):
        warnings = sum(check.warns for check in checks)
        click.echo(f"Doctor: all is well{f', with {warnings} to look at' if warnings else ''}.")
    else:
        click.echo(f"Doctor: {sum(not check.ok for check in checks)} of {len(checks)} checks failed.")
    ctx.exit(0 if all(check.ok for check in checks) else 1)


async def _run_checks(ctx: click.Context, *, print_each: bool) -> list[DoctorCheck]:
    """Run all checks; each is printed as soon as it is known, since the network may be slow."""
    from controller.cli.doctor_checks import run_checks
    from controller.cli.terminal import environment

    checks: list[DoctorCheck] = []
    looked_at = run_checks(os.environ, Path.cwd(), ctx.find_root().params, environment=environment())
    # Whoever reads may have seen enough (`| head`): then what the checks have open is closed here, in order.
    async with aclosing(looked_at):
        async for check in looked_at:
            checks.append(check)
            if print_each:
                _print_check(check)
    return checks


def _print_check(check: DoctorCheck) -> None:
    from controller.cli.terminal import paint_for
    from controller.reporting.formatting import clean

    paint = paint_for(sys.stdout)
    mark = paint("good", "ok  ") if check.ok else paint("bad", "FAIL")
    mark = paint("change", "warn") if check.ok and check.warns else mark
    click.echo(f"{mark}  {check.name:<12}  {clean(check.fact)}")
    if check.step:
        click.echo(f"{'':<20}{paint('strong', '>')} {clean(check.step)}")


def _as_json(checks: list[DoctorCheck], ctx: click.Context) -> str:
    from dataclasses import asdict

    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.settings import InvalidSettings, load_settings

    try:
        settings = load_settings(os.environ, Path.cwd(), ctx.find_root().params)
        provenance: tuple[str | None, str | None] = settings.base_url, manifests_revision(settings)
    except InvalidSettings:  # a check of the document says so
        provenance = None, None

    document = {"schemaVersion": 1, "kind": "Doctor", "complete": all(check.ok for check in checks)}
    return render_document(document | {"checks": [asdict(check) for check in checks]}, *provenance)
