"""`merchantctl push`: upload commerce data of one merchant from a file."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from controller.cli.options import MerchantNameParameter, output_option
from controller.model.errors import UsageError
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl push acme-coffee sales.json --wait
  generate-sales | merchantctl push acme-coffee -
\b
The file is one JSON object with one or more of "orders", "payments" and "transactions", each a list of
records as the API takes them. A sync needs all three types. A record that holds only an id deletes.
Send a record once, and again only when it changed. More than 5,000 records go in several requests.
Exit codes: 0 sent, 1 Codat expects no data yet, 3 some of it failed, 64 wrong usage or a bad file.
"""
MAX_PROBLEMS_SHOWN = 20
"""Problems of one file that are printed."""


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter())
@click.argument("file", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Wait until Codat has processed it, for five minutes at most.")
@output_option()
@click.pass_context
def command(ctx: click.Context, /, name: str, file: Any, wait: bool, output: str) -> None:
    """Send the orders, payments and transactions in FILE (- = stdin) for the merchant NAME."""
    from controller.cli.documents import manifests_revision, render_document
    from controller.cli.terminal import environment, paint_for, run_async
    from controller.model.exit_codes import EXIT_BLOCKED, EXIT_OK
    from controller.model.syncs_and_uploads import TransferStatus, UploadFailure
    from controller.operations.upload import push
    from controller.reporting.sync_and_upload import push_json, push_text

    settings: Settings = ctx.obj
    document = _read_document(file.name, file.read())
    uploads = run_async(push(settings, name, document, wait=wait, environment=environment()))
    if output == "json":
        click.echo(render_document(push_json(name, uploads), settings.base_url, manifests_revision(settings)))
    else:
        click.echo(push_text(name, uploads, paint_for(sys.stdout)))
    failed = any(
        isinstance(upload, UploadFailure) or upload.transfer_status is TransferStatus.FAILED for upload in uploads
    )
    ctx.exit(EXIT_BLOCKED if failed else EXIT_OK)


def _read_document(name: str, content: bytes) -> dict[str, Any]:
    """The document in a file. Prints what is wrong with it and raises UsageError."""
    from controller.model.upload_batch import validate_commerce_data
    from controller.reporting.formatting import format_count

    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}. Nothing was sent.") from None
    problems = list(validate_commerce_data(document))
    for problem in problems[:MAX_PROBLEMS_SHOWN]:
        click.echo(f"{name}: {problem}", err=True)
    if problems:
        more = f", {MAX_PROBLEMS_SHOWN} of them shown" if len(problems) > MAX_PROBLEMS_SHOWN else ""
        raise UsageError(f"{format_count(len(problems), 'complaint')} about {name}{more}; nothing was sent")
    return dict(document)
