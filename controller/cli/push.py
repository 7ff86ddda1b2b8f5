"""`merchantctl push`: commerce data of one merchant, from a file."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from controller.cli.options import output
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
Exit codes: 0 sent, 1 the service expects no data yet, 3 some of it failed, 64 wrong usage or a bad file.
"""
_SHOWN = 20
"""Complaints about one file that are printed."""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.argument("file", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Wait until the service has processed it, for five minutes at most.")
@output("text", "json")
@click.pass_context
def command(ctx: click.Context, /, name: str, file: Any, wait: bool, output: str) -> None:
    """Send the orders, payments and transactions in FILE (- = stdin) for the merchant NAME."""
    from controller.app import push
    from controller.cli.terminal import await_now, paint_for
    from controller.model.sync import Progress, Unsent
    from controller.reporting.sync import push_json, push_text
    from controller.reporting.verdict import BLOCKED, FINE

    settings: Settings = ctx.obj
    document = _checked(file.name, file.read())
    uploads = await_now(push(settings, name, document, wait=wait))
    if output == "json":
        click.echo(json.dumps(push_json(name, uploads), indent=2, ensure_ascii=False))
    else:
        click.echo(push_text(name, uploads, paint_for(sys.stdout)))
    failed = any(isinstance(each, Unsent) or each.progress is Progress.FAILED for each in uploads)
    ctx.exit(BLOCKED if failed else FINE)


def _checked(name: str, content: bytes) -> dict[str, Any]:
    """The document in the file. Prints what is wrong with it, and raises UsageError."""
    from controller.model.commerce import complaints
    from controller.reporting.words import count

    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}. Nothing was sent.") from None
    wrong = list(complaints(document))
    for each in wrong[:_SHOWN]:
        click.echo(f"{name}: {each}", err=True)
    if wrong:
        more = f", {_SHOWN} of them shown" if len(wrong) > _SHOWN else ""
        raise UsageError(f"{count(len(wrong), 'complaint')} about {name}{more}; nothing was sent")
    return dict(document)
