"""`merchantctl validate`: are the manifests sound? Asks nothing of the API, unless `--online`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import output, path_argument
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.lookup import FleetLookup
    from controller.model.merchant import Fleet

_EXAMPLES = """
\b
Examples:
  merchantctl validate                        the whole root
  merchantctl validate manifests/acme.yaml    one file, compiled with the root's profiles
  merchantctl validate --online               also: does every code and name exist in each merchant's books?
  merchantctl validate -o json                for an editor or a CI job
\b
Exit codes: 0 sound, 64 no such path, 65 complaints. With --online also 3: the manifests are sound, but
some merchants lack what they name, and 5: something could not be read. Merchants who have not given
consent yet are counted, and are no failure.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@output("text", "json")
@click.option(
    "--online", is_flag=True, help="Also look up every reference in the merchants' own books. Writes nothing."
)
@click.pass_context
def command(context: click.Context, /, path: Path | None, output: str, online: bool) -> None:
    """Check the manifests offline: shape, profiles, names, schedules, dependency rules.

    Complaints come all at once, one a line, each with its file, line and column. With --online, so do references
    that have no single answer in a merchant's books; that needs the API key, and sound manifests.
    """
    from controller.desired.fleet import load
    from controller.reporting.verdict import INVALID

    settings: Settings = context.obj
    fleet = load(settings.manifests, path, settings.cache)
    looked = _looked_up(settings, path) if online and not fleet.complaints else None
    if output == "json":
        click.echo(_as_json(fleet, looked))
    else:
        _tell(fleet, looked)
    context.exit(INVALID if fleet.complaints else _verdict(looked))


def _looked_up(settings: Settings, path: Path | None) -> FleetLookup:
    from controller.app import look_up
    from controller.cli.options import scope
    from controller.cli.terminal import await_now, progress

    with progress("Looking up") as tell:
        return await_now(look_up(settings, scope(path, (), None), tell))


def _verdict(looked: FleetLookup | None) -> int:
    """As `apply` would end: unread goes before blocked."""
    from controller.reporting.verdict import BLOCKED, FINE, UNREAD

    if looked is None:
        return FINE
    if not looked.complete:
        return UNREAD
    return BLOCKED if looked.misfits else FINE


def _tell(fleet: Fleet, looked: FleetLookup | None) -> None:
    from controller.reporting.lookup import lookup_lines, lookup_summary
    from controller.reporting.words import count

    for line in (*map(str, fleet.complaints), *(lookup_lines(looked) if looked else ())):
        click.echo(line, err=True)
    if fleet.complaints:
        click.echo(f"{count(len(fleet.complaints), 'complaint')}: mend them and validate again.", err=True)
        return
    click.echo(f"{count(len(fleet.merchants), 'merchant')}: all sound.")
    if looked:
        click.echo(f"Online: {lookup_summary(looked)}")


def _as_json(fleet: Fleet, looked: FleetLookup | None) -> str:
    import json
    from dataclasses import asdict

    from controller.reporting.lookup import lookup_json

    document: dict[str, Any] = {
        "schemaVersion": 1,
        "kind": "Validation",
        "complete": not fleet.complaints and (looked is None or looked.complete),
        "complaints": [asdict(complaint) for complaint in fleet.complaints],
        "merchants": len(fleet.merchants),
    }
    return json.dumps(document | ({"online": lookup_json(looked)} if looked else {}), indent=2, ensure_ascii=False)
