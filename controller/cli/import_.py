"""`merchantctl import`: write manifests of the companies that exist."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from controller.model.errors import MerchantctlError, UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.desired.yaml_writer import NewManifest
    from controller.operations.import_ import ImportResult

_STDOUT = "-"
MAX_REASONS_SHOWN = 20
MAX_COMPANIES_SHOWN = 10
"""So many of the companies that are left out for one reason."""
_EXAMPLES = """
\b
Examples:
  merchantctl import                              everyone, below the manifests root
  merchantctl import --match 'uk-*' --time-zone Europe/London
  merchantctl import --platform xero --out fleet
  merchantctl import --out - --limit 3            a look, on stdout
  merchantctl import --account                    the account's own settings: a SyncFlow, an AlertRules
  merchantctl plan                                and there is nothing to do
\b
Run again, it adds the companies that no manifest declares yet.
\b
Exit codes: 0 fine, 3 some companies are such that no manifest can adopt them, 5 some could not
be read (the others are written), 64 wrong usage, 65 the manifests already there are invalid.
"""


def _parse_platform(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from controller.model.platforms import nearest_platforms, platform_key

    if value is None or platform_key(value):
        return platform_key(value) if value else None
    raise click.BadParameter(f"there is no accounting platform {value!r}; the nearest: {nearest_platforms(value)}")


def _parse_zone(ctx: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    from controller.model.local_times import time_zone_problem

    problem = time_zone_problem(name) if name is not None else None
    if problem:
        raise click.BadParameter(problem)
    return name


@click.command(epilog=_EXAMPLES, context_settings={"allow_extra_args": True})
@click.option("--out", metavar="DIR", help="Where to write; - for stdout. Default: the manifests root.")
@click.option("--match", metavar="GLOB", help="Only companies of such names.")
@click.option(
    "--platform", metavar="PLATFORM", callback=_parse_platform, help="Only companies on this accounting platform."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="N companies at most, in the order of names.")
@click.option(
    "--profiles/--no-profiles", default=True, help="Share in profiles what groups of merchants have in common."
)
@click.option(
    "--time-zone",
    "zone",
    metavar="ZONE",
    callback=_parse_zone,
    help="Say UTC hours as times there, where that is the same.",
)
@click.option(
    "--overwrite", is_flag=True, help="Import what is declared already, too: each merchant over its own document."
)
@click.option("--account", is_flag=True, help="The account's own settings, and no merchant.")
@click.pass_context
def command(ctx: click.Context, /, out: str | None, overwrite: bool, account: bool, **options: Any) -> None:
    """Write manifests that say what is live. Cannot write to the API; the plan right after has nothing to do."""
    from controller.cli.terminal import environment, progress, run_async
    from controller.operations.import_ import ImportOptions, prepare_import

    settings: Settings = ctx.obj
    if ctx.args:
        raise UsageError(f"import takes no argument; to write there: merchantctl import --out {quote(ctx.args[0])}")
    if settings.git and out is None:
        raise UsageError("the manifests are in Git, and nothing is written there from here: name your clone with --out")
    folder = None if out == _STDOUT else Path(out) if out else settings.manifests
    if account:
        if overwrite or any(options[name] for name in ("match", "platform", "limit", "zone")):
            raise UsageError("--account is about no merchant: leave out what chooses merchants, and --overwrite")
        _import_account_settings(ctx, settings, folder)
        return
    with progress("Reading") as on_progress:
        result = run_async(
            prepare_import(
                settings, ImportOptions(**options, reimport=overwrite), folder, on_progress, environment=environment()
            )
        )
    if folder is None:
        _print_manifests(result)
    else:
        _write_manifests(result, folder, _enclosing_root(folder, settings))
    click.echo("\n".join(_summary_lines(result, settings, folder)), err=folder is None)
    ctx.exit(_exit_code(result))


def _import_account_settings(ctx: click.Context, settings: Settings, folder: Path | None) -> None:
    """Write the account's own settings, each kind in a file of its own."""
    from controller.cli.files import write_new_file
    from controller.cli.terminal import environment, run_async
    from controller.desired.generate import unique_name
    from controller.desired.yaml_writer import yaml_text
    from controller.model.exit_codes import EXIT_OK, EXIT_UNREAD
    from controller.operations.import_account import prepare_account_import
    from controller.reporting.formatting import clean

    result = run_async(prepare_account_import(settings, folder, environment=environment()))
    if folder is None:
        click.echo(yaml_text(result.manifests), nl=False)
    else:
        taken = {str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/*")}
        for manifest in result.manifests:
            path = folder / f"{unique_name(f'account/{manifest.name}', taken)}.yaml"
            write_new_file(path, yaml_text([manifest]), _enclosing_root(folder, settings))
            click.echo(f"  created  {path}")
    kinds = " and ".join(manifest.kind for manifest in result.manifests)
    lines = [f"Imported the account's own settings: {kinds}." if kinds else "Nothing to import."]
    lines += [f"Could not be read: {part}: {clean(why)}" for part, why in sorted(result.unread.items())]
    lines += [f"Left out: {clean(what)}" for what in result.left_out]
    click.echo("\n".join(lines), err=folder is None)
    ctx.exit(EXIT_UNREAD if result.unread else EXIT_OK)


# Files --------------------------------------------------------------------------------------------------


def _print_manifests(result: ImportResult) -> None:
    from controller.desired.yaml_writer import yaml_text

    click.echo(yaml_text(result.manifests), nl=False)


def _enclosing_root(folder: Path, settings: Settings) -> Path:
    """The root outside which nothing is written: the manifests root, if the folder is in it, else the folder."""
    return settings.manifests if folder.resolve().is_relative_to(settings.manifests.resolve()) else folder


def _write_manifests(result: ImportResult, folder: Path, root: Path) -> None:
    """Write all manifests below the folder.

    A merchant that is declared already is rewritten in its file; every other manifest gets a file of its own, as
    `merchants/acme-coffee.yaml`, or `acme-coffee-2.yaml` where that name is taken.
    """
    from controller.cli.files import overwrite_file, write_new_file
    from controller.desired.generate import unique_name
    from controller.desired.yaml_writer import yaml_text

    contents = _rewritten_files(result)
    taken_paths = {str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/*")}
    for manifest in result.manifests:
        if manifest.name not in result.declared_in or not _is_merchant(manifest):
            relative_path = unique_name(_relative_path_without_suffix(manifest), taken_paths)
            taken_paths.add(relative_path)
            write_new_file(folder / f"{relative_path}.yaml", yaml_text([manifest]), root)
    for file, (before, after) in contents.items():
        if before != after:
            overwrite_file(Path(file), before, after, root)


def _rewritten_files(result: ImportResult) -> dict[str, tuple[bytes, bytes]]:
    """By file that declares an imported merchant: its content, and its new content. Nothing is written yet."""
    from controller.cli.files import read_file
    from controller.desired.document_rewriter import rewrite_merchant
    from controller.desired.yaml_editor import FileEdits

    edits: dict[str, FileEdits] = {}
    for manifest in filter(_is_merchant, result.manifests):
        file = result.declared_in.get(manifest.name)
        if file is None:
            continue
        edit = edits.get(file) or edits.setdefault(file, FileEdits(read_file(Path(file))))
        if not edit.edit(manifest.kind, manifest.name, partial(rewrite_merchant, manifest=manifest)):
            raise MerchantctlError(
                f"{file} declares {manifest.name} in a way that cannot be written anew. Move that document into a file "
                "of its own, or remove it, and run the import again. Nothing was written."
            )
    return {file: (edit.before, edit.content) for file, edit in edits.items()}


def _is_merchant(manifest: NewManifest) -> bool:
    from controller.desired.schema import MERCHANT_KIND

    return manifest.kind == MERCHANT_KIND


def _relative_path_without_suffix(manifest: NewManifest) -> str:
    """Where a manifest stands below the folder, without its ending."""
    from controller.desired.generate import slug
    from controller.desired.schema import PROFILE_KIND

    return f"{'profiles' if manifest.kind == PROFILE_KIND else 'merchants'}/{slug(manifest.name)}"


# What is told -------------------------------------------------------------------------------------------


def _summary_lines(result: ImportResult, settings: Settings, folder: Path | None) -> Iterator[str]:
    yield _summary_line(result, folder)
    yield from _skipped_lines(result)
    yield from _unmanaged_lines(result)
    if folder and result.manifests:
        is_default_root = folder.resolve().is_relative_to(settings.manifests.resolve())
        program = "merchantctl" if is_default_root else f"merchantctl --manifests {quote(str(folder))}"
        yield f"Next: {program} plan, which has nothing to do; then commit them."


def _summary_line(result: ImportResult, folder: Path | None) -> str:
    from controller.desired.schema import PROFILE_KIND
    from controller.reporting.formatting import format_count

    declared = format_count(result.already_declared, "company", "companies")
    if not result.manifests:
        return f"Nothing to import{f': {declared} declared already' if result.already_declared else ''}."
    profiles = sum(1 for manifest in result.manifests if manifest.kind == PROFILE_KIND)
    written = f"{format_count(len(result.manifests) - profiles, 'merchant')} and {format_count(profiles, 'profile')}"
    skipped_text = f"; {declared} declared already" if result.already_declared else ""
    return f"Imported {written}{f' to {folder}' if folder else ''}{skipped_text}."


def _skipped_lines(result: ImportResult) -> Iterator[str]:
    from controller.reporting.formatting import clean, format_count

    if result.skipped:
        yield f"Left out, {format_count(len(result.skipped), 'company', 'companies')}:"
    by_reason: dict[str, list[str]] = {}
    for skipped in result.skipped:
        by_reason.setdefault(skipped.reason, []).append(f"{clean(skipped.company.name)} ({skipped.company.id})")
    for reason, companies in by_reason.items():
        for company in companies[:MAX_COMPANIES_SHOWN]:
            yield f"  {company}  {clean(reason)}"
        if len(companies) > MAX_COMPANIES_SHOWN:
            more = f"{len(companies) - MAX_COMPANIES_SHOWN:,} more for this reason"
            yield f"  and {more}; merchantctl drift --unmanaged names whom no manifest claims"


def _unmanaged_lines(result: ImportResult) -> Iterator[str]:
    """Unmanaged fields, merchants with the same reason on one line."""
    from controller.codat.undeclarable import NO_KEY_REASON
    from controller.reporting.formatting import clean, format_count, format_list

    merchants_by_reason: dict[tuple[str, str], list[str]] = {}
    for item in result.unmanaged:
        merchants_by_reason.setdefault((item.field, item.reason), []).append(item.merchant)
    if merchants_by_reason:
        yield "Not managed, so that live keeps it:"
    for (field, reason), merchants in sorted(merchants_by_reason.items())[:MAX_REASONS_SHOWN]:
        yield f"  {clean(field)} of {format_list(merchants, 3)}: {clean(reason)}"
    more = len(merchants_by_reason) - MAX_REASONS_SHOWN
    if more > 0:
        yield f"  and {format_count(more, 'more reason')}; each manifest says its own"
    with_more = sorted({item.merchant for item in result.unmanaged if item.reason == NO_KEY_REASON})
    if with_more:
        whose = f"{format_count(len(with_more), 'manifest does', 'manifests do')} not say all that is live"
        yield f"{whose}: merchantctl explain {quote(with_more[0])} --live shows the rest."


def _exit_code(result: ImportResult) -> int:
    from controller.model.exit_codes import EXIT_BLOCKED, EXIT_OK, EXIT_UNREAD

    if any(skipped.unread for skipped in result.skipped):
        return EXIT_UNREAD
    return EXIT_BLOCKED if result.skipped else EXIT_OK
