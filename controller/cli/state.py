"""`merchantctl state`: inspect the recorded state, and correct it by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import MerchantNameParameter, NonEmptyArgument, output_option
from controller.model.errors import LockedByOtherRun, MerchantctlError, UsageError
from controller.settings import Settings
from controller.untrusted_text import dump_json, escape_control

if TYPE_CHECKING:
    from state import Binding, LockKind, LockRow, Store

_EXAMPLES = """
\b
Examples:
  merchantctl state list                          who is bound to which company
  merchantctl state show acme-coffee              everything remembered of one merchant
  merchantctl state mv acme-coffee acme           the manifest was renamed, the company is the same
  merchantctl state rm acme-coffee                forget; the next plan adopts by name
  merchantctl state rebind                        the same account has a new address
  merchantctl state export > backup.json          and: merchantctl state import backup.json
  merchantctl state unlock                        the run that held the lock is dead
\b
Nothing here changes the API, and only rebind asks it. rm, mv and import exit 6 while a run is under way.
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Look into what is remembered between runs, and correct it by hand."""


@command.command("list", epilog="Example: merchantctl state list -o json")
@output_option()
@click.pass_obj
def list_(settings: Settings, output: str) -> None:
    """List the merchants that are remembered, with their company and connection."""
    from controller.cli.state_access import query_state
    from controller.reporting.formatting import align_columns, clean

    bindings = query_state(settings, lambda store: store.bindings.load())
    if output == "json":
        _print_json(settings, "StateList", merchants=[_binding_json(binding) for binding in bindings])
        return
    rows = [
        (clean(binding.merchant), binding.company_id or "-", binding.connection_id or "-", _binding_status(binding))
        for binding in bindings
    ]
    for line in align_columns([("MERCHANT", "COMPANY", "CONNECTION", ""), *rows], ""):
        click.echo(line)


@command.command(epilog="Example: merchantctl state show acme-coffee")
@click.argument("name", cls=NonEmptyArgument)
@output_option()
@click.pass_obj
def show(settings: Settings, name: str, output: str) -> None:
    """Show everything that is remembered of the merchant NAME."""
    from controller.cli.state_access import query_state

    tables = query_state(settings, lambda store: store.merchants.load_rows(name))
    if output == "json":
        _print_json(settings, "StateShow", merchant=name, tables=tables)
        return
    for table, rows in tables.items():
        for row in rows:
            click.echo(table)
            for column, value in row.items():
                click.echo(f"  {column}: {escape_control(json.dumps(value, ensure_ascii=False))}")


@command.command(epilog="Example: merchantctl state rm acme-coffee")
@click.argument("name", cls=NonEmptyArgument)
@click.option("--force", is_flag=True, help="Also an open manual sync, and creates under way.")
@click.pass_obj
def rm(settings: Settings, name: str, force: bool) -> None:
    """Forget the merchant NAME. Its company stays as it is; the next plan adopts it by name."""
    from controller.cli.state_access import edit_state
    from controller.model.rollout import ACTIVE_ROLLOUT_STATES

    async def forget(store: Store) -> None:
        await store.merchants.forget(name, blocking_states=ACTIVE_ROLLOUT_STATES, despite_open_work=force)

    edit_state(settings, forget)
    click.echo(f"{name} is forgotten.")


@command.command(epilog="Example: merchantctl state mv acme-coffee acme")
@click.argument("old", cls=NonEmptyArgument)
@click.argument("new", type=MerchantNameParameter(), cls=NonEmptyArgument)
@click.pass_obj
def mv(settings: Settings, old: str, new: str) -> None:
    """Remember the merchant OLD under the name NEW: its manifest was renamed."""
    from controller.cli.state_access import edit_state
    from controller.cli.terminal import environment
    from controller.model.rollout import ACTIVE_ROLLOUT_STATES

    at = environment().clock()
    edit_state(settings, lambda store: store.merchants.rename(old, new, at=at, blocking_states=ACTIVE_ROLLOUT_STATES))
    click.echo(f"{old} is now {new}.")


@command.command(epilog="Example: merchantctl state export > backup.json")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@click.pass_obj
def export(settings: Settings, out: Path | None) -> None:
    """Print everything that is remembered as one JSON document."""
    from controller.cli.files import write_output_file
    from controller.cli.state_access import query_state

    text = dump_json(query_state(settings, lambda store: store.export()))
    if out:
        write_output_file(out, text + "\n")
    else:
        click.echo(text)


@command.command(epilog="Example: merchantctl --base-url https://api.codat.io state rebind")
@click.pass_obj
def rebind(settings: Settings) -> None:
    """Bind the state to the address in use now, where at least 90 % of its companies are there.

    For a new address of the same account. Another account needs another state.
    """
    from controller.cli.terminal import environment, run_async
    from controller.operations.state_rebind import rebind as rebind_state

    account = run_async(rebind_state(settings, environment()))
    account_text = f", account {account.client_id}" if account.client_id else ""
    click.echo(f"The state belongs to {account.base_url}{account_text}.")


@command.command("import", epilog="Example: merchantctl state import backup.json")
@click.argument("file", type=click.File(encoding="utf-8-sig"), cls=NonEmptyArgument)
@click.pass_obj
def import_(settings: Settings, file: Any) -> None:
    """Fill an empty state from an exported FILE (- = stdin)."""
    from controller.cli.state_access import edit_state
    from controller.operations.state_export_check import check_state_export_values

    try:
        document = json.load(file)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.name} is not an export: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{file.name} is not an export: it is no JSON object")
    check_state_export_values(document)
    edit_state(settings, lambda store: store.import_(document))
    click.echo("Imported.")


_UNLOCK_EXAMPLES = """
\b
Examples:
  merchantctl state unlock                the holder is dead
  merchantctl state unlock --force        it hangs for good and cannot be ended
