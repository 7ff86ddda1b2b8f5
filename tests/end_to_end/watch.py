"""`merchantctl run` as a process, and what its log says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

from tests.end_to_end.place import Place

Line = dict[str, Any]


class Watch:
    """A controller on duty. Its log is read as it comes."""

    def __init__(self, place: Place, *arguments: str, **environment: str) -> None:
        self._lines: list[Line | str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "controller", "run", "--listen", "127.0.0.1:0", *arguments],
            cwd=place.folder,
            env=place.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> list[Line]:
        return [line for line in self._lines if isinstance(line, dict)]

    @property
    def text(self) -> str:
        return "\n".join(str(line) for line in self._lines)

    @property
    def looks(self) -> list[Line]:
        return [line for line in self.log if line["event"] == "looked"]

    @property
    def address(self) -> str:
        return str(self.until(lambda: [line for line in self.log if line["event"] == "on duty"])[0]["web"])

    def until(self, holds: Callable[[], Any], seconds: float = 60) -> Any:
        """Waits for something to hold; what it was."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, f"it never came to that:\n{self.text}"
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text}"
            time.sleep(0.05)
        return found

    def next_look(self, **facts: Any) -> Line:
        """The first look from now on of which these facts hold."""
        seen = len(self.looks)
        return dict(self.until(lambda: [each for each in self.looks[seen:] if _says(each, facts)])[0])

    def told(self, number: signal.Signals) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.append(json.loads(line) if line.startswith("{") else line.rstrip())


def _says(look: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    return all(look.get(key) == value for key, value in facts.items())


@contextmanager
def watching(place: Place, *arguments: str, **environment: str) -> Iterator[Watch]:
    watch = Watch(place, *arguments, **environment)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.ended()
