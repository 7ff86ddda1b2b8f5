"""`merchantctl state`: look into what is remembered, and correct it by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from controller.cli.options import output
from controller.model.errors import UsageError
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl state list                          who is bound to which company
  merchantctl state show acme-coffee              everything remembered of one merchant
  merchantctl state mv acme-coffee acme           the manifest was renamed, the company is the same
  merchantctl state rm acme-coffee                forget; the next plan adopts by name
  merchantctl state export > backup.json          and: merchantctl state import backup.json
  merchantctl state unlock                        the run that held the lock is dead
\b
Nothing here asks or changes the API. rm, mv and import exit 6 while a run is under way.
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Look into what is remembered between runs, and correct it by hand."""


@command.command("list", epilog="Example: merchantctl state list -o json")
@output("text", "json")
@click.pass_obj
def list_(settings: Settings, output: str) -> None:
    """List the merchants that are remembered, with their company and connection."""
    from controller.cli.remembering import ask_state
    from controller.reporting.words import clean, columns

    bindings = ask_state(settings, lambda store: store.list_bindings())
    if output == "json":
        _print_json("StateList", merchants=[_binding(each) for each in bindings])
        return
    rows = [
        (clean(each.merchant), each.company_id or "-", each.connection_id or "-", "retired" if each.retired_at else "")
        for each in bindings
    ]
    for line in columns([("MERCHANT", "COMPANY", "CONNECTION", ""), *rows], ""):
        click.echo(line)


@command.command(epilog="Example: merchantctl state show acme-coffee")
@click.argument("name")
@output("text", "json")
@click.pass_obj
def show(settings: Settings, name: str, output: str) -> None:
    """Show everything that is remembered of the merchant NAME."""
    from controller.cli.remembering import ask_state

    tables = ask_state(settings, lambda store: store.show(name))
    if output == "json":
        _print_json("StateShow", merchant=name, tables=tables)
        return
    for table, rows in tables.items():
        for row in rows:
            click.echo(table)
            for column, value in row.items():
                click.echo(f"  {column}: {json.dumps(value, ensure_ascii=False)}")


@command.command(epilog="Example: merchantctl state rm acme-coffee")
@click.argument("name")
@click.pass_obj
def rm(settings: Settings, name: str) -> None:
    """Forget the merchant NAME. Its company stays as it is; the next plan adopts it by name."""
    from controller.cli.remembering import mend_state

    mend_state(settings, lambda store: store.forget(name))
    click.echo(f"{name} is forgotten.")


@command.command(epilog="Example: merchantctl state mv acme-coffee acme")
@click.argument("old")
@click.argument("new")
@click.pass_obj
def mv(settings: Settings, old: str, new: str) -> None:
    """Remember the merchant OLD under the name NEW: its manifest was renamed."""
    from controller.cli.remembering import mend_state

    mend_state(settings, lambda store: store.rename_merchant(old, new))
    click.echo(f"{old} is now {new}.")


@command.command(epilog="Example: merchantctl state export > backup.json")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@click.pass_obj
def export(settings: Settings, out: Path | None) -> None:
    """Print everything that is remembered as one JSON document."""
    from controller.cli.remembering import ask_state
    from controller.cli.terminal import write_whole

    text = json.dumps(ask_state(settings, lambda store: store.export()), indent=2, ensure_ascii=False)
    if out:
        write_whole(out, text + "\n")
    else:
        click.echo(text)


@command.command("import", epilog="Example: merchantctl state import backup.json")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.pass_obj
def import_(settings: Settings, file: Any) -> None:
    """Fill an empty state from an exported FILE (- = stdin)."""
    from controller.cli.remembering import mend_state

    try:
        document = json.load(file)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.name} is not an export: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{file.name} is not an export: it is no JSON object")
    mend_state(settings, lambda store: store.import_(document))
    click.echo("Imported.")


@command.command(epilog="Example: merchantctl state unlock")
@click.pass_obj
def unlock(settings: Settings) -> None:
    """Take the lock from a run that is dead. From a living one it takes the protection against twins: make sure."""
    from controller.cli.remembering import ask_state

    broken = ask_state(settings, lambda store: store.break_lock())
    if broken is None:
        click.echo("It was not locked.", err=True)
        return
    owner = broken.owner
    click.echo(f"Unlocked: it was held by `{owner.command}` (pid {owner.pid} on {owner.host}) since {broken.since}.")


def _binding(each: Any) -> dict[str, Any]:
    from controller.reporting.words import instant

    return {
        "merchant": each.merchant,
        "companyId": each.company_id,
        "companyName": each.company_name,
        "connectionId": each.connection_id,
        "configuredAt": instant(each.configured_at),
        "retiredAt": instant(each.retired_at),
    }


def _print_json(kind: str, **content: Any) -> None:
    json.dump({"schemaVersion": 1, "kind": kind, "complete": True, **content}, sys.stdout, indent=2, ensure_ascii=False)
    click.echo()
