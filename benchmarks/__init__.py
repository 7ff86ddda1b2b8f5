"""What `make bench` runs: figures beside their targets, as ratios within one run or per second of own CPU time.

stage       the emulator as a process of its own, and a fleet that is seeded, declared and bound
the others  one subject each: `measure()` gives its figures
Never here: a verdict. A machine is busy or it is not; a timing is no test.
"""
