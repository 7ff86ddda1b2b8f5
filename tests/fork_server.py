"""The process that processes of tests are forked from: it has loaded what they load. `tests.processes` says why.

python -m tests.fork_server FD      a socket on which requests come, each answered with the pid of a new process
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from controller.cli.commands import COMMANDS
from tests.emulator import in_process_emulator
from tests.end_to_end.place import Place

PRELOADED = (
    *("controller.cli.main", "controller.cli.formats", "controller.cli.terminal", "controller.web.app", "tomllib"),
    *(f"controller.cli.{each.module}" for each in COMMANDS.values()),
    *("controller.operations.apply", "controller.operations.plan", "controller.rollout.operations"),
    *("controller.daemon.loop", "controller.daemon.bootstrap", "controller.daemon.jobs"),
    *("sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg", "procrastinate"),
    *("controller.emulator.http.server", "tests.crash.scenario"),
)
"""What the processes of tests load, but for the modules that they run; those of an extra that is not installed are left
out."""
MAX_REQUEST_BYTES = 1 << 20
STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))

Request = dict[str, Any]
"""What the process is: `words` after `python`, `cwd`, environment `variables`."""


def serve(requests: socket.socket) -> Request | None:
    """Forks for each request, and writes each process's wait status to the last of its four descriptors.

    Returns in a new process, with its request; in the server None, once nobody is left who could ask.
    """
    when_started = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    status_by_pid: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report_ended(status_by_pid)
        if requests.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 4)
        if not message:
            return None
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, when_started)
            requests.close()
            for number in (woken, wakes, descriptors[3], *status_by_pid.values()):
                os.close(number)
            request: Request = json.loads(message)
            _take_over(request, descriptors[:3])
            return request
        status_by_pid[pid] = descriptors[3]
        for number in descriptors[:3]:
            os.close(number)
        requests.send(str(pid).encode())


def _report_ended(status_by_pid: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            status = status_by_pid.pop(ended[0])
            with suppress(BrokenPipeError):
                os.write(status, str(ended[1]).encode())
            os.close(status)


def _take_over(request: Request, descriptors: Sequence[int]) -> None:
    """Makes this process the one that was asked for, as far as it is not the program that it runs."""
    for (number, name, mode), descriptor in zip(STREAMS, descriptors, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
        old: TextIO = getattr(sys, name)
        buffering = 1 if number == 2 or os.isatty(number) else -1
        stream = open(number, mode, buffering, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["variables"])
    time.tzset()


def run(words: Sequence[str]) -> None:
    """`python -m module …` or `python -c program …`."""
    how, what, *arguments = words
    if how == "-m":
        sys.argv = [what, *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [how, *arguments]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def warm_up() -> None:
    """Provisions a merchant and plans, without a socket: what a process does once, as compiling its statements and its
    checks of manifests, is done here, and not in each that is forked. It is half of what most of them would do."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), in_process_emulator())
        place.provision("ann")
        place.plan()


def leave() -> NoReturn:
    """The end of a process whose program has come to its own. The interpreter's takes ten times as long as the fork:
    it touches all that was loaded, and thus copies it."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    for module in PRELOADED:
        with suppress(ModuleNotFoundError):
            importlib.import_module(module)
    warm_up()
    gc.collect()
    gc.freeze()
    # The new process comes back here: what its program raises is reported by the interpreter, as ever.
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted:
        run(wanted["words"])
        leave()
