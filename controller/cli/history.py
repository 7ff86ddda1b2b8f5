"""`merchantctl history`: what happened to a merchant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from controller.cli.options import output
from controller.settings import Settings

if TYPE_CHECKING:
    from state import Event, Noted, Store

_EXAMPLES = """
\b
Examples:
  merchantctl history acme-coffee
  merchantctl history acme-coffee -o json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@output("text", "json")
@click.pass_obj
def command(settings: Settings, name: str, output: str) -> None:
    """Show what was done to the merchant NAME and what was found, the oldest first."""
    from controller.cli.remembering import ask_state
    from controller.reporting.words import instant

    events, findings = ask_state(settings, lambda store: _past_of(store, name))
    if output == "text":
        _tell(name, events, findings)
        return
    done = [
        {"at": instant(each.at), "run": each.run_id, "what": each.what, "detail": dict(each.detail)} for each in events
    ]
    found = [
        {
            "code": each.code,
            "field": each.field or None,
            "firstSeen": instant(each.first_seen),
            "lastSeen": instant(each.last_seen),
            "clearedAt": instant(each.cleared_at),
        }
        for each in findings
    ]
    history = {"schemaVersion": 1, "kind": "History", "complete": True, "merchant": name}
    click.echo(json.dumps(history | {"events": done, "findings": found}, indent=2, ensure_ascii=False))


async def _past_of(store: Store, name: str) -> tuple[tuple[Event, ...], tuple[Noted, ...]]:
    return await store.history(name), await store.findings_of(name)


def _tell(name: str, events: tuple[Event, ...], findings: tuple[Noted, ...]) -> None:
    from controller.reporting.words import clean, columns, moment

    lines = [(each.at, f"run {each.run_id}", each.what, _detail(each)) for each in events]
    lines += [(each.first_seen, "found", each.code, each.field) for each in findings]
    lines += [(each.cleared_at, "gone", each.code, each.field) for each in findings if each.cleared_at]
    if not lines:
        click.echo(f"Nothing is remembered of {name}.", err=True)
    for line in columns([(moment(at), *map(clean, words)) for at, *words in sorted(lines)], ""):
        click.echo(line)


def _detail(event: Event) -> str:
    """`set the configuration: enabled, schedule.time`, and why it went no further."""
    from controller.model.plan import ChangeKind
    from controller.reporting.words import CHANGES

    told = [
        ": ".join(filter(None, (CHANGES[ChangeKind(change["kind"])][1], ", ".join(change["fields"]))))
        for change in event.detail.get("changes", ())
    ]
    return "; ".join([*told, *filter(None, [event.detail.get("reason")])])
