"""`make bench`: every benchmark, one after another, as a table; `python -m benchmarks NAME ...` for some of them.

Ends with 1 where a figure misses its target, and says which.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from benchmarks import (
    emulator,
    event_latency,
    failover,
    git_commits,
    lossy_webhooks,
    lost_update_window,
    manifest_loading,
    mass_switch_off,
    onboarding,
    plan,
    quota,
    shared_budget,
    start,
    sweep,
    week,
    without_webhooks,
)

_ALL = {
    each.__name__.rpartition(".")[2]: each.measure
    for each in (
        start,
        manifest_loading,
        emulator,
        sweep,
        plan,
        onboarding,
        lost_update_window,
        event_latency,
        shared_budget,
        without_webhooks,
        lossy_webhooks,
        quota,
        mass_switch_off,
        git_commits,
        failover,
        week,
    )
}


def main() -> int:
    parser = ArgumentParser(prog="python -m benchmarks", description="Figures beside their targets.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of them: {', '.join(_ALL)}")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in _ALL]:
        parser.error(f"there is no benchmark {unknown[0]}: {', '.join(_ALL)}")
    missed = []
    for name in names or _ALL:
        sys.stdout.write(f"\n{name:<62}{'figure':>10}  {'':<8}  target\n")
        for figure in _ALL[name]():
            mark = "  MISSED" if figure.is_missed else ""
            line = f"  {figure.what:<60}{figure.value:>10,.2f}  {figure.unit:<8}  {figure.target}{mark}"
            sys.stdout.write(f"{line.rstrip()}\n")
            sys.stdout.flush()
            missed += [f"{name}: {figure.what.strip()}"] if figure.is_missed else []
    for each in missed:
        sys.stdout.write(f"missed: {each}\n")
    return 1 if missed else 0


if __name__ == "__main__":  # a process that a benchmark starts reads this module, too
    sys.exit(main())
