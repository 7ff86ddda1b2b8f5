"""`merchantctl explain`: which file and line a value comes from."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from controller.cli.options import FieldParameter, MerchantNameParameter, NonEmptyArgument, output_option
from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import DesiredMerchant
from controller.model.errors import InvalidManifests, UsageError
from controller.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.model.desired import Fleet
    from controller.operations.undeclarable import UndeclarableValue
    from controller.reporting.explanation import ExplainedField

_MAX_VALUE_LENGTH = 200
"""Of a live value as text: a part that we do not know may be of any size; JSON has it whole."""

_EXAMPLES = """
\b
Examples:
  merchantctl explain acme-coffee                         every declared field, and the defaults
  merchantctl explain acme-coffee policy                  all below policy
  merchantctl explain acme-coffee mapping.sales.customer
  merchantctl explain acme-coffee --live                  what is live and cannot be declared, too
\b
The layer that won stands first. A field that no layer declares is not managed. What no manifest can
declare stays as it is: docs/manifests.md says what that may be, --live what of it the merchant has.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=MerchantNameParameter(), cls=NonEmptyArgument)
@click.argument("field", required=False, type=FieldParameter(), cls=NonEmptyArgument)
@click.option("--live", is_flag=True, help="Ask Codat, and show what is live and no manifest can declare, too.")
@output_option()
@click.pass_obj
def command(settings: Settings, name: str, field: str | None, live: bool, output: str) -> None:
    """Show which file and line the fields of the merchant NAME come from, or those at or below FIELD.

    Asks nobody without --live.
    """
    from controller.cli.json_envelope import render_document
    from controller.desired.loader import load_fleet
    from controller.reporting.explanation import explain_fields

    fleet = load_fleet(settings.manifests, cache=settings.cache, selector=settings.selector)
    desired = _find_merchant_or_account(fleet, name)
    known = explain_fields(desired)
    explained = [each for each in known if field is None or _is_at_or_below(each.path, field)]
    undeclarable = [
        each
        for each in (_load_undeclarable(settings, name) if live else ())
        if field is None or _is_at_or_below(each.path, field)
    ]
    if output == "json":
        document: dict[str, Any] = {"schemaVersion": 1, "kind": "Explanation", "complete": True, "merchant": name}
        document["fields"] = [_as_json(each) for each in explained]
        if live:
            document["undeclarable"] = [
                {"path": each.path, "value": each.value, "reason": each.reason} for each in undeclarable
            ]
        click.echo(render_document(document, settings.base_url, fleet.digest))
        return
    if field is not None and not explained and not undeclarable:
        click.echo(_unmanaged_text(field, [each.path for each in known]))
    for each in explained:
        _print_field(desired, each)
    for value in undeclarable:
        _print_undeclarable(value)
    if live and not undeclarable:
        click.echo(f"Nothing is live{' there' if field else ''} that cannot be declared.")


def _load_undeclarable(settings: Settings, name: str) -> Sequence[UndeclarableValue]:
    from controller.cli.terminal import environment, run_async
    from controller.operations.undeclarable import load_undeclarable

    if name == ACCOUNT_NAME:
        raise UsageError(f"--live is about a merchant; merchantctl import --account says what {ACCOUNT_NAME} has live")
    return run_async(load_undeclarable(settings, name, environment()))


def _print_undeclarable(live: UndeclarableValue) -> None:
    from controller.reporting.formatting import clean, cut_text

    click.echo(clean(f"{live.path}: {cut_text(json.dumps(live.value, ensure_ascii=False), _MAX_VALUE_LENGTH)}"))
    click.echo(clean(f"    live, not declarable: left as it is; {live.reason}"))


def _find_merchant_or_account(fleet: Fleet, name: str) -> DesiredMerchant:
    """The merchant; or the account, with its settings for fields."""
    if name in fleet.merchants:
        return fleet.merchants[name]
    settings = fleet.account_settings
    if name == ACCOUNT_NAME and settings:
        origins = {path: (origin,) for path, origin in settings.origins.items()}
        fields = {**settings.values, **{path: str(each.hook) for path, each in settings.hooks.items()}}
        return DesiredMerchant(name, "", fields=fields, origins=origins)
    if fleet.diagnostics and (name in fleet.known_names or not fleet.merchants):
        raise InvalidManifests(fleet.diagnostics)
    from difflib import get_close_matches

    matches = get_close_matches(name, sorted(fleet.known_names), n=1)
    hint = f" Did you mean {matches[0]!r}?" if matches else ""
    raise UsageError(f"no manifest declares a merchant {name!r}.{hint}")


def _unmanaged_text(field: str, declared: list[str]) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(field, declared, n=1, cutoff=0.8)
    hint = f" Did you mean {matches[0]}?" if matches else ""
    return f"{field}: not managed: no layer declares it, and the live value stays, whoever set it.{hint}"


def _is_at_or_below(path: str, field: str) -> bool:
    own, wanted = _normalized(path), _normalized(field)
    return own == wanted or own.startswith(f"{wanted}.")


def _normalized(path: str) -> str:
    """A path in one spelling: taxRates.20 is taxRates["20"], and account keys are case-insensitive."""
    return path.replace('["', ".").replace('"]', "").lower()


def _as_json(explained: ExplainedField) -> dict[str, Any]:
    from controller.model.field_values import value_to_json

    layers = [
        {"manifest": origin.manifest, "file": origin.file, "line": origin.line, "column": origin.column}
        for origin in explained.origins
    ]
    value = value_to_json(explained.value)
    return {"field": explained.path, "value": value, "default": not layers, "origins": layers}


def _print_field(desired: DesiredMerchant, explained: ExplainedField) -> None:
    from controller.reporting.formatting import align_columns, clean

    path, value = explained.path, explained.value
    has_no_value = value is None and path not in desired.fields
    click.echo(path if has_no_value else f"{path}: {clean(_manifest_text(path, value, desired))}")
    rows = [
        (str(origin), f"{origin.manifest}, overridden" if position else origin.manifest)
        for position, origin in enumerate(explained.origins)
    ]
    for line in align_columns(rows, "    ") or ["    default"]:
        click.echo(clean(line))


def _manifest_text(path: str, value: Any, desired: DesiredMerchant) -> str:
    """A value as a manifest would write it: in quotes where YAML takes it for no text, an instant as its local day."""
    from controller.model.field_values import LOCAL_TIME_PATH, START_DATE_PATH, LocalTime, Ref, value_to_json
    from controller.model.local_times import local_date
    from controller.model.yaml_snippets import quote_yaml, ref_as_yaml, value_as_yaml

    if isinstance(value, Ref):
        return ref_as_yaml(value)
    if isinstance(value, datetime):
        time = desired.fields.get(LOCAL_TIME_PATH) if path == START_DATE_PATH else None
        return quote_yaml(f"{local_date(value, time.zone if isinstance(time, LocalTime) else None)}")
    text = value_as_yaml(value)
    return json.dumps(value_to_json(value), ensure_ascii=False) if text is None else text
