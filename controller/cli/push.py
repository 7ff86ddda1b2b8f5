"""`merchantctl push`: upload commerce data of one merchant, and tell what became of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import (
    ONE_MERCHANT_LOCK_TIMEOUT_S,
    MerchantNameParameter,
    NonEmptyArgument,
    lock_timeout_option,
    output_option,
)
from controller.model.commerce_records import COMMERCE_DATA_TYPES
from controller.model.errors import UsageError
from controller.model.pushes import PushLimit
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.pushes import PushReport
    from controller.push.operations import PushRequest

_EXAMPLES = """
\b
Examples:
  merchantctl push acme-coffee sales.json --wait
  merchantctl push acme-coffee exports/            every .json, .ndjson and .jsonl file in it
  generate-orders | merchantctl push acme-coffee - --type orders
  merchantctl push acme-coffee sales.json --dry-run
  merchantctl push acme-coffee --status            what was pushed, and what became of it
\b
A document has one or more of "orders", "payments" and "transactions", each a list of records as the API
takes them; NDJSON has a record a line. A sync needs all three types. A record that holds only an id, or says
"deleted": true, deletes. What was sent before and has not changed is not sent again.
Exit codes: 0 sent, or nothing to send, 1 Codat expects no data yet, 3 some of it failed or is in the books
already, 4 refused: see --allow, 6 another push is under way, 64 wrong usage or a bad file.
"""
MAX_COMPLAINTS_SHOWN = 20


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter(), cls=NonEmptyArgument)
@click.argument("source", metavar="[FILE]", required=False, type=click.Path(allow_dash=True), cls=NonEmptyArgument)
@click.option(
    "--type", "type_key", type=click.Choice(tuple(COMMERCE_DATA_TYPES)), help="Of records that stand in no list."
)
@click.option("--status", "only_status", is_flag=True, help="Show what was pushed instead; sends nothing.")
@click.option("--wait", is_flag=True, help="Wait until Codat has processed it, for five minutes at most.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent; sends nothing.")
@click.option("--resend", is_flag=True, help="Send changed records that the books have, too; maybe booked twice.")
@click.option("--delete-missing", is_flag=True, help="FILE is all there is: delete what was sent before and it lacks.")
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    type=click.Choice([limit.value for limit in PushLimit]),
    help="Push in spite of payments without an account, records before the start date, or many missing ones.",
)
@lock_timeout_option("Wait so long for another push of the merchant.", default=ONE_MERCHANT_LOCK_TIMEOUT_S)
@output_option()
@click.pass_context
def command(
    ctx: click.Context, /, name: str, source: str | None, only_status: bool, output: str, allowed: Any, **options: Any
) -> None:
    """Send the orders, payments and transactions in FILE (a file, a folder, or - for stdin) for the merchant NAME."""
    from controller.push.operations import PushRequest

    settings: Settings = ctx.obj
    if only_status:
        if source is not None:
            raise UsageError("--status sends nothing: leave out FILE")
        _show_pushed_datasets(settings, name, output)
        return
    if source is None:
        raise UsageError("name a file or a folder to push, or - for stdin; or say --status")
    from controller.cli.terminal import print_notice, progress

    limits = frozenset(PushLimit(word) for word in allowed)
    with progress("Pushing") as on_progress:
        request = PushRequest(source, allowed=limits, on_message=print_notice, on_progress=on_progress, **options)
        report = _push(settings, name, request)
    _print_report(settings, name, report, output)
    ctx.exit(_exit_code(report))


def _push(settings: Settings, name: str, request: PushRequest) -> PushReport:
    """The push. Prints what is wrong with the input before it raises UsageError."""
    from controller.cli.terminal import environment, run_async
    from controller.push.operations import MistakenInput, push
    from controller.untrusted_text import escape_control

    try:
        return run_async(push(settings, name, request, environment=environment()))
    except MistakenInput as mistaken:
        for complaint in mistaken.complaints[:MAX_COMPLAINTS_SHOWN]:
            click.echo(escape_control(complaint), err=True)
        left = len(mistaken.complaints) - MAX_COMPLAINTS_SHOWN
        if left > 0:
            click.echo(f"and {left:,} more", err=True)
        raise


def _print_report(settings: Settings, name: str, report: PushReport, output: str) -> None:
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import paint_for
    from controller.reporting.sync_and_upload import push_json, push_text

    if output == "json":
        click.echo(render_document(push_json(name, report), settings.base_url, manifests_revision(settings)))
    else:
        click.echo(push_text(name, report, paint_for(sys.stdout)))


def _show_pushed_datasets(settings: Settings, name: str, output: str) -> None:
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import environment, paint_for, run_async
    from controller.push.operations import update_and_load_datasets
    from controller.reporting.sync_and_upload import pushed_datasets_json, pushed_datasets_text

    datasets = run_async(update_and_load_datasets(settings, name, environment=environment()))
    if output == "json":
        click.echo(
            render_document(pushed_datasets_json(name, datasets), settings.base_url, manifests_revision(settings))
        )
    else:
        click.echo(pushed_datasets_text(name, datasets, paint_for(sys.stdout)))


def _exit_code(report: PushReport) -> int:
    from controller.model.exit_codes import EXIT_BLOCKED, EXIT_OK, EXIT_REFUSED

    if report.refusals:
        return EXIT_REFUSED
    return EXIT_BLOCKED if report.has_failed or report.total.in_books else EXIT_OK
