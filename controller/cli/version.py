"""`merchantctl version`."""

from __future__ import annotations

import click


@click.command(epilog="Example: merchantctl version")
def command() -> None:
    """Print the version."""
    from importlib.metadata import version

    click.echo(f"merchantctl {version('merchantctl')}")
