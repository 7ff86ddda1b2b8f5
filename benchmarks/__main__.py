"""`make bench`: every benchmark, one after another, as a table; `python -m benchmarks NAME ...` for some of them."""

from __future__ import annotations

import sys

from benchmarks import consent, emulator, events, manifests, plan, start, sweep, window

_ALL = {
    each.__name__.rpartition(".")[2]: each.measure
    for each in (start, manifests, emulator, sweep, plan, consent, window, events)
}

for name in sys.argv[1:] or _ALL:
    sys.stdout.write(f"\n{name:<52}{'figure':>10}  {'':<8}  target\n")
    for figure in _ALL[name]():
        line = f"  {figure.what:<50}{figure.value:>10,.2f}  {figure.unit:<8}  {figure.target}"
        sys.stdout.write(f"{line.rstrip()}\n")
        sys.stdout.flush()
