"""`merchantctl completion`: commands and options at the press of a key."""

from __future__ import annotations

import click

from controller.cli.options import NonEmptyArgument

_EXAMPLES = """
\b
Examples:
  merchantctl completion bash >> ~/.bashrc
  merchantctl completion zsh >> ~/.zshrc
  merchantctl completion fish > ~/.config/fish/completions/merchantctl.fish
"""


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), cls=NonEmptyArgument)
def command(shell: str) -> None:
    """Print a script that completes commands in your shell."""
    from click.shell_completion import get_completion_class

    from controller.cli.main import group

    completion = get_completion_class(shell)
    assert completion is not None, "click knows these three shells"
    click.echo(completion(group, {}, "merchantctl", "_MERCHANTCTL_COMPLETE").source())
