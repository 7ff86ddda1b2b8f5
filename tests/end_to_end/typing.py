"""A person at a terminal: a shell on a pseudo-terminal, into which commands are typed as a document has them."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_ASKED = "[y/N]"
_PROMPT = "ready after $? $ "
_ENDED = re.compile(r"ready after (\d+) \$ ")
_PATIENCE = 300.0
"""Seconds after which a line hangs: none of them takes a tenth of it."""


def commands(text: str, heading: str) -> list[str]:
    """The lines of every `sh` block below a heading, without comments: what a reader would type."""
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    assert section, f"the document has no {heading!r}"
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section, flags=re.DOTALL | re.MULTILINE)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


class Terminal:
    """One shell. `typed` gives a line's exit code and all that was printed."""

    def __init__(self, screen: int) -> None:
        self._screen = screen
        self._until_prompt("the shell")

    def typed(self, line: str, answer: str = "y") -> tuple[int, str]:
        """Types a line and answers what is asked."""
        self._write(f"{line}\n")
        return self._until_prompt(line, answer)

    def _until_prompt(self, line: str, answer: str = "") -> tuple[int, str]:
        seen, answered = "", 0
        limit = time.monotonic() + _PATIENCE
        while not (found := _ENDED.search(seen)):
            assert time.monotonic() < limit, f"{line!r} does not end:\n{seen}"
            if select.select([self._screen], [], [], 0.2)[0]:
                seen += os.read(self._screen, 65536).decode(errors="replace")
            if seen.count(_ASKED) > answered:
                answered += 1
                self._write(f"{answer}\n")
        return int(found[1]), seen[: found.start()].replace("\r\n", "\n")

    def _write(self, text: str) -> None:
        os.write(self._screen, text.encode())


@contextmanager
def terminal(folder: Path, home: Path, more: Mapping[str, str]) -> Iterator[Terminal]:
    """A fresh shell in that folder; whatever it started ends with it."""
    ours, theirs = pty.openpty()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "--noediting"],
        cwd=folder,
        env={**kept, "HOME": str(home), "PS1": _PROMPT, "TERM": "dumb", "NO_COLOR": "1", **more},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        for pid in _session(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def _session(leader: int) -> list[int]:
    """The processes of a session: an interactive shell gives each job a process group of its own."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _state, _parent, _group, session, *_ = status.read_text().rpartition(")")[2].split()
            found += [int(status.parent.name)] if int(session) == leader else []
    return found
