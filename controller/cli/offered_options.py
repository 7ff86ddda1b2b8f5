"""`merchantctl options`: what a merchant's books offer for each field of the mapping."""

from __future__ import annotations

import sys

import click

from controller.cli.options import FieldParameter, MerchantNameParameter, NonEmptyArgument, output_option
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl options acme-coffee                                   every field: what is selected, how many there are
  merchantctl options acme-coffee mapping.sales.accounts.gratuity   all accounts that can stand there
  merchantctl options acme-coffee mapping.sales.taxRates
  merchantctl options acme-coffee --search tips                     whatever has the word in its name, code or id
\b
The first column can be pasted into a manifest. What is offered is as old as the last pull.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter(), cls=NonEmptyArgument)
@click.argument("field", required=False, type=FieldParameter(), cls=NonEmptyArgument)
@click.option("--search", metavar="TEXT", default="", help="Only options with all these words, in any case.")
@output_option()
@click.pass_obj
def command(settings: Settings, name: str, field: str | None, search: str, output: str) -> None:
    """Show what the books of the merchant NAME offer: accounts, tax rates, customers, suppliers, and who uses them.

    FIELD is a path of the mapping; all below it are shown.
    """
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import environment, paint_for, run_async
    from controller.operations.offered_options import load_offered_options
    from controller.reporting.offered_options import offered_fields_text, offered_options_json, offered_options_text

    offered = run_async(load_offered_options(settings, name, field, search, environment()))
    if output == "json":
        document = {"schemaVersion": 1, "kind": "Options", "complete": True, **offered_options_json(offered)}
        click.echo(render_document(document, settings.base_url, manifests_revision(settings)))
        return
    paint = paint_for(sys.stdout)
    click.echo(offered_options_text(offered, paint) if field or search else offered_fields_text(offered, paint))
