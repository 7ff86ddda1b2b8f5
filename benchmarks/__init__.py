"""What `make bench` runs: figures as ratios within one run, or per second of a process's own CPU time."""
