"""`merchantctl fmt`: the manifests in one layout."""

from __future__ import annotations

from pathlib import Path

import click

from controller.cli.options import path_argument
from controller.settings import Settings

_EXAMPLES = """
\b
Examples:
  merchantctl fmt                       all manifests
  merchantctl fmt manifests/acme.yaml
  merchantctl fmt --check               for CI: names what is laid out otherwise, and writes nothing
\b
Two spaces a level, keys in the order of the documentation, line ends of Unix. Comments stay with
what they are about, and no value changes. A file with anchors is left alone, and named.
\b
Exit codes: 0 fine, 1 a file cannot be written, 2 --check: something is laid out otherwise,
65 a file cannot be parsed.
"""


@click.command(epilog=_EXAMPLES)
@path_argument
@click.option("--check", is_flag=True, help="Write nothing, and exit 2 where something is to be written.")
@click.pass_context
def command(ctx: click.Context, /, path: Path | None, check: bool) -> None:
    """Lay out the manifests, or those at PATH, in one way: levels, order of keys, blank lines."""
    from controller.cli.files import overwrite_file
    from controller.desired.discovery import read_manifest_files
    from controller.desired.yaml_formatter import format_manifests
    from controller.desired.yaml_reader import parse_yaml
    from controller.model.errors import InvalidManifests, UsageError
    from controller.model.exit_codes import EXIT_CHANGES, EXIT_OK
    from controller.reporting.formatting import clean, format_count

    settings: Settings = ctx.obj
    root = path or settings.manifests
    if not root.exists():
        raise UsageError(f"there is no {root}: name a file or folder of manifests")
    changed, diagnostics = 0, []
    for file in read_manifest_files(root):
        if not isinstance(file.content, bytes):
            diagnostics.append(file.content)
            continue
        if found := parse_yaml(file.content, file.display_name).diagnostics:
            diagnostics.extend(found)
            continue
        content = format_manifests(file.content)
        if content is None:
            name = clean(file.display_name)
            click.echo(f"left alone: {name}: it could not be laid out without losing something", err=True)
        elif content != file.content:
            changed += 1
            click.echo(clean(file.display_name))
            if not check:
                inside = root if root.is_dir() else root.parent
                overwrite_file(Path(file.display_name), file.content, content, inside)
    if diagnostics:
        raise InvalidManifests(tuple(diagnostics))
    done = "laid out otherwise" if check else "laid out"
    click.echo(f"Fmt: {format_count(changed, 'file')} {done}.", err=True)
    ctx.exit(EXIT_CHANGES if check and changed else EXIT_OK)