\b
A dead run's lock is taken over by the next one anyway, wherever it ran.
\b
Exit codes: 0 unlocked, or it was not locked; 1 declined; 6 the holder lives; 64 no terminal to ask on.
"""


@command.command(epilog=_UNLOCK_EXAMPLES)
@click.option("--force", is_flag=True, help="Also from a holder that lives; asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def unlock(settings: Settings, force: bool, yes: bool) -> None:
    """Take the lock from a run that is dead."""
    from controller.cli.state_access import query_state

    held = query_state(settings, _load_held_locks)
    if not held:
        click.echo("It was not locked.", err=True)
    for kind, holder, silent_for_s in sorted(held, key=lambda each: each[2] is not None):  # the dead first
        _unlock(settings, kind, holder, silent_for_s, force=force, yes=yes)


def _unlock(
    settings: Settings, kind: LockKind, holder: LockRow, silent_for_s: float | None, *, force: bool, yes: bool
) -> None:
    from controller.cli.state_access import break_lock
    from controller.cli.terminal import confirm
    from state.errors import MAX_HEARTBEAT_SILENCE_S

    if silent_for_s is not None:
        life_sign = (
            "and lives"
            if silent_for_s < MAX_HEARTBEAT_SILENCE_S
            else f"and lives, though it gave no sign of it for {silent_for_s:.0f} s"
        )
        if not force:
            raise LockedByOtherRun(f"{_holder_text(holder)}, {life_sign}. {_WAIT_REMEDY}")
        click.echo(f"{_holder_text(holder)}, {life_sign}. {_FORCE_WARNING}", err=True)
        if not yes and not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on; say --yes to unlock without asking. Nothing was done.")
        if not yes and not confirm("Take the lock from it?"):
            raise MerchantctlError("It stays locked.")
    break_lock(settings, kind, holder.owner)
    click.echo(f"Unlocked: {_holder_text(holder)}.")


_WAIT_REMEDY = "Wait for it to end, or end it. Only if it hangs and cannot be ended: merchantctl state unlock --force"
_FORCE_WARNING = (
    "Without the lock it begins nothing new, but a request that it has under way goes on: another run that starts now "
    "can make a company or a connection a second time, or have its configuration overwritten."
)


async def _load_held_locks(store: Store) -> list[tuple[LockKind, LockRow, float | None]]:
    """Of each lock that somebody has the holder, and the seconds since its last heartbeat; None where it is dead."""
    return [
        (kind, holder, await lock.holder_silence_s())
        for kind, lock in store.locks().items()
        if (holder := await lock.load_holder())
    ]


def _holder_text(holder: LockRow) -> str:
    from controller.reporting.formatting import clean, format_time

    owner = holder.owner
    process = f"`{clean(owner.command)}` (pid {owner.pid} on {clean(owner.host)})"
    return f"{process} holds the lock since {format_time(holder.since)}"


def _binding_status(binding: Binding) -> str:
    return "retired" if binding.retired_at else "without a manifest" if binding.left_at else ""


def _binding_json(binding: Binding) -> dict[str, Any]:
    from controller.reporting.formatting import format_iso

    return {
        "merchant": binding.merchant,
        "companyId": binding.company_id,
        "companyName": binding.company_name,
        "connectionId": binding.connection_id,
        "configuredAt": format_iso(binding.configured_at),
        "retiredAt": format_iso(binding.retired_at),
        "leftAt": format_iso(binding.left_at),
    }


def _print_json(settings: Settings, kind: str, **content: Any) -> None:
    from controller.cli.json_envelope import render_document

    click.echo(render_document({"schemaVersion": 1, "kind": kind, "complete": True, **content}, settings.base_url))
