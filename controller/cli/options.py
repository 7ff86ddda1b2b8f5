"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from controller.model.run import Scope

Command = Callable[..., Any]


def path_argument(command: Command) -> Command:
    return click.argument("path", required=False, type=click.Path(path_type=Path))(command)


def selection(command: Command) -> Command:
    """`--target` and `-l`."""
    target = click.option(
        "--target", "targets", metavar="NAME", multiple=True, help="By name or shell glob; may be repeated."
    )
    label = click.option("-l", "--selector", metavar="SELECTOR", help="By label, as in kubectl: tier=gold,country!=us")
    return target(label(command))


def output(*formats: str) -> Callable[[Command], Command]:
    """`-o`, of these formats; the first is the default."""
    return click.option(
        "-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help="How to print it."
    )


def scope(path: Path | None, targets: tuple[str, ...], selector: str | None) -> Scope:
    """Whom the command line is about. Raises UsageError on a selector that cannot be read."""
    if selector is not None:
        from controller.desired.selector import parse

        parse(selector)
    return Scope(path=path, targets=targets, selector=selector)
