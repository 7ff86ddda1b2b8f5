"""What tests and the demo steer the emulator with, below `/_emulator`: the clock, faults, portal edits, seeds.

None of it exists at Codat.
"""
