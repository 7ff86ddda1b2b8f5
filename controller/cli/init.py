"""`merchantctl init`: write a starter repository. Existing files are kept."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from controller.cli.files import write_new_file
from controller.cli.options import NonEmptyArgument
from controller.model.errors import UsageError
from controller.untrusted_text import escape_control

_EXAMPLES = """
\b
Examples:
  merchantctl init                 here
  merchantctl init fleet           in a folder of that name
  cd fleet && merchantctl validate
\b
Exit codes: 0 fine, 1 a file cannot be written, 64 wrong usage.
"""
_SCHEMA_FILE = "manifests.schema.json"
_MANIFESTS_FOLDER = "manifests"
_STARTER_FILES = {
    "README.md": "README.md",
    "merchantctl.toml": "merchantctl.toml",
    ".gitignore": "gitignore",
    ".github/workflows/merchantctl.yaml": "workflow.yaml",
    ".github/actions/install-merchantctl/action.yaml": "install.yaml",
    ".vscode/settings.json": "vscode.json",
}
"""By path in the new repository, the file of `starter` with its content."""

_EXAMPLE_MANIFESTS = {
    f"{_MANIFESTS_FOLDER}/profiles/uk-xero.yaml": "profile.yaml",
    f"{_MANIFESTS_FOLDER}/merchants/example-merchant.yaml": "merchant.yaml",
}
"""Written only into a folder without manifests, since `apply` creates whatever is declared."""


@click.command(epilog=_EXAMPLES)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path), cls=NonEmptyArgument)
def command(folder: Path) -> None:
    """Write a starter repository: example manifests, a CI workflow, the editor's schema. Overwrites nothing."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name one, or none for the current one")
    has_manifests = any((folder / _MANIFESTS_FOLDER).rglob("*.y*ml"))
    for relative_path, text in _starter_texts(examples=not has_manifests):
        path = folder / relative_path
        if path.exists():
            click.echo(escape_control(f"  kept     {path}"))
        else:
            write_new_file(path, text, folder)
            click.echo(escape_control(f"  created  {path}"))
    if has_manifests:
        click.echo(escape_control(f"No examples: {folder / _MANIFESTS_FOLDER} has manifests already."))
    click.echo(escape_control(f"Next: {folder / 'README.md'} says what to do."))


def _starter_texts(*, examples: bool) -> Iterator[tuple[str, str]]:
    """(relative path, content) of every file."""
    from controller.cli.schema import schema_text

    starter = files("controller.cli") / "starter"
    for relative_path, name in ((_EXAMPLE_MANIFESTS if examples else {}) | _STARTER_FILES).items():
        yield relative_path, (starter / name).read_text(encoding="utf-8")
    yield _SCHEMA_FILE, schema_text()
