"""`merchantctl emulator`: a local copy of the API on a port of this machine."""

from __future__ import annotations

from typing import Any

import click

_EXAMPLES = """
\b
Examples:
  merchantctl emulator                        on http://127.0.0.1:8787, key "emulator"
  merchantctl emulator --port 0               on a free port, printed on the first line
  merchantctl emulator --data world.db        what is in it survives a restart
  merchantctl emulator --account 8c4a...      another account than the last one's
  CODAT_BASE_URL=http://127.0.0.1:8787 CODAT_API_KEY=emulator merchantctl plan
\b
Tests and demos play the merchant through controls documented at /_emulator/.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--api-key", default="emulator", show_default=True, help="The one key that callers must present.")
@click.option(
    "--data",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep the world in this file. Default: in memory.",
)
@click.option(
    "--account", metavar="ID", help="The client's id. Default: that of the data file, else a new one each time."
)
@click.option("--merge", is_flag=True, help="POST of a configuration merges instead of replacing.")
@click.option("--strict", is_flag=True, help="Refuse what a lenient service lets pass.")
def command(host: str, port: int, data: str | None, **options: Any) -> None:
    """Serve a faithful local copy of the Codat Sync for Commerce API.

    Everything can be tried against it without an account: it has the API, the pages a merchant sees, and
    controls that play the merchant, the platform, the network and time.
    """
    from controller.emulator.http.server import serve_emulator
    from controller.emulator.service.data_file import UnusableDataFileError
    from controller.emulator.service.world import EmulatorSettings

    def announce(url: str) -> None:
        click.echo(f"Emulator on {url}  (API key: {settings.api_key}, controls: {url}/_emulator/)")

    settings = EmulatorSettings(**options)
    try:
        serve_emulator(settings, host, port, announce, data)
    except UnusableDataFileError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
