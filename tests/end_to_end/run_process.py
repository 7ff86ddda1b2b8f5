"""`merchantctl run` as a process, and what its log says. `inside`: the command line of a container around it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from tests.end_to_end.place import Place
from tests.processes import PythonProcess

T = TypeVar("T")

LogLine = dict[str, Any]


class RunProcess:
    """A controller that runs. Its log is read as it comes. A variable that is None is not set."""

    def __init__(self, place: Place, *arguments: str, inside: Sequence[str] = (), **environment: str | None) -> None:
        place.check_reachable()
        self._lines: list[LogLine | str] = []
        self.process = PythonProcess(
            [*inside, sys.executable, "-m", "controller", "run", "--listen", "127.0.0.1:0", *arguments],
            cwd=place.folder,
            env={key: value for key, value in (place.variables() | environment).items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> list[LogLine]:
        return [line for line in self._lines if isinstance(line, dict)]

    @property
    def text(self) -> str:
        return "\n".join(str(line) for line in self._lines)

    @property
    def passes(self) -> list[LogLine]:
        return [line for line in self.log if line["event"] == "pass_finished"]

    @property
    def address(self) -> str:
        return str(
            self.wait_until(lambda: [line for line in self.log if line["event"] == "controller_started"])[0]["web"]
        )

    def wait_until(self, holds: Callable[[], T], seconds: float = 300) -> T:
        """Waits for something to hold; what it was."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, f"it never came to that:\n{self.text}"
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text}"
            time.sleep(0.05)
        return found

    def next_pass(self, **facts: Any) -> LogLine:
        """The first look from now on of which these facts hold."""
        seen = len(self.passes)
        return dict(self.wait_until(lambda: [each for each in self.passes[seen:] if _says(each, facts)])[0])

    def end_by_signal(self, number: signal.Signals) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.wait_for_exit()

    def wait_for_exit(self) -> int:
        code = self.process.wait(timeout=300)
        self._reader.join(timeout=60)
        return code

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.append(json.loads(line) if line.startswith("{") else line.rstrip())


def _says(look: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    return all(look.get(key) == value for key, value in facts.items())


@contextmanager
def running_controller(
    place: Place, *arguments: str, inside: Sequence[str] = (), **environment: str | None
) -> Iterator[RunProcess]:
    watch = RunProcess(place, *arguments, inside=inside, **environment)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.wait_for_exit()
