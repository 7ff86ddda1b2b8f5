"""The terminal: colour, progress and questions. Results go to stdout, the rest to stderr."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from controller import signals
from controller.reporting.formatting import format_minutes
from controller.reporting.paint import Paint
from controller.settings import Settings
from controller.untrusted_text import escape_control

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from controller.environment import Environment

T = TypeVar("T")


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on an event loop of its own. Warnings, as of waits and retries, go to stderr."""

    class Sentence(logging.Formatter):
        """One line a record: messages hold text from outside."""

        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
            return f"merchantctl: {escape_control(super().formatMessage(record))}"

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Sentence("%(message)s"))
    # Without effect where logging is set up already, as by `-v`.
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    return asyncio.run(coroutine)


def environment() -> Environment:
    """The clock, the waiting and the network of this command line: this machine's, unless `run` was given others."""
    from controller.cli.commands import ENVIRONMENT_KEY
    from controller.environment import REAL_ENVIRONMENT

    given: Environment | None = click.get_current_context().meta[ENVIRONMENT_KEY]
    return given or REAL_ENVIRONMENT


def print_notice(sentence: str) -> None:
    """Print something worth knowing about a run, beside its result, on stderr."""
    click.echo(f"merchantctl: {escape_control(sentence)}", err=True)


def paint_for(stream: Any) -> Paint:
    """The Paint for a stream: with colour only on a terminal, without NO_COLOR, TERM=dumb or --no-color."""
    if not stream.isatty():
        return Paint()
    allowed = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    ctx = click.get_current_context(silent=True)
    colour = allowed and (ctx is None or ctx.find_root().color is not False)
    return Paint(colour, width=shutil.get_terminal_size().columns)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int, int], None]]:
    """How far a run is, on stderr: a bar on a terminal, elsewhere a line every PROGRESS_INTERVAL_S.

    Yields a callback for (done, total, failed).
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield ProgressLines(label, print_notice, time.monotonic).update
        return
    progress_bar = _ProgressBar(label)
    try:
        yield progress_bar.update
    finally:
        progress_bar.hide()


PROGRESS_INTERVAL_S = 10.0


class ProgressLines:
    """A line every PROGRESS_INTERVAL_S: done, failed, left, minutes left. What takes less than that says nothing.

    A run goes through several phases (looking, writing), each with a total of its own.
    """

    def __init__(self, label: str, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._label, self._write, self._clock = label, write, clock
        self._began = self._written = clock()
        self._total, self._done = 0, 0

    def update(self, done: int, total: int, failed: int) -> None:
        now = self._clock()
        if total != self._total or done < self._done:
            self._began = self._written = now
        self._total, self._done = total, done
        if done < total and now - self._written >= PROGRESS_INTERVAL_S:
            self._written = now
            minutes = (now - self._began) / done * (total - done) / 60
            failures = f", {failed:,} failed" if failed else ""
            left = f"{total - done:,} left, {format_minutes(minutes)}"
            self._write(f"{self._label}: {done:,} of {total:,} done{failures}, {left}")


class _ProgressBar:
    """A bar that is hidden whenever all is done: between planning and writing, a question may be asked there."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: tuple[Progress, TaskID] | None = None

    def update(self, done: int, total: int, failed: int) -> None:
        if done >= total:
            self.hide()
            return
        bar, task = self._bar = self._bar or self._start(total)
        bar.update(task, completed=done, failures=f"{failed:,} failed" if failed else "")

    def hide(self) -> None:
        if self._bar:
            self._bar[0].stop()
            self._bar = None

    def _start(self, total: int) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True, no_color=not paint_for(sys.stderr).colour)
        done = (TextColumn(self._label), BarColumn(), MofNCompleteColumn())
        columns = (*done, TextColumn("{task.fields[failures]}"), TimeRemainingColumn())
        bar = Progress(*columns, console=console, transient=True)
        bar.start()
        return bar, bar.add_task(self._label, total=total, failures="")


def confirm(question: str) -> bool:
    """Ask a yes-or-no question on stderr; in some environments their name is the only yes. Raises Abort on Ctrl-C."""
    context = click.get_current_context(silent=True)
    settings = context.find_object(Settings) if context else None
    name = settings.environment_name if settings else None
    with _interrupting_signals():
        if settings is None or name is None:
            return click.confirm(question, err=True)
        if not settings.confirms_by_name:
            return click.confirm(f"[{name}] {question}", err=True)
        answer: str = click.prompt(
            f"[{name}] {question} Type {name} to go on", default="", show_default=False, err=True
        )
        return answer.strip() == name


@contextmanager
def _interrupting_signals() -> Iterator[None]:
    """Let signals interrupt at once, in place of the handlers of the run."""
    # Those only note the signal, and the run ends at its next request: while it waits for an answer none would come.
    previous_handlers = {number: signal.getsignal(number) for number in signals.STOP_SIGNALS}
    signals.unwind_on_signal()
    try:
        yield
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)
