"""`make bench`: every benchmark, one after another."""

from __future__ import annotations

import sys

from benchmarks import emulator, sweep

for name, measure in (("emulator", emulator.measure), ("in-sync sweep", sweep.measure)):
    sys.stdout.write(f"{name}\n")
    for figure, value in measure().items():
        sys.stdout.write(f"  {value:12.2f}  {figure}\n")
    sys.stdout.flush()
