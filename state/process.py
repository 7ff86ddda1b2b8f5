"""Who a process is, and how to know that it is dead.

A process is dead when it ran on this host and no process with its pid and its start exists any more. Of one on
another host, or in another container, nobody here can know.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. `started` marks its start, so that a pid used again is not taken for it; `command` is for people."""

    host: str
    pid: int
    started: str
    command: str

    @classmethod
    def this_process(cls, command: str) -> Owner:
        return cls(socket.gethostname(), os.getpid(), mark_of_process(os.getpid()) or "", command)

    def is_dead(self) -> bool:
        """True only where it is certain."""
        here = Owner.this_process("")
        if self.host != here.host or _surroundings(self.started) != _surroundings(here.started):
            return False
        return mark_of_process(self.pid) != self.started

    def is_same_process(self, other: Owner) -> bool:
        return (self.host, self.pid, self.started) == (other.host, other.pid, other.started)


def mark_of_process(pid: int) -> str | None:
    """`surroundings/start`, the same for as long as the process lives; None when there is no such process."""
    if not Path("/proc/self/stat").exists():
        return _mark_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    if state in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{os.readlink('/proc/self/ns/pid')}/{boot} {fields[18]}"


def _mark_by_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    start = answer.stdout.strip()
    return f"host/{start}" if start else None


def _surroundings(mark: str) -> str:
    """The pid namespace: a pid of another one means nothing here."""
    return mark.partition("/")[0]
