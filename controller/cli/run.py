"""`merchantctl run`: the controller that stays."""

from __future__ import annotations

import os
from pathlib import Path

import click

from controller.settings import load_settings

_EXAMPLES = """
\b
Examples:
  merchantctl run                          mend drift, hourly and when webhooks or manifests say so
  merchantctl run --report-only            look, and never write to the API
  merchantctl run --once                   one look at everyone, for cron
  merchantctl run --resync 15m --listen 0.0.0.0:8788
\b
The safety limits hold for any 24 hours together. What goes over one waits for
`merchantctl apply --allow CLASS`, which may run beside this with --lock-timeout.
\b
Exit codes: those of apply, or of drift with --report-only, where --once ends; else
65 invalid manifests at the start, 1 the state cannot be used, 5 the API key is refused,
130/143 stopped by a signal.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--once", is_flag=True, help="One look at everyone instead of staying.")
@click.option("--report-only", is_flag=True, help="Report what moved; write nothing to the API.")
@click.option("--resync", metavar="TIME", help="From one look at everyone to the next: 90s, 15m, 1h.")
@click.option("--listen", metavar="HOST:PORT", help="Where dashboard, webhooks and metrics are served; off = nowhere.")
@click.pass_context
def command(ctx: click.Context, /, once: bool, report_only: bool, **flags: str | None) -> None:
    """Stay, and keep every merchant as declared: look at everyone again and again, and at once at whom a webhook
    or a changed manifest is about. Logs to stderr."""
    from controller.cli.terminal import await_now
    from controller.resident import Shift, keep_watch

    settings = load_settings(os.environ, Path.cwd(), ctx.find_root().params | flags)
    ctx.exit(await_now(keep_watch(settings, Shift(once, report_only))))
