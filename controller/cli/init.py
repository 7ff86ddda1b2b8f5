"""`merchantctl init`: a repository to start from. What is there already stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from controller.cli.files import write
from controller.model.errors import UsageError

_EXAMPLES = """
\b
Examples:
  merchantctl init                 here
  merchantctl init fleet           in a folder of that name
  cd fleet && merchantctl validate
\b
Exit codes: 0 fine, 1 a file cannot be written, 64 wrong usage.
"""
_SCHEMA = "manifests.schema.json"
_MANIFESTS = "manifests"
_FILES = {
    "README.md": "README.md",
    "merchantctl.toml": "merchantctl.toml",
    ".gitignore": "gitignore",
    ".github/workflows/merchantctl.yaml": "workflow.yaml",
    ".vscode/settings.json": "vscode.json",
}
"""Where each of the texts in `starter` goes."""

_MANIFEST_FILES = {
    f"{_MANIFESTS}/profiles/uk-xero.yaml": "profile.yaml",
    f"{_MANIFESTS}/merchants/example-merchant.yaml": "merchant.yaml",
}
"""Examples: only for a folder without manifests, since `apply` creates whatever stands there."""


@click.command(epilog=_EXAMPLES)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Write a starter repository: example manifests, a CI workflow, the editor's schema. Overwrites nothing."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name one, or none for the current one")
    has_manifests = any((folder / _MANIFESTS).rglob("*.y*ml"))
    for place, text in _texts(examples=not has_manifests):
        path = folder / place
        if path.exists():
            click.echo(f"  kept     {path}")
        else:
            write(path, text)
            click.echo(f"  created  {path}")
    if has_manifests:
        click.echo(f"No examples: {folder / _MANIFESTS} has manifests already.")
    click.echo(f"Next: {folder / 'README.md'} says what to do.")


def _texts(*, examples: bool) -> Iterator[tuple[str, str]]:
    """Every file by its place below the folder."""
    from controller.cli.schema import schema_text

    starter = files("controller.cli") / "starter"
    for place, name in ((_MANIFEST_FILES if examples else {}) | _FILES).items():
        yield place, (starter / name).read_text(encoding="utf-8")
    yield _SCHEMA, schema_text()
