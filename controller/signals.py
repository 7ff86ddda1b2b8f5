"""What Ctrl-C and TERM do, from the first moment of the process to its last: never a traceback, always 130 or 143.

while modules are read, and once the exit code is known     ended on the spot, in one line
while a command runs                                        unwound; the next signal ends it on the spot
in a run that writes (`stop_on_signals` of operations)  the first begins nothing new, the second unwinds it,
                                                            and what comes after those ends it on the spot
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_STOPPED = b"merchantctl: Stopped.\n"


def exit_on_signal() -> None:
    """From now on a signal ends the process without unwinding it: nothing is begun yet, or nothing is left to do."""
    for number in STOP_SIGNALS:
        signal.signal(number, _end)


def unwind_on_signal() -> None:
    """From now on a signal unwinds the command; whoever cannot wait for that sends another one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio knows this one, and cancels what runs
    signal.signal(signal.SIGTERM, _unwind)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """A signal waits until the block has ended: while handlers change, there is a moment in which there is none."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def exit_code_of(system_exit: SystemExit) -> int:
    """The exit code of a command that ended itself, or that a signal has unwound."""
    return system_exit.code if isinstance(system_exit.code, int) else 1


def say_stopped() -> None:
    with suppress(OSError):
        os.write(2, _STOPPED)


def exit_without_cleanup(code: int) -> NoReturn:
    """The end of the process. Python's own end would take the handlers away first, and wait for every thread."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _unwind(number: int, _frame: FrameType | None) -> NoReturn:
    exit_on_signal()
    sys.exit(128 + number)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    say_stopped()
    os._exit(128 + number)
