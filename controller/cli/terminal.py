"""The terminal: colour, progress, and files written whole. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from controller.model.errors import MerchantctlError
from controller.reporting.paint import Paint

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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
    bar = _Bar(what)
    try:
        yield bar.tell
    finally:
        bar.hide()


class _Bar:
    """A bar that is away while nothing is under way: between thinking and writing, a question may be asked."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown: tuple[Progress, TaskID] | None = None

    def tell(self, done: int, of: int) -> None:
        if done >= of:
            self.hide()
            return
        bar, task = self._shown = self._shown or self._show(of)
        bar.update(task, completed=done)

    def hide(self) -> None:
        if self._shown:
            self._shown[0].stop()
            self._shown = None

    def _show(self, of: int) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True, no_color=not paint_for(sys.stderr).colour)
        parts = (TextColumn(self._what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*parts, console=console, transient=True)
        bar.start()
        return bar, bar.add_task(self._what, total=of)


def ask(question: str) -> bool:
    """Yes or no, asked on stderr. Raises Abort when it is answered with Ctrl-C."""
    with _signals_that_interrupt():
        return click.confirm(question, err=True)


@contextmanager
def _signals_that_interrupt() -> Iterator[None]:
    """A run that ends gently on a signal looks for it between requests: too late for one who is being asked."""
    gentle = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        for number, handler in gentle.items():
            signal.signal(number, handler)


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
