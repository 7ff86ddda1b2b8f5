"""A provisioning run as a process of its own that kills itself, as `kill -9` would, at one point.

python -m tests.crash.victim FOLDER URL KEY FAULT AT      settings as of tests.end_to_end.place.Place
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from controller.environment import REAL_ENVIRONMENT
from tests.crash.disturbance import Disturbance, disturbed
from tests.crash.scenario import apply_all
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.environments import HURRIED_ENVIRONMENT


def main(folder: str, url: str, key: str, fault: str, at: str) -> None:
    # With the stopwatch of the undisturbed run: however fast the machine is, this one makes the same requests.
    environment = replace(REAL_ENVIRONMENT, monotonic=HURRIED_ENVIRONMENT.monotonic)
    place = Place(Path(folder), Emulator(url, key, environment))
    with disturbed(place, Disturbance(fault, int(at), end_process=lambda: os.kill(os.getpid(), signal.SIGKILL))):
        apply_all(place)


if __name__ == "__main__":
    main(*sys.argv[1:])
