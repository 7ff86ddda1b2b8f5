"""`merchantctl codify`: live values into the manifests, where somebody accepts the drift."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller.cli.options import MerchantNameParameter, NonEmptyArgument, parse_scope, selection_options
from controller.model.errors import UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.field_values import DeclaredValue
    from controller.operations.codify import CodifyResult

_EXAMPLES = """
\b
Examples:
  merchantctl codify acme-coffee --diff       as a patch, and nothing is written
  merchantctl codify                          everyone: shows what it would write, and asks
  merchantctl codify -l tier=gold --diff | git apply
\b
A profile's line changes only where everyone who takes it was looked at and has the same live value.
Not codified: what is not offered any more, an earlier start, and that somebody switched it off.
\b
Exit codes: 0 fine, 1 error or declined, 3 something could not be codified, 5 something could not
be read, 64 wrong usage or no terminal to ask on, 65 invalid manifests.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", required=False, type=MerchantNameParameter(), cls=NonEmptyArgument)
@selection_options
@click.option("--diff", is_flag=True, help="Print a patch, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(
    ctx: click.Context, /, name: str | None, targets: tuple[str, ...], selector: str | None, diff: bool, yes: bool
) -> None:
    """Write what is live into the manifests of all merchants, or of the merchant NAME. Cannot write to the API."""
    from controller.cli.files import overwrite_file
    from controller.cli.terminal import confirm, environment, progress, run_async
    from controller.model.exit_codes import EXIT_BLOCKED, EXIT_ERROR, EXIT_OK, EXIT_UNREAD
    from controller.operations.codify import prepare_codify

    settings: Settings = ctx.obj
    if not (diff or yes or sys.stdin.isatty()):
        raise UsageError("there is no terminal to ask on; say --yes, or --diff for a patch. Nothing was written.")
    scope = replace(parse_scope(None, () if name else targets, None if name else selector), name=name)
    with progress("Looking") as on_progress:
        result = run_async(prepare_codify(settings, scope, on_progress, environment()))
    for line in _result_lines(result):
        click.echo(line, err=diff)
    if diff:
        click.echo(_patch_text(result), nl=False)
    elif result.files:
        if not (yes or confirm(f"Write {len(result.files)} file{'s' if len(result.files) > 1 else ''}?")):
            ctx.exit(EXIT_ERROR)
        for file, (before, after) in result.files.items():
            overwrite_file(Path(file), before, after, settings.manifests)
        click.echo("Next: merchantctl plan, then commit them.")
    ctx.exit(EXIT_UNREAD if result.unread else EXIT_BLOCKED if result.refused else EXIT_OK)


def _result_lines(result: CodifyResult) -> Iterator[str]:
    from controller.reporting.formatting import clean, format_count, format_list

    for each in result.codified:
        whom = f"  of {format_list(each.merchants)}" if len(each.merchants) > 1 else ""
        yield clean(f"{each.manifest}  {each.path}: {_value_words(each.value)}{whom}")
    for refused in result.refused:
        yield clean(f"not codified: {refused.merchant}  {refused.field}: {refused.reason}")
    for why in result.unread:
        yield f"Not everything was read: {clean(why)}"
    fields = format_count(len(result.codified), "value")
    yield f"Codify: {fields} in {format_count(len(result.files), 'file')}." if result.codified else "Nothing to codify."


def _value_words(value: DeclaredValue) -> str:
    from controller.model.field_values import LocalTime, Ref, value_to_json
    from controller.model.yaml_snippets import ref_as_yaml

    if isinstance(value, Ref):
        return ref_as_yaml(value)
    return value.time if isinstance(value, LocalTime) else str(value_to_json(value))


def _patch_text(result: CodifyResult) -> str:
    """A unified diff that `git apply` and `patch -p1` take, the names of files quoted as git quotes them."""
    from difflib import unified_diff

    lines: list[str] = []
    for file, (before, after) in result.files.items():
        texts = (before.decode().splitlines(keepends=True), after.decode().splitlines(keepends=True))
        for line in unified_diff(*texts, _git_quoted(f"a/{file}"), _git_quoted(f"b/{file}")):
            lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def _git_quoted(name: str) -> str:
    """A name with a line break would begin another line of the patch."""
    spelt = "".join(
        sign if sign.isprintable() and sign not in '"\\' else "".join(f"\\{byte:03o}" for byte in os.fsencode(sign))
        for sign in name
    )
    return name if spelt == name else f'"{spelt}"'
