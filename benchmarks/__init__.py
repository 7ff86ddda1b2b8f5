"""What `make bench` runs: figures beside their targets, as ratios within one run, counts, or CPU time.

stage         the emulator as a process of its own, and a fleet that is seeded, declared and bound
virtual_time  an event loop whose time jumps: a week in minutes; virtual_run: `run` in it
the others    one subject each: `measure()` gives its figures
A machine is busy or it is not: a timing that misses its target is looked at again before it says anything. Counts and
ages in virtual time are the same on any machine.
"""
