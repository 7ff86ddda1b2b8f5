"""`merchantctl revision`: which manifests are in force, and what to do about those that are held."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from controller.cli.options import NonEmptyArgument, output_option
from controller.model.errors import UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from state import RevisionRow, RevisionStatus, Store

SHORT_COMMIT = 7
"""So many signs of a commit name it at least."""

_EXAMPLES = """
\b
Examples:
  merchantctl revision show               what `run` keeps the fleet at, and what is held
  merchantctl revision release 3f2a9c1    follow the branch to a commit that does not descend
  merchantctl revision reject 3f2a9c1     stay where it is until there is a newer commit
\b
`run` takes a newer commit by itself. One that is older than what is in force, or beside it (a
forced push, another branch), is held until a person decides. Nothing here asks the API.
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Show which manifests are in force; release or reject those that are held."""


@command.command(epilog="Example: merchantctl revision show -o json")
@output_option()
@click.pass_obj
def show(settings: Settings, output: str) -> None:
    """Show the revision in force, and the one that is held."""
    from controller.cli.json_envelope import render_document
    from controller.cli.state_access import query_state
    from controller.reporting.formatting import clean

    in_force, held = query_state(settings, _load_in_force_and_held)
    if output == "json":
        document = {"inForce": _as_json(in_force), "held": _as_json(held)}
        click.echo(
            render_document(
                {"schemaVersion": 1, "kind": "Revisions", "complete": True} | document, base_url=settings.base_url
            )
        )
        return
    if in_force is None:
        click.echo("No revision is in force: no `merchantctl run` has worked on this state yet.")
    else:
        click.echo(f"In force: {clean(_revision_text(in_force))}")
    if held is not None:
        name = _short_revision(held)
        click.echo(f"Held:     {clean(_revision_text(held))}")
        click.echo(f"          {clean(held.reason)}")
        click.echo(f"          merchantctl revision release {name}, or merchantctl revision reject {name}")


@command.command(epilog="Example: merchantctl revision release 3f2a9c1")
@click.argument("commit", cls=NonEmptyArgument)
@click.pass_obj
def release(settings: Settings, commit: str) -> None:
    """Let `run` put the held revision COMMIT in force."""
    from state import RevisionStatus

    _decide_held_revision(settings, commit, RevisionStatus.RELEASED)
    click.echo(f"Released {commit}. A running `merchantctl run` takes it when it fetches next, within a minute.")


@command.command(epilog="Example: merchantctl revision reject 3f2a9c1")
@click.argument("commit", cls=NonEmptyArgument)
@click.pass_obj
def reject(settings: Settings, commit: str) -> None:
    """Leave the revision in force where it is; a newer commit than that is taken as usual."""
    from state import RevisionStatus

    _decide_held_revision(settings, commit, RevisionStatus.REJECTED)
    click.echo(f"Rejected {commit}. What is in force stays so until a commit descends from it.")


async def _load_in_force_and_held(store: Store) -> tuple[RevisionRow | None, RevisionRow | None]:
    from state import RevisionStatus

    return await store.revisions.load(RevisionStatus.IN_FORCE), await store.revisions.load(RevisionStatus.HELD)


def _decide_held_revision(settings: Settings, commit: str, status: RevisionStatus) -> None:
    """Raises UsageError where no such revision is held."""
    from controller.cli.state_access import query_state
    from controller.operations.bootstrap import current_author

    async def decide(store: Store) -> str | None:
        _, held = await _load_in_force_and_held(store)
        if held is None:
            return "no revision is held; merchantctl revision show tells what is in force"
        if len(commit) < SHORT_COMMIT or not (held.revision.git_commit or "").startswith(commit):
            return f"{commit!r} is not held: the revision that is held is {_short_revision(held)}"
        if not await store.revisions.decide(held.id, status, at=datetime.now(UTC), by=str(current_author("revision"))):
            return "somebody else has decided it meanwhile; merchantctl revision show"
        return None

    if mistake := query_state(settings, decide):
        raise UsageError(f"{mistake}. Nothing was done.")


def _short_revision(row: RevisionRow) -> str:
    return (row.revision.git_commit or row.revision.digest)[:12]


def _revision_text(row: RevisionRow) -> str:
    from controller.reporting.formatting import format_time

    kind = "commit" if row.revision.git_commit else "manifests"
    return f"{kind} {_short_revision(row)} of {row.revision.source}, since {format_time(row.at)}, by {row.by}"


def _as_json(row: RevisionRow | None) -> dict[str, object] | None:
    from controller.reporting.formatting import format_iso

    if row is None:
        return None
    revision = row.revision
    return {
        "commit": revision.git_commit,
        "digest": revision.digest or None,
        "source": revision.source,
        "reason": row.reason or None,
        "since": format_iso(row.at),
        "by": row.by,
    }
