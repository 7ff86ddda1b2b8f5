"""Python processes without the half second that it takes each of them to load its modules.

    test ── Popen ──► fork server, which has loaded them ── fork ──► the process: its own pid, streams, signals and end

`PythonProcess` is `subprocess.Popen`, and `run_python` is `subprocess.run`, for command lines such as
`[sys.executable, "-m", "controller", "plan"]`. The process is as real as one that was executed. What it does not prove
is how Python starts and ends: where that is the subject, or what is loaded, or what becomes of a child that nobody
waits for, a test takes `subprocess` itself. So does this, by itself, for command lines, variables and options that the
server cannot serve.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1]
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_")
"""Beginnings of environment variables that Python reads once, as it starts."""


class PythonProcess(subprocess.Popen[str]):
    """A process of Python, with the options of `subprocess.Popen`; its streams are text."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        super().__init__([*command], text=True, **options)

    _status: int | None = None
    """Descriptor from which its wait status can be read once it has ended; None for one that was executed."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *others: Any) -> None:
        _close_fds, pass_fds, cwd, env, _info, _flags, shell = others[:7]
        pipes, options = others[7:13], others[14:]
        variables = dict(os.environ if env is None else env)
        unusual = (preexec_fn, pass_fds, shell, *(each for each in options if each not in (None, -1)))
        if any(unusual) or not _can_be_forked(args, variables):
            super()._execute_child(args, executable, preexec_fn, *others)  # type: ignore[misc]
            return
        self._status, written = os.pipe()
        try:
            streams = [number if pipe == -1 else pipe for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
            request = {"words": [str(each) for each in args[1:]], "cwd": str(cwd or Path.cwd()), "variables": variables}
            self.pid = _fork(json.dumps(request).encode(), [*streams, written])
            self._child_created = True
        finally:
            os.close(written)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, **arguments: Any) -> int | None:
        if self._status is None:
            return super()._internal_poll(**arguments)  # type: ignore[misc]
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._note_end(self._status)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self._status is None:
            return super()._wait(timeout)  # type: ignore[misc]
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._note_end(self._status)
        return self.returncode

    def _note_end(self, status: int) -> None:
        written = os.read(status, 64)
        assert written, "the fork server has ended"
        self.returncode = os.waitstatus_to_exitcode(int(written))
        os.close(status)


def run_python(
    command: Sequence[str | Path], *, input: str | None = None, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Until it has ended: what it printed, and its exit code."""
    pipe = subprocess.PIPE
    words = [str(each) for each in command]
    with PythonProcess(words, stdin=None if input is None else pipe, stdout=pipe, stderr=pipe, **options) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _can_be_forked(args: Any, variables: Mapping[str, str]) -> bool:
    is_known = isinstance(args, list) and args[0] == sys.executable and args[1] in ("-m", "-c")
    return is_known and _read_at_start(variables) == _read_at_start(_variables_of_the_server())


def _read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_START) and name != "PYTHONPATH"}


def _fork(request: bytes, descriptors: Sequence[int]) -> int:
    """The pid of a new process."""
    server, _ = _server()
    socket.send_fds(server, [request], descriptors)
    return int(server.recv(64))


@cache
def _variables_of_the_server() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE)}


def end_fork_server() -> None:
    """Ends that of this process, if there is one, so that it outlives no run and its processor time is the run's."""
    if _server.cache_info().currsize:
        requests, process = _server()
        requests.close()
        process.wait(60)


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """That of this process, on its socket, started by the first that needs it. It ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
            cwd=SOURCE,
            env=_variables_of_the_server(),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours, process
