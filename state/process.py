"""Process identity: names a process for people, and tells one process from another.

It does not show that a process lives elsewhere: a pid says nothing outside its host and pid namespace. A claim on the
state proves that (`state.process_claims`). That one which ran here is gone can be seen.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process.

    started  mark of its start (`process_start_mark`), which tells it from a later process with the same pid
    command  for people
    """

    host: str
    pid: int
    started: str
    command: str

    @classmethod
    def current(cls, command: str) -> ProcessIdentity:
        return cls(socket.gethostname(), os.getpid(), process_start_mark(os.getpid()) or "", command)

    def is_same_process(self, other: ProcessIdentity) -> bool:
        return (self.host, self.pid, self.started) == (other.host, other.pid, other.started)

    def has_surely_ended(self) -> bool:
        """Whether it ran here, in our pid namespace and since the same boot, and is gone. False: it lives, or ran
        elsewhere."""
        ours = process_start_mark(os.getpid()) or ""
        if self.started.rpartition(" ")[0] != ours.rpartition(" ")[0] or not ours:
            return False
        mark = process_start_mark(self.pid)
        return mark != self.started and (mark is not None or not _is_process_of_another_user(self.pid))


@dataclass(frozen=True, slots=True)
class LockRow:
    """The lock's holder, and since when it holds it (aware, UTC)."""

    owner: ProcessIdentity
    since: datetime

    @property
    def description(self) -> str:
        owner = self.owner
        return f"`{owner.command}` (pid {owner.pid} on {owner.host}) since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def _is_process_of_another_user(pid: int) -> bool:
    """Whether there is such a process of another user: /proc may not show it (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def seconds_since_boot() -> float:
    """Those included in which the machine was suspended, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def process_start_mark(pid: int) -> str | None:
    """`pid namespace/start`, the same for as long as the process lives; None when there is no such process."""
    if not Path("/proc/self/stat").exists():
        return _start_mark_from_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold spaces and brackets: count from its end.
    state, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":  # a zombie has exited, and waits for its parent only
        return None
    # Start times count from boot, so the same number after a reboot is another process: the boot id tells.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{os.readlink('/proc/self/ns/pid')}/{boot} {fields[18]}"


def _start_mark_from_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    start = answer.stdout.strip()
    return f"host/{start}" if start else None
