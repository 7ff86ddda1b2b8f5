"""`merchantctl import`: the companies that exist, as manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.settings import Settings

if TYPE_CHECKING:
    from controller.desired.writing import Manifest
    from controller.reconcile.importing import Imported

_STDOUT = "-"
_SHOWN = 20
_EXAMPLES = """
\b
Examples:
  merchantctl import                              everyone, below the manifests root
  merchantctl import --match 'uk-*' --time-zone Europe/London
  merchantctl import --platform xero --out fleet
  merchantctl import --out - --limit 3            a look, on stdout
  merchantctl plan                                and there is nothing to do
\b
Run again, it adds the companies that no manifest declares yet.
\b
Exit codes: 0 fine, 3 some companies are such that no manifest can adopt them, 5 some could not
be read (the others are written), 1 a file is in the way, 64 wrong usage, 65 invalid manifests.
"""


def _platform(ctx: click.Context, parameter: click.Parameter, word: str | None) -> str | None:
    from controller.desired.platforms import key_of, nearest

    if word is None or key_of(word):
        return key_of(word) if word else None
    raise click.BadParameter(f"there is no accounting platform {word!r}; the nearest: {nearest(word)}")


def _zone(ctx: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    from controller.model.schedule import complaint_about_zone

    wrong = complaint_about_zone(name) if name is not None else None
    if wrong:
        raise click.BadParameter(wrong)
    return name


@click.command(epilog=_EXAMPLES)
@click.option("--out", metavar="DIR", help="Where to write; - for stdout. Default: the manifests root.")
@click.option("--match", metavar="GLOB", help="Only companies of such names.")
@click.option("--platform", metavar="PLATFORM", callback=_platform, help="Only companies on this accounting platform.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="N companies at most, in the order of names.")
@click.option("--profiles/--no-profiles", default=True, help="Share in a profile what most merchants have in common.")
@click.option(
    "--time-zone", "zone", metavar="ZONE", callback=_zone, help="Say UTC hours as times there, where that is the same."
)
@click.option("--overwrite", is_flag=True, help="Import what is declared already, too, and write over files.")
@click.pass_context
def command(ctx: click.Context, /, out: str | None, overwrite: bool, **choice: Any) -> None:
    """Write manifests that say what is live. Cannot write to the API; the plan right after has nothing to do."""
    from controller.app import import_fleet
    from controller.cli.terminal import await_now, progress
    from controller.reconcile.importing import Choice

    settings: Settings = ctx.obj
    folder = None if out == _STDOUT else Path(out) if out else settings.manifests
    with progress("Reading") as tell:
        found = await_now(import_fleet(settings, Choice(**choice), None if overwrite else folder, tell))
    if folder is None:
        _print(found)
    else:
        _write(found, folder, overwrite=overwrite)
    click.echo("\n".join(_told(found, folder)), err=folder is None)
    ctx.exit(_exit_code(found))


# Files --------------------------------------------------------------------------------------------------


def _print(found: Imported) -> None:
    from controller.desired.writing import yaml_text

    click.echo(yaml_text(found.manifests), nl=False)


def _write(found: Imported, folder: Path, *, overwrite: bool) -> None:
    """One file for each manifest: `profiles/xero.yaml`, `merchants/acme-coffee.yaml`."""
    from controller.cli.files import write_all
    from controller.desired.writing import yaml_text

    files = {place: yaml_text([manifest]) for place, manifest in _places(found.manifests, folder)}
    write_all(files, overwrite=overwrite)


def _places(manifests: Iterable[Manifest], folder: Path) -> Iterator[tuple[Path, Manifest]]:
    from controller.desired.draft import free, slug
    from controller.desired.schema import PROFILE

    taken: set[str] = set()
    for manifest in manifests:
        below = "profiles" if manifest.kind == PROFILE else "merchants"
        name = free(f"{below}/{slug(manifest.name)}", taken)
        taken.add(name)
        yield folder / f"{name}.yaml", manifest


# What is told -------------------------------------------------------------------------------------------


def _told(found: Imported, folder: Path | None) -> Iterator[str]:
    from controller.desired.schema import PROFILE
    from controller.reporting.words import clean, count

    shared = sum(1 for each in found.manifests if each.kind == PROFILE)
    written = f"{count(len(found.manifests) - shared, 'merchant')} and {count(shared, 'profile')}"
    where = f" to {folder}" if folder else ""
    passed = f"; {count(found.declared, 'company', 'companies')} declared already" if found.declared else ""
    yield f"Imported {written}{where}{passed}."
    yield from _left_out(found)
    yield from _undeclared(found)
    if folder and found.manifests:
        yield clean("Next: merchantctl validate && merchantctl plan, which has nothing to do; then commit them.")


def _left_out(found: Imported) -> Iterator[str]:
    from controller.reporting.words import clean, count

    if found.left_out:
        yield f"Left out, {count(len(found.left_out), 'company', 'companies')}:"
    for each in found.left_out:
        yield f"  {clean(each.company.name)} ({each.company.id})  {clean(each.why)}"


def _undeclared(found: Imported) -> Iterator[str]:
    """Fields by reason, so that a thousand merchants alike are one line."""
    from controller.reporting.words import clean, count, listed

    alike: dict[tuple[str, str], list[str]] = {}
    for each in found.undeclared:
        alike.setdefault((each.field, each.why), []).append(each.merchant)
    if alike:
        yield "Not managed, so that live keeps it:"
    for (field, why), merchants in sorted(alike.items())[:_SHOWN]:
        yield f"  {clean(field)} of {listed(merchants, 3)}: {clean(why)}"
    if len(alike) > _SHOWN:
        yield f"  and {count(len(alike) - _SHOWN, 'more reason')}; each manifest says its own"


def _exit_code(found: Imported) -> int:
    from controller.reporting.verdict import BLOCKED, FINE, UNREAD

    if any(each.unread for each in found.left_out):
        return UNREAD
    return BLOCKED if found.left_out else FINE
