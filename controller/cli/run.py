"""`merchantctl run`: the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from controller.setting_secrets import read_named_secret
from controller.settings import Settings, load_settings

_EXAMPLES = """
\b
Examples:
  merchantctl run                          mend drift, hourly and when webhooks or manifests say so
  merchantctl run --report-only            look, and never write to the API
  merchantctl run --once                   one look at everyone, for cron
  merchantctl run --resync 15m --listen 0.0.0.0:8788 --web-guard header:X-Forwarded-User
\b
While Codat refuses the API key, nothing is written, /readyz and the log say so, and the key is
read again: put a good one into CODAT_API_KEY_FILE.
\b
The safety limits hold for any 24 hours together. Whoever goes over one is parked, and waits for
`merchantctl apply --allow CLASS`, which may run beside this.
\b
Exit codes: those of apply, or of drift with --report-only, where --once ends; else
65 invalid manifests at the start, 1 the state cannot be used,
130/143 stopped by a signal.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--once", is_flag=True, help="One look at everyone instead of staying.")
@click.option("--report-only", is_flag=True, help="Report what moved; write nothing to the API.")
@click.option("--resync", metavar="TIME", help="How often each merchant is looked at, at least: 90s, 15m, 1h.")
@click.option("--listen", metavar="HOST:PORT", help="Where dashboard, webhooks and metrics are served; off = nowhere.")
@click.option(
    "--web-guard",
    metavar="header:NAME|network",
    help="What keeps strangers off the pages beyond loopback, where no MERCHANTCTL_WEB_TOKEN is set: a proxy that sets "
    "this header, or something else.",
)
@click.pass_context
def command(ctx: click.Context, /, once: bool, report_only: bool, **flags: str | None) -> None:
    """Stay, and keep every merchant as declared: look at everyone again and again, and at once at whom a webhook
    or a changed manifest is about. Logs to stderr; with --once the report of an apply, or of drift, goes to stdout."""
    from controller.cli.formats import APPLY_FORMATS, DRIFT_FORMATS, View, render_isolating_faults
    from controller.cli.terminal import environment, paint_for, run_async
    from controller.daemon.bootstrap import run_daemon, run_once
    from controller.model.exit_codes import exit_code
    from controller.model.report import FleetPlan

    def current_settings() -> Settings:
        return load_settings(os.environ, Path.cwd(), ctx.find_root().params | flags)

    if not once:
        running = run_daemon(
            current_settings(),
            report_only=report_only,
            read_key=lambda: current_settings().api_key,
            read_secret=lambda place: read_named_secret(place.kind, place.name, os.environ, Path.cwd()),
            environment=environment(),
        )
        ctx.exit(run_async(running))
    result = run_async(run_once(current_settings(), report_only=report_only, environment=environment()))
    view = View(paint_for(sys.stdout))
    if isinstance(result, FleetPlan) and report_only:
        text, plan = render_isolating_faults(result, DRIFT_FORMATS["text"], view)
        code = exit_code("drift", plan)
    else:
        text, report = render_isolating_faults(result, APPLY_FORMATS["text"], view)
        code = exit_code("apply", report)
    click.echo(text)
    ctx.exit(code)
