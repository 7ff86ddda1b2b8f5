"""`merchantctl refresh`: ask Codat to read the merchants' books again."""

from __future__ import annotations

from pathlib import Path

import click

from controller.cli.options import output_option, parse_scope, path_argument, selection_options
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl refresh                          everyone with a linked connection
  merchantctl refresh --target acme-coffee --wait && merchantctl drift
\b
Exit codes: 0 asked of everyone who has given consent, 3 some could not be asked.
"""
_REQUESTED_RESULTS = ("asked", "done")
_NOT_YET_PREFIX = "not "
"""Begin of a result where nothing can be requested yet: waiting for consent is no failure."""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection_options
@output_option()
@click.option("--wait", is_flag=True, help="Wait until Codat has pulled everything.")
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
    """Ask Codat to pull the reference data again: what a merchant's options offer is as old as the last pull."""
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import environment, progress, run_async
    from controller.operations.refresh import refresh
    from controller.reporting.formatting import clean, format_count

    settings: Settings = ctx.obj
    scope = parse_scope(path, targets, selector)
    with progress("Refreshing") as on_progress:
        results = run_async(refresh(settings, scope, wait=wait, on_progress=on_progress, environment=environment()))
    not_requested = {name: result for name, result in results.items() if result not in _REQUESTED_RESULTS}
    failed = [result for result in not_requested.values() if not result.startswith(_NOT_YET_PREFIX)]
    if output == "json":
        merchants = [{"merchant": name, "result": result} for name, result in sorted(results.items())]
        document = {"schemaVersion": 1, "kind": "Refresh", "complete": not failed, "merchants": merchants}
        click.echo(render_document(document, settings.base_url, manifests_revision(settings)))
    else:
        for name, result in sorted(not_requested.items()):
            click.echo(f"{clean(name)}  {clean(result)}")
        click.echo(
            f"Refresh: {format_count(len(results) - len(not_requested), 'merchant')} {'done' if wait else 'asked'}."
        )
    ctx.exit(3 if failed else 0)
