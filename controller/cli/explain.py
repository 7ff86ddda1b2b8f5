"""`merchantctl explain`: where a value comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import output
from controller.model.errors import InvalidManifests, UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.merchant import Fleet, Wanted

_EXAMPLES = """
\b
Examples:
  merchantctl explain acme-coffee                         every declared field
  merchantctl explain acme-coffee schedule                all below schedule
  merchantctl explain acme-coffee mapping.sales.customer
\b
The layer that won stands first. A field that no layer declares is not managed.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.argument("field", required=False)
@output("text", "json")
@click.pass_obj
def command(settings: Settings, name: str, field: str | None, output: str) -> None:
    """Show which file and line the fields of the merchant NAME come from, or those at or below FIELD. Asks nobody."""
    from controller.desired.fleet import load

    wanted = _merchant(load(settings.manifests), name)
    paths = sorted(path for path in wanted.origins if field is None or _at_or_below(path, field))
    if output == "json":
        fields = [_as_json(wanted, path) for path in paths]
        document = {"schemaVersion": 1, "kind": "Explanation", "complete": True, "merchant": name, "fields": fields}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if field is not None and not paths:
        click.echo(f"{field}: not managed: no layer declares it, and the live value stays, whoever set it.")
    for path in paths:
        _tell(wanted, path)


def _merchant(fleet: Fleet, name: str) -> Wanted:
    if name in fleet.merchants:
        return fleet.merchants[name]
    if fleet.complaints and (name in fleet.known or not fleet.merchants):
        raise InvalidManifests(fleet.complaints)
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(fleet.known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"no manifest declares a merchant {name!r}.{hint}")


def _at_or_below(path: str, field: str) -> bool:
    return path == field or path.startswith((f"{field}.", f"{field}["))


def _value(wanted: Wanted, path: str) -> Any:
    """The compiled value; for what is no field of the comparison, the merchant's own."""
    from controller.model.values import to_json

    if path in wanted.fields:
        return to_json(wanted.fields[path])
    return _OTHERS[path](wanted) if path in _OTHERS else None


_OTHERS = {
    "company.name": lambda wanted: wanted.company_name,
    "company.books": lambda wanted: wanted.books,
    "connection.platform": lambda wanted: wanted.platform,
    "connection.state": lambda wanted: wanted.link_state.value,
    "policy.drift": lambda wanted: wanted.policy.drift.value,
    "policy.deletion": lambda wanted: wanted.policy.deletion.value,
    "policy.adopt": lambda wanted: wanted.policy.adopt,
}


def _as_json(wanted: Wanted, path: str) -> dict[str, Any]:
    layers = [
        {"manifest": each.manifest, "file": each.file, "line": each.line, "column": each.column}
        for each in reversed(wanted.origins[path])
    ]
    return {"field": path, "value": _value(wanted, path), "origins": layers}


def _tell(wanted: Wanted, path: str) -> None:
    from controller.reporting.words import columns

    value = json.dumps(_value(wanted, path), ensure_ascii=False)
    click.echo(f"{path}: {value}")
    first, *below = reversed(wanted.origins[path])
    rows = [(str(first), first.manifest)] + [(str(each), f"{each.manifest}, overridden") for each in below]
    for line in columns(rows, "    "):
        click.echo(line)
