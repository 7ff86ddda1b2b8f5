"""`merchantctl schema`: the JSON Schema of the manifests."""

from __future__ import annotations

import click

_EXAMPLES = """
\b
Examples:
  merchantctl schema > manifests.schema.json
\b
In VS Code (YAML extension), begin a manifest with
  # yaml-language-server: $schema=./manifests.schema.json
"""


@click.command(epilog=_EXAMPLES)
def command() -> None:
    """Print the JSON Schema of manifests, for editors."""
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The schema as the text of a file."""
    import json

    from controller.desired.json_schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"
