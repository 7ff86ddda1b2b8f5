"""A provisioning run as a process of its own that kills itself, as `kill -9` would, at one point.

python -m tests.crash.victim FOLDER URL KEY FAULT AT      settings as of tests.end_to_end.place.Place
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.crash.disturbance import Disturbance, disturbed
from tests.crash.scenario import act
from tests.end_to_end.place import Place


@dataclass
class Address:
    """As much of an emulator as a process of its own can know."""

    url: str
    api_key: str


def main(folder: str, url: str, key: str, fault: str, at: str) -> None:
    place = Place(Path(folder), Address(url, key))
    with disturbed(Disturbance(fault, int(at), die=lambda: os.kill(os.getpid(), signal.SIGKILL))):
        act(place)


if __name__ == "__main__":
    main(*sys.argv[1:])
