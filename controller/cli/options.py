"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.errors import MerchantctlError, UsageError
from controller.model.name_matching import nfc
from controller.model.run_policy import ALLOW_CLASSES, RELEASABLE_BY_COUNT, RELEASABLE_BY_NAME, TAKE_DOWN, Scope

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from controller.model.desired import Fleet

Command = Callable[..., Any]


class NonEmptyArgument(click.Argument):
    """An argument that is not empty. A script passes on an empty one where its variable is not set, and an empty path
    would mean everyone."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise click.BadParameter("it is empty: give it a value, or leave it out. Nothing was done.", ctx, self)
        return super().process_value(ctx, value)


class MerchantNameParameter(click.ParamType[str]):
    """A merchant's name, normalised to NFC as manifests are: terminals may complete a file's name in another form."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return nfc(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [_completion(name) for name in _declared_names(ctx) if name.startswith(nfc(incomplete))]


class FieldParameter(click.ParamType[str]):
    """A field path of the merchant that the argument before it names."""

    name = "field"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        fleet = _fleet_for_completion(ctx)
        merchant = fleet.merchants.get(str(ctx.params.get("name"))) if fleet else None
        paths = sorted(merchant.origins) if merchant else ()
        return [_completion(path) for path in paths if path.startswith(incomplete)]


class LabelParameter(click.ParamType[str]):
    """A label of merchants, by its key."""

    name = "label"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        fleet = _fleet_for_completion(ctx)
        labels = {label for merchant in fleet.merchants.values() for label in merchant.labels} if fleet else set()
        return [_completion(label) for label in sorted(labels) if label.startswith(incomplete)]


def _completion(word: str) -> CompletionItem:
    from click.shell_completion import CompletionItem

    return CompletionItem(word)


def _declared_names(ctx: click.Context) -> list[str]:
    fleet = _fleet_for_completion(ctx)
    if fleet is None:
        return []
    return [*([ACCOUNT_NAME] if fleet.account_settings else []), *sorted(fleet.known_names)]


def _fleet_for_completion(ctx: click.Context) -> Fleet | None:
    """The manifests as far as they can be read, for the shell; whatever is wrong, a key press tells no error."""
    from controller.desired.loader import load_fleet
    from controller.settings import load_settings

    try:
        settings = load_settings(os.environ, Path.cwd(), ctx.find_root().params)
        return load_fleet(settings.manifests, cache=settings.cache, selector=settings.selector)
    except (MerchantctlError, OSError):
        return None


class AllowParameter(click.ParamType[str]):
    """A value of `--allow`: CLASS, or CLASS=NAME and CLASS:NUMBER for classes where single merchants are held."""

    name = "allow"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        by_name = "|".join(f"{word}=NAME" for word in RELEASABLE_BY_NAME)
        return f"[{'|'.join(ALLOW_CLASSES)}|{by_name}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in ALLOW_CLASSES:
            return value
        cls, separator, target = value.partition("=" if "=" in value else ":")
        known = (*ALLOW_CLASSES, TAKE_DOWN)
        if cls not in known:
            from difflib import get_close_matches

            similar = get_close_matches(cls, known, n=1)
            hint = f". Did you mean {similar[0]!r}?" if similar else f"; there are {', '.join(known)}."
            self.fail(f"{cls!r} is no class of changes{hint}", param, ctx)
        if cls not in RELEASABLE_BY_NAME:
            self.fail(f"the limit on {cls} is lifted for a whole run: --allow {cls}.", param, ctx)
        if separator == ":" and cls not in RELEASABLE_BY_COUNT:
            self.fail(f"{cls} is released by name: --allow {cls}=NAME.", param, ctx)
        if separator == ":" and not (target.isascii() and target.isdigit() and int(target)):
            self.fail(f"{target!r} is no number of merchants; --allow {cls}:57 releases 57.", param, ctx)
        if not target:
            self.fail(f"it names nobody; --allow {cls}=NAME releases one merchant.", param, ctx)
        return f"{cls}={nfc(target)}" if separator == "=" else f"{cls}:{int(target)}"


def path_argument(command: Command) -> Command:
    """`[PATH]`: the manifests that a command covers."""
    return click.argument("path", required=False, type=click.Path(path_type=Path), cls=NonEmptyArgument)(command)


def selection_options(command: Command) -> Command:
    """`--target` and `-l`."""
    target = click.option(
        "--target",
        "targets",
        metavar="NAME",
        multiple=True,
        type=MerchantNameParameter(),
        help="By name, else by shell glob; may be repeated.",
    )
    label = click.option("-l", "--selector", metavar="SELECTOR", help="By label, as in kubectl: tier=gold,country!=us")
    return target(label(command))


ONE_MERCHANT_LOCK_TIMEOUT_S = 60
"""A verb about one merchant is short, and so is what it waits for."""


def output_option(formats: Iterable[str] = ("text", "json")) -> Callable[[Command], Command]:
    """`-o`, of these formats (a table of `controller/cli/formats.py`, where there is one); the first is the default."""
    choices = tuple(formats)
    return click.option(
        "-o", "--output", type=click.Choice(choices), default=choices[0], show_default=True, help="How to print it."
    )


def lock_timeout_option(
    help_text: str = "Wait so long for another run.", *, default: int = 0
) -> Callable[[Command], Command]:
    return click.option(
        "--lock-timeout",
        type=click.FloatRange(0),
        default=default,
        show_default=default > 0,
        metavar="SECONDS",
        help=help_text,
    )


def record_option(command: Command) -> Command:
    """`--record`."""
    return click.option(
        "--record",
        is_flag=True,
        help="Note in the ledger what came and what went: for looks under the manifests in force.",
    )(command)


def parse_scope(path: Path | None, targets: tuple[str, ...], selector: str | None) -> Scope:
    """The scope of a command line. Raises UsageError for an empty or invalid selector."""
    if selector is not None:
        from controller.desired.selector import parse_selector

        if not parse_selector(selector):
            raise UsageError("-l is empty: name labels, or leave it out to mean everyone. Nothing was done.")
    return Scope(path=path, targets=targets, selector=selector)
