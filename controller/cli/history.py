"""`merchantctl history`: what happened to a merchant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from controller.cli.options import MerchantNameParameter, NonEmptyArgument, output_option
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.reporting.history import NumberedRun
    from state import EventRow, OccurrenceRow, Store

_EXAMPLES = """
\b
Examples:
  merchantctl history acme-coffee
  merchantctl history acme-coffee -o json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter(), cls=NonEmptyArgument)
@output_option()
@click.pass_obj
def command(settings: Settings, name: str, output: str) -> None:
    """Show what was done to the merchant NAME, and each finding that came and went, by whom; the oldest first."""
    from difflib import get_close_matches

    from controller.cli.json_envelope import render_document
    from controller.cli.state_access import query_state
    from controller.reporting.formatting import clean
    from controller.reporting.history import history_json, history_lines, history_text_lines

    events, findings, runs, known_names = query_state(
        settings, lambda store: _load_history_and_known_names(store, name)
    )
    if output == "json":
        history = {"schemaVersion": 1, "kind": "History", "complete": True, "merchant": name}
        click.echo(render_document(history | history_json(events, findings, runs), settings.base_url))
        return
    lines = history_lines(events, findings, runs)
    if not lines:
        similar = get_close_matches(name, known_names, n=1)
        hint = f" Did you mean {similar[0]!r}?" if similar else ""
        click.echo(clean(f"Nothing is remembered of {name}.{hint}"), err=True)
    for line in history_text_lines(lines):
        click.echo(line)


async def _load_history_and_known_names(
    store: Store, name: str
) -> tuple[tuple[EventRow, ...], tuple[OccurrenceRow, ...], dict[int, NumberedRun], list[str]]:
    """What happened to the merchant, who did it, by number of the run, and whom the state knows."""
    from controller.reconcile.persist import load_run_authors

    events, findings = await store.runs.load_events(name), await store.findings.load_occurrences(name)
    authors = await load_run_authors(store, events, findings)
    return events, findings, authors, sorted(await store.records.load())
