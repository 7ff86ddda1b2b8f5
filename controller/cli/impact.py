"""`merchantctl impact`: who depends on an account, a profile or a platform, and what would happen. Asks nobody."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import NonEmptyArgument, output_option, parse_scope, selection_options
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.impact import Impact

_EXAMPLES = """
\b
Examples:
  merchantctl impact account 200 -l country=gb    who books on it, and what if it is deleted or renumbered
  merchantctl impact profile uk-xero              who takes what from it, and whether a change is over a limit
  merchantctl impact connection xero              who is connected to it
\b
From manifests and state alone: right as far as live is as it was applied last; merchantctl drift looks.
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Say who depends on something, and what would happen, without a request."""


@command.command(epilog='Example: merchantctl impact account "Tips payable"')
@click.argument("reference", metavar="REF", cls=NonEmptyArgument)
@selection_options
@output_option()
@click.pass_obj
def account(settings: Settings, reference: str, targets: tuple[str, ...], selector: str | None, output: str) -> None:
    """Who books on the account with the code, name or id REF."""
    from controller.cli.terminal import environment
    from controller.operations.impact import load_books_account_impact

    _run_and_print_impact(
        settings,
        load_books_account_impact(settings, parse_scope(None, targets, selector), reference, environment()),
        output,
    )


@command.command(epilog="Example: merchantctl impact profile uk-xero -o json")
@click.argument("name", cls=NonEmptyArgument)
@selection_options
@output_option()
@click.pass_obj
def profile(settings: Settings, name: str, targets: tuple[str, ...], selector: str | None, output: str) -> None:
    """Who takes which fields from the profile NAME, directly or through another."""
    from controller.cli.terminal import environment
    from controller.operations.impact import load_profile_impact

    _run_and_print_impact(
        settings, load_profile_impact(settings, parse_scope(None, targets, selector), name, environment()), output
    )


@command.command(epilog="Example: merchantctl impact connection quickbooks-online")
@click.argument("platform", cls=NonEmptyArgument)
@selection_options
@output_option()
@click.pass_obj
def connection(settings: Settings, platform: str, targets: tuple[str, ...], selector: str | None, output: str) -> None:
    """Who is connected to the accounting platform PLATFORM, or is to be."""
    from controller.cli.terminal import environment
    from controller.operations.impact import load_connection_impact

    _run_and_print_impact(
        settings,
        load_connection_impact(settings, parse_scope(None, targets, selector), platform, environment()),
        output,
    )


def _run_and_print_impact(settings: Settings, impact_coroutine: Coroutine[Any, Any, Impact], output: str) -> None:
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import paint_for, run_async
    from controller.reporting.impact import impact_json, impact_text

    impact = run_async(impact_coroutine)
    if output == "json":
        document = {"schemaVersion": 1, "kind": "Impact", "complete": True, **impact_json(impact)}
        click.echo(render_document(document, settings.base_url, manifests_revision(settings)))
        return
    click.echo(impact_text(impact, paint_for(sys.stdout)))
