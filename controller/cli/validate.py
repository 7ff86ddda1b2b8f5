"""`merchantctl validate`: check the manifests. Makes no request, unless `--online`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import output_option, parse_scope, path_argument, selection_options
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.desired import Diagnostic, Fleet
    from controller.model.reference_check import FleetReferenceCheck
    from controller.model.run_policy import Scope

_EXAMPLES = """
\b
Examples:
  merchantctl validate                        the whole root
  merchantctl validate manifests/acme.yaml    one file, compiled with the root's profiles
  merchantctl validate --online               also: does every code and name exist in each merchant's books?
  merchantctl validate --online -l tier=gold  of these merchants alone
  merchantctl validate -o json                for an editor or a CI job
  merchantctl validate -o junit > tests.xml   what every CI shows beside its other tests
\b
Exit codes: 0 sound, 64 no such path, 65 complaints. With --online also 3: the manifests are sound, but
some merchants lack what they name, and 5: something could not be read. Merchants who have not given
consent yet are counted, and are no failure.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@selection_options
@output_option(("text", "json", "junit"))
@click.option(
    "--online", is_flag=True, help="Also look up every reference in the merchants' own books. Writes nothing."
)
@click.pass_context
def command(
    context: click.Context,
    /,
    path: Path | None,
    targets: tuple[str, ...],
    selector: str | None,
    output: str,
    online: bool,
) -> None:
    """Check the manifests offline: shape, profiles, names, schedules, dependency rules.

    Complaints come all at once, one a line, each with its file, line and column. With --online, so do references
    that have no single answer in a merchant's books; that needs the API key, and sound manifests.
    """
    from controller.desired.loader import empty_root_diagnostic, load_fleet
    from controller.model.exit_codes import EXIT_INVALID

    settings: Settings = context.obj
    if (targets or selector) and not online:
        raise click.UsageError("--target and -l say whose books to look in: add --online.")
    fleet = load_fleet(settings.manifests, path, settings.cache, selector=settings.selector)
    if fleet.is_empty:
        fleet = replace(fleet, diagnostics=(empty_root_diagnostic(path or settings.manifests),))
    online_check = None
    if online and not fleet.diagnostics:
        online_check = _check_online(settings, parse_scope(path, targets, selector))
    if output == "junit":
        from controller.reporting.junit import validate_junit

        click.echo(validate_junit(fleet, online_check))
    elif output == "json":
        click.echo(_as_json(fleet, online_check, settings.base_url))
    else:
        _print_result(fleet, online_check)
    context.exit(EXIT_INVALID if fleet.diagnostics else _online_exit_code(online_check))


def _check_online(settings: Settings, scope: Scope) -> FleetReferenceCheck:
    from controller.cli.terminal import environment, progress, run_async
    from controller.operations.validate_online import check_references

    with progress("Looking up") as on_progress:
        return run_async(check_references(settings, scope, on_progress, environment=environment()))


def _online_exit_code(online_check: FleetReferenceCheck | None) -> int:
    """The exit code of the online check, as `apply` would have it: unread goes before blocked."""
    from controller.model.exit_codes import EXIT_BLOCKED, EXIT_OK, EXIT_UNREAD

    if online_check is None:
        return EXIT_OK
    if not online_check.is_complete:
        return EXIT_UNREAD
    return EXIT_BLOCKED if online_check.has_unresolved else EXIT_OK


def _print_result(fleet: Fleet, online_check: FleetReferenceCheck | None) -> None:
    from controller.reporting.formatting import format_count
    from controller.reporting.reference_check import reference_check_lines, reference_check_summary

    for diagnostic in (*fleet.diagnostics, *_company_name_notes(fleet)):
        click.echo(str(diagnostic), err=True)
    for line in reference_check_lines(online_check) if online_check else ():
        click.echo(line, err=True)
    if fleet.diagnostics:
        click.echo(f"{format_count(len(fleet.diagnostics), 'complaint')}: mend them and validate again.", err=True)
        return
    account = " and the account's settings" if fleet.account_settings else ""
    click.echo(f"{format_count(len(fleet.merchants), 'merchant')}{account}: all sound.")
    if online_check:
        click.echo(f"Online: {reference_check_summary(online_check)}")


def _company_name_notes(fleet: Fleet) -> list[Diagnostic]:
    """Notes on company names of which Codat drops many letters: no mistake, but they may not be recognised."""
    from controller.model.desired import Diagnostic
    from controller.model.field_values import COMPANY_NAME_PATH
    from controller.model.name_matching import loses_many_letters

    notes = []
    for desired in fleet.merchants.values():
        if loses_many_letters(desired.manifest_company_name):
            origin = desired.origins[COMPANY_NAME_PATH][-1]
            fact = f"Codat keeps only {desired.company_name!r} of the company name {desired.manifest_company_name!r}"
            remedy = "if nobody would know it again, write company.name in ASCII letters"
            notes.append(Diagnostic(origin.file, origin.line, origin.column, fact, remedy))
    return notes


def _as_json(fleet: Fleet, online_check: FleetReferenceCheck | None, base_url: str) -> str:
    from dataclasses import asdict

    from controller.cli.json_envelope import render_document
    from controller.reporting.reference_check import reference_check_json

    document: dict[str, Any] = {
        "schemaVersion": 1,
        "kind": "Validation",
        "complete": not fleet.diagnostics and (online_check is None or online_check.is_complete),
        "complaints": [asdict(diagnostic) for diagnostic in fleet.diagnostics],
        "notes": [asdict(note) for note in _company_name_notes(fleet)],
        "merchants": len(fleet.merchants),
    }
    online = {"online": reference_check_json(online_check)} if online_check else {}
    return render_document(document | online, base_url, None if fleet.diagnostics else fleet.digest)
