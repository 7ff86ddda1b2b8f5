"""`merchantctl link`: what to send to a merchant."""

from __future__ import annotations

import click

from controller.cli.options import MerchantNameParameter, NonEmptyArgument
from controller.settings import Settings
from controller.untrusted_text import escape_control, is_web_address

_EXAMPLES = """
\b
Examples:
  merchantctl link acme-coffee                    the page where the merchant connects the books
  merchantctl link acme-coffee --sync-flow        the page where the merchant maps; valid for 30 seconds
  merchantctl link acme-coffee --redirect-url https://shop.example/done
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter(), cls=NonEmptyArgument)
@click.option("--sync-flow", is_flag=True, help="The Sync Flow with its one-time password, valid for 30 seconds.")
@click.option(
    "--redirect-url", metavar="URL", help="The Sync Flow, and where it leads at its end. Default: that of the SyncFlow."
)
@click.pass_context
def command(ctx: click.Context, /, name: str, sync_flow: bool, redirect_url: str | None) -> None:
    """Print the link for the merchant NAME: printed once, never stored."""
    from controller.cli.terminal import environment, run_async
    from controller.operations.link import find_link_url

    settings: Settings = ctx.obj
    url = run_async(
        find_link_url(settings, name, sync_flow=sync_flow, redirect_url=redirect_url, environment=environment())
    )
    if not is_web_address(url):
        raise click.ClickException(f"Codat gave an address that is no web page: {escape_control(url)}")
    click.echo(url)
