"""The terminal: colour, progress, and files written whole. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from controller.model.errors import MerchantctlError
from controller.reporting.paint import Paint

T = TypeVar("T")


def await_now(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. A run that was broken off by a second signal ends as an interrupted one."""
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def paint_for(stream: Any) -> Paint:
    """Colour only on a terminal, without NO_COLOR, TERM=dumb or --no-color."""
    allowed = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    ctx = click.get_current_context(silent=True)
    return Paint(allowed and stream.isatty() and (ctx is None or ctx.find_root().color is not False))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while something is done for many merchants; nothing where nobody watches."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, no_color=not paint_for(sys.stderr).colour)
    parts = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*parts, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def write_whole(path: Path, text: str) -> None:
    """The file as a whole or not at all, for its owner's eyes only; folders are created as needed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise MerchantctlError(f"{path} cannot be written: {error.strerror}. Name another file.") from None
