"""`merchantctl import`: the companies that exist, as manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
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
be read (the others are written), 64 wrong usage, 65 the manifests already there are invalid.
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
@click.option("--overwrite", is_flag=True, help="Import what is declared already, too, over files of the same names.")
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
    click.echo("\n".join(_told(found, settings, folder)), err=folder is None)
    ctx.exit(_exit_code(found))


# Files --------------------------------------------------------------------------------------------------


def _print(found: Imported) -> None:
    from controller.desired.writing import yaml_text

    click.echo(yaml_text(found.manifests), nl=False)


def _write(found: Imported, folder: Path, *, overwrite: bool) -> None:
    """One file a manifest, `merchants/acme-coffee.yaml`; where another file is called that, `acme-coffee-2.yaml`."""
    from controller.cli.files import write
    from controller.desired.draft import free
    from controller.desired.writing import yaml_text

    there = () if overwrite else folder.glob("*/*")
    taken = {str(path.relative_to(folder).with_suffix("")) for path in there}
    for manifest in found.manifests:
        place = free(_place(manifest), taken)
        taken.add(place)
        write(folder / f"{place}.yaml", yaml_text([manifest]), overwrite=overwrite)


def _place(manifest: Manifest) -> str:
    """Where a manifest stands below the folder, without its ending."""
    from controller.desired.draft import slug
    from controller.desired.schema import PROFILE

    return f"{'profiles' if manifest.kind == PROFILE else 'merchants'}/{slug(manifest.name)}"


# What is told -------------------------------------------------------------------------------------------


def _told(found: Imported, settings: Settings, folder: Path | None) -> Iterator[str]:
    yield _sentence(found, folder)
    yield from _left_out(found)
    yield from _undeclared(found)
    if folder and found.manifests:
        inside = folder.resolve().is_relative_to(settings.manifests.resolve())
        merchantctl = "merchantctl" if inside else f"merchantctl --manifests {quote(str(folder))}"
        yield f"Next: {merchantctl} plan, which has nothing to do; then commit them."


def _sentence(found: Imported, folder: Path | None) -> str:
    from controller.desired.schema import PROFILE
    from controller.reporting.words import count

    declared = count(found.declared, "company", "companies")
    if not found.manifests:
        return f"Nothing to import{f': {declared} declared already' if found.declared else ''}."
    shared = sum(1 for each in found.manifests if each.kind == PROFILE)
    written = f"{count(len(found.manifests) - shared, 'merchant')} and {count(shared, 'profile')}"
    passed = f"; {declared} declared already" if found.declared else ""
    return f"Imported {written}{f' to {folder}' if folder else ''}{passed}."


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
