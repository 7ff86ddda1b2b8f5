"""`merchantctl sync`: one manual sync, for testing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import (
    ONE_MERCHANT_LOCK_TIMEOUT_S,
    MerchantNameParameter,
    NonEmptyArgument,
    lock_timeout_option,
    output_option,
)
from controller.model.errors import UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.syncs_and_uploads import Sync, SyncPreview, SyncRange

_EXAMPLES = """
\b
Examples:
  merchantctl sync acme-coffee                     from the last success until now
  merchantctl sync acme-coffee --to 2026-11-20     until then
  merchantctl sync acme-coffee --start 2026-11-01 --finish 2026-11-02T12:00
  merchantctl sync acme-coffee --status            how the latest one went; begins none
\b
The merchant is switched off, synchronised, and switched on again as its manifest says, whatever happens; where
this process dies, the next apply or run does that. Times are UTC unless they say otherwise; a date is its 00:00.
Exit codes: 0 done, 1 it cannot begin or you declined, 3 the sync failed, or the merchant is off
still, 5 something could not be read, 6 another run is writing, 64 wrong usage or no terminal to ask on.
"""


class InstantParameter(click.ParamType[datetime]):
    """A date or time like `2026-11-20` or `2026-11-20T12:00[+01:00]`, as an aware instant; UTC unless it says more."""

    name = "when"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date or time like 2026-11-20 or 2026-11-20T12:00", param, ctx)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter(), cls=NonEmptyArgument)
@click.option(
    "--to", "until", type=InstantParameter(), metavar="WHEN", help="From the last success until WHEN; default: now."
)
@click.option("--start", type=InstantParameter(), metavar="WHEN", help="The first instant of a range; with --finish.")
@click.option("--finish", type=InstantParameter(), metavar="WHEN", help="The end of that range.")
@click.option("--status", "only_status", is_flag=True, help="Show the latest sync instead; begins none.")
@click.option("--wait", is_flag=True, help="With --status: wait until it has ended. A sync begun here is waited for.")
@lock_timeout_option(default=ONE_MERCHANT_LOCK_TIMEOUT_S)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option()
@click.pass_context
def command(
    ctx: click.Context, /, name: str, wait: bool, yes: bool, output: str, lock_timeout: float, **options: Any
) -> None:
    """Put the sales of the merchant NAME into the books now: for testing, since schedules do it day by day."""
    from controller.cli.terminal import environment, print_notice, run_async
    from controller.operations.sync import SyncRequest, confirm_and_sync, load_latest_sync

    settings: Settings = ctx.obj
    sync_range = _parse_range(**options)
    left_off = False
    if options["only_status"]:
        latest = run_async(load_latest_sync(settings, name, wait=wait, environment=environment()))
    else:
        if not yes and not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on; say --yes to sync without asking. Nothing was done.")
        request = SyncRequest(sync_range, _show_and_confirm_callback(name, yes), lock_timeout, print_notice)
        result = run_async(confirm_and_sync(settings, name, request, environment=environment()))
        if result is None:
            click.echo("Nothing was done.", err=True)
            ctx.exit(1)
        latest, left_off = result.sync, result.left_off
    _print_sync(settings, name, latest, output)
    ctx.exit(_exit_code(latest, left_off))


def _parse_range(
    until: datetime | None, start: datetime | None, finish: datetime | None, only_status: bool
) -> SyncRange:
    from controller.model.syncs_and_uploads import SyncRange

    if only_status and (until or start or finish):
        raise UsageError("--status begins no sync: leave out --to, --start and --finish")
    if (start is None) != (finish is None) or (until and start):
        raise UsageError("say --start and --finish together, or --to alone")
    if start and finish and finish <= start:
        raise UsageError("--finish must be later than --start")
    return SyncRange(start, finish or until)


def _show_and_confirm_callback(name: str, yes: bool) -> Callable[[SyncPreview], bool]:
    """A callback that shows on stderr what the sync would cover, with its warning, and asks unless `--yes`."""

    def confirm_sync(preview: SyncPreview) -> bool:
        from controller.cli.terminal import confirm
        from controller.reporting.sync_and_upload import sync_preview_text

        click.echo(sync_preview_text(name, preview), err=True)
        return yes or confirm("Sync now?")

    return confirm_sync


def _print_sync(settings: Settings, name: str, latest: Sync | None, output: str) -> None:
    from controller.cli.json_envelope import manifests_revision, render_document
    from controller.cli.terminal import paint_for
    from controller.reporting.sync_and_upload import sync_json, sync_text

    if output == "json":
        click.echo(render_document(sync_json(name, latest), settings.base_url, manifests_revision(settings)))
    else:
        click.echo(sync_text(name, latest, paint_for(sys.stdout)) if latest else f"{name} was never synchronised.")


def _exit_code(latest: Sync | None, left_off: bool) -> int:
    from controller.model.exit_codes import EXIT_BLOCKED, EXIT_OK
    from controller.model.syncs_and_uploads import TransferStatus

    has_failed = latest is not None and latest.transfer_status is TransferStatus.FAILED
    return EXIT_BLOCKED if has_failed or left_off else EXIT_OK
