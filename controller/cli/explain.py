"""`merchantctl explain`: where a value comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import output
from controller.model.errors import InvalidManifests, UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from controller.model.merchant import Fleet, Origin, Wanted

_EXAMPLES = """
\b
Examples:
  merchantctl explain acme-coffee                         every declared field, and the defaults
  merchantctl explain acme-coffee policy                  all below policy
  merchantctl explain acme-coffee mapping.sales.customer
\b
The layer that won stands first. A field that no layer declares is not managed.
"""
_OTHERS = {
    "company.name": lambda wanted: wanted.company_name,
    "company.books": lambda wanted: wanted.books,
    "connection.platform": lambda wanted: wanted.platform,
    "connection.state": lambda wanted: wanted.link_state.value,
    "policy.drift": lambda wanted: wanted.policy.drift.value,
    "policy.deletion": lambda wanted: wanted.policy.deletion.value,
    "policy.adopt": lambda wanted: wanted.policy.adopt,
}
"""What is no field of the configuration, and where a merchant keeps it."""
_DEFAULTS = ("connection.state", "policy.drift", "policy.deletion", "policy.adopt")
"""What holds though no layer says so."""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.argument("field", required=False)
@output("text", "json")
@click.pass_obj
def command(settings: Settings, name: str, field: str | None, output: str) -> None:
    """Show which file and line the fields of the merchant NAME come from, or those at or below FIELD. Asks nobody."""
    from controller.desired.fleet import load

    wanted = _merchant(load(settings.manifests, cache=settings.cache), name)
    everything = sorted({*wanted.origins, *_DEFAULTS})
    paths = [path for path in everything if field is None or _at_or_below(path, field)]
    if output == "json":
        fields = [_as_json(wanted, path) for path in paths]
        document = {"schemaVersion": 1, "kind": "Explanation", "complete": True, "merchant": name, "fields": fields}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if field is not None and not paths:
        click.echo(_unmanaged(field, everything))
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


def _unmanaged(field: str, declared: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(field, declared, n=1, cutoff=0.8)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{field}: not managed: no layer declares it, and the live value stays, whoever set it.{hint}"


def _at_or_below(path: str, field: str) -> bool:
    mine, theirs = _plain(path), _plain(field)
    return mine == theirs or mine.startswith(f"{theirs}.")


def _plain(path: str) -> str:
    """One spelling: taxRates.20 is taxRates["20"], and account keys have no case."""
    return path.replace('["', ".").replace('"]', "").lower()


def _value(wanted: Wanted, path: str) -> Any:
    """The compiled value: a field of the configuration as declared, else the merchant's own."""
    from controller.model.values import LOCAL_TIME, Clock

    if path in wanted.fields:
        declared = wanted.fields[path]
        return declared.time if isinstance(declared, Clock) else declared
    if path in _OTHERS:
        return _OTHERS[path](wanted)
    clock = wanted.fields.get(LOCAL_TIME)
    return clock.zone if isinstance(clock, Clock) else None


def _as_json(wanted: Wanted, path: str) -> dict[str, Any]:
    from controller.model.values import to_json

    layers = [
        {"manifest": each.manifest, "file": each.file, "line": each.line, "column": each.column}
        for each in _layers(wanted, path)
    ]
    return {"field": path, "value": to_json(_value(wanted, path)), "default": not layers, "origins": layers}


def _layers(wanted: Wanted, path: str) -> tuple[Origin, ...]:
    """The layer that won first; none where a default holds."""
    return tuple(reversed(wanted.origins.get(path, ())))


def _tell(wanted: Wanted, path: str) -> None:
    from controller.reporting.words import clean, columns

    value = _value(wanted, path)
    unsaid = value is None and path not in wanted.fields
    click.echo(path if unsaid else f"{path}: {clean(_words(value))}")
    layers = _layers(wanted, path)
    rows = [
        (str(each), f"{each.manifest}, overridden" if place else each.manifest) for place, each in enumerate(layers)
    ]
    for line in columns(rows, "    ") or ["    default"]:
        click.echo(clean(line))


def _words(value: Any) -> str:
    """As a manifest would write it."""
    from controller.model.values import Ref, to_json

    if isinstance(value, Ref):
        return f"{{{value.by}: {value.value}}}"
    plain = to_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
