"""What the machine does to a command: it ends with a sentence and its exit code, never with a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.end_to_end.place import Place

pytestmark = pytest.mark.over_tcp


def shell(place: Place, script: str) -> subprocess.CompletedProcess[str]:
    command = f'merchantctl() {{ {sys.executable} -m controller "$@"; }}; {script}'
    return subprocess.run(
        ["sh", "-c", command],
        cwd=place.folder,
        env=place.variables(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("merchantctl schema > /dev/full", "No space left on device. Make room"),
        ("ulimit -n 6; merchantctl apply --yes", "Too many open files; raise the limit"),
        ("ulimit -n 9; merchantctl plan", "Too many open files. Allow more open files"),
        ("mkdir gone; cd gone; rmdir ../gone; merchantctl validate", "the current folder is gone"),
    ],
)
def test_what_the_machine_lacks_is_a_sentence(place: Place, script: str, says: str) -> None:
    place.profile()
    place.merchant("ann")
    ended = shell(place, script)
    assert ended.returncode == 1, ended.stderr
    assert says in ended.stderr
    for word in ("Traceback", "fault of merchantctl", "Exception ignored"):
        assert word not in ended.stderr


SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@SIGNALS
def test_signals_without_end_are_the_code_of_that_signal_and_no_traceback(
    place: Place, number: signal.Signals, code: int
) -> None:
    """Every moment of the end is hit: while it unwinds, while the result is said, while Python takes itself down."""
    place.profile()
    place.merchant("ann")
    place.emulator.control("POST", "/latency", {"ms": 60_000})
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", "apply", "--yes"],
        cwd=place.folder,
        env=place.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not place.emulator.counts():
        assert process.poll() is None, "it ended before it asked for anything"
        time.sleep(0.02)
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.005)
    _, err = process.communicate()
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


_SIGNALLED_AT_EVERY_IMPORT = """
import importlib.abc, os, sys, tempfile

class Signalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *rest):
        with tempfile.TemporaryFile() as said:
            if child := os.fork():
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                said.seek(0)
                print(name, code, said.read().decode().strip(), sep="\t")
                return None
            os.dup2(said.fileno(), 2)
            os.kill(os.getpid(), NUMBER)
        return None

import controller.signals
from controller.__main__ import main
sys.argv[1:] = ["--help"]
sys.meta_path.insert(0, Signalled())
main()
"""


@SIGNALS
def test_a_signal_while_the_modules_are_read_is_one_line_whichever_it_is(
    place: Place, number: signal.Signals, code: int
) -> None:
    script = _SIGNALLED_AT_EVERY_IMPORT.replace("NUMBER", str(int(number)))
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place.folder,
        env=place.variables(),
        capture_output=True,
        text=True,
        check=True,
    )
    children = [line.split("\t") for line in ended.stdout.splitlines() if line.count("\t") == 2]
    assert len(children) > 20
    assert {said for _, said, _ in children} == {str(code)}
    assert {err for _, _, err in children} <= {"merchantctl: Stopped.", ""}  # at once, or while that is being said
